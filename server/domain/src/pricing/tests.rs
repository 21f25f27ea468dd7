//! Examples of the price of a basket.

use super::*;
use crate::ids::{CategoryId, CouponId, OfferId, SkuId, StoreId};
use crate::{Millis, Packs};

const NOW: Millis = Millis(1_000_000);

fn line(sku: &str, category: &str, qty: i64, price: i64) -> LineIn {
    LineIn {
        sku: SkuId::trusted(sku),
        categories: vec![CategoryId::trusted(category), CategoryId::trusted("food")],
        qty: Packs(qty),
        shelf_price: Fen(price),
        ..LineIn::default()
    }
}

fn offer(code: &str, rule: Rule) -> Offer {
    Offer::new(OfferId::trusted(code), code, rule)
}

fn save(code: &str, threshold: i64, off: i64) -> Offer {
    offer(code, Rule::SpendSave { threshold: Fen(threshold), off: Fen(off) })
}

fn coupon(code: &str, threshold: i64, off: i64) -> CouponIn {
    let offer = offer(code, Rule::Coupon { threshold: Fen(threshold), off: Fen(off) });
    CouponIn { id: CouponId::trusted(format!("c-{code}")), offer, expires: None }
}

fn basket(lines: Vec<LineIn>) -> Input {
    Input { lines, store: StoreId::trusted("s1"), now: NOW, ..Input::default() }
}

fn reason<'a>(priced: &'a Priced, code: &str) -> Option<&'a Reason> {
    priced.rejected.iter().find(|r| r.offer.as_str() == code).map(|r| &r.reason)
}

fn by(code: &str) -> Winner {
    Winner::Offer(OfferId::trusted(code))
}

#[test]
fn sixty_and_thirty_with_ten_off_from_88() {
    let mut input = basket(vec![line("a", "x", 1, 6000), line("b", "x", 1, 3000)]);
    input.offers = vec![save("m88", 8800, 1000)];
    let priced = price(&input);
    assert_eq!((priced.payable, priced.discount_total, priced.saved), (Fen(8000), Fen(1000), Fen(1000)));
    let shares: Vec<Fen> = priced.lines.iter().flat_map(|l| l.shares.iter().map(|s| s.amount)).collect();
    assert_eq!(shares, [Fen(667), Fen(333)]);
    assert_eq!(priced.lines[1].total, Fen(2667));
    let step = StepOut { step: Step::SpendAndSave, offer: Some(OfferId::trusted("m88")), amount: Fen(1000) };
    assert_eq!(priced.steps, [step]);
}

#[test]
fn what_is_missing_to_the_threshold_is_said() {
    let mut input = basket(vec![line("a", "x", 1, 8480)]);
    input.offers = vec![save("m88", 8800, 1000), save("m200", 20_000, 3000)];
    input.delivery = Some(DeliveryTerms { fee: Fen(500), free_above: Some(Fen(9900)) });
    let priced = price(&input);
    assert_eq!(reason(&priced, "m88"), Some(&Reason::ShortBy { short_by: Fen(320) }));
    let hint = priced.hint.expect("two thresholds are ahead");
    assert_eq!((hint.kind, hint.short_by, hint.saves), (HintKind::SpendSave, Fen(320), Fen(1000)));
    assert_eq!((priced.delivery_fee, priced.payable), (Fen(500), Fen(8980)));
}

#[test]
fn delivery_is_free_from_what_the_goods_cost_after_discounts() {
    let terms = DeliveryTerms { fee: Fen(500), free_above: Some(Fen(9900)) };
    let mut input = basket(vec![line("a", "x", 1, 9900)]);
    input.delivery = Some(terms);
    let free = price(&input);
    assert_eq!((free.delivery_fee, free.delivery_waived, free.saved), (Fen(0), Fen(500), Fen(500)));
    input.offers = vec![save("m88", 8800, 1000)];
    let paid = price(&input);
    assert_eq!((paid.delivery_fee, paid.payable), (Fen(500), Fen(9400)));
    assert_eq!(paid.hint.map(|h| (h.kind, h.short_by)), Some((HintKind::FreeDelivery, Fen(1000))));
    input.lines.clear();
    let empty = price(&input);
    assert_eq!((empty.payable, empty.hint), (Fen(0), None));
}

#[test]
fn only_the_best_of_member_price_and_timed_discount() {
    let mut milk = line("milk", "dairy", 2, 1000);
    milk.member_price = Some(Fen(900));
    let mut input = basket(vec![milk]);
    input.offers = vec![
        offer("ten", Rule::TimedPercent { off_milli: 10_000 }),
        offer("cheap", Rule::TimedPrice { price: Fen(850) }),
        offer("dear", Rule::TimedPrice { price: Fen(2000) }),
    ];
    let guest = price(&input);
    assert_eq!((guest.payable, guest.lines[0].unit_price), (Fen(1700), Fen(850)));
    assert_eq!(reason(&guest, "ten"), Some(&Reason::BetterOffer { by: by("cheap") }));
    assert_eq!(reason(&guest, "dear"), Some(&Reason::NoGain));
    assert_eq!(guest.member_would_save, Fen(0), "the discount is better than the member price");

    input.offers.remove(1);
    let guest = price(&input);
    assert_eq!((guest.payable, guest.member_would_save), (Fen(1800), Fen(0)));
    input.lines[0].member_price = Some(Fen(800));
    assert_eq!(price(&input).member_would_save, Fen(200));
    input.member.is_member = true;
    let member = price(&input);
    assert_eq!((member.payable, member.member_would_save), (Fen(1600), Fen(0)));
    assert_eq!(member.steps[0].step, Step::MemberPrice);
    assert_eq!(reason(&member, "ten"), Some(&Reason::BetterOffer { by: Winner::MemberPrice }));
    assert_eq!(best_unit_price(&input, &input.lines[0]).price, Fen(800));
}

#[test]
fn a_threshold_is_measured_on_the_goods_in_scope_after_earlier_steps() {
    let mut input = basket(vec![line("milk", "dairy", 1, 6000), line("pear", "fruit", 1, 9000)]);
    let dairy = Scope::Categories(vec![CategoryId::trusted("dairy")]);
    input.offers = vec![
        Offer { scope: dairy.clone(), ..save("d50", 5000, 500) },
        Offer { scope: dairy.clone(), ..offer("t", Rule::TimedPercent { off_milli: 20_000 }) },
    ];
    let priced = price(&input);
    assert_eq!(reason(&priced, "d50"), Some(&Reason::ShortBy { short_by: Fen(200) }));
    input.offers.pop();
    let priced = price(&input);
    assert_eq!((priced.lines[0].total, priced.lines[1].total), (Fen(5500), Fen(9000)));
    input.lines.remove(0);
    assert_eq!(reason(&price(&input), "d50"), Some(&Reason::OutOfScope));
}

#[test]
fn tiers_that_exclude_each_other_give_the_larger_one() {
    let tier =
        |code: &str, threshold, off| Offer { excludes: vec!["spend_save".to_owned()], ..save(code, threshold, off) };
    let mut input = basket(vec![line("a", "x", 1, 16_000)]);
    input.offers = vec![tier("m88", 8800, 1000), tier("m150", 15_000, 2000)];
    let priced = price(&input);
    assert_eq!(priced.payable, Fen(14_000));
    assert_eq!(reason(&priced, "m88"), Some(&Reason::Excluded { by: by("m150") }));
    input.offers[0].priority = 5;
    assert_eq!(price(&input).payable, Fen(15_000), "priority comes first");
    input.offers.iter_mut().for_each(|o| o.excludes.clear());
    assert_eq!(price(&input).payable, Fen(13_000), "what nothing excludes stacks");
}

#[test]
fn an_exclusion_takes_only_the_lines_that_the_other_took_from() {
    let mut input = basket(vec![line("a", "x", 1, 6000), line("b", "x", 1, 5000)]);
    input.offers = vec![Offer {
        scope: Scope::Skus(vec![SkuId::trusted("a")]),
        excludes: vec!["coupon".to_owned()],
        ..offer("t", Rule::TimedPrice { price: Fen(4000) })
    }];
    input.coupons = vec![coupon("c40", 4000, 500), coupon("c80", 8000, 2000), coupon("c500", 50_000, 9000)];
    input.coupon = Some(CouponId::trusted("c-c40"));
    let priced = price(&input);
    assert_eq!((priced.lines[0].total, priced.lines[1].total), (Fen(4000), Fen(4500)));
    assert_eq!(priced.coupons[1].unusable, Some(Reason::Excluded { by: by("t") }));
    assert_eq!(priced.coupons[2].unusable, Some(Reason::ShortBy { short_by: Fen(45_000) }));
    assert_eq!(priced.best_coupon, Some(CouponId::trusted("c-c40")));
    assert!(priced.coupons[0].applied);
}

#[test]
fn a_chosen_coupon_that_cannot_be_used_says_why() {
    let mut input = basket(vec![line("a", "x", 1, 6000)]);
    input.coupons = vec![coupon("c10", 1000, 100), coupon("c20", 2000, 200)];
    input.coupons[0].expires = Some(NOW);
    input.coupon = Some(CouponId::trusted("c-c10"));
    let priced = price(&input);
    assert_eq!(priced.payable, Fen(6000));
    assert_eq!(reason(&priced, "c10"), Some(&Reason::Ended));
    assert_eq!(priced.best_coupon, Some(CouponId::trusted("c-c20")));
    assert_eq!(priced.coupons[1].amount, Fen(200));
}

#[test]
fn the_best_coupon_is_the_one_with_which_least_is_to_be_paid() {
    let mut input = basket(vec![line("a", "x", 1, 10_000)]);
    input.delivery = Some(DeliveryTerms { fee: Fen(600), free_above: Some(Fen(9900)) });
    input.coupons = vec![coupon("c5", 0, 500), coupon("c1", 0, 100)];
    let priced = price(&input);
    assert_eq!((priced.payable, priced.delivery_fee), (Fen(10_000), Fen(0)));
    assert_eq!(priced.best_coupon, Some(CouponId::trusted("c-c1")), "with 5 off, 6 are to be paid for delivery");
    input.coupons.pop();
    assert_eq!(price(&input).best_coupon, None, "100.00 without, 101.00 with it");
    // It is the member's to choose it all the same.
    input.coupon = Some(CouponId::trusted("c-c5"));
    let chosen = price(&input);
    assert_eq!((chosen.payable, chosen.best_coupon), (Fen(10_100), None));
    input.coupons[0] = coupon("c6", 0, 600);
    input.coupon = None;
    assert_eq!(price(&input).best_coupon, None, "it gains nothing");
}

#[test]
fn a_campaign_price_takes_no_coupon_but_counts_for_spend_and_save() {
    let mut flash = line("a", "x", 1, 6000);
    flash.campaign = Some(CampaignPrice { id: OfferId::trusted("f"), kind: CampaignKind::FlashSale, price: Fen(3000) });
    let mut input = basket(vec![flash, line("b", "x", 1, 2000)]);
    input.offers = vec![save("m50", 5000, 500)];
    input.coupons = vec![coupon("c40", 4000, 500), coupon("c10", 1000, 100)];
    input.coupon = Some(CouponId::trusted("c-c10"));
    let priced = price(&input);
    let steps: Vec<(Step, Fen)> = priced.steps.iter().map(|s| (s.step, s.amount)).collect();
    assert_eq!(steps, [(Step::FlashSale, Fen(3000)), (Step::SpendAndSave, Fen(500)), (Step::Coupon, Fen(100))]);
    assert_eq!((priced.lines[0].total, priced.lines[1].total), (Fen(2700), Fen(1700)));
    let by = Winner::Campaign(OfferId::trusted("f"));
    assert_eq!(priced.coupons[0].unusable, Some(Reason::Excluded { by }));
}

#[test]
fn time_store_membership_limits_and_budget_bar_an_offer() {
    let mut input = basket(vec![line("a", "x", 1, 6000)]);
    let base = || save("o", 1000, 100);
    let cases = [
        (Offer { starts: Some(NOW.plus(1)), ..base() }, Some(Reason::NotStarted)),
        (Offer { starts: Some(NOW), ends: Some(NOW.plus(1)), ..base() }, None),
        (Offer { ends: Some(NOW), ..base() }, Some(Reason::Ended)),
        (Offer { store: Some(StoreId::trusted("s2")), ..base() }, Some(Reason::OtherStore)),
        (Offer { members_only: true, ..base() }, Some(Reason::NotMember)),
        (Offer { per_member: Some(2), ..base() }, Some(Reason::LimitReached)),
        (Offer { per_member: Some(3), ..base() }, None),
        (Offer { total: Some(7), used_total: 7, ..base() }, Some(Reason::LimitReached)),
        (Offer { budget: Some(Fen(500)), spent: Fen(401), ..base() }, Some(Reason::BudgetSpent)),
        (Offer { budget: Some(Fen(500)), spent: Fen(400), ..base() }, None),
        (Offer { budget: Some(Fen(500)), spent: Fen(600), ..base() }, Some(Reason::BudgetSpent)),
    ];
    input.member.uses.insert(OfferId::trusted("o"), 2);
    for (offer, expected) in cases {
        input.offers = vec![offer];
        let priced = price(&input);
        assert_eq!(reason(&priced, "o").cloned(), expected, "{:?}", input.offers[0]);
        assert_eq!(priced.payable, if expected.is_none() { Fen(5900) } else { Fen(6000) });
    }
}

#[test]
fn a_timed_discount_beyond_its_budget_makes_way_for_the_next() {
    let mut input = basket(vec![line("a", "x", 10, 1000)]);
    input.offers = vec![
        Offer { budget: Some(Fen(4000)), ..offer("half", Rule::TimedPercent { off_milli: 50_000 }) },
        offer("ten", Rule::TimedPercent { off_milli: 10_000 }),
    ];
    let priced = price(&input);
    assert_eq!((priced.payable, reason(&priced, "half")), (Fen(9000), Some(&Reason::BudgetSpent)));
}

#[test]
fn a_discount_never_passes_what_the_goods_cost() {
    let mut input = basket(vec![line("a", "x", 1, 100), line("b", "x", 0, 100)]);
    input.offers = vec![save("big", 0, 5000), save("bigger", 0, 6000)];
    let priced = price(&input);
    assert_eq!((priced.payable, priced.goods_total), (Fen(0), Fen(0)));
    assert_eq!(reason(&priced, "big"), Some(&Reason::NoGain));
}

#[test]
fn percentages_round_to_the_nearest_fen() {
    let off = |percent, price| offer("p", Rule::TimedPercent { off_milli: percent }).timed_price(Fen(price));
    assert_eq!(off(15_000, 990), Some(Fen(842)));
    assert_eq!(off(33_333, 100), Some(Fen(67)));
    assert_eq!(off(200_000, 100), Some(Fen(0)));
}

#[test]
fn scopes_are_read_and_written_back() {
    for text in ["all", "category:dairy;fruit", "sku:A1;A2"] {
        assert_eq!(text.parse::<Scope>().map(|s| s.to_string()), Ok(text.to_owned()));
    }
    assert_eq!("".parse(), Ok(Scope::All));
    for bad in ["category:", "brand:x", "sku:a b"] {
        assert_eq!(bad.parse::<Scope>(), Err(BadOffer::Scope), "{bad}");
    }
}

#[test]
fn input_and_result_go_through_json() {
    let mut input = basket(vec![line("a", "x", 1, 6000)]);
    input.offers = vec![save("m88", 8800, 1000), offer("t", Rule::TimedPercent { off_milli: 1_000 })];
    input.coupons = vec![coupon("c", 0, 100)];
    let json = serde_json::to_string(&input).expect("serialises");
    let back: Input = serde_json::from_str(&json).expect("reads back");
    assert_eq!(back, input);
    let priced = price(&input);
    let json = serde_json::to_string(&priced).expect("serialises");
    assert_eq!(serde_json::from_str::<Priced>(&json).expect("reads back"), priced);
    for step in Step::ALL {
        assert_eq!(Step::from_word(step.as_str()), Some(step));
        assert_eq!(serde_json::to_string(&step).expect("serialises"), format!("\"{step}\""));
    }
}
