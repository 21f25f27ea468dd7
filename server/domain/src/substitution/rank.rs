//! The order of candidates, and the reasons that a member reads.

use super::rules::{Goods, Limits, allowed};
use crate::ids::SkuId;
use crate::{Fen, Packs};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What past orders say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How often each product was accepted in place of the original, by anyone,
    /// less how often it was declined.
    pub accepted: BTreeMap<SkuId, i64>,
    /// How often the member bought each product.
    pub bought: BTreeMap<SkuId, i64>,
}

/// Why a candidate ranks where it does, for translation ("同品牌 · 单价相近").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// In the same category.
    SameCategory,
    /// Others took it in place of this one.
    OftenAccepted,
    /// Of the same brand.
    SameBrand,
    /// Of the same size.
    SameSize,
    /// Of the same flavour.
    SameFlavour,
    /// With the same diet marks.
    SameDiet,
    /// Its unit price is within 15 %.
    CloseUnitPrice,
    /// Its unit price is lower by more than that.
    LowerUnitPrice,
    /// The member bought it before.
    BoughtBefore,
    /// Plenty of it is in this store.
    PlentyHere,
}

impl Reason {
    /// The reason's word, for texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameCategory => "same_category",
            Self::OftenAccepted => "often_accepted",
            Self::SameBrand => "same_brand",
            Self::SameSize => "same_size",
            Self::SameFlavour => "same_flavour",
            Self::SameDiet => "same_diet",
            Self::CloseUnitPrice => "close_unit_price",
            Self::LowerUnitPrice => "lower_unit_price",
            Self::BoughtBefore => "bought_before",
            Self::PlentyHere => "plenty_here",
        }
    }
}

/// A candidate that may stand in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The product.
    pub sku: SkuId,
    /// How many packs of it are needed.
    pub packs: Packs,
    /// Its score: higher is better. The rules' criteria are its digits, the first the heaviest.
    pub score: i64,
    /// Why, in the order of the rules.
    pub reasons: Vec<Reason>,
}

/// So many packs beyond what is needed count as plenty.
const PLENTY_PACKS: i64 = 5;

/// Candidates that may stand in for `qty` packs of `original`, the best first.
///
/// Criteria in the order of the rules, each only deciding among equals of those
/// before it: same leaf category; accepted pairs (0 to 9); attributes (brand 4,
/// size 2, flavour 2, diet marks 1); closeness of the unit price (within 5 %,
/// 15 %, 30 %, further); bought before (0 to 9); plenty in this store. Then the
/// exact distance of unit prices, then the SKU's identifier: the order never
/// depends on that of `candidates`.
pub fn rank(original: &Goods, qty: Packs, candidates: &[Goods], limits: &Limits, history: &History) -> Vec<Ranked> {
    let mut ranked: Vec<(Ranked, i128)> = candidates
        .iter()
        .filter_map(|candidate| {
            let packs = allowed(original, qty, candidate, limits).ok()?;
            Some(weigh(original, qty, candidate, packs, history))
        })
        .collect();
    ranked.sort_by(|(a, a_distance), (b, b_distance)| {
        (Reverse(a.score), a_distance, &a.sku).cmp(&(Reverse(b.score), b_distance, &b.sku))
    });
    ranked.dedup_by(|(a, _), (b, _)| a.sku == b.sku);
    ranked.into_iter().map(|(ranked, _)| ranked).collect()
}

/// Score and reasons of one candidate, and how far its price is from the
/// original's, in thousandths.
fn weigh(original: &Goods, qty: Packs, candidate: &Goods, packs: Packs, history: &History) -> (Ranked, i128) {
    let mut reasons = Vec::new();
    let mut when = |holds: bool, reason: Reason, points: i64| {
        if holds {
            reasons.push(reason);
            points
        } else {
            0
        }
    };
    let same = |a: &str, b: &str| !a.is_empty() && a == b;

    let leaf = when(original.leaf().is_some() && original.leaf() == candidate.leaf(), Reason::SameCategory, 1);
    let times = history.accepted.get(&candidate.sku).copied().unwrap_or(0).clamp(0, 9);
    let accepted = when(times > 0, Reason::OftenAccepted, times);
    let attributes = when(same(&original.brand, &candidate.brand), Reason::SameBrand, 4)
        + when(same(&original.size, &candidate.size), Reason::SameSize, 2)
        + when(same(&original.flavour, &candidate.flavour), Reason::SameFlavour, 2)
        + when(!original.diet.is_empty() && original.diet == candidate.diet, Reason::SameDiet, 1);
    let off_milli = unit_price_off(original, qty, candidate, packs);
    let distance = off_milli.abs();
    let near = distance <= 150;
    let closeness = match distance {
        0..=50 => 3,
        51..=150 => 2,
        151..=300 => 1,
        _ => 0,
    };
    when(near, Reason::CloseUnitPrice, 0);
    when(!near && off_milli < 0, Reason::LowerUnitPrice, 0);
    let times = history.bought.get(&candidate.sku).copied().unwrap_or(0).clamp(0, 9);
    let bought = when(times > 0, Reason::BoughtBefore, times);
    let plenty = when(candidate.sellable.0 - packs.0 >= PLENTY_PACKS, Reason::PlentyHere, 1);

    let digits = [leaf, accepted, attributes, closeness, bought, plenty];
    let score = digits.into_iter().fold(0, |score, digit| score * 10 + digit);
    (Ranked { sku: candidate.sku.clone(), packs, score, reasons }, distance)
}

/// By how many thousandths the candidate's unit price is above (or below: less
/// than 0) the original's: both per measure if they have one, else per pack.
fn unit_price_off(original: &Goods, qty: Packs, candidate: &Goods, packs: Packs) -> i128 {
    let wide = |price: Fen, n: i64| i128::from(price.0.max(0)) * i128::from(n);
    let (ours, theirs) = match (&original.measure, &candidate.measure) {
        (Some(from), Some(to)) => (wide(original.price, to.amount), wide(candidate.price, from.amount)),
        _ => (wide(original.price, qty.0), wide(candidate.price, packs.0)),
    };
    if ours == 0 { if theirs == 0 { 0 } else { i128::MAX / 2 } } else { (theirs - ours) * 1_000 / ours }
}

#[cfg(test)]
mod tests {
    use super::super::rules::Measure;
    use super::*;
    use crate::ids::CategoryId;

    fn milk(sku: &str, leaf: &str, brand: &str, price: i64) -> Goods {
        Goods {
            sku: SkuId::trusted(sku),
            categories: vec![CategoryId::trusted(leaf), CategoryId::trusted("dairy")],
            brand: brand.to_owned(),
            price: Fen(price),
            measure: Some(Measure { amount: 1000, unit: "ml".to_owned() }),
            sellable: Packs(3),
            ..Goods::default()
        }
    }

    fn order(candidates: &[Goods], history: &History) -> Vec<String> {
        let original = milk("o", "milk", "光明", 1000);
        rank(&original, Packs(1), candidates, &Limits::default(), history)
            .into_iter()
            .map(|ranked| ranked.sku.to_string())
            .collect()
    }

    #[test]
    fn the_criteria_decide_in_their_order() {
        let candidates = [
            milk("yoghurt", "yoghurt", "光明", 1000),
            milk("far", "milk", "蒙牛", 1900),
            milk("near", "milk", "蒙牛", 1020),
            milk("brand", "milk", "光明", 1900),
            milk("pair", "milk", "伊利", 1900),
        ];
        let history = History {
            accepted: BTreeMap::from([(SkuId::trusted("pair"), 3)]),
            bought: BTreeMap::from([(SkuId::trusted("yoghurt"), 50)]),
        };
        let expected = ["pair", "brand", "near", "far", "yoghurt"];
        assert_eq!(order(&candidates, &history), expected);
        let mut reversed = candidates.to_vec();
        reversed.reverse();
        assert_eq!(order(&reversed, &history), expected, "whatever the order of the candidates");
    }

    #[test]
    fn own_history_decides_before_stock_and_then_the_exact_price() {
        let candidates = [milk("c", "milk", "", 1030), milk("b", "milk", "", 1010), milk("a", "milk", "", 1030)];
        assert_eq!(order(&candidates, &History::default()), ["b", "a", "c"]);
        let bought = History { bought: BTreeMap::from([(SkuId::trusted("c"), 1)]), ..History::default() };
        assert_eq!(order(&candidates, &bought), ["c", "b", "a"]);
        let mut plenty = candidates.to_vec();
        plenty[2].sellable = Packs(60);
        assert_eq!(order(&plenty, &bought), ["c", "a", "b"]);
    }

    #[test]
    fn reasons_are_told_in_the_order_of_the_rules() {
        let original = Goods { size: "1 L".to_owned(), ..milk("o", "milk", "光明", 1000) };
        let candidate = Goods { size: "1 L".to_owned(), sellable: Packs(40), ..milk("c", "milk", "光明", 1100) };
        let history = History { bought: BTreeMap::from([(SkuId::trusted("c"), 2)]), ..History::default() };
        let ranked = rank(&original, Packs(1), &[candidate], &Limits::default(), &history);
        let expected = [
            Reason::SameCategory,
            Reason::SameBrand,
            Reason::SameSize,
            Reason::CloseUnitPrice,
            Reason::BoughtBefore,
            Reason::PlentyHere,
        ];
        assert_eq!(ranked[0].reasons, expected);
        assert_eq!(ranked[0].score, 106_221);
    }

    #[test]
    fn what_may_not_stand_in_is_not_ranked() {
        let sold_out = Goods { sellable: Packs(0), ..milk("gone", "milk", "光明", 1000) };
        assert_eq!(order(&[sold_out, milk("o", "milk", "光明", 1000)], &History::default()), Vec::<String>::new());
    }
}
