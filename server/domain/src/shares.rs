//! Spreading an amount over lines, to the fen.
//!
//! Rule: a discount is spread over the lines in proportion to their weights;
//! the fen that rounding leaves over go to the largest remainders, and among
//! equal remainders to the earlier line (the method of Hamilton). The shares
//! add up exactly to the amount, and no line gets more than its cap: what a
//! capped line cannot take is spread over the others.

use crate::Fen;

/// Spreads `total` over lines by `weights`, each line at most its cap.
///
/// Returns one share a line. They add up exactly to `min(total, Σ caps)`; each
/// lies in `0..=cap`. Negative totals, weights and caps read as 0, a missing
/// cap as 0. Lines of weight 0 get nothing as long as others can take the
/// amount; when none of those is left, the caps themselves are the weights.
pub fn spread(total: Fen, weights: &[Fen], caps: &[Fen]) -> Vec<Fen> {
    let caps: Vec<i128> = (0..weights.len()).map(|i| caps.get(i).map_or(0, |cap| i128::from(cap.0.max(0)))).collect();
    let weights: Vec<i128> = weights.iter().map(|w| i128::from(w.0.max(0))).collect();
    let mut left = i128::from(total.0.max(0)).min(caps.iter().sum());
    let mut shares = vec![0_i128; weights.len()];

    left -= fill(left, &weights, &caps, &mut shares);
    if left > 0 {
        // Only lines of weight 0 have room: their room decides.
        let room: Vec<i128> = caps.iter().zip(&shares).map(|(c, s)| c - s).collect();
        let mut more = vec![0_i128; weights.len()];
        fill(left, &room, &room, &mut more);
        shares.iter_mut().zip(&more).for_each(|(s, m)| *s += m);
    }
    shares.into_iter().map(fen).collect()
}

/// Back to fen: every share lies between 0 and a cap, which came from an `i64`.
fn fen(share: i128) -> Fen {
    Fen(i64::try_from(share).unwrap_or(i64::MAX))
}

/// Spreads `total` over the lines that have a weight; says how much was placed.
fn fill(total: i128, weights: &[i128], caps: &[i128], shares: &mut [i128]) -> i128 {
    let mut open: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0).collect();
    let mut left = total;
    // Lines whose part would pass their cap are filled first. Taking them out
    // only raises the parts of the others, so each is taken out at most once.
    loop {
        let sum: i128 = open.iter().map(|&i| weights[i]).sum();
        let before = open.len();
        let at_start = left;
        open.retain(|&i| {
            let over = at_start * weights[i] > caps[i] * sum;
            if over {
                shares[i] = caps[i];
                left -= caps[i];
            }
            !over
        });
        if open.len() == before {
            break;
        }
    }
    let sum: i128 = open.iter().map(|&i| weights[i]).sum();
    if sum == 0 || left <= 0 {
        return total - left;
    }
    let part = left;
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(open.len());
    for &i in &open {
        shares[i] = part * weights[i] / sum;
        left -= shares[i];
        remainders.push((part * weights[i] % sum, i));
    }
    // Largest remainder first; the sort is stable, so ties keep the lines' order.
    crate::small::sort_by(&mut remainders, |a, b| b.0.cmp(&a.0));
    for &(_, i) in &remainders {
        if left == 0 {
            break;
        }
        shares[i] += 1;
        left -= 1;
    }
    total - left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fens(all: &[i64]) -> Vec<Fen> {
        all.iter().map(|&n| Fen(n)).collect()
    }

    #[test]
    fn ten_yuan_off_sixty_and_thirty() {
        let lines = fens(&[6000, 3000]);
        assert_eq!(spread(Fen(1000), &lines, &lines), fens(&[667, 333]));
    }

    #[test]
    fn ties_go_to_the_earlier_line() {
        let lines = fens(&[100, 100, 100]);
        assert_eq!(spread(Fen(100), &lines, &lines), fens(&[34, 33, 33]));
        assert_eq!(spread(Fen(2), &lines, &lines), fens(&[1, 1, 0]));
    }

    #[test]
    fn a_capped_line_hands_the_rest_on() {
        assert_eq!(spread(Fen(100), &fens(&[50, 50]), &fens(&[10, 500])), fens(&[10, 90]));
    }

    #[test]
    fn never_more_than_all_caps() {
        assert_eq!(spread(Fen(100), &fens(&[1, 1]), &fens(&[10, 20])), fens(&[10, 20]));
        assert_eq!(spread(Fen(-5), &fens(&[1, 1]), &fens(&[10, 20])), fens(&[0, 0]));
        assert_eq!(spread(Fen(5), &[], &[]), fens(&[]));
    }

    #[test]
    fn weightless_lines_take_what_is_left_over() {
        assert_eq!(spread(Fen(30), &fens(&[0, 5]), &fens(&[100, 10])), fens(&[20, 10]));
        assert_eq!(spread(Fen(30), &fens(&[0, 5]), &fens(&[100, 100])), fens(&[0, 30]));
    }

    #[test]
    fn the_largest_amounts_do_not_overflow() {
        let most = fens(&[i64::MAX, i64::MAX]);
        let shares = spread(Fen(i64::MAX), &most, &most);
        assert_eq!(shares.iter().map(|s| i128::from(s.0)).sum::<i128>(), i128::from(i64::MAX));
    }
}
