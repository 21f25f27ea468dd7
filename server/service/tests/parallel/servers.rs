//! Two servers on one database, and requests that come to both at the same
//! moment: the concurrency attacks on baskets, vouchers and stock that shops
//! are known to fall to, and their like on every other path that takes, pays
//! or gives back. Whatever the order of events, the books are right after it.

use crate::gate::{Gate, until};
use crate::sale::{World, code_of, trade_no};
use domain::ids::{BasketId, MemberId};
use domain::view::PlaceForm;
use domain::{Code, Packs};
use futures::future::join_all;
use service::checkout::{CheckoutChoice, Placed};
use service::feed::{Batch, BatchKind, Row};
use service::members::Asker;
use service::{Result, Shop, Visit};
use store::conn::Kind;
use store::testing::TestStore;

/// Two servers on one database.
struct Two {
    world: World,
    other: Shop,
}

impl Two {
    async fn open(store: &TestStore) -> Self {
        Self { world: World::open(store).await, other: World::twin(store).await }
    }

    /// One of the servers, by turns.
    fn shop(&self, no: usize) -> Shop {
        if no.is_multiple_of(2) { self.world.shop.clone() } else { self.other.clone() }
    }

    /// The same request `count` times at once, by turns at the two servers.
    async fn at_once<T, F>(&self, count: usize, ask: impl Fn(Shop, usize) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let tasks: Vec<_> = (0..count).map(|no| tokio::spawn(ask(self.shop(no), no))).collect();
        join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect()
    }

    /// Runs the jobs of both servers at once until nothing is left to do.
    async fn settle(&self) {
        for _ in 0..10 {
            let now = self.world.shop.now();
            tokio::join!(self.world.shop.run_due(now), self.other.run_due(now));
        }
        self.world.settle().await;
    }

    /// Waits until a unit of one server waits for the other's transaction.
    /// SQLite has one writer at a time: there it waits before it reads anything.
    async fn blocked(&self) {
        let store = self.world.shop.store();
        if store.kind() == Kind::Sqlite {
            return;
        }
        let sql = "SELECT COUNT(*) FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock' AND EXISTS \
                   (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                   WHERE l.pid = a.pid AND c.relnamespace = CAST(current_schema() AS regnamespace))";
        for _ in 0..3_000 {
            if store.read().await.expect("reads").int(sql, &[]).await.expect("a number") > 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("nothing waits");
    }

    /// Has the other server do some work in a lane without committing it yet;
    /// the gate that holds it, and the work.
    async fn half_done<T, F>(&self, id: &str, work: F) -> (Gate, tokio::task::JoinHandle<T>)
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let first = Gate::put(&self.other, id).await;
        first.reached().await;
        let task = tokio::spawn(work);
        until(|| self.other.store().waiting() > 0).await;
        let gate = Gate::put(&self.other, id).await;
        first.open().await;
        gate.reached().await;
        (gate, task)
    }

    async fn close(self) {
        self.world.check().await;
        self.other.store().close().await;
    }
}

/// The form of a basket, without a coupon.
async fn plain_form(world: &World, visit: &Visit, kind: &str) -> PlaceForm {
    let choice = CheckoutChoice { kind: kind.to_owned(), coupon: Some("none".to_owned()), ..CheckoutChoice::default() };
    let page = world.shop.checkout(visit, choice).await.expect("a checkout page");
    PlaceForm { coupon: None, payable: page.basket.totals.payable.0, ..world.form(visit, kind).await }
}

fn codes<T>(results: &[Result<T>]) -> Vec<Code> {
    results.iter().filter_map(|result| result.as_ref().err().map(|error| error.user().code)).collect()
}

async fn exec(shop: &Shop, sql: &'static str) {
    let work = shop.store().write(store::Lane::Background, (), move |conn, ()| {
        Box::pin(async move {
            conn.exec(sql, &[]).await?;
            conn.touch_catalogue();
            Ok::<(), service::Error>(())
        })
    });
    work.await.expect("changed");
}

store::on_both! {
    async fn the_last_place_that_another_server_takes_is_not_given_twice(store: TestStore) {
        let two = Two::open(&store).await;
        let (world, other) = (&two.world, two.other.clone());
        exec(&world.shop, "UPDATE offer SET total = 1 WHERE code = 'm88'").await;
        let (first, late, third) = (world.member(1).await, world.member(2).await, world.member(3).await);
        // Goods and slots of their own: the offer is all that they share.
        world.fill(&first, &[("SIXTY", 2)]).await;
        world.fill(&late, &[("THIRTY", 3)]).await;
        world.fill(&third, &[("MILK", 1)]).await;
        let form = plain_form(world, &first, "pickup").await;
        let forms = [(late.clone(), plain_form(world, &late, "delivery").await), (third.clone(), plain_form(world, &third, "delivery").await)];
        assert_eq!((form.payable, forms[0].1.payable), (11_000, 8_600), "10 off each, 6 for delivery");
        let placing = async move { other.place(&first, form).await };
        let (gate, placing) = two.half_done(world.store.as_str(), placing).await;

        // Both stand in one batch; one of them has seen the last place free. SQLite's
        // writer waits for the other server's before it begins.
        let before = if world.shop.store().kind() == Kind::Postgres {
            let before = Gate::put(&world.shop, world.store.as_str()).await;
            before.reached().await;
            Some(before)
        } else {
            None
        };
        let mut tasks = Vec::new();
        for (no, (visit, form)) in forms.into_iter().enumerate() {
            let shop = world.shop.clone();
            tasks.push(tokio::spawn(async move { shop.place(&visit, form).await }));
            if before.is_some() {
                until(|| world.shop.store().waiting() > no).await;
            }
        }
        if let Some(before) = before {
            before.open().await;
        }
        two.blocked().await;
        gate.open().await;
        placing.await.expect("no panic").expect("an order");
        let mut results = join_all(tasks).await.into_iter().map(|task| task.expect("no panic"));
        let refused = results.next().expect("two").expect_err("the place is taken").user();
        assert_eq!((refused.code, refused.params["new"].as_str()), (Code::PriceChanged, "9600"));
        results.next().expect("two").expect("harmed by nobody");
        assert_eq!(world.number("SELECT used FROM offer WHERE code = 'm88'").await, 1);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 2);
        two.close().await;
    }

    async fn one_basket_is_ordered_once_by_two_tabs_at_two_servers(store: TestStore) {
        let two = Two::open(&store).await;
        let (world, other) = (&two.world, two.other.clone());
        let visit = world.member(1).await;
        world.fill(&visit, &[("MILK", 2)]).await;
        let form = plain_form(world, &visit, "pickup").await;
        let second = PlaceForm { idempotency_key: "the-second-tab".to_owned(), ..plain_form(world, &visit, "delivery").await };
        let tab = visit.clone();
        let (gate, placing) = two.half_done(world.store.as_str(), async move { other.place(&tab, form).await }).await;
        let (shop, tab) = (world.shop.clone(), visit.clone());
        let late = tokio::spawn(async move { shop.place(&tab, second).await });
        two.blocked().await;
        gate.open().await;
        placing.await.expect("no panic").expect("an order");
        assert_eq!(code_of(late.await.expect("no panic")), Code::BasketEmpty);
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(world.level("MILK").await, (100, 2));
        two.close().await;
    }

    async fn one_form_with_a_coupon_is_one_order_at_two_servers(store: TestStore) {
        let two = Two::open(&store).await;
        let world = &two.world;
        // The offer's only place goes to the order itself; where it has no bounds, the coupon does.
        let terms = [
            "UPDATE offer SET total = 1, per_member = 1 WHERE code = 'c20'",
            "UPDATE offer SET total = NULL, per_member = NULL WHERE code = 'c20'",
        ];
        for (n, terms) in (1..).zip(terms) {
            exec(&world.shop, terms).await;
            let visit = world.member(n).await;
            world.fill(&visit, &[("THIRTY", 1)]).await;
            let form = world.form(&visit, "pickup").await;
            assert!(form.coupon.is_some());
            let (other, tab, seen) = (two.other.clone(), visit.clone(), form.clone());
            let placing = async move { other.place(&tab, seen).await };
            let (gate, placing) = two.half_done(world.store.as_str(), placing).await;
            let (shop, tab) = (world.shop.clone(), visit.clone());
            let late = tokio::spawn(async move { shop.place(&tab, form).await });
            two.blocked().await;
            gate.open().await;
            let placed = placing.await.expect("no panic").expect("an order");
            assert_eq!(late.await.expect("no panic").expect("the same order"), placed);
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM orders").await, 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM coupon WHERE state = 'held'").await, 2);
        two.close().await;
    }

    async fn what_a_tab_adds_while_an_order_is_placed_is_neither_sold_unpriced_nor_lost(store: TestStore) {
        let two = Two::open(&store).await;
        let (world, other) = (&two.world, two.other.clone());
        let visit = world.member(1).await;
        world.fill(&visit, &[("MILK", 2)]).await;
        let form = plain_form(world, &visit, "pickup").await;
        let (tab, milk) = (visit.clone(), world.sku("MILK").await);
        let adding = async move { other.add(&tab, &milk, Packs(1)).await };
        let (gate, adding) = two.half_done(visit.basket.as_str(), adding).await;
        let (shop, tab, seen) = (world.shop.clone(), visit.clone(), form.clone());
        let placing = tokio::spawn(async move { shop.place(&tab, seen).await });
        two.blocked().await;
        gate.open().await;
        assert_eq!(adding.await.expect("no panic").expect("added"), Packs(3));
        let refused = placing.await.expect("no panic").expect_err("the basket is another one").user();
        assert_eq!((refused.code, refused.params["new"].as_str()), (Code::PriceChanged, "3000"));
        assert_eq!(world.shop.basket_count(&visit).await.expect("a count"), Packs(3));
        assert_eq!(world.level("MILK").await, (100, 0));
        two.close().await;
    }

    async fn tabs_fill_one_basket_at_two_servers(store: TestStore) {
        let two = Two::open(&store).await;
        let visit = two.world.member(1).await;
        let (milk, three) = (two.world.sku("MILK").await, two.world.sku("THREE").await);
        let added = two.at_once(24, |shop, no| {
            let (visit, sku) = (visit.clone(), if no % 4 < 2 { milk.clone() } else { three.clone() });
            async move { shop.add(&visit, &sku, Packs(5)).await }
        }).await;
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        assert_eq!(two.world.shop.basket_count(&visit).await.expect("a count"), Packs(120));
        // No more than the limit, however many ask at once.
        let more = two.at_once(12, |shop, _| {
            let (visit, milk) = (visit.clone(), milk.clone());
            async move { shop.add(&visit, &milk, Packs(10)).await }
        }).await;
        assert_eq!(more.iter().filter(|result| result.is_ok()).count(), 3, "60 + 3 × 10, and 99 is the most");
        assert!(codes(&more).iter().all(|code| *code == Code::TooManyOfOne));
        // A removed line comes back once.
        two.world.shop.set_qty(&visit, &three, Packs(0)).await.expect("removed");
        let undone = two.at_once(6, |shop, _| { let visit = visit.clone(); async move { shop.undo(&visit).await } }).await;
        assert!(undone.iter().all(Result::is_ok));
        assert_eq!(two.world.shop.basket_count(&visit).await.expect("a count"), Packs(150));
        two.close().await;
    }

    async fn a_choice_stays_when_another_tab_changes_the_quantity(store: TestStore) {
        let two = Two::open(&store).await;
        let (world, other) = (&two.world, two.other.clone());
        let visit = world.member(1).await;
        world.fill(&visit, &[("MILK", 2)]).await;
        let milk = world.sku("MILK").await;
        let (tab, sku) = (visit.clone(), milk.clone());
        let choosing = async move { other.set_substitution(&tab, &sku, "ask_me", vec![]).await };
        let (gate, choosing) = two.half_done(visit.basket.as_str(), choosing).await;
        let (shop, tab) = (world.shop.clone(), visit.clone());
        let adding = tokio::spawn(async move { shop.add(&tab, &milk, Packs(1)).await });
        two.blocked().await;
        gate.open().await;
        choosing.await.expect("no panic").expect("chosen");
        assert_eq!(adding.await.expect("no panic").expect("added"), Packs(3));
        let lines = "SELECT COUNT(*) FROM basket_line WHERE choice = 'ask_me' AND qty = 3";
        assert_eq!(world.number(lines).await, 1);
        two.close().await;
    }

    async fn a_guests_basket_joins_the_members_once(store: TestStore) {
        let two = Two::open(&store).await;
        let member = two.world.member(1).await;
        let guest = Visit { member: None, basket: BasketId::trusted("guest"), ..member.clone() };
        two.world.fill(&guest, &[("MILK", 4), ("THREE", 1)]).await;
        two.world.fill(&member, &[("MILK", 1)]).await;
        let id = member.member.clone().expect("a member");
        let adopted = two.at_once(8, |shop, _| {
            let (guest, id, now) = (guest.basket.clone(), id.clone(), guest.now);
            async move { shop.adopt_basket(&guest, &id, now).await }
        }).await;
        assert!(adopted.iter().all(Result::is_ok), "{adopted:?}");
        assert_eq!(two.world.shop.basket_count(&member).await.expect("a count"), Packs(6));
        assert_eq!(two.world.shop.basket_count(&guest).await.expect("a count"), Packs(0));
        two.close().await;
    }

    async fn a_key_stands_for_one_body(store: TestStore) {
        let two = Two::open(&store).await;
        let visit = two.world.member(1).await;
        two.world.fill(&visit, &[("SIXTY", 2)]).await;
        let form = two.world.form(&visit, "pickup").await;
        let results = two.at_once(12, |shop, no| {
            let (visit, form) = (visit.clone(), PlaceForm { note: format!("note {}", no % 3), ..form.clone() });
            async move { shop.place(&visit, form).await }
        }).await;
        let placed: Vec<&Placed> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(placed.len(), 4, "those of the body that came first: {results:?}");
        assert!(placed.iter().all(|other| other.code == placed[0].code));
        assert!(codes(&results).iter().all(|code| *code == Code::KeyReused), "{results:?}");
        assert_eq!(two.world.number("SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(two.world.level("SIXTY").await, (100, 2));
        two.close().await;
    }

    async fn one_coupon_is_used_by_one_order_of_its_member(store: TestStore) {
        let two = Two::open(&store).await;
        exec(&two.world.shop, "UPDATE offer SET total = NULL, per_member = NULL WHERE code = 'c20'").await;
        let visit = two.world.member(1).await;
        // The page is opened in many tabs at both servers: one coupon is issued.
        let opened = two.at_once(8, |shop, _| {
            let visit = visit.clone();
            async move { shop.checkout(&visit, CheckoutChoice::default()).await.map(|page| page.coupons.len()) }
        }).await;
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        assert_eq!(two.world.number("SELECT COUNT(*) FROM coupon").await, 1);
        two.world.fill(&visit, &[("THIRTY", 1)]).await;
        let form = two.world.form(&visit, "pickup").await;
        assert!(form.coupon.is_some());
        // Each tab puts the goods in again and orders with the coupon, under a key of its own.
        let thirty = two.world.sku("THIRTY").await;
        let results = two.at_once(10, |shop, no| {
            let (visit, thirty) = (visit.clone(), thirty.clone());
            let form = PlaceForm { idempotency_key: format!("tab-number-{no}"), ..form.clone() };
            async move {
                shop.set_qty(&visit, &thirty, Packs(1)).await?;
                shop.place(&visit, form).await
            }
        }).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert_eq!(two.world.number("SELECT COUNT(*) FROM coupon WHERE state = 'held'").await, 1);
        assert_eq!(two.world.number("SELECT COUNT(*) FROM orders").await, 1);
        two.close().await;
    }

    async fn cancels_shortages_and_refunds_at_once_give_back_what_was_paid_and_no_more(store: TestStore) {
        let two = Two::open(&store).await;
        let visit = two.world.member(1).await;
        let placed = two.world.paid_order(&visit, &[("SIXTY", 2), ("MILK", 4)]).await;
        let paid = two.world.number("SELECT paid FROM orders").await;
        let results = two.at_once(12, |shop, no| {
            let (visit, code) = (visit.clone(), placed.code.clone());
            async move {
                match no % 6 {
                    0 | 1 => shop.cancel(&visit, &code).await,
                    2 | 3 => {
                        let (shorts, key) = ([(1, Packs(1)), (2, Packs(3))], format!("picking-{no}"));
                        shop.short_lines(&code, &shorts, &key, "picker").await.map(|_| ())
                    }
                    4 => shop.set_line_choice(&visit, &code, 1, "best_match", vec![]).await,
                    _ => { shop.run_due(shop.now()).await; Ok(()) }
                }
            }
        }).await;
        for code in codes(&results) {
            assert!(matches!(code, Code::OrderState | Code::Invalid), "{results:?}");
        }
        two.settle().await;
        assert_eq!(two.world.number("SELECT refunded FROM orders").await, paid, "it was cancelled");
        let back = "SELECT CAST(SUM(amount) AS BIGINT) FROM refund WHERE state = 'done'";
        assert_eq!(two.world.number(back).await, paid);
        assert_eq!(two.world.number("SELECT CAST(SUM(refunded) AS BIGINT) FROM sandbox_trade").await, paid);
        assert_eq!(two.world.level("SIXTY").await.1 + two.world.level("MILK").await.1, 0, "nothing is held");
        assert_eq!(two.world.number("SELECT COUNT(*) FROM orders WHERE state = 'cancelled'").await, 1);
        two.close().await;
    }

    async fn a_shortage_reported_to_both_servers_goes_back_once(store: TestStore) {
        let two = Two::open(&store).await;
        let visit = two.world.member(1).await;
        let placed = two.world.paid_order(&visit, &[("SIXTY", 4)]).await;
        let results = two.at_once(10, |shop, no| {
            let (code, packs) = (placed.code.clone(), Packs(if no < 8 { 1 } else { 2 }));
            async move { shop.short_line(&code, 1, packs, "picking-1", "picker").await }
        }).await;
        assert!(codes(&results).iter().all(|code| *code == Code::KeyReused), "{results:?}");
        let back: Vec<i64> = results.iter().filter_map(|result| result.as_ref().ok()).map(|back| back.0).collect();
        assert!(back.len() == 8 || back.len() == 2, "those who say what came first: {results:?}");
        two.settle().await;
        let refunded = two.world.number("SELECT refunded FROM orders").await;
        assert!(back.iter().all(|told| *told == refunded), "{refunded}: {results:?}");
        assert_eq!(two.world.number("SELECT COUNT(*) FROM refund").await, 1);
        two.close().await;
    }

    async fn money_and_the_end_of_a_hold_meet(store: TestStore) {
        let two = Two::open(&store).await;
        let mut placed = Vec::new();
        for n in 0..4 {
            let visit = two.world.member(n).await;
            let order = two.world.order(&visit, &[("RARE", 1)]).await;
            placed.push((visit, order));
        }
        two.world.clock.advance(15 * 60_000);
        let now = two.world.shop.now();
        let urls: Vec<String> = placed.iter().map(|(_, order)| trade_no(&order.payment_url).to_owned()).collect();
        two.at_once(12, |shop, no| {
            let (url, order) = (urls[no % 4].clone(), placed[no % 4].clone());
            async move {
                match no / 4 {
                    // Some find the payment closed: the hold has ended before.
                    0 => { let _ = shop.act(&url, "pay").await; let _ = shop.deliver_callbacks(now).await; }
                    1 => { let _ = shop.expire_holds(now).await.expect("a job"); }
                    _ => { let _ = shop.cancel(&Visit { now, ..order.0 }, &order.1.code).await; }
                }
            }
        }).await;
        two.settle().await;
        let kept = two.world.number("SELECT COUNT(*) FROM orders WHERE state = 'paid'").await;
        let net = "SELECT CAST(SUM(amount - refunded) AS BIGINT) FROM sandbox_trade WHERE state = 'paid'";
        let due = two.world.number("SELECT CAST(SUM(total) AS BIGINT) FROM orders WHERE state = 'paid'").await;
        assert_eq!(two.world.number(net).await, due, "the channel keeps what orders cost, and nothing else");
        assert_eq!(two.world.level("RARE").await, (7, kept));
        assert_eq!(two.world.number("SELECT COUNT(*) FROM orders WHERE state = 'pending_payment'").await, 0);
        two.close().await;
    }

    async fn an_address_is_deleted_while_orders_go_to_it(store: TestStore) {
        let two = Two::open(&store).await;
        let visit = two.world.member(1).await;
        two.world.fill(&visit, &[("SIXTY", 2)]).await;
        let form = two.world.form(&visit, "delivery").await;
        let id = domain::ids::AddressId::parse(form.address.as_deref().expect("an address")).expect("an id");
        let results = two.at_once(6, |shop, no| {
            let (visit, form, id) = (visit.clone(), form.clone(), id.clone());
            async move {
                if no < 3 { shop.delete_address(&visit, &id).await } else { shop.place(&visit, form).await.map(|_| ()) }
            }
        }).await;
        assert_eq!(results[..3].iter().filter(|result| result.is_ok()).count(), 1, "gone once: {results:?}");
        assert!(codes(&results[3..]).iter().all(|code| *code == Code::AddressMissing), "{results:?}");
        let whole = two.world.number("SELECT COUNT(*) FROM orders WHERE address LIKE '%200 号 3 楼%'").await;
        assert_eq!(whole, two.world.number("SELECT COUNT(*) FROM orders").await, "with the address as it was");
        // Of parallel saves no more are kept than the limit, and one is the usual one.
        let saved = two.at_once(30, |shop, no| {
            let form = domain::view::AddressForm {
                name: "王".to_owned(), phone: "13800000001".to_owned(), area: "人民大道".to_owned(),
                detail: no.to_string(), is_default: true, ..Default::default()
            };
            let visit = visit.clone();
            async move { shop.save_address(&visit, form).await }
        }).await;
        assert_eq!(saved.iter().filter(|result| result.is_ok()).count(), 20);
        assert_eq!(two.world.number("SELECT COUNT(*) FROM address").await, 20);
        assert_eq!(two.world.number("SELECT COUNT(*) FROM address WHERE is_default").await, 1);
        two.close().await;
    }

    async fn guessing_at_two_servers_gains_no_tries(store: TestStore) {
        const PHONE: &str = "13912345678";
        const ASKER: Asker<'static> = Asker { name: "n", session: "s", address: "" };
        let two = Two::open(&store).await;
        let now = two.world.shop.now();
        // Asked for in many tabs at once, one code is sent.
        let asked = two.at_once(8, |shop, _| async move { shop.request_code(PHONE, &ASKER, shop.now()).await }).await;
        assert_eq!(asked.iter().filter(|result| result.is_ok()).count(), 1, "{asked:?}");
        assert!(codes(&asked).iter().all(|code| *code == Code::TooMany));
        let code = two.world.shop.sandbox_code(PHONE, now).await.expect("reads").expect("a code");
        // The right code among many tries is used once at most.
        let right = code.clone();
        let used = two.at_once(4, |shop, _| {
            let right = right.clone();
            async move { shop.sign_in(PHONE, &right, &ASKER, shop.now()).await }
        }).await;
        let members: Vec<&MemberId> = used.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(members.len(), 1, "{used:?}");

        two.world.clock.advance(61_000);
        let now = two.world.shop.now();
        two.world.shop.request_code(PHONE, &ASKER, now).await.expect("asked");
        let code = two.world.shop.sandbox_code(PHONE, now).await.expect("reads").expect("a code");
        let wrong = if code == "000000" { "111111" } else { "000000" };
        let tried = two.at_once(20, |shop, _| async move { shop.sign_in(PHONE, wrong, &ASKER, now).await }).await;
        assert!(tried.iter().all(Result::is_err));
        assert_eq!(code_of(two.world.shop.sign_in(PHONE, &code, &ASKER, now).await), Code::BadCode, "five tries were enough");
        // 4 + 20 + 1 tries: five more within the hour, then none for this session.
        let more = two.at_once(20, |shop, _| async move { shop.sign_in(PHONE, wrong, &ASKER, now).await }).await;
        assert_eq!(codes(&more).iter().filter(|code| **code == Code::BadCode).count(), 5);
        assert_eq!(codes(&more).iter().filter(|code| **code == Code::TooMany).count(), 15);
        two.close().await;
    }

    async fn a_tills_batch_that_comes_to_both_servers_counts_once(store: TestStore) {
        let two = Two::open(&store).await;
        let now = two.world.shop.now().0;
        let batch = move |quantity: i64| Batch {
            key: "till-1".to_owned(),
            store: "main".to_owned(),
            kind: BatchKind::Sales,
            rows: vec![Row { sku: Some("MILK".to_owned()), barcode: None, pool: None, quantity, at: now, promo: false }],
        };
        let results = two.at_once(10, |shop, no| async move { shop.apply_batch("till", &batch(if no < 8 { 3 } else { 4 })).await }).await;
        assert!(codes(&results).iter().all(|code| *code == Code::KeyReused), "{results:?}");
        let left = two.world.level("MILK").await.0;
        assert!(left == 97 || left == 96, "one of the two contents, once: {left}");
        two.close().await;
    }
}
