//! The clock jumps by hours, forward and back, as machines' clocks do after a
//! flat battery or a wrong zone. Money and goods follow what happened, not what
//! the clock said: nothing is lost, nothing is given back twice, and nobody
//! waits for a time that was never due.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::Code;
use domain::order::State;
use domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use sale::{World, code_of};
use service::members::Asker;

const ASKER: Asker<'static> = Asker { name: "n", session: "s", address: "a" };
const EXPIRED: &str = "SELECT COUNT(*) FROM order_event WHERE kind = 'hold_expired'";
const REFUNDED: &str = "SELECT COUNT(*) FROM sandbox_refund";

store::on_both! {
    async fn a_hold_is_released_once_whatever_the_clock_does(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("MILK", 2)]).await;
        for jump in [16 * MINUTE_MS, -3 * HOUR_MS, 4 * HOUR_MS, -HOUR_MS, 2 * HOUR_MS] {
            world.clock.advance(jump);
            world.settle().await;
        }
        assert_eq!(world.view(&visit, &placed).await.state, State::Expired);
        assert_eq!((world.level("MILK").await, world.number(EXPIRED).await), ((100, 0), 1));
        world.check().await;
    }

    async fn a_hold_of_a_fast_clock_can_be_paid_when_the_clock_is_set_right(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.clock.advance(5 * HOUR_MS);
        let placed = world.order(&world.now(&visit), &[("MILK", 2)]).await;
        world.clock.advance(-5 * HOUR_MS);
        world.act(&placed, "pay").await;
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn money_that_was_on_its_way_back_arrives_when_the_clock_goes_back(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("MILK", 2)]).await;
        world.clock.advance(6 * HOUR_MS);
        world.shop.cancel(&world.now(&visit), &placed.code).await.expect("called off");
        world.clock.advance(-6 * HOUR_MS);
        world.settle().await;
        assert_eq!(world.number(REFUNDED).await, 1, "not in six hours, but now");
        world.clock.advance(12 * HOUR_MS);
        world.settle().await;
        assert_eq!(world.number(REFUNDED).await, 1, "and not again");
        world.check().await;
    }

    async fn a_lost_payment_of_a_fast_clock_is_asked_about(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        world.clock.advance(5 * HOUR_MS);
        let placed = world.order(&world.now(&visit), &[("MILK", 1)]).await;
        world.act(&placed, "lose").await;
        world.clock.advance(-5 * HOUR_MS);
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.state, State::Paid);
        world.check().await;
    }

    async fn a_code_of_a_fast_clock_keeps_nobody_out(store: TestStore) {
        let world = World::open(&store).await;
        let phone = "13900000001";
        world.clock.advance(5 * HOUR_MS);
        world.shop.request_code(phone, &ASKER, world.shop.now()).await.expect("a code");
        world.clock.advance(-5 * HOUR_MS);
        world.shop.request_code(phone, &ASKER, world.shop.now()).await.expect("another, without a wait of hours");
        let again = world.shop.request_code(phone, &ASKER, world.shop.now()).await;
        assert_eq!(code_of(again), Code::TooMany, "but a minute lies between two");
        let code = world.shop.sandbox_code(phone, world.shop.now()).await.expect("an answer").expect("a message");
        world.shop.sign_in(phone, &code, &ASKER, world.shop.now()).await.expect("signed in");
    }

    async fn counted_tries_of_a_fast_clock_keep_nobody_out(store: TestStore) {
        let world = World::open(&store).await;
        let phone = "13900000002";
        world.clock.advance(5 * HOUR_MS);
        for _ in 0..10 {
            world.shop.request_code(phone, &ASKER, world.shop.now()).await.expect("a code");
            world.clock.advance(61 * SECOND_MS);
        }
        let once_more = world.shop.request_code(phone, &ASKER, world.shop.now()).await;
        assert_eq!(code_of(once_more), Code::TooMany, "ten in an hour");
        world.clock.advance(-5 * HOUR_MS);
        world.shop.request_code(phone, &ASKER, world.shop.now()).await.expect("the hour that never was binds nobody");
    }
}
