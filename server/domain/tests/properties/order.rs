//! The life of an order: whatever events come in whatever order, stock is taken
//! and given back in turns, and nothing happens after the end.

use crate::config;
use domain::order::{Actor, Event, State, StockEffect, stock_effect, transition};
use proptest::prelude::*;

fn steps() -> impl Strategy<Value = Vec<(Event, Actor)>> {
    prop::collection::vec((prop::sample::select(Event::ALL), prop::sample::select(Actor::ALL)), 0..60)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_table_has_no_way_round(steps in steps()) {
        let mut state = State::PendingPayment;
        let mut held = true;
        let mut paid = false;
        for (event, actor) in steps {
            let Ok(next) = transition(state, event, actor) else { continue };
            prop_assert!(!state.is_terminal(), "{state} is the end");
            prop_assert_ne!(state, next);
            paid |= matches!(event, Event::Pay | Event::PayLate);
            match stock_effect(state, next) {
                StockEffect::Release => {
                    prop_assert!(held, "given back once");
                    held = false;
                }
                StockEffect::TakeAgain => {
                    prop_assert!(!held, "taken once");
                    held = true;
                }
                StockEffect::None => {}
            }
            state = next;
            prop_assert_eq!(held, state.holds_stock());
            prop_assert!(paid || matches!(state, State::PendingPayment | State::Cancelled | State::Expired));
        }
    }

    #[test]
    fn what_a_helper_allows_the_table_allows(
        state in prop::sample::select(State::ALL), actor in prop::sample::select(Actor::ALL),
    ) {
        prop_assert_eq!(state.can_cancel(actor), transition(state, Event::Cancel, actor).is_ok());
        prop_assert_eq!(state.can_pay(), transition(state, Event::Pay, Actor::System).is_ok());
        prop_assert!(!state.holds_stock() || state.is_open());
        prop_assert!(!state.is_terminal() || !state.is_open());
    }
}
