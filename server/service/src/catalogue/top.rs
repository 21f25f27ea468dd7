//! The best sellers as searches know them: they have places in a small index of
//! their own, which is brought up to date when it is known anew what sells.

use crate::{Error, Result, Shop};
use std::cmp::Reverse;
use std::collections::HashMap;
use store::Lane;

/// Best sellers that each store brings in.
const OF_STORE: u32 = 4_000;
/// Places in all.
const PLACES: usize = 10_000;
/// Places written in one unit of work.
const UNIT_ROWS: usize = 500;

impl Shop {
    /// Gives the best sellers of all stores their places; only places that another
    /// SKU has now are written. Answers how many units of work that took.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn refresh_top(&self) -> Result<u64> {
        let mut conn = self.store().read().await?;
        let mut sales: HashMap<i64, i64> = HashMap::new();
        for store in &store::stores::all(&mut conn).await? {
            for (num, sold) in store::lists::best_sellers(&mut conn, &store.id, OF_STORE).await? {
                *sales.entry(num).or_default() += sold;
            }
        }
        let held = store::dialect::top(&mut conn).await?;
        drop(conn);
        let mut best: Vec<(i64, i64)> = sales.into_iter().collect();
        best.sort_unstable_by_key(|&(num, sold)| (Reverse(sold), num));
        let places: Vec<(i64, i64)> = (1..).zip(best.into_iter().map(|(num, _)| num)).take(PLACES).collect();
        let mut units = 0;
        for (first, last) in ranges(places.len().max(held.last().map_or(0, |&(place, _)| index(place)))) {
            let within = |all: &[(i64, i64)]| -> Vec<(i64, i64)> {
                all.iter().copied().filter(|(place, _)| (first..=last).contains(place)).collect()
            };
            let wanted = within(&places);
            if wanted != within(&held) {
                units += 1;
                let write = self.store().write(Lane::Background, wanted, move |conn, rows| {
                    Box::pin(async move { Ok::<_, Error>(store::dialect::put_top(conn, (first, last), rows).await?) })
                });
                write.await?;
            }
        }
        Ok(units)
    }
}

fn index(place: i64) -> usize {
    usize::try_from(place).unwrap_or_default()
}

/// Places 1 to `count` in ranges of a unit of work.
fn ranges(count: usize) -> impl Iterator<Item = (i64, i64)> {
    let unit = i64::try_from(UNIT_ROWS).unwrap_or(1);
    (0..i64::try_from(count.div_ceil(UNIT_ROWS)).unwrap_or_default()).map(move |no| (no * unit + 1, (no + 1) * unit))
}
