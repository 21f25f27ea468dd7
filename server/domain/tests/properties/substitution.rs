//! Substitutes: the marks of the original are kept, and nobody pays more.

use crate::config;
use domain::ids::{CategoryId, SkuId};
use domain::refund::LinePaid;
use domain::substitution::{Goods, History, Limits, Measure, rank, settle};
use domain::{Fen, Packs};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn words(all: &'static [&'static str], most: usize) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(prop::sample::select(all).prop_map(str::to_owned), 0..=most)
}

fn goods(i: usize) -> impl Strategy<Value = Goods> {
    let measure = prop::option::weighted(0.9, (1..2_000_i64, prop::sample::select(&["ml", "ml", "g"][..])));
    let marks =
        (words(&["milk", "nut", "egg"], 2), words(&["vegan", "halal"], 1), prop::option::weighted(0.2, 18..19_u8));
    (
        prop::sample::select(&["milk", "tea"][..]),
        prop::sample::select(&["", "A", "B"][..]),
        measure,
        marks,
        0..2_000_i64,
        0..30_i64,
    )
        .prop_map(move |(leaf, brand, measure, (allergens, diet, age_limit), price, sellable)| Goods {
            sku: SkuId::trusted(format!("s{i}")),
            categories: vec![CategoryId::trusted(leaf)],
            brand: brand.to_owned(),
            allergens,
            diet,
            age_limit,
            price: Fen(price),
            measure: measure.map(|(amount, unit)| Measure { amount, unit: unit.to_owned() }),
            sellable: Packs(sellable),
            ..Goods::default()
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_must_never_be_broken_is_not(
        original in goods(0),
        candidates in (0..8_usize).prop_flat_map(|n| (0..n).map(goods).collect::<Vec<_>>()),
        never in words(&["A", "B"], 1),
        qty in 1..4_i64,
    ) {
        let limits = Limits { never_brands: never, ..Limits::default() };
        let history = History { bought: BTreeMap::from([(SkuId::trusted("s3"), 2)]), ..History::default() };
        let ranked = rank(&original, Packs(qty), &candidates, &limits, &history);
        for found in &ranked {
            let candidate = candidates.iter().find(|c| c.sku == found.sku).expect("a candidate");
            prop_assert!(candidate.sku != original.sku);
            prop_assert!(candidate.allergens.is_subset(&original.allergens));
            prop_assert!(candidate.diet.is_superset(&original.diet));
            prop_assert!(candidate.age_limit.is_none() || original.age_limit.is_some());
            prop_assert!(!limits.never_brands.contains(&candidate.brand));
            prop_assert!(found.packs <= candidate.sellable);
            if let (Some(from), Some(to)) = (&original.measure, &candidate.measure) {
                prop_assert!(found.packs.0 * to.amount >= qty * from.amount, "never less quantity");
            }
        }
        prop_assert!(ranked.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let same_leaf: Vec<bool> = ranked
            .iter()
            .map(|r| candidates.iter().any(|c| c.sku == r.sku && c.leaf() == original.leaf()))
            .collect();
        prop_assert!(same_leaf.is_sorted_by(|a, b| a >= b), "the same category comes first");

        let mut turned = candidates.clone();
        turned.reverse();
        prop_assert_eq!(rank(&original, Packs(qty), &turned, &limits, &history), ranked);
    }

    #[test]
    fn a_substitute_never_costs_the_member_more(gross in 0..100_000_i64, part in 0..=100_i64, price in 0..200_000_i64) {
        let total = Fen(gross - gross * part / 100);
        let line = LinePaid { qty: Packs(1), gross: Fen(gross), total };
        let money = settle(&line, Fen(price));
        prop_assert_eq!(money.charged + money.back, total, "what was paid, no more");
        prop_assert!(money.charged >= Fen::ZERO && money.back >= Fen::ZERO);
        prop_assert!(money.charged <= Fen(price).min(total));
        prop_assert_eq!(money.store_pays, (Fen(price) - Fen(gross)).at_least_zero());
    }
}
