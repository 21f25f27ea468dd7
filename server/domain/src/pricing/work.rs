//! The state that the steps work on.

use super::Step;
use super::input::Input;
use super::offer::Offer;
use super::output::{CouponOut, LineOut, Reason, Rejected, Share, StepOut, Winner};
use crate::Fen;
use crate::ids::{CouponId, OfferId};
use crate::shares;

/// A line on its way through the steps.
pub(super) struct WorkLine {
    /// Shelf price × packs.
    pub gross: Fen,
    /// What it costs so far; never below 0.
    pub left: Fen,
    /// What the next step measures and spreads by: `left` as the step began.
    pub at_start: Fen,
    /// The price of a pack so far.
    pub unit_price: Fen,
    /// Has a campaign price: no coupon, no points.
    pub in_campaign: bool,
    /// Offers that took from it, as indices of `Work::applied`.
    pub touched: Vec<usize>,
    shares: Vec<Share>,
}

/// A basket on its way through the steps.
pub(super) struct Work<'a> {
    pub lines: Vec<WorkLine>,
    /// Offers that applied so far.
    pub applied: Vec<&'a Offer>,
    pub coupons: Vec<CouponOut>,
    rejected: Vec<Rejected>,
}

impl<'a> Work<'a> {
    /// Every line at its shelf price. Negative prices and quantities read as 0.
    pub fn new(input: &Input) -> Self {
        let lines = input
            .lines
            .iter()
            .map(|line| {
                let unit_price = line.shelf_price.at_least_zero();
                let gross = unit_price.times(line.qty.0.max(0));
                let shares = Vec::new();
                let touched = Vec::new();
                WorkLine { gross, left: gross, at_start: gross, unit_price, in_campaign: false, touched, shares }
            })
            .collect();
        Self { lines, applied: Vec::new(), coupons: Vec::new(), rejected: Vec::new() }
    }

    /// Begins a step: what lines cost now is what its thresholds are measured on.
    pub fn begin_step(&mut self) {
        self.lines.iter_mut().for_each(|line| line.at_start = line.left);
    }

    /// Takes `amount` off line `i`, at most what it costs.
    pub fn take(&mut self, i: usize, step: Step, offer: Option<&OfferId>, amount: Fen) {
        let line = &mut self.lines[i];
        let amount = amount.min(line.left);
        if amount.is_positive() {
            line.left -= amount;
            line.shares.push(Share { step, offer: offer.cloned(), amount });
        }
    }

    /// Spreads `amount` over `lines` by what they cost as the step began, and
    /// marks them as touched by the offer.
    pub fn spread(&mut self, lines: &[usize], step: Step, offer: &'a Offer, amount: Fen) {
        let weights: Vec<Fen> = lines.iter().map(|&i| self.lines[i].at_start).collect();
        let caps: Vec<Fen> = lines.iter().map(|&i| self.lines[i].left).collect();
        let index = self.note_applied(offer);
        for (&i, share) in lines.iter().zip(shares::spread(amount, &weights, &caps)) {
            self.take(i, step, Some(&offer.id), share);
            self.lines[i].touched.push(index);
        }
    }

    /// Remembers that an offer applied; its place in `applied`.
    pub fn note_applied(&mut self, offer: &'a Offer) -> usize {
        let known = self.applied.iter().position(|other| other.id == offer.id);
        known.unwrap_or_else(|| {
            self.applied.push(offer);
            self.applied.len() - 1
        })
    }

    /// The first offer that took from line `i` and does not stack with `offer`.
    pub fn conflict(&self, i: usize, offer: &Offer) -> Option<Winner> {
        let other = self.lines[i].touched.iter().map(|&at| self.applied[at]).find(|o| o.conflicts_with(offer))?;
        Some(Winner::Offer(other.id.clone()))
    }

    /// Remembers why an offer did not apply.
    pub fn reject(&mut self, offer: &Offer, coupon: Option<CouponId>, reason: Reason) {
        self.rejected.push(Rejected { offer: offer.id.clone(), coupon, reason });
    }

    /// Why an offer did not apply, if it did not.
    pub fn rejection(&self, offer: &Offer) -> Option<&Reason> {
        self.rejected.iter().find(|r| r.offer == offer.id).map(|r| &r.reason)
    }

    /// Lines, steps with their sums, and rejections.
    pub fn finish(self, input: &Input) -> (Vec<LineOut>, Vec<StepOut>, Vec<Rejected>) {
        let mut steps: Vec<StepOut> = Vec::new();
        let mut lines = Vec::with_capacity(self.lines.len());
        for (line, from) in self.lines.into_iter().zip(&input.lines) {
            for share in &line.shares {
                match steps.iter_mut().find(|s| s.step == share.step && s.offer == share.offer) {
                    Some(step) => step.amount += share.amount,
                    None => steps.push(StepOut { step: share.step, offer: share.offer.clone(), amount: share.amount }),
                }
            }
            lines.push(LineOut {
                sku: from.sku.clone(),
                qty: crate::Packs(from.qty.0.max(0)),
                shelf_price: from.shelf_price.at_least_zero(),
                unit_price: line.unit_price,
                gross: line.gross,
                shares: line.shares,
                total: line.left,
            });
        }
        // Stable: within a step, in the order in which the offers applied.
        crate::small::sort_by(&mut steps, |a, b| a.step.cmp(&b.step));
        (lines, steps, self.rejected)
    }
}
