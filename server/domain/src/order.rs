//! The life of an order: one table of transitions, and nothing beside it.
//!
//! ```text
//! pending_payment ─pay→ paid ─accept→ accepted ─start_picking→ picking ─finish_picking→ picked
//!   │ cancel  │ hold_ran_out │ cancel     │ cancel              │ cancel                 ├ dispatch→ delivering
//!   ▼         ▼              ▼            ▼                     │ nothing_found           └ make_ready→ ready_for_pickup
//! cancelled  expired ─pay_late→ paid                            ▼                        hand_over→ completed
//!                                                            refunded ←────────── give_back
//! ```
//!
//! A caller never tests a state and then writes another: it asks
//! [`transition`], and writes what that answers. Payments have their own
//! states; this table is about the goods.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Placed; the goods are held until it is paid or the hold runs out.
    #[default]
    PendingPayment,
    /// Paid; waits for the store.
    Paid,
    /// The store took it on.
    Accepted,
    /// A picker is walking.
    Picking,
    /// All that was found stands packed.
    Picked,
    /// On its way.
    Delivering,
    /// Waits at the desk.
    ReadyForPickup,
    /// Handed over.
    Completed,
    /// Called off before picking ended; what was paid goes back.
    Cancelled,
    /// Not paid in time; only a late payment whose goods are still there revives it.
    Expired,
    /// Paid, but nothing was delivered (all short, refused, not collected); everything goes back.
    Refunded,
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The payment is confirmed while the hold runs.
    Pay,
    /// The payment is confirmed after the hold ran out, and the stock could be taken again.
    PayLate,
    /// The hold ran out unpaid.
    HoldRanOut,
    /// Somebody calls it off.
    Cancel,
    /// The store takes it on.
    Accept,
    /// Picking begins.
    StartPicking,
    /// Every line is found, substituted or short.
    FinishPicking,
    /// Every line is short.
    NothingFound,
    /// The courier leaves (delivery).
    Dispatch,
    /// It stands at the desk (pick-up).
    MakeReady,
    /// The member has it.
    HandOver,
    /// Refused at the door, undeliverable, or not collected.
    GiveBack,
}

/// Who makes it happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The member who placed it.
    Member,
    /// Store staff and couriers.
    Staff,
    /// The shop itself: payments, clocks, routing.
    System,
}

/// What a transition does to the stock that the order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockEffect {
    /// Held stays held; not held stays not held.
    None,
    /// Every unit that is still reserved goes back.
    Release,
    /// The units are reserved again.
    TakeAgain,
}

/// The event does not fit the state or the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{actor} may not {event} an order that is {from}")]
pub struct NotAllowed {
    /// The state that the order is in.
    pub from: State,
    /// What should have happened.
    pub event: Event,
    /// Who wanted it.
    pub actor: Actor,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the database and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).ok_or(UnknownWord)
            }
        }
    };
}

/// Why a text names no state, event or actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

words!(State {
    PendingPayment = "pending_payment",
    Paid = "paid",
    Accepted = "accepted",
    Picking = "picking",
    Picked = "picked",
    Delivering = "delivering",
    ReadyForPickup = "ready_for_pickup",
    Completed = "completed",
    Cancelled = "cancelled",
    Expired = "expired",
    Refunded = "refunded",
});
words!(Event {
    Pay = "pay",
    PayLate = "pay_late",
    HoldRanOut = "hold_ran_out",
    Cancel = "cancel",
    Accept = "accept",
    StartPicking = "start_picking",
    FinishPicking = "finish_picking",
    NothingFound = "nothing_found",
    Dispatch = "dispatch",
    MakeReady = "make_ready",
    HandOver = "hand_over",
    GiveBack = "give_back",
});
words!(Actor { Member = "member", Staff = "staff", System = "system" });

/// One row of the table: from, event, to, who may.
type Row = (State, Event, State, &'static [Actor]);

const ANYONE: &[Actor] = &[Actor::Member, Actor::Staff, Actor::System];
const STAFF: &[Actor] = &[Actor::Staff];
const SYSTEM: &[Actor] = &[Actor::System];
const STAFF_OR_SYSTEM: &[Actor] = &[Actor::Staff, Actor::System];

/// Every transition there is. What is not here cannot happen.
const TABLE: &[Row] = &[
    (State::PendingPayment, Event::Pay, State::Paid, SYSTEM),
    (State::PendingPayment, Event::HoldRanOut, State::Expired, SYSTEM),
    (State::PendingPayment, Event::Cancel, State::Cancelled, ANYONE),
    (State::Expired, Event::PayLate, State::Paid, SYSTEM),
    (State::Paid, Event::Accept, State::Accepted, STAFF_OR_SYSTEM),
    (State::Paid, Event::Cancel, State::Cancelled, ANYONE),
    (State::Accepted, Event::StartPicking, State::Picking, STAFF),
    (State::Accepted, Event::Cancel, State::Cancelled, ANYONE),
    (State::Picking, Event::FinishPicking, State::Picked, STAFF),
    (State::Picking, Event::NothingFound, State::Refunded, STAFF_OR_SYSTEM),
    (State::Picking, Event::Cancel, State::Cancelled, STAFF),
    (State::Picked, Event::Dispatch, State::Delivering, STAFF),
    (State::Picked, Event::MakeReady, State::ReadyForPickup, STAFF),
    (State::Delivering, Event::HandOver, State::Completed, STAFF_OR_SYSTEM),
    (State::Delivering, Event::GiveBack, State::Refunded, STAFF),
    (State::ReadyForPickup, Event::HandOver, State::Completed, STAFF),
    (State::ReadyForPickup, Event::GiveBack, State::Refunded, STAFF_OR_SYSTEM),
];

/// The state after `event`, if `actor` may make it happen in state `from`.
///
/// # Errors
/// [`NotAllowed`] if the table has no such row, or not for this actor.
pub fn transition(from: State, event: Event, actor: Actor) -> Result<State, NotAllowed> {
    TABLE
        .iter()
        .find(|(f, e, _, actors)| *f == from && *e == event && actors.contains(&actor))
        .map(|&(_, _, to, _)| to)
        .ok_or(NotAllowed { from, event, actor })
}

/// What moving from one state to another does to the stock that the order
/// holds: it is given back exactly when a stock-holding state is left. (Units
/// that were picked or found short are no longer reserved by then.)
pub const fn stock_effect(from: State, to: State) -> StockEffect {
    match (from.holds_stock(), to.holds_stock()) {
        (true, false) => StockEffect::Release,
        (false, true) => StockEffect::TakeAgain,
        _ => StockEffect::None,
    }
}

impl State {
    /// Does the order hold reserved units and a place in its slot?
    pub const fn holds_stock(self) -> bool {
        matches!(self, Self::PendingPayment | Self::Paid | Self::Accepted | Self::Picking)
    }

    /// Is it under way: neither finished nor called off?
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Cancelled | Self::Expired | Self::Refunded)
    }

    /// Does no event lead on from here?
    pub fn is_terminal(self) -> bool {
        TABLE.iter().all(|(from, ..)| *from != self)
    }

    /// Had it been paid when it was in this state?
    pub const fn is_paid(self) -> bool {
        matches!(
            self,
            Self::Paid
                | Self::Accepted
                | Self::Picking
                | Self::Picked
                | Self::Delivering
                | Self::ReadyForPickup
                | Self::Completed
        )
    }

    /// May this actor cancel it now?
    pub fn can_cancel(self, actor: Actor) -> bool {
        transition(self, Event::Cancel, actor).is_ok()
    }

    /// Can it be paid (its hold is checked by the clock besides)?
    pub const fn can_pay(self) -> bool {
        matches!(self, Self::PendingPayment)
    }

    /// May the choice for a missing line still be changed (until picking begins)?
    pub const fn substitution_changeable(self) -> bool {
        matches!(self, Self::PendingPayment | Self::Paid | Self::Accepted)
    }

    /// May a line be reported short by the store?
    pub const fn can_short(self) -> bool {
        matches!(self, Self::Paid | Self::Accepted | Self::Picking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// States reachable from `start` by any event and actor, without passing `avoid`.
    fn reachable(start: State, avoid: Option<State>) -> BTreeSet<State> {
        let (mut seen, mut todo) = (BTreeSet::from([start]), vec![start]);
        while let Some(from) = todo.pop() {
            for &event in Event::ALL {
                for &actor in Actor::ALL {
                    if let Ok(to) = transition(from, event, actor)
                        && Some(to) != avoid
                        && seen.insert(to)
                    {
                        todo.push(to);
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn every_state_is_reachable() {
        assert_eq!(reachable(State::PendingPayment, None).len(), State::ALL.len());
    }

    #[test]
    fn nothing_leaves_a_terminal_state() {
        let terminal: Vec<State> = State::ALL.iter().copied().filter(|s| s.is_terminal()).collect();
        assert_eq!(terminal, [State::Completed, State::Cancelled, State::Refunded]);
        for state in terminal {
            assert_eq!(reachable(state, None), BTreeSet::from([state]));
            assert!(!state.is_open() && !state.holds_stock());
        }
    }

    #[test]
    fn every_open_order_can_come_to_an_end() {
        for &state in State::ALL {
            assert!(reachable(state, None).iter().any(|s| s.is_terminal()), "{state}");
        }
    }

    #[test]
    fn nothing_is_picked_unpaid() {
        let unpaid = reachable(State::PendingPayment, Some(State::Paid));
        assert_eq!(unpaid, BTreeSet::from([State::PendingPayment, State::Cancelled, State::Expired]));
    }

    #[test]
    fn stock_goes_back_exactly_when_a_holding_state_is_left() {
        for &(from, event, to, _) in TABLE {
            let effect = stock_effect(from, to);
            assert_eq!(effect == StockEffect::Release, from.holds_stock() && !to.holds_stock(), "{from} {event}");
            assert_eq!(effect == StockEffect::TakeAgain, event == Event::PayLate, "{from} {event}");
        }
    }

    #[test]
    fn the_table_says_one_thing_a_state_and_event() {
        let keys: BTreeSet<(State, Event)> = TABLE.iter().map(|&(from, event, ..)| (from, event)).collect();
        assert_eq!(keys.len(), TABLE.len());
    }

    #[test]
    fn a_member_cancels_until_picking_begins() {
        for &state in State::ALL {
            let may = matches!(state, State::PendingPayment | State::Paid | State::Accepted);
            assert_eq!(state.can_cancel(Actor::Member), may, "{state}");
            assert_eq!(state.substitution_changeable(), may, "{state}");
        }
        assert!(State::Picking.can_cancel(Actor::Staff));
    }

    #[test]
    fn only_the_shop_itself_says_that_it_is_paid() {
        for actor in [Actor::Member, Actor::Staff] {
            let refused = NotAllowed { from: State::PendingPayment, event: Event::Pay, actor };
            assert_eq!(transition(State::PendingPayment, Event::Pay, actor), Err(refused));
        }
        assert_eq!(transition(State::Cancelled, Event::PayLate, Actor::System).ok(), None);
    }

    #[test]
    fn words_are_read_and_written_back() {
        for &state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_string(&state).expect("serialises"), format!("\"{state}\""));
        }
        for &event in Event::ALL {
            assert_eq!(serde_json::to_string(&event).expect("serialises"), format!("\"{event}\""));
        }
        assert_eq!("lost".parse::<State>(), Err(UnknownWord));
    }
}
