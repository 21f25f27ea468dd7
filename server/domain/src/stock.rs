//! Stock as an append-only ledger: movements, what each does to a level, and
//! the arithmetic of "so many were on hand at that time".
//!
//! Rules:
//! - The level of a (store, pool) is the sum of its movements: each carries a
//!   delta of `on_hand` and one of `reserved`, in base units.
//! - A snapshot or a hand count *states* what was on hand at a time. One older
//!   than the last statement is late and changes nothing. Else the level becomes
//!   the stated number plus everything that moved after that time ([`state_level`]).
//! - A till sale or receipt of a time up to the last statement is contained in it
//!   and changes the level by 0; its row is kept ([`flow`]).
//! - A short pick takes off the book only what the book has: units that orders hold
//!   beyond what is on hand have left it before ([`short_pick`]).
//!
//! So batches may come late, twice (their key drops the second) or in any
//! order: the final level is that of the newest statement plus what moved later.
//! `on_hand` may pass below 0 when the tills sell what the book did not know of;
//! what may be sold never does (see [`availability`](crate::availability)).

use crate::availability::{Level, sellable_base};
use crate::{Base, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What kind of movement a row of the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Goods came in.
    Receipt,
    /// A till sold goods.
    TillSale,
    /// The store's system states what is on hand.
    Snapshot,
    /// A person counted what is on hand.
    Count,
    /// An order holds units.
    Reservation,
    /// An order gives held units back.
    Release,
    /// A picker took held units off the shelf.
    Pick,
    /// A picker did not find held units: they are not there.
    ShortPick,
    /// A case was broken into its units: the pool stays the same, the act is on record.
    PackBreak,
    /// A person corrects the book; the only kind whose quantity may be negative.
    Correction,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Receipt,
        Self::TillSale,
        Self::Snapshot,
        Self::Count,
        Self::Reservation,
        Self::Release,
        Self::Pick,
        Self::ShortPick,
        Self::PackBreak,
        Self::Correction,
    ];

    /// The word in the database, in JSON and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::TillSale => "till_sale",
            Self::Snapshot => "snapshot",
            Self::Count => "count",
            Self::Reservation => "reservation",
            Self::Release => "release",
            Self::Pick => "pick",
            Self::ShortPick => "short_pick",
            Self::PackBreak => "pack_break",
            Self::Correction => "correction",
        }
    }

    /// Does it state what is on hand, rather than move something?
    pub const fn is_statement(self) -> bool {
        matches!(self, Self::Snapshot | Self::Count)
    }

    /// Does it come from outside, so that it may be late?
    pub const fn is_flow(self) -> bool {
        matches!(self, Self::Receipt | Self::TillSale)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text names no kind of movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of stock movement")]
pub struct BadKind;

impl FromStr for Kind {
    type Err = BadKind;
    fn from_str(text: &str) -> Result<Self, BadKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(BadKind)
    }
}

/// What a movement adds to a level; the two columns of its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Change of `on_hand`.
    pub on_hand: Base,
    /// Change of `reserved`.
    pub reserved: Base,
}

impl Delta {
    /// No change.
    pub const NONE: Self = Self::new(0, 0);

    const fn new(on_hand: i64, reserved: i64) -> Self {
        Self { on_hand: Base(on_hand), reserved: Base(reserved) }
    }

    /// Both changes together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { on_hand: self.on_hand + other.on_hand, reserved: self.reserved + other.reserved }
    }
}

/// What `quantity` base units of a movement do to a level as they are booked.
///
/// | kind | on hand | reserved |
/// | --- | --- | --- |
/// | receipt, correction | + | |
/// | till sale | − | |
/// | reservation | | + |
/// | release | | − |
/// | pick | − | − |
/// | short pick | − | − |
/// | pack break | | |
///
/// A short pick takes the units out of the book too: the picker saw that they
/// are not there, and they must not be promised again. Units that the book lacks
/// already leave the hold alone: see [`short_pick`]. Statements (snapshot, count)
/// have no delta of their own: see [`state_level`].
pub const fn delta(kind: Kind, quantity: Base) -> Delta {
    let n = quantity.0;
    match kind {
        Kind::Receipt | Kind::Correction => Delta::new(n, 0),
        Kind::TillSale => Delta::new(-n, 0),
        Kind::Reservation => Delta::new(0, n),
        Kind::Release => Delta::new(0, -n),
        Kind::Pick | Kind::ShortPick => Delta::new(-n, -n),
        Kind::PackBreak | Kind::Snapshot | Kind::Count => Delta::NONE,
    }
}

/// What a short pick of `quantity` held base units does to `level`.
///
/// Orders may hold more than is on hand: the tills sold of what was held, and have
/// said so. That many units of those that are missing have left the book before.
/// They leave the hold and are not taken off `on_hand` once more, else less would
/// be on hand than stands there once goods come in. What can be sold stays the same.
pub fn short_pick(level: &Level, quantity: Base) -> Delta {
    let lacking = (level.reserved - level.on_hand).max(Base::ZERO);
    delta(Kind::ShortPick, quantity).plus(delta(Kind::Correction, lacking.min(quantity)))
}

/// What a till sale or receipt of the time `at` does to a level whose last
/// statement is `stated_at` (`None`: there was none yet): nothing if the
/// statement is of that time or later, since it contains it.
pub fn flow(kind: Kind, quantity: Base, at: Millis, stated_at: Option<Millis>) -> Delta {
    if stated_at.is_some_and(|stated| at <= stated) {
        return Delta::NONE;
    }
    delta(kind, quantity)
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Change of the level.
    pub delta: Delta,
    /// It was older than the last statement, and changes nothing.
    pub late: bool,
    /// Time of the statement that holds from now on.
    pub as_of: Millis,
}

/// What "`stated` base units were on hand at `at`" does to a level.
///
/// `on_hand` is the level's now, `stated_at` the time of its last statement,
/// `moved_since` the sum of the `on_hand` deltas of its movements of a time
/// after `at`. The level becomes `stated + moved_since`. A second statement for
/// the very same time replaces the first: it is a correction.
pub fn state_level(on_hand: Base, stated_at: Option<Millis>, stated: Base, at: Millis, moved_since: Base) -> Stated {
    match stated_at {
        Some(last) if at < last => Stated { delta: Delta::NONE, late: true, as_of: last },
        _ => Stated {
            delta: Delta { on_hand: stated + moved_since - on_hand, reserved: Base::ZERO },
            late: false,
            as_of: at,
        },
    }
}

/// May `quantity` base units be reserved from this level at `now`? The same
/// condition guards the conditional update in the database.
pub fn can_reserve(level: &Level, quantity: Base, now: Millis) -> bool {
    quantity.0 >= 0 && quantity <= sellable_base(level, now)
}

/// The sum of movements: what a level must be.
pub fn sum(deltas: impl IntoIterator<Item = Delta>) -> Delta {
    deltas.into_iter().fold(Delta::NONE, Delta::plus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_and_written_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).expect("serialises"), format!("\"{kind}\""));
        }
        assert_eq!("theft".parse::<Kind>(), Err(BadKind));
    }

    #[test]
    fn an_order_takes_its_units_once() {
        let story = [(Kind::Receipt, 10), (Kind::Reservation, 3), (Kind::Pick, 2), (Kind::ShortPick, 1)];
        let level = sum(story.map(|(kind, n)| delta(kind, Base(n))));
        assert_eq!(level, Delta::new(7, 0));
        let given_back = sum([(Kind::Reservation, 3), (Kind::Release, 3)].map(|(k, n)| delta(k, Base(n))));
        assert_eq!(given_back, Delta::NONE);
        assert_eq!(delta(Kind::PackBreak, Base(12)), Delta::NONE);
        assert_eq!(delta(Kind::Correction, Base(-4)), Delta::new(-4, 0));
    }

    #[test]
    fn a_short_pick_takes_off_what_the_book_has() {
        let level = |on_hand, reserved| Level { on_hand: Base(on_hand), reserved: Base(reserved), ..Level::default() };
        assert_eq!(short_pick(&level(9, 3), Base(2)), Delta::new(-2, -2));
        assert_eq!(short_pick(&level(3, 3), Base(3)), Delta::new(-3, -3));
        // The tills sold all three, one of three, more than there were.
        assert_eq!(short_pick(&level(0, 3), Base(3)), Delta::new(0, -3));
        assert_eq!(short_pick(&level(2, 3), Base(1)), Delta::new(0, -1));
        assert_eq!(short_pick(&level(2, 3), Base(3)), Delta::new(-2, -3));
        assert_eq!(short_pick(&level(-2, 3), Base(3)), Delta::new(0, -3));
    }

    #[test]
    fn a_sale_that_the_snapshot_contains_counts_once() {
        let at = Some(Millis(100));
        assert_eq!(flow(Kind::TillSale, Base(2), Millis(100), at), Delta::NONE);
        assert_eq!(flow(Kind::TillSale, Base(2), Millis(101), at), Delta::new(-2, 0));
        assert_eq!(flow(Kind::Receipt, Base(2), Millis(1), None), Delta::new(2, 0));
    }

    #[test]
    fn a_snapshot_keeps_what_moved_after_it() {
        // 20 on hand by the book; 8 stated at 100; 3 sold since.
        let stated = state_level(Base(20), Some(Millis(50)), Base(8), Millis(100), Base(-3));
        assert_eq!(stated.delta, Delta::new(-15, 0));
        assert_eq!((stated.late, stated.as_of), (false, Millis(100)));
    }

    #[test]
    fn a_late_snapshot_changes_nothing_and_one_of_the_same_time_corrects() {
        let late = state_level(Base(20), Some(Millis(100)), Base(8), Millis(99), Base(-3));
        assert_eq!((late.delta, late.late, late.as_of), (Delta::NONE, true, Millis(100)));
        let again = state_level(Base(8), Some(Millis(100)), Base(9), Millis(100), Base(0));
        assert_eq!((again.delta, again.late), (Delta::new(1, 0), false));
    }
}
