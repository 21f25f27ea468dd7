//! From the basket to a paid order, and what holds when many buy at once.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::ids::{BasketId, SkuId};
use domain::order::State;
use domain::time::DAY_MS;
use domain::view::{AddressForm, Lang, PlaceForm};
use domain::{Code, Fen, Packs};
use sale::{World, code_of, kinds, trade_no, yuan};
use service::checkout::CheckoutChoice;
use service::{Shop, Visit};
use support::{guest, import};

store::on_both! {
    async fn a_basket_becomes_a_paid_order(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("SIXTY", 1), ("THIRTY", 1), ("MILK", 3)]).await;
        let basket = world.shop.basket(&visit).await.expect("a basket");
        assert_eq!(basket.count, Packs(5));
        assert_eq!(basket.totals.goods, yuan("120.00"));
        assert_eq!(basket.totals.discount, yuan("10.00"));
        assert_eq!(basket.totals.delivery, Fen::ZERO, "110 is above 99");
        assert_eq!(basket.totals.payable, yuan("110.00"));
        assert_eq!(basket.totals.member_would_save, yuan("6.00"));
        assert_eq!(domain::pricing::price(basket.pricing.as_ref().expect("an input")).payable, basket.totals.payable);

        let form = world.form(&visit, "delivery").await;
        assert_eq!(form.payable, 10_500, "the best coupon is proposed");
        let placed = world.place(&visit, form).await;
        assert_eq!(world.shop.basket_count(&visit).await.expect("a count"), Packs::ZERO);
        assert_eq!(world.level("MILK").await, (100, 3));
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.total, view.hold_left_s), (State::PendingPayment, yuan("105.00"), Some(900)));
        assert!(view.can_pay && view.can_cancel && view.address.contains("138****"));
        assert_eq!(view.slot, "22 Nov 12:00–14:00");
        assert_eq!(view.lines.iter().map(|line| line.total).sum::<Fen>(), yuan("105.00"));

        assert_eq!(world.shop.pay(&visit, &placed.code).await.expect("a page"), placed.payment_url);
        world.act(&placed, "pay").await;
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.can_pay), (State::Paid, false));
        assert_eq!(kinds(&view), ["placed", "paid"]);
        assert_eq!(world.verdicts(&placed).await, ["confirmed"]);
        assert_eq!(code_of(world.shop.pay(&visit, &placed.code).await), Code::OrderState);
        let other = world.member(2).await;
        assert_eq!(code_of(world.shop.order(&other, &placed.code).await), Code::NotFound);
        let list = world.shop.orders(&visit, "open", 1).await.expect("a list");
        assert_eq!((list.len(), list[0].count), (1, Packs(5)));
        assert!(world.shop.orders(&visit, "unpaid", 1).await.expect("a list").is_empty());
        world.check().await;
    }

    async fn baskets_have_limits_and_remember(store: TestStore) {
        let world = World::open(&store).await;
        let visit = guest(&world.shop, Lang::Zh).await;
        let (rare, milk) = (world.sku("RARE").await, world.sku("MILK").await);
        assert_eq!(world.shop.add(&visit, &rare, Packs(7)).await.expect("added"), Packs(7));
        assert_eq!(code_of(world.shop.add(&visit, &rare, Packs(1)).await), Code::NotEnough);
        assert_eq!(code_of(world.shop.add(&visit, &milk, Packs(100)).await), Code::TooManyOfOne);
        assert_eq!(code_of(world.shop.add(&visit, &milk, Packs(0)).await), Code::Invalid);
        for sku in [&rare, &milk] {
            assert_eq!(code_of(world.shop.add(&visit, sku, Packs(i64::MAX)).await), Code::TooManyOfOne);
            assert_eq!(code_of(world.shop.set_qty(&visit, sku, Packs(i64::MAX)).await), Code::TooManyOfOne);
        }
        assert_eq!(code_of(world.shop.add(&visit, &domain::ids::SkuId::trusted("x"), Packs(1)).await), Code::NotSoldHere);
        world.shop.set_substitution(&visit, &rare, "ask_me", vec![]).await.expect("a choice");
        assert_eq!(code_of(world.shop.set_substitution(&visit, &rare, "never", vec![]).await), Code::Invalid);
        world.shop.set_qty(&visit, &rare, Packs(0)).await.expect("removed");
        let basket = world.shop.basket(&visit).await.expect("a basket");
        assert_eq!(basket.undo, Some((rare.clone(), Packs(7), "稀罕".to_owned())));
        world.shop.undo(&visit).await.expect("back");
        let basket = world.shop.basket(&visit).await.expect("a basket");
        assert_eq!((basket.count, basket.undo), (Packs(7), None));
        assert_eq!(basket.lines[0].substitution.choice, "ask_me");

        // On sign-in the guest's basket joins the member's.
        let member = world.member(1).await;
        world.fill(&member, &[("RARE", 1), ("MILK", 3)]).await;
        let id = member.member.clone().expect("a member");
        world.shop.adopt_basket(&visit.basket, &id, member.now).await.expect("adopted");
        let basket = world.shop.basket(&member).await.expect("a basket");
        assert_eq!(basket.count, Packs(11));
        let line = basket.lines.iter().find(|line| line.card.sku == rare).expect("the line");
        assert_eq!((line.qty, line.short_to, line.substitution.choice.as_str()), (Packs(8), Some(Packs(7)), "ask_me"));
        assert_eq!(world.shop.basket_count(&visit).await.expect("a count"), Packs(0));
        // The choice is remembered when the line comes back.
        world.shop.set_qty(&member, &rare, Packs(0)).await.expect("removed");
        world.shop.add(&member, &rare, Packs(1)).await.expect("added");
        let basket = world.shop.basket(&member).await.expect("a basket");
        let line = basket.lines.iter().find(|line| line.card.sku == rare).expect("the line");
        assert_eq!(line.substitution.choice, "ask_me");
    }

    async fn a_guests_basket_goes_when_its_session_is_long_over(store: TestStore) {
        let world = World::open(&store).await;
        let (member, visit) = (world.member(1).await, guest(&world.shop, Lang::Zh).await);
        world.fill(&member, &[("MILK", 1)]).await;
        for no in 0..150 {
            let visit = Visit { basket: BasketId::trusted(format!("guest {no}")), ..visit.clone() };
            world.fill(&visit, &[("MILK", 1), ("RARE", 1)]).await;
        }
        world.clock.advance(30 * DAY_MS);
        assert_eq!(world.shop.tidy_members(world.shop.now()).await.expect("tidied"), 0);
        let late = Visit { basket: BasketId::trusted("guest 7"), ..world.now(&visit) };
        world.shop.set_qty(&late, &world.sku("RARE").await, Packs(0)).await.expect("removed");
        world.clock.advance(2 * DAY_MS);
        assert_eq!(world.shop.tidy_members(world.shop.now()).await.expect("tidied"), 149);
        assert_eq!(world.number("SELECT COUNT(*) FROM basket").await, 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM basket_line").await, 2, "of the member, and of who came back");
    }

    async fn a_guests_choice_is_remembered_before_the_goods_are_in_the_basket(store: TestStore) {
        let world = World::open(&store).await;
        let visit = guest(&world.shop, Lang::Zh).await;
        let (rare, milk) = (world.sku("RARE").await, world.sku("MILK").await);
        world.shop.set_substitution(&visit, &rare, "ask_me", vec![]).await.expect("a choice");
        let page = world.shop.product(&visit, "RARE").await.expect("its page");
        assert_eq!(page.substitution.choice, "ask_me");
        let other = Visit { basket: BasketId::trusted("g2"), ..visit.clone() };
        assert_eq!(world.shop.product(&other, "RARE").await.expect("its page").substitution.choice, "refund");
        world.shop.add(&visit, &rare, Packs(1)).await.expect("added");
        let basket = world.shop.basket(&visit).await.expect("a basket");
        assert_eq!(basket.lines[0].substitution.choice, "ask_me");
        world.shop.set_qty(&visit, &rare, Packs(0)).await.expect("removed");

        // The empty basket's choices come along on sign-in: what was said last holds.
        let member = world.member(1).await;
        world.fill(&member, &[("RARE", 1), ("MILK", 1)]).await;
        for sku in [&rare, &milk] {
            world.shop.set_substitution(&member, sku, "best_match", vec![]).await.expect("a choice");
        }
        let id = member.member.clone().expect("a member");
        for _ in 0..2 {
            world.shop.adopt_basket(&visit.basket, &id, member.now).await.expect("adopted");
            let basket = world.shop.basket(&member).await.expect("a basket");
            let choice = |sku: &SkuId| {
                let line = basket.lines.iter().find(|line| line.card.sku == *sku).expect("the line");
                line.substitution.choice.clone()
            };
            assert_eq!([choice(&rare), choice(&milk)], ["ask_me", "best_match"]);
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM substitution_choice").await, 2, "none is left of the guest");
    }

    async fn fifty_buyers_for_seven_pieces(store: TestStore) {
        let world = World::open(&store).await;
        let mut forms = Vec::new();
        for n in 0..50 {
            let visit = world.member(n).await;
            world.fill(&visit, &[("RARE", 1)]).await;
            // The deal has two places: the others pay the shelf price, and say so.
            forms.push((visit.clone(), world.form(&visit, "pickup").await));
        }
        let tasks = forms.into_iter().map(|(visit, form)| {
            let shop = world.shop.clone();
            tokio::spawn(async move { place_at_the_price(&shop, &visit, form).await })
        });
        let mut sold = 0;
        for task in futures::future::join_all(tasks).await {
            match task.expect("no panic") {
                Ok(_) => sold += 1,
                Err(error) => assert_eq!(error.user().code, Code::SoldOut),
            }
        }
        assert_eq!(sold, 7);
        assert_eq!(world.level("RARE").await, (7, 7));
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 7);
        assert_eq!(world.number("SELECT used FROM offer WHERE code = 'rare'").await, 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders WHERE discount > 0").await, 2);
        world.check().await;
    }

    async fn the_same_key_is_the_same_order(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("SIXTY", 2)]).await;
        let form = world.form(&visit, "delivery").await;
        let tasks = (0..8).map(|_| {
            let (shop, visit, form) = (world.shop.clone(), visit.clone(), form.clone());
            tokio::spawn(async move { shop.place(&visit, form).await })
        });
        let all: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(|t| t.expect("no panic").expect("an order")).collect();
        assert!(all.iter().all(|placed| *placed == all[0]), "{all:?}");
        assert_eq!(world.level("SIXTY").await, (100, 2));
        let other = PlaceForm { note: "another".to_owned(), ..form.clone() };
        assert_eq!(code_of(world.shop.place(&visit, other).await), Code::KeyReused);
        let empty = PlaceForm { idempotency_key: "another-key".to_owned(), ..form };
        assert_eq!(code_of(world.shop.place(&visit, empty).await), Code::BasketEmpty);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(world.number("SELECT COUNT(*) FROM payment").await, 1);
        world.check().await;
    }

    async fn a_form_with_a_typed_address_is_one_order_and_one_address(store: TestStore) {
        let world = World::open(&store).await;
        let twin = World::twin(&store).await;
        let visit = world.member(1).await;
        let typed = |detail: &str| AddressForm {
            name: "李雷".to_owned(),
            phone: "13800000002".to_owned(),
            area: "人民大道".to_owned(),
            detail: detail.to_owned(),
            ..AddressForm::default()
        };
        for n in 2..20 {
            world.shop.save_address(&visit, typed(&format!("{n} 号"))).await.expect("an address");
        }
        world.fill(&visit, &[("SIXTY", 2)]).await;
        let page = world.form(&visit, "delivery").await;
        let (key, other_key) = (page.idempotency_key.clone(), "another-key".to_owned());
        // The whole form, as the checkout's function sends it on: the address first, then the order.
        let send = async |shop: &Shop, key: &str, detail: &str| {
            let address = shop.save_typed_address(&visit, key, typed(detail)).await?;
            let (address, idempotency_key) = (Some(address.to_string()), key.to_owned());
            shop.place(&visit, PlaceForm { address, idempotency_key, ..page.clone() }).await
        };
        let last = "20 号";
        // A double click, at two servers.
        let (one, other) = tokio::join!(send(&world.shop, &key, last), send(&twin, &key, last));
        let placed = one.expect("an order");
        assert_eq!(other.expect("the same"), placed);
        // Once more after the answer was lost, with as many addresses as there can be.
        assert_eq!(world.shop.addresses(&visit).await.expect("a list").len(), 20);
        assert_eq!(send(&world.shop, &key, last).await.expect("the same"), placed);
        assert_eq!(code_of(send(&world.shop, &other_key, last).await), Code::Invalid, "one too many");
        // What the member made of it since then stays.
        let saved = world.shop.save_typed_address(&visit, &key, typed(last)).await.expect("known");
        let changed = AddressForm { id: saved.to_string(), ..typed("20 号后门") };
        world.shop.save_address(&visit, changed).await.expect("changed");
        assert_eq!(send(&world.shop, &key, last).await.expect("the same"), placed);
        let rows = world.shop.addresses(&visit).await.expect("a list");
        assert_eq!(rows.iter().find(|row| row.id == saved).map(|row| row.detail.as_str()), Some("20 号后门"));
        // Another address under the same key is another request.
        let first = rows.iter().find(|row| row.id != saved).expect("another").id.clone();
        world.shop.delete_address(&visit, &first).await.expect("room for one");
        assert_eq!(code_of(send(&world.shop, &key, "21 号").await), Code::KeyReused);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(world.level("SIXTY").await, (100, 2));
        world.check().await;
        twin.store().close().await;
    }

    async fn an_order_goes_to_the_store_that_its_page_showed(store: TestStore) {
        let world = World::open(&store).await;
        let stores = "code,name_zh,name_en,lat,lon,zone,opens,closes,delivery_radius_m,delivery_fee,safety\n\
                      other,徐家汇店,Xujiahui,31.1950,121.4370,Asia/Shanghai,08:00,22:00,3000,6.00,absolute 0\n";
        let slots = "store,kind,weekdays,start,end,capacity,cutoff_min\nother,pickup,1234567,12:00,20:00,200,30\n";
        let stock = "store,pool,on_hand,as_of,kind\nother,MILK,100,-1h,snapshot\n";
        let files = [("stores.csv", stores), ("slots.csv", slots), ("stock.csv", stock)];
        let report = import(&world.shop, &files).await;
        let bad: Vec<_> = report.bad().collect();
        assert!(bad.is_empty(), "{bad:#?}");
        world.shop.ensure_slots(world.shop.now()).await.expect("slots");
        let visit = world.member(1).await;
        world.fill(&visit, &[("MILK", 2)]).await;
        let form = world.form(&visit, "pickup").await;
        // Chosen in another tab; it has the goods and the slot as well.
        let other = world.shop.store_by_code("other").await.expect("reads").expect("a store");
        let elsewhere = Visit { store: other, ..visit.clone() };
        let there = world.form(&elsewhere, "pickup").await;
        assert_eq!((&there.slot, there.payable), (&form.slot, form.payable));
        assert_eq!(code_of(world.shop.place(&elsewhere, form.clone()).await), Code::StoreChanged);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 0);
        assert_eq!(world.number("SELECT CAST(SUM(reserved) AS BIGINT) FROM stock").await, 0);
        // Sent again after its answer was lost and another store chosen, the form is the same order.
        let placed = world.shop.place(&visit, form.clone()).await.expect("an order");
        assert_eq!(world.shop.place(&elsewhere, form).await.expect("the same"), placed);
        assert_eq!(world.level("MILK").await, (100, 2));
        // Who does not say which store it was orders from the chosen one.
        world.fill(&visit, &[("MILK", 2)]).await;
        let silent = PlaceForm { store: String::new(), ..there };
        world.shop.place(&elsewhere, silent).await.expect("an order");
        assert_eq!(world.number("SELECT COUNT(DISTINCT store_id) FROM orders").await, 2);
        world.check().await;
    }

    async fn an_address_that_is_written_anew_loses_the_old_position(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let known = world.shop.addresses(&visit).await.expect("a list").swap_remove(0);
        assert_eq!((known.lat_e6, known.lon_e6), (Some(31_233_000), Some(121_474_000)));
        let save = async |area: &str, detail: &str, lat: &str| {
            let form = AddressForm {
                id: known.id.to_string(),
                name: "李雷".to_owned(),
                phone: "13800000002".to_owned(),
                area: area.to_owned(),
                detail: detail.to_owned(),
                lat: lat.to_owned(),
                lon: "121.4740".to_owned(),
                is_default: true,
            };
            world.shop.save_address(&visit, form).await.expect("saved");
            world.shop.addresses(&visit).await.expect("a list").swap_remove(0).lat_e6
        };
        assert_eq!(save(&known.area, &known.detail, "31.2330").await, Some(31_233_000), "another recipient");
        assert_eq!(save(&known.area, "1 号", "31.2330").await, None);
        assert_eq!(save(&known.area, "1 号", "31.2330").await, Some(31_233_000), "told for this text");
        assert_eq!(save("世纪大道", "1 号", "31.2340").await, Some(31_234_000), "a new one");
        assert_eq!(save("人民大道", "1 号", "31.2340").await, None);
        let far = AddressForm { lat: "79228162514264337593543950335".to_owned(), ..AddressForm::default() };
        let far = AddressForm { name: "王".to_owned(), phone: "13800000001".to_owned(), ..far };
        let far = AddressForm { area: "人民大道".to_owned(), detail: "1".to_owned(), ..far };
        assert_eq!(code_of(world.shop.save_address(&visit, far).await), Code::Invalid);
    }

    async fn a_note_has_lines_and_no_other_control_characters(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("MILK", 1)]).await;
        let form = world.form(&visit, "pickup").await;
        for note in ["a\0b", "\0", "\u{7}", "\u{1b}[31m", "a\u{85}b"] {
            let refused = world.shop.place(&visit, PlaceForm { note: note.to_owned(), ..form.clone() }).await;
            let error = refused.expect_err("refused").user();
            assert_eq!((error.code, error.field.as_deref()), (Code::Invalid, Some("note")), "{note:?}");
        }
        let note = "门口左边\r\n\t不要按门铃";
        let placed = world.place(&visit, PlaceForm { note: note.to_owned(), ..form }).await;
        assert_eq!(world.view(&visit, &placed).await.state, State::PendingPayment);
        world.check().await;
    }

    async fn what_a_checkout_must_have(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("WINE", 1)]).await;
        let form = world.form(&visit, "delivery").await;
        assert_eq!(form.payable, 2_100, "20 − 5 + 6");
        let page = world.shop.checkout(&visit, CheckoutChoice::default()).await.expect("a page");
        assert_eq!((page.age_limit, page.hold_min, page.kind.as_str()), (Some(18), 15, "delivery"));
        assert_eq!(page.slots.iter().filter(|slot| slot.day_code == "today").count(), 2);
        let refuse = async |change: fn(&mut PlaceForm)| {
            let mut form = form.clone();
            change(&mut form);
            code_of(world.shop.place(&visit, form).await)
        };
        assert_eq!(refuse(|form| form.age_confirmed = false).await, Code::AgeUnconfirmed);
        assert_eq!(refuse(|form| form.address = None).await, Code::AddressMissing);
        assert_eq!(refuse(|form| form.slot = None).await, Code::SlotMissing);
        assert_eq!(refuse(|form| form.payable -= 1).await, Code::PriceChanged);
        assert_eq!(refuse(|form| form.coupon = Some("nobodys".to_owned())).await, Code::CouponUnusable);
        assert_eq!(refuse(|form| form.note = "x".repeat(201)).await, Code::Invalid);
        assert_eq!(refuse(|form| "drone".clone_into(&mut form.kind)).await, Code::Invalid);
        assert_eq!(refuse(|form| form.idempotency_key.clear()).await, Code::Invalid);
        let far = domain::view::AddressForm {
            name: "王".to_owned(),
            phone: "13800000001".to_owned(),
            area: "浦东".to_owned(),
            detail: "1".to_owned(),
            lat: "31.2397".to_owned(),
            lon: "121.5598".to_owned(),
            ..Default::default()
        };
        let far = world.shop.save_address(&visit, far).await.expect("an address").to_string();
        let too_far = PlaceForm { address: Some(far), ..form.clone() };
        assert_eq!(code_of(world.shop.place(&visit, too_far).await), Code::TooFar);
        // Nothing was taken by all those.
        assert_eq!(world.level("WINE").await, (100, 0));
        assert_eq!(world.number("SELECT CAST(SUM(taken) AS BIGINT) FROM slot").await, 0);
        let late = Visit { now: visit.now.plus(2 * 3_600_000), ..visit.clone() };
        assert_eq!(code_of(world.shop.place(&late, form.clone()).await), Code::SlotClosed);
        world.place(&visit, form).await;
        world.check().await;
    }

    async fn the_last_place_in_a_slot_goes_to_one(store: TestStore) {
        let world = World::open(&store).await;
        let mut forms = Vec::new();
        for n in 0..6 {
            let visit = world.member(n).await;
            world.fill(&visit, &[("SIXTY", 2)]).await;
            let mut form = world.form(&visit, "delivery").await;
            form.slot = Some("delivery-20261122-1080-1200".to_owned());
            forms.push((visit, form));
        }
        let tasks = forms.into_iter().map(|(visit, form)| {
            let shop = world.shop.clone();
            tokio::spawn(async move { shop.place(&visit, form).await })
        });
        let results: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(|t| t.expect("no panic")).collect();
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        for refused in results.into_iter().filter(Result::is_err) {
            assert_eq!(code_of(refused), Code::SlotFull);
        }
        assert_eq!(world.level("SIXTY").await, (100, 2));
        world.check().await;
    }

    async fn the_last_coupon_is_used_once(store: TestStore) {
        let world = World::open(&store).await;
        let (one, two) = (world.member(1).await, world.member(2).await);
        let mut placed = Vec::new();
        for visit in [&one, &two] {
            world.fill(visit, &[("THIRTY", 1)]).await;
            placed.push(world.form(visit, "pickup").await);
        }
        assert_eq!(placed.iter().map(|form| form.payable).collect::<Vec<_>>(), [2_500, 2_500]);
        let (first, second) =
            tokio::join!(world.shop.place(&one, placed[0].clone()), world.shop.place(&two, placed[1].clone()));
        let codes: Vec<Code> = [first, second].into_iter().filter_map(|r| r.err().map(|e| e.user().code)).collect();
        assert_eq!(codes, [Code::CouponUnusable]);
        assert_eq!(world.number("SELECT used FROM offer WHERE code = 'c20'").await, 1);
        assert_eq!(world.number("SELECT COUNT(*) FROM coupon WHERE state = 'held'").await, 1);
        world.check().await;
    }

    async fn one_hold_runs_out_once(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("THIRTY", 1), ("RARE", 7)]).await;
        let form = world.form(&visit, "pickup").await;
        let placed = world.place(&visit, form).await;
        assert_eq!(world.level("RARE").await, (7, 7));
        assert_eq!(world.number("SELECT COUNT(*) FROM coupon WHERE state = 'held'").await, 1);
        world.clock.advance(15 * 60_000 - 1);
        assert_eq!(world.shop.expire_holds(world.shop.now()).await.expect("a job"), 0);
        world.clock.advance(1);
        let now = world.shop.now();
        let (a, b) = tokio::join!(world.shop.expire_holds(now), world.shop.expire_holds(now));
        assert_eq!(a.expect("a job") + b.expect("a job"), 1);
        assert_eq!(world.level("RARE").await, (7, 0));
        assert_eq!(world.number("SELECT COUNT(*) FROM coupon WHERE state = 'issued'").await, 1);
        assert_eq!(world.number("SELECT CAST(SUM(used) AS BIGINT) FROM offer").await, 0);
        assert_eq!(world.number("SELECT CAST(SUM(taken) AS BIGINT) FROM slot").await, 0);
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.can_pay), (State::Expired, false));
        assert_eq!(kinds(&view), ["placed", "hold_expired"]);
        assert_eq!(code_of(world.shop.pay(&world.now(&visit), &placed.code).await), Code::HoldExpired);
        // The channel was told: it takes no more money for it.
        assert_eq!(world.shop.view(trade_no(&placed.payment_url)).await.expect("a page").state, "closed");
        assert_eq!(code_of(world.shop.act(trade_no(&placed.payment_url), "pay").await), Code::OrderState);
        world.check().await;
        // All of it can be bought again.
        let again = world.now(&visit);
        world.shop.buy_again(&again, &placed.code).await.expect("in the basket");
        assert_eq!(world.shop.basket_count(&again).await.expect("a count"), Packs(8));
    }

    async fn a_case_and_its_bottles_are_one_pool(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("CASE", 8), ("MILK", 2)]).await;
        assert_eq!(world.level("MILK").await, (100, 98));
        // The order tells them apart, whatever becomes of the goods' names.
        let view = world.view(&visit, &placed).await;
        let mut names: Vec<&str> = view.lines.iter().map(|line| line.name.as_str()).collect();
        // Both were put in the basket at the same time.
        names.sort_unstable();
        assert_eq!(names, ["Case of milk 12 × 950 ml", "Milk 950 ml"]);
        assert_eq!(code_of(world.shop.add(&visit, &world.sku("CASE").await, Packs(1)).await), Code::SoldOut);
        world.shop.add(&visit, &world.sku("MILK").await, Packs(2)).await.expect("two bottles are left");
        world.check().await;
    }

    async fn what_sold_out_is_set_apart(store: TestStore) {
        let world = World::open(&store).await;
        let (one, two) = (world.member(1).await, world.member(2).await);
        world.fill(&one, &[("RARE", 4), ("MILK", 1)]).await;
        let stale = world.form(&one, "pickup").await;
        world.order(&two, &[("RARE", 7)]).await;
        let basket = world.shop.basket(&one).await.expect("a basket");
        assert_eq!((basket.lines.len(), basket.gone.len()), (1, 1));
        assert_eq!(basket.totals.goods, yuan("10.00"));
        assert_eq!(code_of(world.shop.place(&one, stale).await), Code::SoldOut);
        world.order(&one, &[]).await;
        assert_eq!(world.shop.basket_count(&one).await.expect("a count"), Packs(4), "the rest waits");
        world.check().await;
    }

    async fn a_basket_costs_a_fixed_number_of_statements(store: TestStore) {
        let world = World::open(&store).await;
        let visit = guest(&world.shop, Lang::Zh).await;
        world.fill(&visit, &[("MILK", 1)]).await;
        let basket = Visit { basket: BasketId::trusted("g2"), ..visit.clone() };
        world.fill(&basket, &[("SIXTY", 1), ("THIRTY", 2), ("MILK", 1), ("RARE", 1), ("THREE", 1), ("WINE", 1)]).await;
        // The first look fills the caches.
        world.shop.basket(&visit).await.expect("a basket");
        let count = || world.shop.store().statements();
        let start = count();
        let small = world.shop.basket(&visit).await.expect("a basket");
        let one = count() - start;
        let large = world.shop.basket(&basket).await.expect("a basket");
        let six = count() - start - one;
        assert_eq!((small.lines.len(), large.lines.len()), (1, 6));
        assert!(six <= one && one < 20, "{one} statements for one line, {six} for six");
    }

    async fn an_order_costs_a_fixed_number_of_statements(store: TestStore) {
        let world = World::open(&store).await;
        let (few, many) = (world.member(1).await, world.member(2).await);
        world.fill(&few, &[("MILK", 1)]).await;
        world.fill(&many, &[("SIXTY", 1), ("THIRTY", 2), ("MILK", 9), ("RARE", 2), ("THREE", 5), ("WINE", 3)]).await;
        let mut counts = Vec::new();
        for visit in [&few, &many] {
            let form = world.form(visit, "pickup").await;
            let start = world.shop.store().statements();
            world.shop.place(visit, form).await.expect("an order");
            counts.push(world.shop.store().statements() - start);
        }
        // Coupon, offers and shares cost a statement each where there are any.
        assert!(counts[1] <= counts[0] + 4 && counts[1] < 50, "{counts:?}");
    }

    async fn two_servers_sell_from_one_database(store: TestStore) {
        let world = World::open(&store).await;
        let twin = World::twin(&store).await;
        let mut forms = Vec::new();
        for n in 0..24 {
            let visit = world.member(n).await;
            world.fill(&visit, &[("RARE", 1), ("MILK", 1)]).await;
            forms.push((visit.clone(), world.form(&visit, "pickup").await));
        }
        let tasks = forms.into_iter().enumerate().map(|(n, (visit, form))| {
            let shop = if n % 2 == 0 { world.shop.clone() } else { twin.clone() };
            tokio::spawn(async move { place_at_the_price(&shop, &visit, form).await })
        });
        let mut sold = 0;
        for task in futures::future::join_all(tasks).await {
            match task.expect("no panic") {
                Ok(_) => sold += 1,
                Err(error) => assert_eq!(error.user().code, Code::SoldOut, "{error}"),
            }
        }
        assert_eq!(sold, 7);
        assert_eq!(world.level("RARE").await, (7, 7));

        // The same key at both at once is one order; a hold runs out once.
        let visit = world.member(90).await;
        world.fill(&visit, &[("THREE", 1)]).await;
        let form = world.form(&visit, "pickup").await;
        let (a, b) = tokio::join!(world.shop.place(&visit, form.clone()), twin.place(&visit, form));
        assert_eq!(a.expect("an order").code, b.expect("the same").code);
        world.clock.advance(15 * 60_000);
        let now = world.shop.now();
        let (a, b) = tokio::join!(world.shop.expire_holds(now), twin.expire_holds(now));
        assert_eq!(a.expect("a job") + b.expect("a job"), 8);
        let (a, b) = tokio::join!(world.shop.run_outbox(now), twin.run_outbox(now));
        // Each task is taken by one of them: eight payments to close.
        assert_eq!(a.expect("a job") + b.expect("a job"), 8);
        assert_eq!(world.level("RARE").await, (7, 0));
        world.check().await;
        twin.store().close().await;
    }

    async fn substitutes_keep_the_rules(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let (milk, case, wine, three) =
            (world.sku("MILK").await, world.sku("CASE").await, world.sku("WINE").await, world.sku("THREE").await);
        world.fill(&visit, &[("THREE", 1)]).await;
        let choose = async |sku: &SkuId, chosen: Vec<SkuId>| world.shop.set_substitution(&visit, sku, "chosen", chosen).await;
        assert_eq!(code_of(choose(&three, vec![milk.clone()]).await), Code::SubstituteNotAllowed, "an allergen");
        assert_eq!(code_of(choose(&three, vec![wine]).await), Code::SubstituteNotAllowed, "an age limit");
        assert_eq!(code_of(choose(&three, vec![three.clone()]).await), Code::SubstituteNotAllowed, "itself");
        let six = (0..6).map(|n| SkuId::trusted(format!("s{n}"))).collect();
        assert_eq!(code_of(choose(&three, six).await), Code::TooManySubstitutes);
        let sixty = world.sku("SIXTY").await;
        choose(&three, vec![sixty.clone()]).await.expect("allowed");
        let placed = world.order(&visit, &[]).await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.lines[0].choice.as_str(), view.lines[0].chosen.clone()), ("chosen", vec!["Sixty".to_owned()]));
        let version = view.version;
        world.shop.set_line_choice(&visit, &placed.code, 1, "ask_me", vec![]).await.expect("changed");
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.lines[0].choice.as_str(), view.version), ("ask_me", version + 1));
        assert_eq!(code_of(world.shop.set_line_choice(&visit, &placed.code, 9, "refund", vec![]).await), Code::NotFound);
        world.shop.cancel(&visit, &placed.code).await.expect("cancelled");
        let late = world.shop.set_line_choice(&visit, &placed.code, 1, "refund", vec![]).await;
        assert_eq!(code_of(late), Code::OrderState);
        assert_ne!(milk, case);
        world.check().await;
    }

    async fn a_hint_offers_goods_that_count(store: TestStore) {
        let world = World::open(&store).await;
        let visit = guest(&world.shop, Lang::Zh).await;
        world.fill(&visit, &[("SIXTY", 1)]).await;
        let basket = world.shop.basket(&visit).await.expect("a basket");
        assert_eq!(basket.totals.hint, Some(("spend_save".to_owned(), "满88减10".to_owned(), yuan("28.00"))));
        let codes: Vec<&str> = basket.fill_up.iter().map(|card| card.code.as_str()).collect();
        assert_eq!(codes, ["THIRTY"]);
        assert_eq!(basket.totals.rejected.len(), 1);
    }
}

/// Places the order; told that the price changed, places it at the new price, as a shopper would.
async fn place_at_the_price(
    shop: &service::Shop,
    visit: &Visit,
    mut form: PlaceForm,
) -> service::Result<service::checkout::Placed> {
    loop {
        match shop.place(visit, form.clone()).await {
            Err(service::Error::User(error)) if error.code == Code::PriceChanged => {
                form.payable = error.params["new"].parse().expect("fen");
            }
            other => return other,
        }
    }
}
