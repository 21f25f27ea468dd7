//! Spreading an amount: exact sums, caps, and proportion.

use crate::config;
use domain::Fen;
use domain::shares::spread;
use proptest::prelude::*;

fn amounts() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let amount = || prop_oneof![Just(0_i64), 1..100_i64, 0..1_000_000_i64, Just(i64::MAX / 4)];
    prop::collection::vec((amount(), amount()), 0..12)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shares_add_up_and_stay_within_their_caps(lines in amounts(), total in -10..2_000_000_i64) {
        let weights: Vec<Fen> = lines.iter().map(|l| Fen(l.0)).collect();
        let caps: Vec<Fen> = lines.iter().map(|l| Fen(l.1)).collect();
        let shares = spread(Fen(total), &weights, &caps);

        prop_assert_eq!(shares.len(), lines.len());
        let all_caps: i128 = caps.iter().map(|c| i128::from(c.0)).sum();
        let sum: i128 = shares.iter().map(|s| i128::from(s.0)).sum();
        prop_assert_eq!(sum, i128::from(total.max(0)).min(all_caps));
        for (share, cap) in shares.iter().zip(&caps) {
            prop_assert!((Fen::ZERO..=*cap).contains(share));
        }
    }

    #[test]
    fn without_caps_a_share_is_within_a_fen_of_its_part(
        weights in prop::collection::vec(1..1_000_000_i64, 1..12),
        part in 0..=100_i64,
    ) {
        let sum: i64 = weights.iter().sum();
        let total = sum * part / 100;
        let weights: Vec<Fen> = weights.into_iter().map(Fen).collect();
        for (share, weight) in spread(Fen(total), &weights, &weights).iter().zip(&weights) {
            let exact = i128::from(total) * i128::from(weight.0);
            let off = i128::from(share.0) * i128::from(sum) - exact;
            prop_assert!(off.abs() < i128::from(sum), "{share} of {weight}");
        }
    }

    #[test]
    fn equal_lines_differ_by_a_fen_and_the_earlier_get_it(n in 1..12_usize, total in 0..10_000_i64) {
        let lines = vec![Fen(10_000); n];
        let shares = spread(Fen(total), &lines, &lines);
        prop_assert!(shares.windows(2).all(|pair| pair[0] >= pair[1]));
        prop_assert!(shares[0].0 - shares[n - 1].0 <= 1);
    }
}
