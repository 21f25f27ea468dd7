//! What a payment channel can do to a shop, and money that goes back.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::order::State;
use domain::time::DAY_MS;
use domain::{Code, Fen, Packs};
use sale::{World, code_of, kinds, trade_no, yuan};
use service::Error;
use service::feed::BatchKind;
use service::payments::Verdict;
use service::sandbox::{NAME, sign};
use store::Lane;
use store::payments::PaymentRow;

store::on_both! {
    async fn a_repeated_callback_changes_nothing(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.act(&placed, "repeat").await;
        world.settle().await;
        assert_eq!(world.verdicts(&placed).await, ["confirmed", "repeated", "repeated"]);
        assert_eq!(kinds(&world.view(&visit, &placed).await), ["placed", "paid"]);
        world.check().await;
    }

    async fn wrong_and_forged_callbacks_confirm_nothing(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.act(&placed, "misprice").await;
        world.act(&placed, "forge").await;
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::PendingPayment);
        assert_eq!(world.verdicts(&placed).await, ["wrong_amount"]);
        assert_eq!(world.number("SELECT COUNT(*) FROM callback_log").await, 1, "what nobody signed fills no table");
        // Signed by the channel, for a payment that is not ours.
        let body = br#"{"trade_no":"nobodys","channel_no":"SB1","amount":1,"outcome":"success"}"#;
        let signature = sign(b"the test's own key", "1", body);
        let answer = world.shop.callback(NAME, "1", &signature, body).await.expect("an answer");
        assert_eq!((answer.verdict, answer.status()), (Verdict::Unknown, 200));
        let forged = world.shop.callback(NAME, "2", &signature, body).await.expect("an answer");
        assert_eq!((forged.verdict, forged.status()), (Verdict::BadSignature, 401));
        assert_eq!(code_of(world.shop.callback("other", "1", &signature, body).await), Code::NotFound);
        // The right one still counts.
        world.act(&placed, "pay").await;
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn a_lost_callback_is_found_by_asking(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.act(&placed, "lose").await;
        world.clock.advance(9_000);
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::PendingPayment);
        world.clock.advance(1_000);
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        assert!(world.verdicts(&placed).await.is_empty());
        world.check().await;
    }

    async fn a_member_who_comes_back_has_the_shop_ask(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.shop.check_payment(&visit, &placed.code).await.expect("asked");
        assert_eq!(world.view(&visit, &placed).await.state, State::PendingPayment);
        world.act(&placed, "lose").await;
        world.shop.check_payment(&visit, &placed.code).await.expect("asked");
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn a_delayed_callback_comes(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.act(&placed, "delay").await;
        let now = world.shop.now();
        assert_eq!(world.shop.deliver_callbacks(now).await.expect("a job"), 0);
        world.clock.advance(20_000);
        assert_eq!(world.shop.deliver_callbacks(world.shop.now()).await.expect("a job"), 1);
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn a_declined_payment_can_be_made_again(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        world.act(&placed, "deny").await;
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, kinds(&view)), (State::PendingPayment, vec!["placed", "payment_declined"]));
        let second = world.shop.pay(&visit, &placed.code).await.expect("another page");
        assert_ne!(second, placed.payment_url);
        // Both are paid in the end, and the shop hears of one only: told to close
        // the other, the channel says so, and the money goes back by itself.
        world.act(&placed, "lose").await;
        world.shop.act(trade_no(&second), "pay").await.expect("paid");
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!(view.state, State::Paid);
        assert_eq!(world.verdicts(&placed).await, ["declined"]);
        assert_eq!((view.refunds.len(), view.refunds[0].reason.as_str()), (1, "double_payment"));
        assert_eq!((view.refunds[0].state.as_str(), view.refunds[0].amount), ("done", yuan("25.00")));
        assert_eq!(world.number("SELECT CAST(SUM(refunded) AS BIGINT) FROM sandbox_trade").await, 2_500);
        world.check().await;
    }

    async fn late_money_takes_the_goods_again(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1), ("RARE", 3)]).await;
        world.act(&placed, "lose").await;
        world.clock.advance(15 * 60_000);
        assert_eq!(world.shop.expire_holds(world.shop.now()).await.expect("a job"), 1);
        assert_eq!(world.level("RARE").await, (7, 0));
        // Told to close the payment, the channel says that it is paid.
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, kinds(&view)), (State::Paid, vec!["placed", "hold_expired", "paid_late"]));
        assert_eq!(world.level("RARE").await, (7, 3));
        assert_eq!(world.number("SELECT COUNT(*) FROM coupon WHERE state = 'used'").await, 1);
        world.check().await;
    }

    async fn late_money_goes_back_if_the_goods_are_gone(store: TestStore) {
        let world = World::open(&store).await;
        let (one, two) = (world.member(1).await, world.member(2).await);
        let placed = world.order(&one, &[("MILK", 1), ("RARE", 7)]).await;
        world.act(&placed, "delay").await;
        world.clock.advance(15 * 60_000);
        world.shop.expire_holds(world.shop.now()).await.expect("a job");
        world.order(&world.now(&two), &[("RARE", 1)]).await;
        world.settle().await;
        let view = world.view(&one, &placed).await;
        assert_eq!(view.state, State::Expired);
        assert_eq!((view.refunds.len(), view.refunds[0].reason.as_str()), (1, "late_payment"));
        assert_eq!((view.refunds[0].state.as_str(), view.refunds[0].amount), ("done", view.total));
        assert_eq!(world.level("RARE").await, (7, 1));
        assert_eq!(world.level("MILK").await, (100, 0));
        let told = world.shop.messages(&one).await.expect("messages");
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind.as_str(), told[0].order.as_deref()), ("late_payment", Some(placed.code.as_str())));
        assert_eq!((told[0].amount, told[0].unread), (Some(view.total), true));
        assert!(world.shop.messages(&two).await.expect("messages").is_empty());
        // What came after the page was made stays unread.
        world.shop.read_messages(&one, told[0].at.plus(-1)).await.expect("nothing to mark");
        assert_eq!(world.shop.me(&one).await.expect("a member").unread, 1);
        world.shop.read_messages(&one, told[0].at).await.expect("marked");
        assert_eq!(world.shop.me(&one).await.expect("a member").unread, 0);
        world.check().await;
    }

    async fn a_payment_that_nobody_went_to_make_ends_with_its_order(store: TestStore) {
        let world = World::open(&store).await;
        let (one, two) = (world.member(1).await, world.member(2).await);
        let left = world.order_unpaid(&one, &[("THIRTY", 1)]).await;
        let called_off = world.order_unpaid(&two, &[("MILK", 1)]).await;
        assert_eq!(left.payment_url, format!("/pay/{}", left.code), "nobody was at the channel");
        world.shop.cancel(&two, &called_off.code).await.expect("called off");
        world.settle().await;
        assert_eq!(world.number("SELECT COUNT(*) FROM payment WHERE state = 'created'").await, 1);
        world.clock.advance(15 * 60_000);
        world.settle().await;
        assert_eq!(world.view(&one, &left).await.state, State::Expired);
        assert_eq!(world.number("SELECT COUNT(*) FROM payment WHERE state = 'closed'").await, 2);
        // Nobody asks about them any more.
        let polls = "SELECT CAST(SUM(polls) AS BIGINT) FROM payment";
        let before = world.number(polls).await;
        for _ in 0..3 {
            world.clock.advance(10 * 60_000);
            world.settle().await;
            assert_eq!(world.shop.poll_payments(world.shop.now()).await.expect("a job"), 0);
        }
        assert_eq!(world.number(polls).await, before);
        // Who comes to the channel now finds nothing to pay, and a way back.
        let trade_no = world.trade_of(&left).await;
        let channel = &world.shop.ports().channel;
        channel.open(&trade_no, yuan("25.00"), &left.code, "/pay/x").await.expect("the channel's page");
        let page = world.shop.view(&trade_no).await.expect("a page");
        assert_eq!((page.state.as_str(), page.back.as_str()), ("closed", "/orders"));
        assert_eq!(code_of(world.shop.act(&trade_no, "pay").await), Code::OrderState);
        world.settle().await;
        assert_eq!(world.number("SELECT CAST(SUM(paid) AS BIGINT) FROM orders").await, 0);
        world.check().await;
    }

    async fn going_to_pay_as_the_hold_ends_opens_nothing_that_can_be_paid(store: TestStore) {
        let world = World::open(&store).await;
        for n in 0..3 {
            let visit = world.member(n).await;
            let placed = world.order_unpaid(&visit, &[("MILK", 1)]).await;
            let trade_no = world.trade_of(&placed).await;
            world.clock.advance(15 * 60_000);
            let now = world.shop.now();
            assert_eq!(world.shop.expire_holds(now).await.expect("a job"), 1);
            // The member's request looked at the order before that, and reaches the channel only now.
            let channel = &world.shop.ports().channel;
            let opening = channel.open(&trade_no, yuan("10.00"), &placed.code, "/pay/x");
            let (opened, closed) = tokio::join!(opening, world.shop.run_outbox(now));
            opened.expect("the channel's page");
            assert_eq!(closed.expect("a job"), 1);
            world.settle().await;
            assert_eq!(world.shop.view(&trade_no).await.expect("a page").state, "closed");
            assert_eq!(code_of(world.shop.act(&trade_no, "pay").await), Code::OrderState);
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM payment WHERE state <> 'closed'").await, 0);
        assert_eq!(world.level("MILK").await, (100, 0));
        world.check().await;
    }

    async fn a_callback_with_a_nul_is_logged_and_moves_nothing(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        let trade_no = trade_no(&placed.payment_url);
        let say = async |signature: &str, body: &str| {
            world.shop.callback(NAME, "1", signature, body.as_bytes()).await.expect("an answer").verdict
        };
        // From anybody, in its bytes: it is not even kept.
        assert_eq!(say("00", "a\0b").await, Verdict::BadSignature);
        assert_eq!(world.number("SELECT COUNT(*) FROM callback_log").await, 0);
        // From the channel, in what it says.
        for (trade_no, channel_no, outcome) in [
            ("a\\u0000b", "SB1", "success"),
            ("a\\u0000b", "SB1", "declined"),
            (trade_no, "SB\\u0000", "success"),
            (trade_no, "SB\\u0000", "declined"),
        ] {
            let body = format!(
                r#"{{"trade_no":"{trade_no}","channel_no":"{channel_no}","amount":2500,"outcome":"{outcome}"}}"#
            );
            let signature = sign(b"the test's own key", "1", body.as_bytes());
            assert_eq!(say(&signature, &body).await, Verdict::BadSignature, "{body}");
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM callback_log WHERE verdict = 'bad_signature'").await, 4);
        assert_eq!(world.view(&visit, &placed).await.state, State::PendingPayment);
        world.act(&placed, "pay").await;
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn callbacks_of_no_payment_of_ours_are_forgotten_after_a_month(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("THIRTY", 1)]).await;
        let body = br#"{"trade_no":"nobodys","channel_no":"SB1","amount":1,"outcome":"success"}"#;
        let signature = sign(b"the test's own key", "1", body);
        let answer = world.shop.callback(NAME, "1", &signature, body).await.expect("an answer");
        assert_eq!(answer.verdict, Verdict::Unknown);
        world.clock.advance(29 * DAY_MS);
        world.shop.tidy_members(world.shop.now()).await.expect("tidied");
        assert_eq!(world.number("SELECT COUNT(*) FROM callback_log").await, 2);
        world.clock.advance(DAY_MS);
        world.shop.tidy_members(world.shop.now()).await.expect("tidied");
        assert_eq!(world.verdicts(&placed).await, ["confirmed"], "what was made of payments stays");
        assert_eq!(world.number("SELECT COUNT(*) FROM callback_log").await, 1);
    }

    async fn cancelling_before_payment_gives_all_back(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("THIRTY", 1)]).await;
        // Paid at the channel, but the shop has not heard of it yet.
        world.act(&placed, "lose").await;
        world.shop.cancel(&visit, &placed.code).await.expect("cancelled");
        assert_eq!(world.level("THIRTY").await, (100, 0));
        // A second tap says the same, and changes nothing.
        world.shop.cancel(&visit, &placed.code).await.expect("it is cancelled");
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!(view.state, State::Cancelled);
        assert_eq!(kinds(&view).iter().filter(|kind| **kind == "cancelled").count(), 1);
        assert_eq!((view.refunds.len(), view.refunds[0].state.as_str()), (1, "done"));
        assert_eq!(view.refunded, yuan("25.00"));
        world.check().await;
    }

    async fn cancelling_after_payment_sends_everything_back(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("THIRTY", 2)]).await;
        let form = world.form(&visit, "delivery").await;
        assert_eq!(form.payable, 6_100, "60 − 5 + 6");
        let placed = world.place(&visit, form).await;
        world.act(&placed, "pay").await;
        world.settle().await;
        // The coupon runs out meanwhile.
        let end = world.number("SELECT expires_at FROM coupon WHERE state = 'used'").await;
        world.clock.advance(2 * 24 * 3_600_000);
        let now = world.now(&visit);
        world.shop.cancel(&now, &placed.code).await.expect("cancelled");
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded), (State::Cancelled, yuan("61.00")));
        let refund = &view.refunds[0];
        assert_eq!((refund.reason.as_str(), refund.delivery, refund.lines.len()), ("cancelled", yuan("6.00"), 1));
        assert_eq!(refund.lines[0].amount, yuan("55.00"));
        assert_eq!(world.level("THIRTY").await, (100, 0));
        // It was the member who called it off: the coupon is back, and has run out.
        assert_eq!(world.number("SELECT expires_at FROM coupon WHERE state = 'issued'").await, end);
        world.fill(&now, &[("THIRTY", 1)]).await;
        assert_eq!(world.form(&now, "pickup").await.payable, 3_000);
        world.check().await;
    }

    async fn a_coupon_that_ran_out_is_issued_again_if_the_shop_does_not_deliver(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("THIRTY", 1)]).await;
        world.clock.advance(2 * 24 * 3_600_000);
        let now = world.now(&visit);
        world.shop.cancel_by_staff(&placed.code, now.now).await.expect("called off");
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded), (State::Cancelled, yuan("25.00")));
        let seven_days = now.now.plus(7 * 24 * 3_600_000).0;
        assert_eq!(world.number("SELECT expires_at FROM coupon WHERE state = 'issued'").await, seven_days);
        // It can be used although its offer is over.
        world.fill(&now, &[("THIRTY", 1)]).await;
        assert_eq!(world.form(&now, "pickup").await.payable, 2_500);
        world.check().await;
    }

    async fn a_payment_among_many_is_found_to_send_money_back(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("SIXTY", 1), ("RARE", 1)]).await;
        // As an order had that was declined again and again before payments were bounded.
        let trade_no = trade_no(&placed.payment_url);
        let paid = store::payments::by_trade_no(&mut world.shop.store().read().await.expect("reads"), trade_no).await;
        let paid = paid.expect("reads").expect("the payment");
        let tries = (0..120).map(|n| PaymentRow {
            id: format!("try-{n}"),
            trade_no: format!("try{n}"),
            state: "closed".to_owned(),
            created_at: paid.created_at + 1_000,
            ..paid.clone()
        });
        let input: Vec<PaymentRow> = tries.collect();
        let work = world.shop.store().write(Lane::Background, input, |conn, tries| {
            Box::pin(async move { Ok::<(), Error>(store::payments::insert(conn, tries).await?) })
        });
        work.await.expect("payments");
        let short = world.short(&placed, 2, 1, "picking-1").await.expect("a refund");
        world.settle().await;
        world.shop.cancel(&visit, &placed.code).await.expect("cancelled");
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded), (State::Cancelled, view.total));
        assert!(short.is_positive() && view.refunds.len() == 2);
        assert!(view.refunds.iter().all(|refund| refund.state == "done"));
        world.check().await;
    }

    async fn an_order_is_tried_to_pay_a_bounded_number_of_times(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("MILK", 1)]).await;
        let (mut url, mut payments) = (placed.payment_url.clone(), 1);
        let refused = loop {
            world.shop.act(trade_no(&url), "deny").await.expect("declined");
            world.shop.deliver_callbacks(world.shop.now()).await.expect("a job");
            match world.shop.pay(&visit, &placed.code).await {
                Ok(next) => url = next,
                Err(error) => break error.user(),
            }
            payments += 1;
            assert!(payments < 100, "without end");
        };
        assert_eq!((refused.code, payments), (Code::TooMany, 50));
        assert_eq!(refused.params["retry_s"], "901", "then the hold has ended");
        assert_eq!(world.number("SELECT COUNT(*) FROM payment").await, 50);
        // The last one can be made all the same.
        world.shop.act(trade_no(&url), "pay").await.expect("paid");
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn cancelling_and_paying_race(store: TestStore) {
        let world = World::open(&store).await;
        for n in 0..6 {
            let visit = world.member(n).await;
            let placed = world.order(&visit, &[("MILK", 1)]).await;
            world.act(&placed, "pay").await;
            let (cancelled, _) =
                tokio::join!(world.shop.cancel(&visit, &placed.code), world.shop.deliver_callbacks(world.shop.now()));
            cancelled.expect("cancelled before or after the payment");
            world.settle().await;
            let view = world.view(&visit, &placed).await;
            assert_eq!((view.state, view.refunded), (State::Cancelled, yuan("10.00")));
            assert_eq!(view.refunds.len(), 1);
        }
        assert_eq!(world.level("MILK").await, (100, 0));
        world.check().await;
    }

    async fn a_shortage_costs_the_member_nothing(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.fill(&visit, &[("SIXTY", 1), ("THIRTY", 1)]).await;
        let mut form = world.form(&visit, "pickup").await;
        (form.coupon, form.payable) = (None, 8_000);
        let placed = world.place(&visit, form).await;
        assert_eq!(code_of(world.short(&placed, 2, 1, "picking-1").await), Code::OrderState);
        world.act(&placed, "pay").await;
        world.settle().await;
        let back = world.short(&placed, 2, 1, "picking-1").await.expect("a refund, since nothing was done before");
        assert_eq!(back, yuan("26.67"));
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded), (State::Paid, yuan("26.67")));
        assert_eq!(view.lines[1].short, Packs(1));
        let line = &view.refunds[0].lines[0];
        assert_eq!((line.gross, line.shares, line.amount), (yuan("30.00"), yuan("3.33"), yuan("26.67")));
        assert_eq!(kinds(&view), ["placed", "paid", "short", "refund_requested", "refunded"]);
        assert!(view.timeline.iter().any(|entry| entry.detail.contains(&("name".to_owned(), "Thirty".to_owned()))));
        // The unit is neither reserved nor on the books any more.
        assert_eq!(world.level("THIRTY").await, (99, 0));
        assert_eq!(code_of(world.short(&placed, 2, 1, "picking-2").await), Code::Invalid);
        world.check().await;

        // The rest is short, too: all that is left goes back.
        let rest = world.short(&placed, 1, 1, "picking-3").await.expect("a refund");
        assert_eq!(rest, yuan("53.33"));
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded), (State::Cancelled, yuan("80.00")));
        assert_eq!(world.number("SELECT CAST(SUM(taken) AS BIGINT) FROM slot").await, 0);
        world.check().await;
    }

    async fn a_shortage_reported_again_is_answered_again(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("RARE", 3), ("THREE", 3)]).await;
        let other = world.paid_order(&visit, &[("MILK", 2)]).await;
        for key in ["", "picking", "picking 1", &"x".repeat(65)] {
            assert_eq!(code_of(world.short(&placed, 1, 1, key).await), Code::Invalid, "{key}");
        }
        // More is reported than there is; the answer to it is lost.
        let asked = [(1, Packs(1)), (2, Packs(5))];
        let report = async || world.shop.short_lines(&placed.code, &asked, "picking-1", "test").await;
        let back = report().await.expect("a refund");
        assert_eq!(report().await.expect("the answer of before"), back);
        assert_eq!((world.level("RARE").await, world.level("THREE").await), ((6, 2), (97, 0)));
        // The key says that, of this order.
        assert_eq!(code_of(world.short(&placed, 1, 1, "picking-1").await), Code::KeyReused);
        assert_eq!(code_of(world.short(&other, 1, 1, "picking-1").await), Code::KeyReused);
        assert_eq!(code_of(world.shop.short_lines(&other.code, &asked, "picking-1", "test").await), Code::KeyReused);
        // Under another key the same is another shortage; of the order nothing is left then.
        let rest = world.short(&placed, 1, 2, "picking-2").await.expect("a refund");
        world.settle().await;
        assert_eq!(report().await.expect("the answer of before"), back);
        assert_eq!(world.short(&placed, 1, 2, "picking-2").await.expect("the answer of before"), rest);
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded, view.refunds.len()), (State::Cancelled, back + rest, 2));
        assert_eq!(view.refunded, view.total);
        assert_eq!(world.number("SELECT COUNT(*) FROM shortage").await, 2);
        assert_eq!(world.view(&visit, &other).await.refunded, Fen::ZERO);
        world.check().await;
    }

    async fn a_shortage_of_what_the_tills_sold_leaves_no_debt(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("RARE", 7)]).await;
        world.till(BatchKind::Sales, "RARE", 7).await;
        assert_eq!(world.level("RARE").await, (0, 7));
        world.short(&placed, 1, 7, "picking-1").await.expect("a refund");
        assert_eq!(world.level("RARE").await, (0, 0));
        world.till(BatchKind::Receipts, "RARE", 10).await;
        assert_eq!(world.level("RARE").await, (10, 0));
        world.settle().await;
        world.check().await;
    }

    async fn repeated_shorts_never_pass_what_the_line_paid(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("RARE", 3), ("THREE", 3)]).await;
        let paid = world.view(&visit, &placed).await.lines[0].total;
        let mut back = Fen::ZERO;
        for n in 0..3 {
            back += world.short(&placed, 1, 1, &format!("picking-{n}")).await.expect("a refund");
        }
        assert_eq!(back, paid);
        assert_eq!(code_of(world.short(&placed, 1, 1, "picking-3").await), Code::Invalid);
        let both = [(2, Packs(2)), (2, Packs(5))];
        let all = world.shop.short_lines(&placed.code, &both, "picking-4", "test").await.expect("a refund");
        assert_eq!(back + all, world.view(&visit, &placed).await.total);
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.state, view.refunded, view.refunds.len()), (State::Cancelled, view.total, 4));
        assert!(view.refunds.iter().all(|refund| refund.state == "done"));
        world.check().await;
    }

    async fn parallel_shorts_of_one_unit_refund_once(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("THREE", 2)]).await;
        let tasks = (0..5).map(|n| {
            let (shop, code, key) = (world.shop.clone(), placed.code.clone(), format!("picking-{n}"));
            tokio::spawn(async move { shop.short_line(&code, 1, Packs(1), &key, "test").await })
        });
        let results: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(|t| t.expect("no panic")).collect();
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 2);
        world.settle().await;
        let view = world.view(&visit, &placed).await;
        assert_eq!((view.refunded, view.lines[0].short), (yuan("6.66"), Packs(2)));
        world.check().await;
    }
}
