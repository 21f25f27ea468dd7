//! The steps that need a threshold: spend-and-save and the coupon.

use super::Step;
use super::input::{CouponIn, Input};
use super::offer::{Offer, OfferKind};
use super::output::{CouponOut, Reason, Winner};
use super::work::Work;
use crate::Fen;
use crate::ids::CouponId;

/// What an offer with a threshold would do to the basket as it stands.
struct Offered {
    /// Lines that it would take from.
    lines: Vec<usize>,
    /// What it would take in all.
    amount: Fen,
}

/// Measures an offer on the lines in its scope that no offer which it does not
/// stack with took from.
fn measure(input: &Input, work: &Work, offer: &Offer) -> Result<Offered, Reason> {
    if let Some(reason) = offer.barred(input) {
        return Err(reason);
    }
    let Some((threshold, off)) = offer.threshold_and_off() else {
        return Err(Reason::NoGain);
    };
    let mut lines = Vec::new();
    let mut blocked = Fen::ZERO;
    let mut blocked_by: Option<Winner> = None;
    for (i, line) in input.lines.iter().enumerate() {
        if !offer.covers(line) {
            continue;
        }
        match blocker(input, work, offer, i) {
            Some(by) => {
                blocked += work.lines[i].at_start;
                blocked_by.get_or_insert(by);
            }
            None => lines.push(i),
        }
    }
    let cost: Fen = lines.iter().map(|&i| work.lines[i].at_start).sum();
    let room: Fen = lines.iter().map(|&i| work.lines[i].left).sum();
    let amount = off.at_least_zero().min(room);
    match blocked_by {
        // All that is missing is what others took away.
        Some(by) if lines.is_empty() || (cost < threshold && cost + blocked >= threshold) => {
            Err(Reason::Excluded { by })
        }
        _ if cost < threshold => Err(Reason::ShortBy { short_by: threshold - cost }),
        _ if !amount.is_positive() => Err(Reason::NoGain),
        _ if offer.passes_budget(amount) => Err(Reason::BudgetSpent),
        _ => Ok(Offered { lines, amount }),
    }
}

/// What keeps an offer from line `i`: another offer that it does not stack
/// with, or, for a coupon, the line's campaign.
fn blocker(input: &Input, work: &Work, offer: &Offer, i: usize) -> Option<Winner> {
    if offer.kind() == OfferKind::Coupon
        && work.lines[i].in_campaign
        && let Some(campaign) = &input.lines[i].campaign
    {
        return Some(Winner::Campaign(campaign.id.clone()));
    }
    work.conflict(i, offer)
}

/// Step: spend-and-save offers, those of higher priority first, then the larger
/// discount, then by code. Several may apply unless one excludes the other; all
/// are measured on what the goods cost before this step.
pub(super) fn spend_and_save<'a>(input: &'a Input, work: &mut Work<'a>) {
    work.begin_step();
    let mut offers: Vec<&'a Offer> = input.offers.iter().filter(|o| o.kind() == OfferKind::SpendSave).collect();
    let off = |offer: &Offer| offer.threshold_and_off().map(|(_, off)| off);
    crate::small::sort_by(&mut offers, |a, b| {
        let by_priority = b.priority.cmp(&a.priority);
        by_priority.then_with(|| off(b).cmp(&off(a))).then_with(|| a.code.cmp(&b.code))
    });
    for offer in offers {
        match measure(input, work, offer) {
            Ok(offered) => work.spread(&offered.lines, Step::SpendAndSave, offer, offered.amount),
            Err(reason) => work.reject(offer, None, reason),
        }
    }
}

/// Step: at most one coupon, the chosen one. Every other is measured, too, so
/// that the page can say what it would give or why it cannot be used.
pub(super) fn coupon<'a>(input: &'a Input, work: &mut Work<'a>) {
    work.begin_step();
    let measured: Vec<Result<Offered, Reason>> =
        input.coupons.iter().map(|coupon| measure_coupon(input, work, coupon)).collect();
    for (coupon, offered) in input.coupons.iter().zip(measured) {
        let chosen = input.coupon.as_ref() == Some(&coupon.id);
        let (amount, unusable) = match &offered {
            Ok(offered) => (offered.amount, None),
            Err(reason) => (Fen::ZERO, Some(reason.clone())),
        };
        work.coupons.push(CouponOut {
            id: coupon.id.clone(),
            offer: coupon.offer.id.clone(),
            amount,
            applied: chosen && unusable.is_none(),
            unusable,
        });
        match offered {
            Ok(offered) if chosen => work.spread(&offered.lines, Step::Coupon, &coupon.offer, offered.amount),
            Err(reason) if chosen => work.reject(&coupon.offer, Some(coupon.id.clone()), reason),
            _ => {}
        }
    }
}

/// Measures a coupon, which may run out before its offer does.
fn measure_coupon(input: &Input, work: &Work, coupon: &CouponIn) -> Result<Offered, Reason> {
    if coupon.offer.kind() != OfferKind::Coupon {
        return Err(Reason::OutOfScope);
    }
    if coupon.expires.is_some_and(|expires| input.now >= expires) {
        return Err(Reason::Ended);
    }
    measure(input, work, &coupon.offer)
}

/// The usable coupon with which least is to be paid, if that is less than without
/// any: what it takes off may cost the free delivery. Among equals the first.
/// `payable` says what is to be paid when so much is taken off.
pub(super) fn best(coupons: &[CouponOut], payable: impl Fn(Fen) -> Fen) -> Option<CouponId> {
    let mut best = None;
    let mut least = payable(Fen::ZERO);
    for coupon in coupons.iter().filter(|c| c.unusable.is_none()) {
        let to_pay = payable(coupon.amount);
        if to_pay < least {
            least = to_pay;
            best = Some(&coupon.id);
        }
    }
    best.cloned()
}
