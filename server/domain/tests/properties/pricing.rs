//! The price of a basket: sums, bounds and independence of what is not its business.

use crate::config;
use domain::ids::{CategoryId, CouponId, OfferId, SkuId, StoreId};
use domain::pricing::{
    CampaignKind, CampaignPrice, CouponIn, DeliveryTerms, Input, LineIn, MemberStatus, Offer, Rule, Scope, Step, price,
};
use domain::{Fen, Millis, Packs};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CATEGORIES: [&str; 3] = ["dairy", "fruit", "drinks"];
const CODES: [&str; 6] = ["o0", "o1", "o2", "timed", "spend_save", "coupon"];

fn line(i: usize) -> impl Strategy<Value = LineIn> {
    let member = prop::option::of(0..6_000_i64);
    let campaign = prop::option::weighted(0.2, 0..6_000_i64);
    (0..CATEGORIES.len(), 0..5_i64, 0..5_000_i64, member, campaign).prop_map(
        move |(c, qty, price, member, campaign)| LineIn {
            sku: SkuId::trusted(format!("sku{i}")),
            categories: vec![CategoryId::trusted(CATEGORIES[c]), CategoryId::trusted("food")],
            qty: Packs(qty),
            shelf_price: Fen(price),
            member_price: member.map(Fen),
            campaign: campaign.map(|price| CampaignPrice {
                id: OfferId::trusted("flash"),
                kind: CampaignKind::FlashSale,
                price: Fen(price),
            }),
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        2 => Just(Scope::All),
        1 => (0..CATEGORIES.len()).prop_map(|c| Scope::Categories(vec![CategoryId::trusted(CATEGORIES[c])])),
        1 => (0..5_usize).prop_map(|i| Scope::Skus(vec![SkuId::trusted(format!("sku{i}"))])),
    ]
}

fn basket_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (0..6_000_i64).prop_map(|price| Rule::TimedPrice { price: Fen(price) }),
        (0..120_000_i64).prop_map(|off_milli| Rule::TimedPercent { off_milli }),
        (0..12_000_i64, 0..6_000_i64).prop_map(|(t, off)| Rule::SpendSave { threshold: Fen(t), off: Fen(off) }),
    ]
}

fn coupon_rule() -> impl Strategy<Value = Rule> {
    (0..12_000_i64, 0..6_000_i64).prop_map(|(t, off)| Rule::Coupon { threshold: Fen(t), off: Fen(off) })
}

fn offer(code: String, rule: impl Strategy<Value = Rule>) -> impl Strategy<Value = Offer> {
    let window = (prop::option::of(0..200_i64), prop::option::of(0..200_i64));
    let excludes = prop::collection::vec(prop::sample::select(&CODES[..]), 0..2);
    let limits = (prop::option::of(0..3_u32), prop::option::of(0..9_000_i64), any::<bool>(), -1..2_i32);
    (rule, scope(), window, excludes, limits).prop_map(move |(rule, scope, (starts, ends), excludes, limits)| {
        let (per_member, budget, members_only, priority) = limits;
        Offer {
            scope,
            starts: starts.map(Millis),
            ends: ends.map(Millis),
            members_only,
            priority,
            excludes: excludes.into_iter().map(str::to_owned).collect(),
            per_member,
            budget: budget.map(Fen),
            ..Offer::new(OfferId::trusted(&code), &code, rule)
        }
    })
}

fn input() -> impl Strategy<Value = Input> {
    let lines = (0..6_usize).prop_flat_map(|n| (0..n).map(line).collect::<Vec<_>>());
    let offers =
        (0..5_usize).prop_flat_map(|n| (0..n).map(|i| offer(format!("o{i}"), basket_rule())).collect::<Vec<_>>());
    let coupons =
        (0..3_usize).prop_flat_map(|n| (0..n).map(|i| offer(format!("c{i}"), coupon_rule())).collect::<Vec<_>>());
    let delivery = prop::option::of((0..1_000_i64, prop::option::of(0..9_000_i64)));
    (lines, offers, coupons, any::<bool>(), delivery, 0..3_usize).prop_map(
        |(lines, offers, coupons, is_member, delivery, chosen)| Input {
            lines,
            offers,
            coupons: coupons
                .into_iter()
                .map(|offer| CouponIn { id: CouponId::trusted(offer.code.clone()), offer, expires: None })
                .collect(),
            coupon: Some(CouponId::trusted(format!("c{chosen}"))),
            member: MemberStatus { is_member, uses: BTreeMap::from([(OfferId::trusted("o0"), 1)]) },
            store: StoreId::trusted("s1"),
            now: Millis(100),
            delivery: delivery.map(|(fee, above)| DeliveryTerms { fee: Fen(fee), free_above: above.map(Fen) }),
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_fen_is_accounted_for(input in input()) {
        let priced = price(&input);
        prop_assert_eq!(priced.lines.len(), input.lines.len());
        for line in &priced.lines {
            let shares: Fen = line.shares.iter().map(|s| s.amount).sum();
            prop_assert_eq!(line.gross - shares, line.total);
            prop_assert!(line.total >= Fen::ZERO, "no line goes below 0");
            prop_assert!(line.shares.iter().all(|s| s.amount.is_positive()));
            prop_assert!(line.shares.is_sorted_by_key(|s| s.step), "steps keep their order");
        }
        for step in &priced.steps {
            let shares = priced.lines.iter().flat_map(|l| &l.shares);
            let sum: Fen = shares.filter(|s| s.step == step.step && s.offer == step.offer).map(|s| s.amount).sum();
            prop_assert_eq!(sum, step.amount, "shares sum to the step's discount");
        }
        prop_assert!(priced.steps.is_sorted_by_key(|s| s.step));
        prop_assert_eq!(priced.steps.iter().map(|s| s.amount).sum::<Fen>(), priced.discount_total);
        prop_assert_eq!(priced.shelf_total - priced.discount_total, priced.goods_total);
        prop_assert_eq!(priced.goods_total + priced.delivery_fee, priced.payable);
        prop_assert_eq!(priced.lines.iter().map(|l| l.total).sum::<Fen>(), priced.goods_total);
    }

    #[test]
    fn each_offer_either_applies_or_says_why_not(input in input()) {
        let priced = price(&input);
        for offer in &input.offers {
            let applied = priced.steps.iter().any(|s| s.offer.as_ref() == Some(&offer.id));
            let rejected = priced.rejected.iter().filter(|r| r.offer == offer.id).count();
            prop_assert_eq!(usize::from(!applied), rejected, "{:?}", offer);
        }
        for (coupon, out) in input.coupons.iter().zip(&priced.coupons) {
            let applied = priced.steps.iter().any(|s| s.offer.as_ref() == Some(&coupon.offer.id));
            prop_assert_eq!(applied, out.applied);
            prop_assert_eq!(out.unusable.is_some(), out.amount == Fen::ZERO);
        }
    }

    #[test]
    fn offers_that_exclude_each_other_never_share_a_line(input in input()) {
        let priced = price(&input);
        let all: Vec<&Offer> = input.offers.iter().chain(input.coupons.iter().map(|c| &c.offer)).collect();
        let find = |id: &Option<OfferId>| all.iter().copied().find(|o| Some(&o.id) == id.as_ref());
        for line in &priced.lines {
            let takers: Vec<&Offer> = line.shares.iter().filter_map(|s| find(&s.offer)).collect();
            for (i, a) in takers.iter().enumerate() {
                prop_assert!(takers[i + 1..].iter().all(|b| !a.conflicts_with(b)));
            }
        }
    }

    #[test]
    fn at_most_one_price_a_pack_and_no_coupon_on_a_campaign(input in input()) {
        let priced = price(&input);
        for (line, from) in priced.lines.iter().zip(&input.lines) {
            let of_pack = |s: &Step| matches!(s, Step::MemberPrice | Step::LevelPrice | Step::TimedDiscount);
            prop_assert!(line.shares.iter().filter(|s| of_pack(&s.step)).count() <= 1);
            let coupons = line.shares.iter().filter(|s| s.step == Step::Coupon).count();
            prop_assert!(coupons <= 1 && (from.campaign.is_none() || coupons == 0));
            prop_assert!(line.unit_price <= from.shelf_price);
        }
    }

    #[test]
    fn budgets_hold_and_the_order_of_offers_does_not_matter(input in input()) {
        let priced = price(&input);
        for offer in input.offers.iter().filter(|o| o.budget.is_some()) {
            let spent: Fen = priced.steps.iter().filter(|s| s.offer.as_ref() == Some(&offer.id)).map(|s| s.amount).sum();
            prop_assert!(Some(spent) <= offer.budget);
        }
        let mut turned = input.clone();
        turned.offers.reverse();
        let again = price(&turned);
        prop_assert_eq!(again.payable, priced.payable);
        prop_assert_eq!(again.lines, priced.lines);
    }

    #[test]
    fn a_coupon_that_is_chosen_by_itself_never_makes_the_order_dearer(input in input()) {
        let with = |coupon: Option<CouponId>| price(&Input { coupon, ..input.clone() });
        let without = with(None);
        let best = with(without.best_coupon.clone()).payable;
        prop_assert_eq!(without.best_coupon.is_some(), best < without.payable);
        for coupon in &input.coupons {
            let chosen = with(Some(coupon.id.clone()));
            prop_assert!(best <= chosen.payable);
            prop_assert_eq!(&chosen.best_coupon, &without.best_coupon, "whichever is chosen");
        }
    }

    #[test]
    fn a_hint_is_true(input in input()) {
        let priced = price(&input);
        if let Some(hint) = priced.hint {
            prop_assert!(hint.short_by.is_positive());
            if let (None, Some(terms)) = (&hint.offer, &input.delivery) {
                prop_assert_eq!(Some(priced.goods_total + hint.short_by), terms.free_above);
            }
        }
    }
}
