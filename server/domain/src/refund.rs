//! Money after a shortage, a weighing or a member's own cancellation.
//!
//! Rules:
//! - The store's fault never costs the member. For missing units goes back what
//!   was paid for them: `Σ (gross − shares)` ([`short`], [`shortage`]). No
//!   threshold is checked again, nothing is clawed back, the coupon stays used,
//!   the delivery fee stays as placed.
//! - If everything is short, everything goes back: with delivery fee, coupon and
//!   points.
//! - Repeated partial refunds never exceed what the line paid, to the fen; the
//!   last unit takes the remainder.
//! - A member's own cancellation follows a switch ([`CancelPolicy`]), and is
//!   never mixed with a shortage.
//! - Goods by weight: the estimate plus a cap is charged, the scale decides, the
//!   difference goes back ([`weighed`]).
//!
//! Example: lines 60.00 + 30.00 with 满88减10 were 80.00, shares 6.67 and 3.33.
//! The 30.00 is short: 26.67 goes back, not 20.00.

use crate::time::DAY_MS;
use crate::{Base, Fen, Millis, Packs};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A line as it was paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePaid {
    /// Packs ordered.
    pub qty: Packs,
    /// Shelf price × packs.
    pub gross: Fen,
    /// Gross less the line's discount shares: what was paid.
    pub total: Fen,
}

/// What the first `units` packs of an amount for `qty` packs come to: whole fen
/// a pack, and the last pack takes the remainder.
fn of_units(amount: Fen, qty: Packs, units: Packs) -> Fen {
    let units = units.0.clamp(0, qty.0.max(0));
    if units >= qty.0 { amount } else { Fen(amount.0 / qty.0 * units) }
}

/// What goes back for `more` missing packs of a line of which `already_short`
/// were reported before and `already_refunded` went back, whatever for.
///
/// Never negative, and never more than is left of what the line paid. Packs
/// beyond the line's quantity do not count. When the last pack is short, all
/// that is left goes back.
pub fn short(line: &LinePaid, already_short: Packs, already_refunded: Fen, more: Packs) -> Fen {
    let before = Packs(already_short.0.clamp(0, line.qty.0.max(0)));
    let after = Packs(before.0.saturating_add(more.0.max(0)).min(line.qty.0.max(0)));
    let left = (line.total - already_refunded.at_least_zero()).at_least_zero();
    if after == before {
        return Fen::ZERO;
    }
    if after == line.qty {
        return left;
    }
    (of_units(line.total, line.qty, after) - of_units(line.total, line.qty, before)).at_least_zero().min(left)
}

/// A line with what already came back of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSoFar {
    /// As it was paid.
    pub paid: LinePaid,
    /// Packs reported short before.
    pub already_short: Packs,
    /// Refunded before, whatever for.
    pub already_refunded: Fen,
}

/// An order with what already came back of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSoFar {
    /// Its lines.
    pub lines: Vec<LineSoFar>,
    /// The delivery fee paid.
    pub delivery_fee: Fen,
    /// Delivery fee refunded before.
    pub delivery_refunded: Fen,
}

impl OrderSoFar {
    /// What was paid in all.
    pub fn paid(&self) -> Fen {
        self.lines.iter().map(|line| line.paid.total).sum::<Fen>() + self.delivery_fee
    }
}

/// The calculation of a line's refund, as the member sees it: `gross − shares = amount`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    /// Which line of the order, from 0.
    pub line: usize,
    /// Packs that it is for.
    pub units: Packs,
    /// Shelf price of them.
    pub gross: Fen,
    /// Discount shares on them, and what had gone back before.
    pub shares: Fen,
    /// What goes back.
    pub amount: Fen,
}

/// One refund for all that is short in one picking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Line by line.
    pub lines: Vec<RefundLine>,
    /// Delivery fee that goes back.
    pub delivery_fee: Fen,
    /// In all.
    pub total: Fen,
    /// Nothing of the order is left: coupon and points go back, too.
    pub everything_short: bool,
}

/// The refund for packs that the store does not have: `(line from 0, packs)`.
///
/// A line may be named more than once. Packs beyond a line's quantity, and
/// lines that the order has not, do not count.
pub fn shortage(order: &OrderSoFar, shorts: &[(usize, Packs)]) -> Refund {
    let mut refund = Refund::default();
    let mut all_gone = !order.lines.is_empty();
    for (i, line) in order.lines.iter().enumerate() {
        let wanted: i64 = shorts.iter().filter(|(at, _)| *at == i).map(|(_, n)| n.0.max(0)).sum();
        let before = line.already_short.0.clamp(0, line.paid.qty.0.max(0));
        let units = wanted.min(line.paid.qty.0.max(0) - before);
        all_gone &= before + units >= line.paid.qty.0;
        if units == 0 {
            continue;
        }
        let amount = short(&line.paid, line.already_short, line.already_refunded, Packs(units));
        let gross = of_units(line.paid.gross, line.paid.qty, Packs(before + units))
            - of_units(line.paid.gross, line.paid.qty, Packs(before));
        refund.lines.push(RefundLine { line: i, units: Packs(units), gross, shares: gross - amount, amount });
    }
    refund.everything_short = all_gone && !refund.lines.is_empty();
    if refund.everything_short {
        refund.delivery_fee = (order.delivery_fee - order.delivery_refunded).at_least_zero();
    }
    refund.total = refund.lines.iter().map(|line| line.amount).sum::<Fen>() + refund.delivery_fee;
    refund
}

/// Everything that is left goes back: an order that is cancelled before picking,
/// or of which nothing was found.
pub fn everything(order: &OrderSoFar) -> Refund {
    let all: Vec<(usize, Packs)> = order.lines.iter().enumerate().map(|(i, line)| (i, line.paid.qty)).collect();
    let mut refund = shortage(order, &all);
    if !refund.everything_short {
        refund.delivery_fee = (order.delivery_fee - order.delivery_refunded).at_least_zero();
        refund.total += refund.delivery_fee;
        refund.everything_short = true;
    }
    refund
}

/// How long a coupon lasts that is issued again.
pub const COUPON_AGAIN_MS: i64 = 7 * DAY_MS;

/// When a returned coupon expires: as before, or in 7 days if it has run out meanwhile.
pub fn coupon_expires(expires: Millis, now: Millis) -> Millis {
    if expires > now { expires } else { now.plus(COUPON_AGAIN_MS) }
}

/// What is charged for goods by weight before they are weighed: the estimate and
/// a cap above it, in thousandths of a percent, rounded up to a fen.
pub fn weight_hold(estimate: Fen, cap_milli: i64) -> Fen {
    let cap = i128::from(estimate.0.max(0)) * i128::from(cap_milli.max(0));
    let cap = i64::try_from((cap + 99_999) / 100_000).unwrap_or(i64::MAX);
    Fen(estimate.0.max(0).saturating_add(cap))
}

/// What a weighing comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// What the goods cost by the scale, net of the line's shares.
    pub due: Fen,
    /// What goes back of what was charged.
    pub back: Fen,
}

/// The scale decides: `due = estimate × weight ÷ estimated weight`, rounded down,
/// at most what was charged; the rest of `charged` goes back.
///
/// `estimate` is what the line cost net of its shares, `charged` that with the
/// cap (see [`weight_hold`]). With no estimated weight, the estimate stands.
pub fn weighed(estimate: Fen, charged: Fen, estimated: Base, weighed: Base) -> Weighed {
    let charged = charged.at_least_zero();
    let due = if estimated.0 < 1 {
        estimate.at_least_zero()
    } else {
        let exact = i128::from(estimate.0.max(0)) * i128::from(weighed.0.max(0)) / i128::from(estimated.0);
        Fen(i64::try_from(exact).unwrap_or(i64::MAX))
    };
    let due = due.min(charged);
    Weighed { due, back: charged - due }
}

/// What a member's own cancellation of a part does to the discounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelPolicy {
    /// What was paid for the units goes back, as if they were short.
    #[default]
    KeepShares,
    /// What remains is priced again; discounts that it no longer earns are
    /// clawed back, at most the refund.
    Recompute,
}

impl CancelPolicy {
    /// The word in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepShares => "keep_shares",
            Self::Recompute => "recompute",
        }
    }
}

impl fmt::Display for CancelPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text names no policy of cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy of cancellation is keep_shares or recompute")]
pub struct BadCancelPolicy;

impl FromStr for CancelPolicy {
    type Err = BadCancelPolicy;
    fn from_str(text: &str) -> Result<Self, BadCancelPolicy> {
        [Self::KeepShares, Self::Recompute].into_iter().find(|p| p.as_str() == text).ok_or(BadCancelPolicy)
    }
}

/// What a member's own cancellation comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCancel {
    /// What was paid for the units, line by line.
    pub refund: Refund,
    /// Discounts that the rest no longer earns; between 0 and the refund.
    pub clawback: Fen,
    /// What goes back.
    pub back: Fen,
}

/// The refund for packs that the member gives up themselves: `(line from 0, packs)`.
///
/// `rest_priced` is what the goods that remain would cost on their own, by the
/// prices and offers of the order (used by [`CancelPolicy::Recompute`] alone).
pub fn own_cancel(
    policy: CancelPolicy,
    order: &OrderSoFar,
    cancelled: &[(usize, Packs)],
    rest_priced: Fen,
) -> OwnCancel {
    let refund = shortage(order, cancelled);
    let clawback = match policy {
        CancelPolicy::KeepShares => Fen::ZERO,
        CancelPolicy::Recompute if refund.everything_short => Fen::ZERO,
        CancelPolicy::Recompute => {
            let goods: Fen = refund.lines.iter().map(|line| line.amount).sum();
            let paid_for_rest: Fen = order.lines.iter().map(|l| l.paid.total - l.already_refunded).sum::<Fen>() - goods;
            (rest_priced - paid_for_rest).at_least_zero().min(refund.total)
        }
    };
    OwnCancel { back: refund.total - clawback, refund, clawback }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid(qty: i64, gross: i64, total: i64) -> LineSoFar {
        let paid = LinePaid { qty: Packs(qty), gross: Fen(gross), total: Fen(total) };
        LineSoFar { paid, ..LineSoFar::default() }
    }

    fn sixty_and_thirty() -> OrderSoFar {
        OrderSoFar {
            lines: vec![paid(1, 6000, 5333), paid(1, 3000, 2667)],
            delivery_fee: Fen(500),
            delivery_refunded: Fen::ZERO,
        }
    }

    #[test]
    fn the_thirty_is_short_and_26_67_goes_back() {
        let refund = shortage(&sixty_and_thirty(), &[(1, Packs(1))]);
        let line = RefundLine { line: 1, units: Packs(1), gross: Fen(3000), shares: Fen(333), amount: Fen(2667) };
        assert_eq!(refund.lines, [line]);
        assert_eq!((refund.total, refund.delivery_fee, refund.everything_short), (Fen(2667), Fen(0), false));
    }

    #[test]
    fn everything_short_takes_the_delivery_fee_along() {
        let order = sixty_and_thirty();
        let at_once = shortage(&order, &[(0, Packs(1)), (1, Packs(1))]);
        assert_eq!((at_once.total, at_once.everything_short), (order.paid(), true));
        assert_eq!(everything(&order), at_once);

        let mut later = order;
        later.lines[1].already_short = Packs(1);
        later.lines[1].already_refunded = Fen(2667);
        let second = shortage(&later, &[(0, Packs(1))]);
        assert_eq!((second.total, second.everything_short), (Fen(5833), true));
        assert_eq!(shortage(&later, &[(1, Packs(1))]), Refund::default(), "it was refunded before");
    }

    #[test]
    fn the_last_unit_takes_the_remainder() {
        let line = paid(3, 300, 200).paid;
        let first = short(&line, Packs(0), Fen(0), Packs(1));
        let second = short(&line, Packs(1), Fen(66), Packs(1));
        let third = short(&line, Packs(2), Fen(132), Packs(5));
        assert_eq!((first, second, third), (Fen(66), Fen(66), Fen(68)));
        assert_eq!(short(&line, Packs(3), Fen(200), Packs(1)), Fen(0));
    }

    #[test]
    fn money_that_went_back_for_something_else_is_not_paid_twice() {
        let line = paid(2, 1000, 1000).paid;
        assert_eq!(short(&line, Packs(0), Fen(700), Packs(1)), Fen(300));
        assert_eq!(short(&line, Packs(0), Fen(700), Packs(2)), Fen(300));
        assert_eq!(short(&line, Packs(0), Fen(0), Packs(-1)), Fen(0));
    }

    #[test]
    fn a_coupon_that_ran_out_lasts_seven_more_days() {
        assert_eq!(coupon_expires(Millis(500), Millis(400)), Millis(500));
        assert_eq!(coupon_expires(Millis(400), Millis(400)), Millis(400 + 7 * DAY_MS));
    }

    #[test]
    fn the_scale_decides() {
        assert_eq!(weight_hold(Fen(1001), 10_000), Fen(1102));
        let lighter = weighed(Fen(1000), Fen(1100), Base(500), Base(480));
        assert_eq!(lighter, Weighed { due: Fen(960), back: Fen(140) });
        let heavier = weighed(Fen(1000), Fen(1100), Base(500), Base(600));
        assert_eq!(heavier, Weighed { due: Fen(1100), back: Fen(0) });
        assert_eq!(weighed(Fen(1000), Fen(1100), Base(500), Base(0)).back, Fen(1100));
    }

    #[test]
    fn own_cancellation_keeps_the_shares_or_claws_back() {
        let order = sixty_and_thirty();
        let keep = own_cancel(CancelPolicy::KeepShares, &order, &[(1, Packs(1))], Fen(6000));
        assert_eq!((keep.back, keep.clawback), (Fen(2667), Fen(0)));
        // The 60.00 alone no longer earns the 10.00: 20.00 goes back.
        let recompute = own_cancel(CancelPolicy::Recompute, &order, &[(1, Packs(1))], Fen(6000));
        assert_eq!((recompute.back, recompute.clawback), (Fen(2000), Fen(667)));
        let capped = own_cancel(CancelPolicy::Recompute, &order, &[(1, Packs(1))], Fen(99_000));
        assert_eq!((capped.back, capped.clawback), (Fen(0), Fen(2667)));
        let all = own_cancel(CancelPolicy::Recompute, &order, &[(0, Packs(1)), (1, Packs(1))], Fen(0));
        assert_eq!((all.back, all.clawback), (Fen(8500), Fen(0)));
        assert_eq!("recompute".parse(), Ok(CancelPolicy::Recompute));
    }
}
