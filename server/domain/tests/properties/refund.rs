//! Money after a shortage: never more than was paid, and all of it in the end.

use crate::config;
use domain::refund::{
    CancelPolicy, LinePaid, LineSoFar, OrderSoFar, own_cancel, short, shortage, weighed, weight_hold,
};
use domain::{Base, Fen, Packs};
use proptest::prelude::*;

fn line() -> impl Strategy<Value = LinePaid> {
    (1..20_i64, 0..10_000_i64, 0..=100_i64).prop_map(|(qty, price, part)| {
        let gross = price * qty;
        LinePaid { qty: Packs(qty), gross: Fen(gross), total: Fen(gross - gross * part / 100) }
    })
}

fn order() -> impl Strategy<Value = OrderSoFar> {
    (prop::collection::vec(line(), 1..6), 0..1_000_i64).prop_map(|(lines, fee)| OrderSoFar {
        lines: lines.into_iter().map(|paid| LineSoFar { paid, ..LineSoFar::default() }).collect(),
        delivery_fee: Fen(fee),
        delivery_refunded: Fen::ZERO,
    })
}

/// Books a refund on an order.
fn book(order: &mut OrderSoFar, refund: &domain::refund::Refund) {
    for line in &refund.lines {
        let so_far = &mut order.lines[line.line];
        so_far.already_short += line.units;
        so_far.already_refunded += line.amount;
    }
    order.delivery_refunded += refund.delivery_fee;
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_split_of_all_units_gives_back_exactly_what_was_paid(
        line in line(),
        steps in prop::collection::vec(0..6_i64, 0..30),
    ) {
        let (mut gone, mut back) = (Packs::ZERO, Fen::ZERO);
        for more in steps {
            back += short(&line, gone, back, Packs(more));
            gone = Packs((gone.0 + more).min(line.qty.0));
            prop_assert!(back <= line.total, "never more than the line paid");
            let at_once = short(&line, Packs::ZERO, Fen::ZERO, gone);
            prop_assert_eq!(back, at_once, "in parts or at once is the same");
        }
        back += short(&line, gone, back, line.qty);
        prop_assert_eq!(back, line.total);
    }

    #[test]
    fn whatever_went_back_before_the_line_is_never_overpaid(
        line in line(), before in 0..20_i64, refunded in 0..200_000_i64, more in -2..25_i64,
    ) {
        let refunded = Fen(refunded.min(line.total.0));
        let back = short(&line, Packs(before), refunded, Packs(more));
        prop_assert!(back >= Fen::ZERO && refunded + back <= line.total);
    }

    #[test]
    fn repeated_shortages_of_an_order_end_with_all_of_it(
        mut order in order(),
        rounds in prop::collection::vec(prop::collection::vec((0..6_usize, -1..5_i64), 0..4), 0..6),
    ) {
        let paid = order.paid();
        let mut back = Fen::ZERO;
        for round in rounds {
            let shorts: Vec<(usize, Packs)> = round.into_iter().map(|(i, n)| (i, Packs(n))).collect();
            let refund = shortage(&order, &shorts);
            prop_assert_eq!(refund.lines.iter().map(|l| l.amount).sum::<Fen>() + refund.delivery_fee, refund.total);
            prop_assert!(refund.lines.iter().all(|l| l.gross - l.shares == l.amount && l.amount >= Fen::ZERO));
            prop_assert!(refund.everything_short || refund.delivery_fee == Fen::ZERO);
            back += refund.total;
            book(&mut order, &refund);
            prop_assert!(back <= paid);
        }
        let all: Vec<(usize, Packs)> = order.lines.iter().enumerate().map(|(i, l)| (i, l.paid.qty)).collect();
        back += shortage(&order, &all).total;
        prop_assert_eq!(back, paid, "everything short: all of it, with the delivery fee");
    }

    #[test]
    fn a_clawback_is_capped_at_the_refund(
        order in order(), i in 0..6_usize, n in 0..20_i64, rest in 0..300_000_i64,
    ) {
        let cancelled = [(i, Packs(n))];
        let keep = own_cancel(CancelPolicy::KeepShares, &order, &cancelled, Fen(rest));
        let recompute = own_cancel(CancelPolicy::Recompute, &order, &cancelled, Fen(rest));
        prop_assert_eq!(keep.clawback, Fen::ZERO);
        prop_assert!(Fen::ZERO <= recompute.back && recompute.back <= keep.back);
        prop_assert_eq!(recompute.back + recompute.clawback, keep.back);
    }

    #[test]
    fn the_scale_never_charges_beyond_what_was_held(
        estimate in 0..100_000_i64, cap in 0..50_000_i64, grams in 1..5_000_i64, scale in 0..9_000_i64,
    ) {
        let held = weight_hold(Fen(estimate), cap);
        prop_assert!(held >= Fen(estimate));
        let result = weighed(Fen(estimate), held, Base(grams), Base(scale));
        prop_assert_eq!(result.due + result.back, held);
        prop_assert!(result.due >= Fen::ZERO && result.back >= Fen::ZERO);
        if scale <= grams {
            prop_assert!(result.due <= Fen(estimate));
        }
    }
}
