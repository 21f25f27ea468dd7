//! Safety stock: units on the shelf that are never promised, since the shelf is
//! not quite what the book says.
//!
//! Rule: safety stock is a policy of a (store, category), inherited down the
//! category tree and from the chain to the store; the nearest one wins
//! ([`resolve`]). A policy is a number of base units, a percentage of what is on
//! hand, or a multiple of the daily mean sales (DMS).
//!
//! DMS = mean base units that the tills take from the pool a day over the last
//! 30 whole days, kept apart for promotion days and other days ([`dms`]).
//! Rates are in thousandths (`milli`): 1,500 is 1.5 base units a day.

use crate::Base;
use crate::ids::CategoryId;
use crate::time::Day;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many whole days before today the mean sales look back.
pub const DMS_DAYS: i32 = 30;

/// How many units to keep back. Stored and sent as text: `absolute 2`, `percent 10`, `dms 1.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Policy {
    /// This many base units.
    Absolute(Base),
    /// This part of what is on hand, in thousandths of a percent, rounded up to a unit.
    Percent(i64),
    /// This many days of mean sales, in thousandths of a day, rounded up to a unit.
    Dms(i64),
}

/// Keeps nothing back: what holds where nobody set a policy.
impl Default for Policy {
    fn default() -> Self {
        Self::Absolute(Base::ZERO)
    }
}

/// Why a text is no safety policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a safety policy is `absolute <units>`, `percent <0 to 100>` or `dms <0 to 1000 days>`")]
pub struct BadPolicy;

impl FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        let mut words = text.split_whitespace();
        let (Some(kind), Some(number), None) = (words.next(), words.next(), words.next()) else {
            return Err(BadPolicy);
        };
        let value = number.trim_end_matches('%');
        match kind.to_ascii_lowercase().as_str() {
            "absolute" => match number.parse() {
                Ok(units @ 0..=1_000_000_000) => Ok(Self::Absolute(Base(units))),
                _ => Err(BadPolicy),
            },
            "percent" => milli(value, 100).map(Self::Percent),
            "dms" => milli(number, 1_000).map(Self::Dms),
            _ => Err(BadPolicy),
        }
    }
}

/// A decimal number from 0 to `most` in thousandths; more than three decimals are an error.
fn milli(text: &str, most: i64) -> Result<i64, BadPolicy> {
    let number: Decimal = text.parse().map_err(|_| BadPolicy)?;
    let thousandths = number.checked_mul(Decimal::ONE_THOUSAND).ok_or(BadPolicy)?;
    match thousandths.to_i64() {
        Some(n) if thousandths.fract().is_zero() && (0..=most * 1_000).contains(&n) => Ok(n),
        _ => Err(BadPolicy),
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(units) => write!(f, "absolute {units}"),
            Self::Percent(milli) => write!(f, "percent {}", Decimal::new(*milli, 3).normalize()),
            Self::Dms(milli) => write!(f, "dms {}", Decimal::new(*milli, 3).normalize()),
        }
    }
}

impl TryFrom<String> for Policy {
    type Error = BadPolicy;
    fn try_from(text: String) -> Result<Self, BadPolicy> {
        text.parse()
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}

/// How many base units `policy` keeps back, given what is on hand and the mean
/// sales that fit today (thousandths of a base unit a day). Never negative.
pub fn units(policy: Policy, on_hand: Base, dms_milli: i64) -> Base {
    match policy {
        Policy::Absolute(units) => Base(units.0.max(0)),
        Policy::Percent(milli) => part_rounded_up(on_hand.0, milli, 100_000),
        Policy::Dms(k_milli) => part_rounded_up(dms_milli, k_milli, 1_000_000),
    }
}

/// ⌈a × b / per⌉ base units, negative factors reading as 0.
fn part_rounded_up(a: i64, b: i64, per: i128) -> Base {
    let product = i128::from(a.max(0)) * i128::from(b.max(0));
    let units = (product + per - 1) / per;
    Base(i64::try_from(units).unwrap_or(i64::MAX))
}

/// Daily mean sales of a pool, in thousandths of a base unit a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dms {
    /// Mean of the days without a promotion.
    pub normal_milli: i64,
    /// Mean of the promotion days.
    pub promo_milli: i64,
}

impl Dms {
    /// The mean that fits a day with or without a promotion.
    pub const fn for_day(self, promo_today: bool) -> i64 {
        if promo_today { self.promo_milli } else { self.normal_milli }
    }
}

/// What the tills sold on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayUnits {
    /// The day, in the store's zone.
    pub day: Day,
    /// Base units taken from the pool.
    pub units: Base,
    /// Were they sold under a promotion? One such row makes the day a promotion day.
    pub promo: bool,
}

/// Daily mean sales over the last [`DMS_DAYS`] whole days before `today`.
///
/// Days before `first_day_seen` (the first day on which the store's sales are
/// known) do not count; days without a row count as 0 sold. A day is a
/// promotion day if `promo_days` has it or a row of it says so. Where one kind
/// of day does not occur, the other's mean stands in. Means are rounded up to
/// a thousandth.
pub fn dms(days: &[DayUnits], promo_days: &[Day], today: Day, first_day_seen: Day) -> Dms {
    let first = Day(today.0.saturating_sub(DMS_DAYS)).max(first_day_seen);
    let (mut normal, mut promo) = (Mean::default(), Mean::default());
    for number in first.0..today.0 {
        let day = Day(number);
        let rows = || days.iter().filter(|row| row.day == day);
        let units: i64 = rows().map(|row| row.units.0).sum();
        let is_promo = promo_days.contains(&day) || rows().any(|row| row.promo);
        if is_promo { promo.add(units) } else { normal.add(units) }
    }
    let (normal_milli, promo_milli) = (normal.milli(), promo.milli());
    Dms {
        normal_milli: normal_milli.or(promo_milli).unwrap_or(0),
        promo_milli: promo_milli.or(normal_milli).unwrap_or(0),
    }
}

/// A running mean.
#[derive(Default)]
struct Mean {
    sum: i64,
    days: i64,
}

impl Mean {
    fn add(&mut self, units: i64) {
        self.sum = self.sum.saturating_add(units);
        self.days += 1;
    }

    /// The mean in thousandths, rounded up; `None` without a day. Returns may
    /// outweigh sales: that is no demand.
    fn milli(&self) -> Option<i64> {
        (self.days > 0).then(|| (self.sum.max(0).saturating_mul(1_000) + self.days - 1) / self.days)
    }
}

/// Where a policy was set. In JSON: `{"scope":"category","category":"dairy"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Source {
    /// For this SKU in this store.
    SkuInStore,
    /// For this SKU in the whole chain.
    Sku,
    /// For a category in this store.
    CategoryInStore {
        /// The category, the SKU's own or one above it.
        category: CategoryId,
    },
    /// For a category in the whole chain.
    Category {
        /// The category, the SKU's own or one above it.
        category: CategoryId,
    },
    /// The store's default.
    Store,
    /// The chain's default.
    Chain,
    /// Nobody set one: `absolute 0`.
    #[default]
    BuiltIn,
}

/// Policies set for one category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryPolicies {
    /// The category.
    pub category: CategoryId,
    /// Set by the store.
    pub store: Option<Policy>,
    /// Set by the chain.
    pub chain: Option<Policy>,
}

/// Everything that could set the policy of one SKU in one store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes {
    /// Set for the SKU by the store.
    pub sku_in_store: Option<Policy>,
    /// Set for the SKU by the chain.
    pub sku: Option<Policy>,
    /// Set for the SKU's categories, from the leaf up to the root.
    pub categories: Vec<CategoryPolicies>,
    /// The store's default.
    pub store: Option<Policy>,
    /// The chain's default.
    pub chain: Option<Policy>,
}

/// The policy that holds, and where it was set: the nearest wins.
///
/// Order: the SKU's own (the store's, then the chain's); then its categories
/// from the leaf to the root (at each, the store's, then the chain's); then the
/// store's default; then the chain's; then `absolute 0`.
pub fn resolve(scopes: &Scopes) -> (Policy, Source) {
    let of_sku = [(scopes.sku_in_store, Source::SkuInStore), (scopes.sku, Source::Sku)];
    let of_categories = scopes.categories.iter().flat_map(|c| {
        let category = || c.category.clone();
        [
            (c.store, Source::CategoryInStore { category: category() }),
            (c.chain, Source::Category { category: category() }),
        ]
    });
    let defaults = [(scopes.store, Source::Store), (scopes.chain, Source::Chain)];
    of_sku
        .into_iter()
        .chain(of_categories)
        .chain(defaults)
        .find_map(|(policy, source)| policy.map(|p| (p, source)))
        .unwrap_or((Policy::default(), Source::BuiltIn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_written_back() {
        for (text, policy) in [
            ("absolute 2", Policy::Absolute(Base(2))),
            ("percent 10", Policy::Percent(10_000)),
            ("percent 2.5", Policy::Percent(2_500)),
            ("dms 1.5", Policy::Dms(1_500)),
            ("dms 0", Policy::Dms(0)),
        ] {
            assert_eq!(text.parse(), Ok(policy));
            assert_eq!(policy.to_string(), text);
        }
        assert_eq!(" Percent  10% ".parse(), Ok(Policy::Percent(10_000)));
        for bad in ["", "absolute", "absolute -1", "absolute 1.5", "percent 101", "dms x", "dms 1 2", "dms 0.0001"] {
            assert_eq!(bad.parse::<Policy>(), Err(BadPolicy), "{bad}");
        }
    }

    #[test]
    fn parts_of_a_unit_are_kept_back_whole() {
        assert_eq!(units(Policy::Absolute(Base(2)), Base(1), 0), Base(2));
        assert_eq!(units(Policy::Percent(10_000), Base(11), 0), Base(2));
        assert_eq!(units(Policy::Percent(10_000), Base(10), 0), Base(1));
        assert_eq!(units(Policy::Percent(10_000), Base(-5), 0), Base(0));
        assert_eq!(units(Policy::Dms(1_500), Base(0), 2_500), Base(4));
        assert_eq!(units(Policy::Dms(1_500), Base(0), 100), Base(1));
        assert_eq!(units(Policy::Dms(1_500), Base(9), 0), Base(0));
    }

    fn sold(day: i32, units: i64, promo: bool) -> DayUnits {
        DayUnits { day: Day(day), units: Base(units), promo }
    }

    #[test]
    fn promotion_days_have_a_mean_of_their_own() {
        // Ten days known: 20..30; today is 30 and does not count yet.
        let days =
            [sold(20, 8, false), sold(25, 30, true), sold(26, 10, false), sold(30, 99, false), sold(19, 50, false)];
        let mean = dms(&days, &[Day(26)], Day(30), Day(20));
        // 8 over the 8 other days; 40 over the 2 promotion days.
        assert_eq!(mean, Dms { normal_milli: 1_000, promo_milli: 20_000 });
        assert_eq!((mean.for_day(false), mean.for_day(true)), (1_000, 20_000));
    }

    #[test]
    fn without_promotion_days_the_other_mean_stands_in() {
        let mean = dms(&[sold(5, 3, false)], &[], Day(100), Day(0));
        assert_eq!(mean, Dms::default(), "older than 30 days");
        let mean = dms(&[sold(99, 3, false)], &[], Day(100), Day(0));
        assert_eq!(mean, Dms { normal_milli: 100, promo_milli: 100 });
        assert_eq!(dms(&[], &[], Day(100), Day(100)), Dms::default(), "nothing known yet");
    }

    #[test]
    fn the_nearest_policy_wins() {
        let policy = |n| Some(Policy::Absolute(Base(n)));
        let category = |id: &str| CategoryId::trusted(id);
        let mut scopes = Scopes {
            sku_in_store: policy(1),
            sku: policy(2),
            categories: vec![
                CategoryPolicies { category: category("milk"), store: policy(3), chain: policy(4) },
                CategoryPolicies { category: category("dairy"), store: policy(5), chain: policy(6) },
            ],
            store: policy(7),
            chain: policy(8),
        };
        let mut seen = Vec::new();
        let mut next = |scopes: &Scopes| {
            let (policy, source) = resolve(scopes);
            seen.push((policy.to_string(), source));
        };
        next(&scopes);
        scopes.sku_in_store = None;
        next(&scopes);
        scopes.sku = None;
        next(&scopes);
        scopes.categories[0].store = None;
        next(&scopes);
        scopes.categories[0].chain = None;
        next(&scopes);
        scopes.categories[1].store = None;
        next(&scopes);
        scopes.categories[1].chain = None;
        next(&scopes);
        scopes.store = None;
        next(&scopes);
        scopes.chain = None;
        next(&scopes);
        let expected = [
            ("absolute 1", Source::SkuInStore),
            ("absolute 2", Source::Sku),
            ("absolute 3", Source::CategoryInStore { category: category("milk") }),
            ("absolute 4", Source::Category { category: category("milk") }),
            ("absolute 5", Source::CategoryInStore { category: category("dairy") }),
            ("absolute 6", Source::Category { category: category("dairy") }),
            ("absolute 7", Source::Store),
            ("absolute 8", Source::Chain),
            ("absolute 0", Source::BuiltIn),
        ];
        assert_eq!(seen, expected.map(|(p, s)| (p.to_owned(), s)));
    }

    #[test]
    fn the_source_is_readable_json() {
        let source = Source::Category { category: CategoryId::trusted("dairy") };
        let json = serde_json::to_string(&source).expect("serialises");
        assert_eq!(json, r#"{"scope":"category","category":"dairy"}"#);
        assert_eq!(serde_json::to_string(&Policy::Dms(1_500)).expect("serialises"), r#""dms 1.5""#);
    }
}
