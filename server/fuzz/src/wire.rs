//! A basket's pricing input as lines of text, and the price of what was read.

use domain::pricing::{Input, LineIn, Offer, Rule, price, wire};
use domain::{Fen, Packs};

/// What is read is written and read again; then it is priced within the bounds
/// that amounts and quantities have when they come from the database.
///
/// # Panics
/// If the sums do not add up: a finding.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(input) = wire::decode(&text) else { return };
    // What no id has in it (tabs, commas, control characters) goes with the first writing.
    let written = wire::encode(&input);
    let plain = wire::decode(&written).expect("what was written is read");
    let written = wire::encode(&plain);
    let again = wire::decode(&written).expect("what was written is read");
    assert_eq!((&again.lines, &again.offers), (&plain.lines, &plain.offers));
    assert_eq!(wire::encode(&again), written, "stable from then on");
    prices(&bounded(again));
}

/// The same within the bounds that imports and baskets hold to.
fn bounded(mut input: Input) -> Input {
    input.lines.truncate(100);
    input.offers.truncate(100);
    input.coupons.truncate(50);
    let amount = |fen: &mut Fen| fen.0 = fen.0.rem_euclid(Fen::MAX.0 + 1);
    for line in &mut input.lines {
        let LineIn { qty, shelf_price, member_price, campaign, .. } = line;
        qty.0 = qty.0.rem_euclid(Packs::MAX_IN_BASKET.0 + 1);
        amount(shelf_price);
        member_price.iter_mut().for_each(amount);
        if let Some(campaign) = campaign {
            amount(&mut campaign.price);
        }
    }
    for offer in input.offers.iter_mut().chain(input.coupons.iter_mut().map(|coupon| &mut coupon.offer)) {
        bound_offer(offer, amount);
    }
    if let Some(terms) = &mut input.delivery {
        amount(&mut terms.fee);
        terms.free_above.iter_mut().for_each(amount);
    }
    input
}

fn bound_offer(offer: &mut Offer, amount: impl Fn(&mut Fen)) {
    match &mut offer.rule {
        Rule::TimedPrice { price } => amount(price),
        Rule::TimedPercent { off_milli } => *off_milli = off_milli.rem_euclid(100_001),
        Rule::SpendSave { threshold, off } | Rule::Coupon { threshold, off } => {
            amount(threshold);
            amount(off);
        }
    }
    offer.budget.iter_mut().for_each(&amount);
    amount(&mut offer.spent);
}

/// Every fen is accounted for, whatever is in the basket.
fn prices(input: &Input) {
    let priced = price(input);
    assert_eq!(priced.lines.len(), input.lines.len());
    for line in &priced.lines {
        let shares: Fen = line.shares.iter().map(|share| share.amount).sum();
        assert_eq!(line.gross - shares, line.total);
        assert!(line.total >= Fen::ZERO, "no line goes below 0");
    }
    let total: Fen = priced.lines.iter().map(|line| line.total).sum();
    assert_eq!(total, priced.goods_total);
    let discounts: Fen = priced.steps.iter().map(|step| step.amount).sum();
    assert_eq!(discounts, priced.discount_total);
    assert_eq!(priced.shelf_total - priced.discount_total, priced.goods_total);
    assert_eq!(priced.goods_total + priced.delivery_fee, priced.payable);
}
