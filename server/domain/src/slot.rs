//! Delivery and pick-up windows: which can be chosen, and how many places are left.
//!
//! Rule: a slot has a capacity and a cut-off some minutes before it starts. An
//! order takes a place as it is placed and gives it back when it stops holding
//! stock before picking ends.

use crate::Millis;
use crate::time::MINUTE_MS;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the goods reach the member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Brought to an address.
    #[default]
    Delivery,
    /// Fetched at the store.
    Pickup,
}

impl Kind {
    /// The word in the database, in JSON and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Pickup => "pickup",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text names no kind of slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a slot is for delivery or pickup")]
pub struct BadKind;

impl FromStr for Kind {
    type Err = BadKind;
    fn from_str(text: &str) -> Result<Self, BadKind> {
        match text {
            "delivery" => Ok(Self::Delivery),
            "pickup" => Ok(Self::Pickup),
            _ => Err(BadKind),
        }
    }
}

/// A window on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Start.
    pub starts: Millis,
    /// End (exclusive).
    pub ends: Millis,
    /// Orders that it can hold.
    pub capacity: i64,
    /// Places taken by orders, unpaid ones included.
    pub taken: i64,
    /// Minutes before the start from which on it can no longer be chosen.
    pub cutoff_min: i64,
}

/// Whether a slot can be chosen. In JSON `{"kind":"open","left":3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum State {
    /// It can be chosen.
    Open {
        /// Places left, at least 1.
        left: i64,
    },
    /// No place is left.
    Full,
    /// Its cut-off has passed.
    Closed,
    /// It is over.
    Past,
}

impl State {
    /// Can it be chosen?
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

impl Slot {
    /// From this time on it can no longer be chosen.
    pub const fn cutoff(&self) -> Millis {
        self.starts.plus(-self.cutoff_min.saturating_mul(MINUTE_MS))
    }

    /// Places left, never below 0.
    pub fn left(&self) -> i64 {
        self.capacity.saturating_sub(self.taken).max(0)
    }

    /// Its state at `now`: over, closed, full or open, the first that holds.
    pub fn state(&self, now: Millis) -> State {
        if now >= self.ends {
            State::Past
        } else if now >= self.cutoff() {
            State::Closed
        } else if self.left() == 0 {
            State::Full
        } else {
            State::Open { left: self.left() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR_MS;

    fn slot(taken: i64) -> Slot {
        Slot { starts: Millis(10 * HOUR_MS), ends: Millis(12 * HOUR_MS), capacity: 3, taken, cutoff_min: 60 }
    }

    #[test]
    fn a_slot_closes_at_its_cutoff() {
        assert_eq!(slot(1).state(Millis(9 * HOUR_MS - 1)), State::Open { left: 2 });
        assert_eq!(slot(1).state(Millis(9 * HOUR_MS)), State::Closed);
        assert_eq!(slot(1).state(Millis(12 * HOUR_MS - 1)), State::Closed);
        assert_eq!(slot(1).state(Millis(12 * HOUR_MS)), State::Past);
    }

    #[test]
    fn a_full_slot_stays_full() {
        assert_eq!(slot(3).state(Millis(0)), State::Full);
        assert_eq!(slot(9).state(Millis(0)), State::Full);
        assert!(!slot(3).state(Millis(0)).is_open());
    }

    #[test]
    fn kinds_are_read_and_written_back() {
        for kind in [Kind::Delivery, Kind::Pickup] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("drone".parse::<Kind>(), Err(BadKind));
    }
}
