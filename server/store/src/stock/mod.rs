//! Stock: the ledger of movements and the levels kept beside it.
//!
//! Every change of a level is a movement with a unique key; both are written
//! in the same unit of work, by a fixed number of statements however many
//! lines there are. The rows of `stock` are locked in the order of their key
//! (store, pool), so that no two units wait for each other.
//!
//! `stock.safety` is kept up to date whenever what it comes from changes (the
//! level, the policy, the mean sales), so that a reservation is one conditional
//! update: `on_hand − reserved − safety ≥ want`, and the hand count still holds.
//!
//! The functions work inside a unit of work of [`Store::write`](crate::Store::write).
//! They take lines in any order; lines of one pool (a case and its bottles) are
//! summed first.

mod ledger;
mod statements;
mod stating;
mod terms;

pub use ledger::{Missing, Shelf, Short, reserve, settle, short_pick};
pub use statements::{Applied, Flow, Statement, apply_flows, apply_statements, newest, preview_statements};
pub use stating::statements_of_time;
pub use terms::{PoolTerms, SaleDay, any_sales, first_sale_day, ran_out, sale_days, set_sale_days, set_terms};

use crate::bulk::Bulk;
use crate::conn::{Kind as Db, each_one};
use crate::record::Record;
use crate::{Conn, Result, Val};
use domain::availability::Level;
use domain::ids::{PoolId, StoreId};
use domain::safety::{Dms, Policy, units};
use domain::stock::Kind;
use domain::{Base, Millis};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeSet, HashMap};

/// Rows that one statement takes at most.
const ROWS: usize = 1_000;

/// The stock of a pool in a store, with the terms of its safety stock.
#[derive(Clone, Debug, PartialEq)]
pub struct Stock {
    /// Which pool.
    pub pool: PoolId,
    /// The level. Its `as_of` is the last statement's time or, if later, the
    /// time up to which the tills have reported their sales.
    pub level: Level,
    /// Time of the last statement; `None` if nobody stated the level yet.
    pub stated_at: Option<Millis>,
    /// What kind of movement told the level.
    pub told_by: Kind,
    /// The safety policy that holds.
    pub policy: Policy,
    /// Mean daily sales.
    pub dms: Dms,
    /// Is a promotion on today?
    pub promo_today: bool,
}

#[derive(Debug, Record)]
struct StockRow {
    pool_id: String,
    on_hand: i64,
    reserved: i64,
    safety: i64,
    as_of: i64,
    source: String,
    counted_until: Option<i64>,
    dms_normal_milli: i64,
    dms_promo_milli: i64,
    policy: String,
    promo_today: bool,
    feed_until: i64,
}

impl From<StockRow> for Stock {
    fn from(row: StockRow) -> Self {
        let told_by = row.source.parse().unwrap_or(Kind::Correction);
        Self {
            pool: PoolId::trusted(row.pool_id),
            level: Level {
                on_hand: Base(row.on_hand),
                reserved: Base(row.reserved),
                safety: Base(row.safety),
                as_of: Millis(row.as_of.max(row.feed_until)),
                counted_until: row.counted_until.map(Millis),
            },
            stated_at: told_by.is_statement().then_some(Millis(row.as_of)),
            told_by,
            policy: row.policy.parse().unwrap_or_default(),
            dms: Dms { normal_milli: row.dms_normal_milli, promo_milli: row.dms_promo_milli },
            promo_today: row.promo_today,
        }
    }
}

impl Stock {
    /// The safety stock at another number on hand.
    fn safety_at(&self, on_hand: Base) -> Base {
        units(self.policy, on_hand, self.dms.for_day(self.promo_today))
    }
}

/// Of a level `s` in a store `t`.
const COLUMNS: &str = "s.pool_id, s.on_hand, s.reserved, s.safety, s.as_of, s.source, s.counted_until,
    s.dms_normal_milli, s.dms_promo_milli, s.policy, s.promo_today, t.feed_until";

/// The stock of some pools in a store; pools without a row are left out.
pub async fn levels(conn: &mut Conn, store: &StoreId, pools: &[PoolId]) -> Result<Vec<Stock>> {
    read_levels(conn, store, pools, "").await
}

/// The same, locked up to the end of the unit, in the order of the key.
pub async fn lock(conn: &mut Conn, store: &StoreId, pools: &[PoolId]) -> Result<Vec<Stock>> {
    let end = if conn.kind() == Db::Postgres { " FOR UPDATE OF s" } else { "" };
    read_levels(conn, store, pools, end).await
}

async fn read_levels(conn: &mut Conn, store: &StoreId, pools: &[PoolId], end: &str) -> Result<Vec<Stock>> {
    let pools: BTreeSet<&PoolId> = pools.iter().collect();
    let pools: Vec<&PoolId> = pools.into_iter().collect();
    let mut found = Vec::with_capacity(pools.len());
    for part in pools.chunks(ROWS) {
        let sql = format!(
            "SELECT {COLUMNS} FROM stock s JOIN store t ON t.id = s.store_id
             WHERE s.store_id = $1 AND s.pool_id {} ORDER BY s.pool_id{end}",
            each_one(2, part.len())
        );
        let mut vals = vec![Val::from(store)];
        vals.extend(part.iter().map(|pool| Val::from(*pool)));
        let rows: Vec<StockRow> = conn.all(AssertSqlSafe(sql), &vals).await?;
        found.extend(rows.into_iter().map(Stock::from));
    }
    Ok(found)
}

/// The same for hundreds of pools.
async fn lock_many(conn: &mut Conn, store: &StoreId, pools: &[&PoolId]) -> Result<Vec<Stock>> {
    let end = if conn.kind() == Db::Postgres { " FOR UPDATE OF s" } else { "" };
    let sql = format!(
        "WITH v (id) AS ({{rows}}) SELECT {COLUMNS} FROM v CROSS JOIN stock s CROSS JOIN store t
         WHERE s.store_id = $1 AND s.pool_id = v.id AND t.id = s.store_id ORDER BY s.pool_id{end}"
    );
    let vals: Vec<Val<'_>> = pools.iter().map(|pool| Val::from(*pool)).collect();
    let rows: Vec<StockRow> = conn.bulk_all(Bulk { sql: &sql, columns: 1 }, &[Val::from(store)], &vals).await?;
    Ok(rows.into_iter().map(Stock::from).collect())
}

fn by_pool(stocks: Vec<Stock>) -> HashMap<PoolId, Stock> {
    stocks.into_iter().map(|stock| (stock.pool.clone(), stock)).collect()
}

/// All stock of a store, in the order of its key. Bounded by a million pools.
pub async fn all(conn: &mut Conn, store: &StoreId) -> Result<Vec<Stock>> {
    let sql = "SELECT s.pool_id, s.on_hand, s.reserved, s.safety, s.as_of, s.source, s.counted_until,
        s.dms_normal_milli, s.dms_promo_milli, s.policy, s.promo_today, t.feed_until
        FROM stock s JOIN store t ON t.id = s.store_id WHERE s.store_id = $1 ORDER BY s.pool_id LIMIT 1000000";
    let rows: Vec<StockRow> = conn.all(sql, crate::vals![store]).await?;
    Ok(rows.into_iter().map(Stock::from).collect())
}
