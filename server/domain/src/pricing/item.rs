//! The steps that change the price of a pack: the best one of member price and
//! timed discount, then the campaign price.

use super::Step;
use super::input::{Input, LineIn};
use super::offer::{Offer, OfferKind};
use super::output::{Reason, UnitPrice, Winner};
use super::work::Work;
use crate::Fen;

/// The price of a pack for one line: the lowest of shelf price, member price
/// (for members) and the timed discounts that may apply. Equal prices: the
/// member price before a discount, a discount of higher priority before others.
fn cheapest<'a>(line: &LineIn, is_member: bool, timed: &[&'a Offer]) -> (UnitPrice, Option<&'a Offer>) {
    let shelf = line.shelf_price.at_least_zero();
    let mut best = UnitPrice { price: shelf, step: Step::ShelfPrice, offer: None };
    let mut by = None;
    if let Some(price) = line.member_price.filter(|&p| is_member && p.at_least_zero() < shelf) {
        best = UnitPrice { price: price.at_least_zero(), step: Step::MemberPrice, offer: None };
    }
    for offer in timed.iter().filter(|offer| offer.covers(line)) {
        if let Some(price) = offer.timed_price(shelf).filter(|&p| p < best.price) {
            best = UnitPrice { price, step: Step::TimedDiscount, offer: Some(offer.id.clone()) };
            by = Some(*offer);
        }
    }
    (best, by)
}

/// The input's timed discounts, those of higher priority first, then by code.
fn timed_offers(input: &Input) -> Vec<&Offer> {
    let mut timed: Vec<&Offer> = input.offers.iter().filter(|o| o.kind() == OfferKind::Timed).collect();
    crate::small::sort_by(&mut timed, |a, b| b.priority.cmp(&a.priority).then_with(|| a.code.cmp(&b.code)));
    timed
}

/// What one pack of a line costs before the basket's discounts, for lists and
/// product pages: the first step of [`price`](super::price) without a basket.
/// `input` gives offers, member, store and time; its lines are not looked at.
pub fn best_unit_price(input: &Input, line: &LineIn) -> UnitPrice {
    let one = LineIn { qty: crate::Packs(line.qty.0.max(1)), ..line.clone() };
    let alone = Input {
        lines: vec![one.clone()],
        offers: Vec::new(),
        coupons: Vec::new(),
        coupon: None,
        member: input.member.clone(),
        store: input.store.clone(),
        now: input.now,
        delivery: None,
    };
    let timed: Vec<&Offer> = timed_offers(input).into_iter().filter(|o| o.barred(&alone).is_none()).collect();
    cheapest(&one, input.member.is_member, &timed).0
}

/// Step: each line gets the best one of member price and timed discount.
pub(super) fn member_price_or_timed_discount<'a>(input: &'a Input, work: &mut Work<'a>) {
    work.begin_step();
    let mut usable: Vec<&'a Offer> = Vec::new();
    for offer in timed_offers(input) {
        match offer.barred(input) {
            Some(reason) => work.reject(offer, None, reason),
            None => usable.push(offer),
        }
    }
    drop_beyond_budget(input, &mut usable, work);
    let is_member = input.member.is_member;
    for (i, line) in input.lines.iter().enumerate() {
        let (best, by) = cheapest(line, is_member, &usable);
        if best.step == Step::ShelfPrice {
            continue;
        }
        let off = (work.lines[i].unit_price - best.price).times(line.qty.0.max(0));
        work.take(i, best.step, best.offer.as_ref(), off);
        work.lines[i].unit_price = best.price;
        if let Some(offer) = by {
            let index = work.note_applied(offer);
            work.lines[i].touched.push(index);
        }
    }
    for offer in usable {
        if work.applied.iter().any(|o| o.id == offer.id) {
            continue;
        }
        let reason = why_beaten(input, work, offer);
        work.reject(offer, None, reason);
    }
}

/// Takes out discounts whose budget does not reach, one after another, until
/// what the others take fits: without one, the next best may take its lines.
fn drop_beyond_budget<'a>(input: &'a Input, usable: &mut Vec<&'a Offer>, work: &mut Work<'a>) {
    loop {
        let amount_of = |offer: &Offer| -> Fen {
            let of_line = |line: &LineIn| {
                let (best, by) = cheapest(line, input.member.is_member, usable);
                let takes = by.is_some_and(|o| o.id == offer.id);
                let off = line.shelf_price.at_least_zero() - best.price;
                if takes { off.times(line.qty.0.max(0)) } else { Fen::ZERO }
            };
            input.lines.iter().map(of_line).sum()
        };
        let Some(at) = usable.iter().position(|offer| offer.passes_budget(amount_of(offer))) else {
            return;
        };
        let offer = usable.remove(at);
        work.reject(offer, None, Reason::BudgetSpent);
    }
}

/// Why a timed discount that might apply took no line: something at least as
/// good did, or it is no cheaper than the shelf.
fn why_beaten(input: &Input, work: &Work, offer: &Offer) -> Reason {
    for (line, state) in input.lines.iter().zip(&work.lines) {
        let shelf = line.shelf_price.at_least_zero();
        let gains = offer.covers(line) && offer.timed_price(shelf).is_some_and(|p| p < shelf);
        if gains {
            let by = state.touched.first().map(|&at| Winner::Offer(work.applied[at].id.clone()));
            return Reason::BetterOffer { by: by.unwrap_or(Winner::MemberPrice) };
        }
    }
    Reason::NoGain
}

/// Step: a campaign's price, where it is lower still. The line takes no part in
/// the steps that campaigns exclude (coupon, points).
pub(super) fn campaign_price<'a>(input: &'a Input, work: &mut Work<'a>) {
    work.begin_step();
    for (i, line) in input.lines.iter().enumerate() {
        let Some(campaign) = &line.campaign else { continue };
        work.lines[i].in_campaign = true;
        let price = campaign.price.at_least_zero();
        if price < work.lines[i].unit_price {
            let off = (work.lines[i].unit_price - price).times(line.qty.0.max(0));
            work.take(i, campaign.kind.step(), Some(&campaign.id), off);
            work.lines[i].unit_price = price;
        }
    }
}
