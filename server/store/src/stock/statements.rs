//! What others say of the stock: snapshots, hand counts, receipts, till sales.

use super::ledger::{Movement, book};
use super::stating::apply_all;
use super::terms::add_sales;
use super::{ROWS, by_pool, levels, lock};
use crate::conn::{each_of, list};
use crate::{Conn, Result, Val};
use domain::availability::Thresholds;
use domain::ids::{PoolId, StoreId};
use domain::safety::{Policy, units};
use domain::stock::{Kind, flow, state_level};
use domain::time::{Day, MINUTE_MS};
use domain::{Base, Millis};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, HashSet};

/// "So many were on hand at that time": a row of a snapshot or of a hand count.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Which pool.
    pub pool: PoolId,
    /// Snapshot or count.
    pub kind: Kind,
    /// Base units on hand.
    pub on_hand: Base,
    /// When that was true.
    pub at: Millis,
    /// What is known of goods that are counted by hand holds up to then.
    pub counted_until: Option<Millis>,
    /// The safety policy, if the pool is new in this store.
    pub policy: Policy,
    /// Unique key of the statement in the store.
    pub key: String,
}

/// Units that came in or were sold at the tills.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Which pool.
    pub pool: PoolId,
    /// Receipt or till sale.
    pub kind: Kind,
    /// Base units.
    pub quantity: Base,
    /// When.
    pub at: Millis,
    /// Store's calendar day of `at`, for the mean sales.
    pub day: Day,
    /// Sold under a promotion?
    pub promo: bool,
    /// Up to when the level holds without a hand count, if the pool is new in this store.
    pub counted_until: Option<Millis>,
    /// The safety policy, if the pool is new in this store.
    pub policy: Policy,
    /// Unique key of the row in the store.
    pub key: String,
}

/// What became of the rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that changed something or were kept in the ledger.
    pub applied: usize,
    /// Pools that were new in the store.
    pub opened: usize,
    /// Rows that were there already.
    pub repeated: usize,
    /// Statements older than the last one: nothing done.
    pub late: usize,
}

impl Applied {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            applied: self.applied + other.applied,
            opened: self.opened + other.opened,
            repeated: self.repeated + other.repeated,
            late: self.late + other.late,
        }
    }
}

/// Of several statements on one pool the newest holds, in the order of the pools.
pub fn newest(rows: &[Statement]) -> Vec<&Statement> {
    let mut newest: BTreeMap<&PoolId, &Statement> = BTreeMap::new();
    for row in rows {
        let held = newest.entry(&row.pool).or_insert(row);
        if row.at >= held.at {
            *held = row;
        }
    }
    newest.into_values().collect()
}

/// Applies snapshots and hand counts. Of several statements on one pool the
/// newest holds, the others are late.
pub async fn apply_statements(conn: &mut Conn, store: &StoreId, rows: &[Statement], now: Millis) -> Result<Applied> {
    let newest = newest(rows);
    let mut sum = Applied { late: rows.len() - newest.len(), ..Applied::default() };
    for part in newest.chunks(ROWS) {
        sum = sum.plus(apply_all(conn, store, part, now).await?);
    }
    Ok(sum)
}

/// What [`apply_statements`] would do at this moment; only reads.
pub async fn preview_statements(conn: &mut Conn, store: &StoreId, rows: &[Statement]) -> Result<Applied> {
    let newest = newest(rows);
    let mut sum = Applied { late: rows.len() - newest.len(), ..Applied::default() };
    for part in newest.chunks(ROWS) {
        let pools: Vec<PoolId> = part.iter().map(|row| row.pool.clone()).collect();
        let have = by_pool(levels(conn, store, &pools).await?);
        let known = known_keys(conn, store, part).await?;
        for row in part {
            let held = have.get(&row.pool);
            let (on_hand, stated_at) = held.map_or((Base::ZERO, None), |s| (s.level.on_hand, s.stated_at));
            if state_level(on_hand, stated_at, row.on_hand, row.at, Base::ZERO).late {
                sum.late += 1;
            } else if known.contains(&row.key) {
                sum.repeated += 1;
            } else {
                sum.applied += 1;
                sum.opened += usize::from(held.is_none());
            }
        }
    }
    Ok(sum)
}

/// Which of the statements' keys the ledger has already.
async fn known_keys(conn: &mut Conn, store: &StoreId, rows: &[&Statement]) -> Result<HashSet<String>> {
    let sql = format!("SELECT key FROM movement WHERE store_id = $1 AND key IN ({})", list(2, rows.len()));
    let mut vals = vec![Val::from(store)];
    vals.extend(rows.iter().map(|row| Val::from(&row.key)));
    let keys: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    Ok(keys.into_iter().map(|(key,)| key).collect())
}

/// Makes the rows of pools that are new in the store: nothing on hand, nothing stated. How many.
async fn open_levels(conn: &mut Conn, store: &StoreId, rows: &[Flow]) -> Result<usize> {
    let mut opened = 0;
    let mut pools: BTreeMap<&PoolId, (Policy, Option<Millis>)> = BTreeMap::new();
    for row in rows {
        let (_, until) = pools.entry(&row.pool).or_insert((row.policy, row.counted_until));
        *until = (*until).max(row.counted_until);
    }
    let pools: Vec<_> = pools.into_iter().collect();
    for part in pools.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, policy, safety, counted_until) AS ({})
             INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source, policy, counted_until)
             SELECT $1, v.pool_id, 0, 0, v.safety, 0, 'receipt', v.policy, v.counted_until FROM v WHERE NOT EXISTS
             (SELECT 1 FROM stock s WHERE s.store_id = $1 AND s.pool_id = v.pool_id)
             ON CONFLICT (store_id, pool_id) DO NOTHING",
            each_of(2, part.len(), 4)
        );
        let mut vals = vec![Val::from(store)];
        for (pool, (policy, until)) in part {
            let safety = units(*policy, Base::ZERO, 0);
            vals.extend([Val::from(*pool), Val::from(policy.to_string()), Val::from(safety), Val::from(*until)]);
        }
        opened += conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    if opened > 0 {
        conn.touch_catalogue();
    }
    Ok(usize::try_from(opened).unwrap_or(usize::MAX))
}

/// Applies receipts and till sales; sales also count for the mean daily sales,
/// and tell up to when the tills have reported.
pub async fn apply_flows(conn: &mut Conn, store: &StoreId, rows: &[Flow], now: Millis) -> Result<Applied> {
    let opened = open_levels(conn, store, rows).await?;
    let pools: Vec<PoolId> = rows.iter().map(|row| row.pool.clone()).collect();
    let have = by_pool(lock(conn, store, &pools).await?);
    let movements = rows.iter().map(|row| Movement {
        pool: row.pool.clone(),
        kind: row.kind,
        delta: flow(row.kind, row.quantity, row.at, have.get(&row.pool).and_then(|stock| stock.stated_at)),
        as_of: row.at,
        at: now,
        ref_id: String::new(),
        key: row.key.clone(),
    });
    let movements: Vec<Movement> = movements.collect();
    let written = book(conn, store, movements).await?;
    let sold = rows.iter().filter(|row| row.kind == Kind::TillSale && written.contains(&row.key));
    let sold: Vec<&Flow> = sold.collect();
    add_sales(conn, store, &sold).await?;
    if let Some(until) = sold.iter().map(|row| row.at).max() {
        reported_until(conn, store, until.min(now), now).await?;
    }
    Ok(Applied { applied: written.len(), opened, repeated: rows.len() - written.len(), late: 0 })
}

/// Notes up to when the tills have reported. All the store's stock is worth more then: open
/// pages hear of that where it can show, after a silence. While the tills report all the time
/// it does not, and what a minute changes, the live stream looks at each minute anyway.
async fn reported_until(conn: &mut Conn, store: &StoreId, until: Millis, now: Millis) -> Result<()> {
    let sql = "UPDATE store SET feed_until = $2 WHERE id = $1 AND feed_until < $2 AND feed_until < $3";
    let silent = until.plus(-MINUTE_MS).max(now.plus(-Thresholds::default().stale_ms));
    if conn.exec(sql, crate::vals![store, until, silent]).await? > 0 {
        conn.touch_store(store);
        return Ok(());
    }
    let sql = "UPDATE store SET feed_until = $2 WHERE id = $1 AND feed_until < $2";
    conn.exec(sql, crate::vals![store, until]).await.map(|_| ())
}
