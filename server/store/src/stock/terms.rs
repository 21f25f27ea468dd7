//! What the safety stock is made of: the policy that holds, and the till sales
//! of each day behind the mean daily sales.

use super::statements::Flow;
use super::{ROWS, by_pool, lock};
use crate::conn::rows_of;
use crate::{Conn, Result, Val};
use domain::ids::{PoolId, StoreId};
use domain::safety::{Dms, Policy, units};
use domain::time::Day;
use domain::{Base, Millis};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// What the tills sold of a pool on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleDay {
    /// Which pool.
    pub pool: PoolId,
    /// The store's calendar day.
    pub day: Day,
    /// Sold under a promotion?
    pub promo: bool,
    /// Base units.
    pub units: Base,
}

/// Sets the sales of days that lie behind us, for the mean daily sales. It
/// moves no stock: the level of today is stated by a snapshot. Answers how many
/// rows were new or changed.
pub async fn set_sale_days(conn: &mut Conn, store: &StoreId, days: &[SaleDay]) -> Result<u64> {
    write_sale_days(conn, store, days, "excluded.units").await
}

async fn write_sale_days(conn: &mut Conn, store: &StoreId, days: &[SaleDay], units: &str) -> Result<u64> {
    let mut changed = 0;
    for part in days.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO sale_day (store_id, pool_id, day, promo, units) {}
             ON CONFLICT (store_id, pool_id, day, promo) DO UPDATE SET units = {units}
             WHERE sale_day.units <> {units}",
            rows_of(1, part.len(), 5)
        );
        let mut vals = Vec::with_capacity(part.len() * 5);
        for row in part {
            vals.extend([
                Val::from(store),
                Val::from(&row.pool),
                Val::from(row.day),
                Val::from(row.promo),
                Val::from(row.units),
            ]);
        }
        changed += conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    Ok(changed)
}

/// Adds sales as the tills report them.
pub(super) async fn add_sales(conn: &mut Conn, store: &StoreId, sold: &[&Flow]) -> Result<()> {
    let mut days: BTreeMap<(&PoolId, Day, bool), Base> = BTreeMap::new();
    for row in sold {
        *days.entry((&row.pool, row.day, row.promo)).or_default() += row.quantity;
    }
    let days: Vec<SaleDay> =
        days.into_iter().map(|((pool, day, promo), units)| SaleDay { pool: pool.clone(), day, promo, units }).collect();
    write_sale_days(conn, store, &days, "sale_day.units + excluded.units").await.map(|_| ())
}

/// The terms of a pool's safety stock in a store.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolTerms {
    /// Which pool.
    pub pool: PoolId,
    /// The safety policy that holds.
    pub policy: Policy,
    /// Mean daily sales.
    pub dms: Dms,
    /// Is a promotion on today?
    pub promo_today: bool,
}

/// Puts new terms in place, and the safety stock that follows from them. What
/// sells most is known anew if anything sells more or less than before.
pub async fn set_terms(conn: &mut Conn, store: &StoreId, rows: &[PoolTerms]) -> Result<()> {
    for part in rows.chunks(ROWS) {
        let pools: Vec<PoolId> = part.iter().map(|row| row.pool.clone()).collect();
        let have = by_pool(lock(conn, store, &pools).await?);
        let sql = format!(
            "WITH v (pool_id, policy, normal, promo, promo_today, sales, safety) AS ({})
             UPDATE stock SET policy = v.policy, dms_normal_milli = v.normal, dms_promo_milli = v.promo,
             promo_today = v.promo_today, sales = v.sales, safety = v.safety
             FROM v WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id",
            rows_of(2, part.len(), 7)
        );
        let mut vals = vec![Val::from(store)];
        for row in part {
            let on_hand = have.get(&row.pool).map_or(Base::ZERO, |stock| stock.level.on_hand);
            vals.extend([
                Val::from(&row.pool),
                Val::from(row.policy.to_string()),
                Val::from(row.dms.normal_milli),
                Val::from(row.dms.promo_milli),
                Val::from(row.promo_today),
                Val::from(row.dms.for_day(row.promo_today)),
                Val::from(units(row.policy, on_hand, row.dms.for_day(row.promo_today))),
            ]);
        }
        conn.exec(AssertSqlSafe(sql), &vals).await?;
        let sold = |row: &PoolTerms| {
            have.get(&row.pool)
                .is_some_and(|stock| stock.dms.for_day(stock.promo_today) != row.dms.for_day(row.promo_today))
        };
        if part.iter().any(sold) {
            conn.touch_catalogue();
        }
        for row in part {
            conn.touch_stock(store, &row.pool);
        }
    }
    Ok(())
}

/// Till sales of a store on the days from `first` up to but not with `end`, by pool.
pub async fn sale_days(conn: &mut Conn, store: &StoreId, first: Day, end: Day) -> Result<Vec<SaleDay>> {
    let sql = "SELECT pool_id, day, promo, units FROM sale_day WHERE store_id = $1 AND day >= $2 AND day < $3
        ORDER BY pool_id, day LIMIT 10000000";
    let rows: Vec<(String, i64, bool, i64)> = conn.all(sql, crate::vals![store, first, end]).await?;
    let day = |(pool, day, promo, units): (String, i64, bool, i64)| SaleDay {
        pool: PoolId::trusted(pool),
        day: Day(i32::try_from(day).unwrap_or(i32::MAX)),
        promo,
        units: Base(units),
    };
    Ok(rows.into_iter().map(day).collect())
}

/// Are any sales known?
pub async fn any_sales(conn: &mut Conn) -> Result<bool> {
    let row: Option<(i64,)> = conn.opt("SELECT day FROM sale_day LIMIT 1", &[]).await?;
    Ok(row.is_some())
}

/// The first day on which a store's sales are known.
pub async fn first_sale_day(conn: &mut Conn, store: &StoreId) -> Result<Option<Day>> {
    let row: (Option<i64>,) =
        conn.one("SELECT MIN(day) FROM sale_day WHERE store_id = $1", crate::vals![store]).await?;
    Ok(row.0.and_then(|day| i32::try_from(day).ok()).map(Day))
}

/// Pools whose hand count ran out after `since` and up to `until`: open pages
/// must hear of it.
pub async fn ran_out(conn: &mut Conn, since: Millis, until: Millis) -> Result<Vec<(StoreId, PoolId)>> {
    let sql = "SELECT store_id, pool_id FROM stock WHERE counted_until > $1 AND counted_until <= $2
        ORDER BY store_id, pool_id LIMIT 100000";
    let rows: Vec<(String, String)> = conn.all(sql, crate::vals![since, until]).await?;
    Ok(rows.into_iter().map(|(store, pool)| (StoreId::trusted(store), PoolId::trusted(pool))).collect())
}
