//! Availability: how many packs of a SKU may be sold now, in which of four
//! states the page shows it, and why.
//!
//! Rule: `sellable = floor((on_hand − reserved − safety) / pack_size)`, never
//! below 0, per store and SKU. `on_hand`, `reserved` and `safety` are in base
//! units of the pool that the SKU is sold from, so a case and its bottles can
//! never be sold from the same units. A hand count that has run out reads as 0
//! on hand. The number is a promise that a picker can keep.

use crate::safety::{Dms, Policy, Source};
use crate::stock::Kind;
use crate::time::{DAY_MS, HOUR_MS};
use crate::{Base, Millis, Packs};
use serde::{Deserialize, Serialize};

/// The stock of a pool in a store, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// What stands in the store by the last snapshot, count or pick, and what moved since.
    pub on_hand: Base,
    /// Held by orders that are not yet picked and by checkouts whose hold runs.
    pub reserved: Base,
    /// Kept back by the safety policy (see [`units`](crate::safety::units)).
    pub safety: Base,
    /// When `on_hand` was last known to be true: the time of the last statement,
    /// or, where the tills report every sale, the time up to which they have
    /// reported (what they told is in `on_hand`, and must not be expected again).
    pub as_of: Millis,
    /// A hand count holds up to this time (exclusive); `None`: no count, or it holds always.
    pub counted_until: Option<Millis>,
}

impl Level {
    /// Has the hand count run out, so that nothing counts as on hand?
    pub fn count_ran_out(&self, now: Millis) -> bool {
        self.counted_until.is_some_and(|until| now >= until)
    }

    /// `on_hand`, or 0 once a hand count has run out.
    pub fn on_hand_now(&self, now: Millis) -> Base {
        if self.count_ran_out(now) { Base::ZERO } else { self.on_hand }
    }
}

/// Base units that may be sold: `on_hand − reserved − safety`, never below 0.
pub fn sellable_base(level: &Level, now: Millis) -> Base {
    let left = level.on_hand_now(now).0.saturating_sub(level.reserved.0).saturating_sub(level.safety.0);
    Base(left.max(0))
}

/// Whole packs that may be sold. A pack size below 1 is no pack size: nothing.
pub fn sellable_packs(level: &Level, pack_size: Base, now: Millis) -> Packs {
    if pack_size.0 < 1 {
        return Packs::ZERO;
    }
    Packs(sellable_base(level, now).0 / pack_size.0)
}

/// From when on a state is no longer plain "in stock".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Up to so many packs the page says "only n left".
    pub low_packs: i64,
    /// Stock told longer ago than this, in milliseconds, is not trusted when it is low.
    pub stale_ms: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { low_packs: 5, stale_ms: 2 * HOUR_MS }
    }
}

/// What a page says of a SKU. In JSON `{"kind":"low","n":3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "n", rename_all = "snake_case")]
pub enum State {
    /// 有货: enough is there.
    InStock,
    /// 仅剩 n: so many packs are left.
    Low(Packs),
    /// 可能缺货: may be bought, and may be missing; choose a substitute.
    Risky,
    /// 售罄: nothing can be bought.
    SoldOut,
}

impl State {
    /// The state's word in texts and styles: `in_stock`, `low`, `risky`, `sold_out`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::Low(_) => "low",
            Self::Risky => "risky",
            Self::SoldOut => "sold_out",
        }
    }

    /// Can it be put in a basket and ordered?
    pub const fn can_order(self) -> bool {
        !matches!(self, Self::SoldOut)
    }
}

/// The state to show. The first that holds:
///
/// 1. *sold out*: not one pack is sellable;
/// 2. *risky*: by the mean till sales since `as_of`, less than one unreserved
///    pack is expected to be left on the shelf
///    (`on_hand − reserved − dms × time < pack_size`; the safety stock is what
///    absorbs sales that are not known yet, so it counts here); or the stock was
///    told longer ago than `stale_ms` and no more than `low_packs` are sellable.
///    A hand count does not go stale before it runs out;
/// 3. *low*: no more than `low_packs` are sellable;
/// 4. *in stock*.
///
/// `dms_milli` is the mean that fits today, in thousandths of a base unit a day.
pub fn state(level: &Level, pack_size: Base, dms_milli: i64, now: Millis, thresholds: &Thresholds) -> State {
    let packs = sellable_packs(level, pack_size, now);
    if packs.0 < 1 {
        return State::SoldOut;
    }
    let age_ms = now.since(level.as_of).max(0);
    let expected_sold = i128::from(dms_milli.max(0)) * i128::from(age_ms) / i128::from(DAY_MS);
    let unreserved = i128::from(level.on_hand_now(now).0) - i128::from(level.reserved.0);
    let likely_gone = unreserved * 1_000 - expected_sold < i128::from(pack_size.0) * 1_000;
    let few = packs.0 <= thresholds.low_packs;
    let stale = level.counted_until.is_none() && age_ms > thresholds.stale_ms;
    if likely_gone || (stale && few) {
        State::Risky
    } else if few {
        State::Low(packs)
    } else {
        State::InStock
    }
}

/// What [`explain`] needs beside the level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Which kind of movement last told `on_hand`.
    pub told_by: Kind,
    /// The safety policy that holds.
    pub policy: Policy,
    /// Where it was set.
    pub policy_source: Source,
    /// Base units in a pack.
    pub pack_size: Base,
    /// Daily mean sales.
    pub dms: Dms,
    /// Is a promotion on today?
    pub promo_today: bool,
}

/// The answer to "why is sellable 3?": every term with its source and its age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The level: on hand, reserved, safety, as of, counted until.
    pub level: Level,
    /// The terms and where they come from.
    pub terms: Terms,
    /// What `on_hand` counts as now: 0 if the hand count ran out.
    pub on_hand_now: Base,
    /// Did the hand count run out?
    pub count_ran_out: bool,
    /// How long ago `on_hand` was told, in milliseconds.
    pub age_ms: i64,
    /// The mean sales used today, in thousandths of a base unit a day.
    pub dms_milli: i64,
    /// Base units that may be sold.
    pub sellable_base: Base,
    /// Packs that may be sold.
    pub sellable: Packs,
    /// What the page shows.
    pub state: State,
}

/// Computes the sellable number and the state, and keeps every term.
pub fn explain(level: Level, terms: Terms, now: Millis, thresholds: &Thresholds) -> Why {
    let dms_milli = terms.dms.for_day(terms.promo_today);
    Why {
        on_hand_now: level.on_hand_now(now),
        count_ran_out: level.count_ran_out(now),
        age_ms: now.since(level.as_of).max(0),
        dms_milli,
        sellable_base: sellable_base(&level, now),
        sellable: sellable_packs(&level, terms.pack_size, now),
        state: state(&level, terms.pack_size, dms_milli, now, thresholds),
        level,
        terms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000 * DAY_MS);

    fn level(on_hand: i64, reserved: i64, safety: i64) -> Level {
        Level {
            on_hand: Base(on_hand),
            reserved: Base(reserved),
            safety: Base(safety),
            as_of: NOW,
            counted_until: None,
        }
    }

    fn show(level: &Level, pack: i64, dms_milli: i64) -> State {
        state(level, Base(pack), dms_milli, NOW, &Thresholds::default())
    }

    #[test]
    fn only_whole_packs_are_promised() {
        assert_eq!(sellable_packs(&level(30, 4, 2), Base(12), NOW), Packs(2));
        assert_eq!(sellable_packs(&level(29, 4, 2), Base(12), NOW), Packs(1));
        assert_eq!(sellable_packs(&level(3, 4, 2), Base(1), NOW), Packs(0));
        assert_eq!(sellable_packs(&level(-3, 0, 0), Base(1), NOW), Packs(0));
        assert_eq!(sellable_packs(&level(3, 0, 0), Base(0), NOW), Packs(0));
        assert_eq!(sellable_packs(&level(i64::MIN, i64::MAX, i64::MAX), Base(1), NOW), Packs(0));
    }

    #[test]
    fn a_count_reads_as_nothing_when_it_has_run_out() {
        let mut greens = level(8, 0, 0);
        greens.counted_until = Some(NOW);
        assert_eq!(sellable_packs(&greens, Base(1), NOW), Packs(0));
        assert_eq!(sellable_packs(&greens, Base(1), NOW.plus(-1)), Packs(8));
        assert_eq!(show(&greens, 1, 0), State::SoldOut);
    }

    #[test]
    fn four_states() {
        assert_eq!(show(&level(20, 0, 2), 1, 0), State::InStock);
        assert_eq!(show(&level(7, 0, 2), 1, 0), State::Low(Packs(5)));
        assert_eq!(show(&level(8, 0, 2), 1, 0), State::InStock);
        assert_eq!(show(&level(2, 0, 2), 1, 0), State::SoldOut);
    }

    #[test]
    fn what_the_tills_have_likely_sold_is_risky() {
        let mut milk = level(10, 0, 2);
        milk.as_of = NOW.plus(-DAY_MS / 2);
        // 18 a day: 9 in half a day, one pack is left.
        assert_eq!(show(&milk, 1, 18_000), State::InStock);
        assert_eq!(show(&milk, 1, 18_001), State::InStock, "by less than a thousandth");
        assert_eq!(show(&milk, 1, 18_010), State::Risky);
    }

    #[test]
    fn few_and_told_long_ago_is_risky() {
        let mut tea = level(3, 0, 0);
        tea.as_of = NOW.plus(-2 * HOUR_MS);
        assert_eq!(show(&tea, 1, 0), State::Low(Packs(3)));
        tea.as_of = NOW.plus(-2 * HOUR_MS - 1);
        assert_eq!(show(&tea, 1, 0), State::Risky);
        tea.on_hand = Base(30);
        assert_eq!(show(&tea, 1, 0), State::InStock);
    }

    #[test]
    fn a_hand_count_holds_without_growing_stale() {
        let mut fish = level(3, 0, 0);
        fish.as_of = NOW.plus(-8 * HOUR_MS);
        fish.counted_until = Some(NOW.plus(HOUR_MS));
        assert_eq!(show(&fish, 1, 0), State::Low(Packs(3)));
    }

    #[test]
    fn the_answer_names_every_term() {
        let terms = Terms {
            told_by: Kind::Snapshot,
            policy: Policy::Absolute(Base(2)),
            policy_source: Source::Store,
            pack_size: Base(1),
            dms: Dms { normal_milli: 500, promo_milli: 900 },
            promo_today: true,
        };
        let mut five = level(9, 4, 2);
        five.as_of = NOW.plus(-HOUR_MS);
        let why = explain(five, terms, NOW, &Thresholds::default());
        assert_eq!((why.sellable, why.state), (Packs(3), State::Low(Packs(3))));
        assert_eq!((why.age_ms, why.dms_milli, why.on_hand_now), (HOUR_MS, 900, Base(9)));
        let json = serde_json::to_value(&why).expect("serialises");
        assert_eq!(json["state"]["n"], 3);
        assert_eq!(json["terms"]["policy"], "absolute 2");
    }
}
