//! What may stand in for a product, how much of it, and at which price.

use crate::ids::{CategoryId, SkuId};
use crate::refund::LinePaid;
use crate::{Fen, Packs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Net content of a pack, for comparing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// How much, in `unit`; at least 1.
    pub amount: i64,
    /// `g`, `ml` or `piece`.
    pub unit: String,
}

/// What the rules look at in a product. Codes and names are compared as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// The SKU.
    pub sku: SkuId,
    /// The product whose variant it is.
    pub product: String,
    /// Its categories from the leaf up to the root.
    pub categories: Vec<CategoryId>,
    /// Its brand; empty if none.
    pub brand: String,
    /// Its size as written, such as `950 ml`; empty if none.
    pub size: String,
    /// Its flavour or other option; empty if none.
    pub flavour: String,
    /// Allergen codes.
    pub allergens: BTreeSet<String>,
    /// Diet mark codes.
    pub diet: BTreeSet<String>,
    /// Buyers must be this old.
    pub age_limit: Option<u8>,
    /// The price of a pack for this member.
    pub price: Fen,
    /// Net content of a pack.
    pub measure: Option<Measure>,
    /// Packs that may be sold in the store.
    pub sellable: Packs,
}

impl Goods {
    /// Its own category.
    pub fn leaf(&self) -> Option<&CategoryId> {
        self.categories.first()
    }
}

/// What a member rules out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Brands that they never want.
    pub never_brands: BTreeSet<String>,
    /// Allergens that they never want, whatever the original has.
    pub never_allergens: BTreeSet<String>,
}

/// Why a product may not stand in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Forbidden {
    /// It is the missing product itself.
    Same,
    /// It has an allergen that the original has not, or that the member rules out.
    Allergen {
        /// The allergen's code.
        code: String,
    },
    /// It lacks a diet mark of the original.
    Diet {
        /// The mark's code.
        code: String,
    },
    /// It is for older buyers than the original.
    AgeLimit,
    /// The member never wants its brand.
    NeverBrand,
    /// Its quantity cannot be compared with the original's.
    NotComparable,
    /// There is not enough of it.
    SoldOut,
}

/// May `candidate` stand in for `qty` packs of `original`? Says how many packs
/// of it that takes.
///
/// # Errors
/// [`Forbidden`], the first rule that it breaks.
pub fn allowed(original: &Goods, qty: Packs, candidate: &Goods, limits: &Limits) -> Result<Packs, Forbidden> {
    if candidate.sku == original.sku {
        return Err(Forbidden::Same);
    }
    let bad_allergen = candidate
        .allergens
        .iter()
        .find(|code| !original.allergens.contains(*code) || limits.never_allergens.contains(*code));
    if let Some(code) = bad_allergen {
        return Err(Forbidden::Allergen { code: code.clone() });
    }
    if let Some(code) = original.diet.difference(&candidate.diet).next() {
        return Err(Forbidden::Diet { code: code.clone() });
    }
    if candidate.age_limit.unwrap_or(0) > original.age_limit.unwrap_or(0) {
        return Err(Forbidden::AgeLimit);
    }
    if !candidate.brand.is_empty() && limits.never_brands.contains(&candidate.brand) {
        return Err(Forbidden::NeverBrand);
    }
    let packs = packs_needed(original, qty, candidate).ok_or(Forbidden::NotComparable)?;
    if packs > candidate.sellable { Err(Forbidden::SoldOut) } else { Ok(packs) }
}

/// How many packs of `candidate` bring at least as much as `qty` packs of
/// `original`: never less quantity for the same price. Two products without a
/// measure stand in pack for pack; `None` if only one has a measure, or another unit.
pub fn packs_needed(original: &Goods, qty: Packs, candidate: &Goods) -> Option<Packs> {
    match (&original.measure, &candidate.measure) {
        (None, None) => Some(qty),
        (Some(from), Some(to)) if from.unit == to.unit && from.amount > 0 && to.amount > 0 => {
            let wanted = i128::from(qty.0.max(0)) * i128::from(from.amount);
            let packs = (wanted + i128::from(to.amount) - 1) / i128::from(to.amount);
            i64::try_from(packs).ok().map(Packs)
        }
        _ => None,
    }
}

/// The money of a substitution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What the member pays for the substitute, out of what they paid.
    pub charged: Fen,
    /// What goes back to the member.
    pub back: Fen,
    /// What the store pays on top.
    pub store_pays: Fen,
}

/// The money when a substitute stands in for a part of a line.
///
/// `part` is the part of the line that is replaced: its packs, what they cost
/// before the line's shares (`gross`) and what was paid for them (`total`).
/// `substitute` is what the substitute's packs cost on the same footing as
/// `gross`.
///
/// Dearer: the member pays nothing more, the store pays the difference.
/// Cheaper: the difference goes back net of its part of the line's shares, that
/// is `difference × total ÷ gross`, rounded up to a fen.
pub fn settle(part: &LinePaid, substitute: Fen) -> Settlement {
    let (gross, total, substitute) =
        (part.gross.at_least_zero(), part.total.at_least_zero(), substitute.at_least_zero());
    if substitute >= gross {
        return Settlement { charged: total, back: Fen::ZERO, store_pays: substitute - gross };
    }
    let charged = i128::from(substitute.0) * i128::from(total.0) / i128::from(gross.0);
    let charged = Fen(i64::try_from(charged).unwrap_or(total.0)).min(total);
    Settlement { charged, back: total - charged, store_pays: Fen::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|&code| code.to_owned()).collect()
    }

    fn milk(sku: &str, ml: i64) -> Goods {
        Goods {
            sku: SkuId::trusted(sku),
            brand: "光明".to_owned(),
            allergens: codes(&["milk"]),
            diet: codes(&["vegetarian"]),
            price: Fen(1000),
            measure: Some(Measure { amount: ml, unit: "ml".to_owned() }),
            sellable: Packs(10),
            ..Goods::default()
        }
    }

    fn verdict(candidate: &Goods) -> Result<Packs, Forbidden> {
        let limits = Limits { never_brands: codes(&["怪味"]), never_allergens: codes(&["sesame"]) };
        allowed(&milk("a", 1000), Packs(2), candidate, &limits)
    }

    #[test]
    fn what_the_original_keeps_the_substitute_keeps() {
        assert_eq!(verdict(&milk("b", 1000)), Ok(Packs(2)));
        assert_eq!(verdict(&milk("a", 1000)), Err(Forbidden::Same));

        let nutty = Goods { allergens: codes(&["milk", "nut"]), ..milk("b", 1000) };
        assert_eq!(verdict(&nutty), Err(Forbidden::Allergen { code: "nut".to_owned() }));
        let oat = Goods { allergens: codes(&[]), ..milk("b", 1000) };
        assert_eq!(verdict(&oat), Ok(Packs(2)), "fewer allergens are fine");
        let gelatine = Goods { diet: codes(&[]), ..milk("b", 1000) };
        assert_eq!(verdict(&gelatine), Err(Forbidden::Diet { code: "vegetarian".to_owned() }));
        let liqueur = Goods { age_limit: Some(18), ..milk("b", 1000) };
        assert_eq!(verdict(&liqueur), Err(Forbidden::AgeLimit));
        let brand = Goods { brand: "怪味".to_owned(), ..milk("b", 1000) };
        assert_eq!(verdict(&brand), Err(Forbidden::NeverBrand));
        let few = Goods { sellable: Packs(1), ..milk("b", 1000) };
        assert_eq!(verdict(&few), Err(Forbidden::SoldOut));
    }

    #[test]
    fn an_allergen_that_the_member_rules_out_is_never_brought() {
        let limits = Limits { never_allergens: codes(&["milk"]), ..Limits::default() };
        let refused = allowed(&milk("a", 1000), Packs(1), &milk("b", 1000), &limits);
        assert_eq!(refused, Err(Forbidden::Allergen { code: "milk".to_owned() }));
    }

    #[test]
    fn never_less_quantity() {
        assert_eq!(verdict(&milk("b", 950)), Ok(Packs(3)));
        assert_eq!(verdict(&milk("b", 250)), Ok(Packs(8)));
        assert_eq!(verdict(&milk("b", 2000)), Ok(Packs(1)));
        let powder = Goods { measure: Some(Measure { amount: 400, unit: "g".to_owned() }), ..milk("b", 1) };
        assert_eq!(verdict(&powder), Err(Forbidden::NotComparable));
        let unknown = Goods { measure: None, ..milk("b", 1) };
        assert_eq!(verdict(&unknown), Err(Forbidden::NotComparable));
    }

    #[test]
    fn a_substitute_costs_at_most_what_the_original_did() {
        let part = LinePaid { qty: Packs(1), gross: Fen(3000), total: Fen(2667) };
        let dearer = settle(&part, Fen(3500));
        assert_eq!(dearer, Settlement { charged: Fen(2667), back: Fen(0), store_pays: Fen(500) });
        let cheaper = settle(&part, Fen(2400));
        assert_eq!(cheaper, Settlement { charged: Fen(2133), back: Fen(534), store_pays: Fen(0) });
        assert_eq!(settle(&part, Fen(0)).back, Fen(2667));
        let free = LinePaid { qty: Packs(1), gross: Fen(0), total: Fen(0) };
        assert_eq!(settle(&free, Fen(100)).store_pays, Fen(100));
    }
}
