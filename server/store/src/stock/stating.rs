//! Writing what is stated of many pools: levels that are new in the store are
//! made as they are stated, those that are there are corrected.

use super::ledger::{Change, Movement, apply};
use super::statements::{Applied, Statement};
use super::{Stock, by_pool, lock_many};
use crate::bulk::Bulk;
use crate::{Conn, Error, Result, Val};
use domain::ids::{PoolId, StoreId};
use domain::safety::units;
use domain::stock::{Delta, state_level};
use domain::{Base, Millis};
use std::collections::{HashMap, HashSet};

/// Applies statements of which no two are on the same pool.
pub(super) async fn apply_all(conn: &mut Conn, store: &StoreId, rows: &[&Statement], now: Millis) -> Result<Applied> {
    let pools: Vec<&PoolId> = rows.iter().map(|row| &row.pool).collect();
    let have = by_pool(lock_many(conn, store, &pools).await?);
    let held: Vec<&Statement> = rows.iter().copied().filter(|row| have.contains_key(&row.pool)).collect();
    let moved = moved_since(conn, store, &held).await?;
    let mut movements = Vec::with_capacity(rows.len());
    let (mut changes, mut late) = (Vec::new(), 0);
    for row in rows {
        let stock = have.get(&row.pool);
        let since = moved.get(row.pool.as_str()).copied().unwrap_or_default();
        let (on_hand, stated_at) = stock.map_or((Base::ZERO, None), |stock| (stock.level.on_hand, stock.stated_at));
        let stated = state_level(on_hand, stated_at, row.on_hand, row.at, since);
        if stated.late {
            late += 1;
            continue;
        }
        movements.push(movement(row, stated.delta, now));
        changes.extend(stock.map(|stock| change(row, stock, stated.delta, stated.as_of)));
    }
    let repeated = insert_new(conn, store, &movements).await?;
    let news: Vec<&Statement> = rows.iter().copied().filter(|row| !have.contains_key(&row.pool)).collect();
    open_stated(conn, store, &news, &repeated).await?;
    changes.retain(|change| !repeated.contains(&change.pool));
    apply(conn, store, changes).await?;
    let applied = movements.len() - repeated.len();
    Ok(Applied { applied, opened: news.len(), repeated: repeated.len(), late })
}

fn movement(row: &Statement, delta: Delta, now: Millis) -> Movement {
    Movement {
        pool: row.pool.clone(),
        kind: row.kind,
        delta,
        as_of: row.at,
        at: now,
        ref_id: String::new(),
        key: row.key.clone(),
    }
}

fn change(row: &Statement, stock: &Stock, delta: Delta, as_of: Millis) -> Change {
    Change {
        pool: row.pool.clone(),
        delta,
        safety: stock.safety_at(stock.level.on_hand + delta.on_hand),
        as_of,
        source: row.kind,
        counted_until: row.counted_until,
    }
}

/// Writes movements whose keys are new; answers the pools of the others. If a key
/// is written by another server at the same moment, the unit is tried again.
async fn insert_new(conn: &mut Conn, store: &StoreId, rows: &[Movement]) -> Result<HashSet<PoolId>> {
    const KNOWN: Bulk<'static> = Bulk {
        sql: "WITH v (pool_id, key) AS ({rows}) SELECT v.pool_id FROM v
            WHERE EXISTS (SELECT 1 FROM movement m WHERE m.store_id = $1 AND m.key = v.key)",
        columns: 2,
    };
    const INSERT: Bulk<'static> = Bulk {
        sql: "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key)
            {rows} ON CONFLICT (store_id, key) DO NOTHING",
        columns: 9,
    };
    let keys: Vec<Val<'_>> = rows.iter().flat_map(|row| [Val::from(&row.pool), Val::from(&row.key)]).collect();
    let known: Vec<(String,)> = conn.bulk_all(KNOWN, &[Val::from(store)], &keys).await?;
    let known: HashSet<PoolId> = known.into_iter().map(|(pool,)| PoolId::trusted(pool)).collect();
    let mut vals = Vec::with_capacity(rows.len() * INSERT.columns);
    for row in rows.iter().filter(|row| !known.contains(&row.pool)) {
        vals.extend([
            Val::from(store),
            Val::from(&row.pool),
            Val::from(row.kind.as_str()),
            Val::from(row.delta.on_hand),
            Val::from(row.delta.reserved),
            Val::from(row.as_of),
            Val::from(row.at),
            Val::from(&row.ref_id),
            Val::from(&row.key),
        ]);
    }
    if conn.bulk(INSERT, &[], &vals).await? != (rows.len() - known.len()) as u64 {
        return Err(Error::Conflict(sqlx::Error::RowNotFound.into()));
    }
    Ok(known)
}

/// The keys of the statements in the ledger that are of the very pools and times of these, by pool.
pub async fn statements_of_time(
    conn: &mut Conn,
    store: &StoreId,
    rows: &[Statement],
) -> Result<HashMap<PoolId, Vec<String>>> {
    const BOOKED: Bulk<'static> = Bulk {
        // The index finds them, and each is then looked at: asked for the kind at once, SQLite
        // walks through all movements of the store.
        sql:
            "WITH v (pool_id, at) AS ({rows}) SELECT i.pool_id, m.key FROM v CROSS JOIN movement i CROSS JOIN movement m
            WHERE i.store_id = $1 AND i.pool_id = v.pool_id AND i.as_of = v.at
            AND m.store_id = $1 AND m.key = i.key AND m.kind IN ('snapshot', 'count')",
        columns: 2,
    };
    let vals: Vec<Val<'_>> = rows.iter().flat_map(|row| [Val::from(&row.pool), Val::from(row.at)]).collect();
    let booked: Vec<(String, String)> = conn.bulk_all(BOOKED, &[Val::from(store)], &vals).await?;
    let mut keys: HashMap<PoolId, Vec<String>> = HashMap::new();
    for (pool, key) in booked {
        keys.entry(PoolId::trusted(pool)).or_default().push(key);
    }
    Ok(keys)
}

/// Makes the levels of pools that are new in the store, as stated. If one is
/// made by another server at the same moment, the unit is tried again.
async fn open_stated(conn: &mut Conn, store: &StoreId, rows: &[&Statement], repeated: &HashSet<PoolId>) -> Result<()> {
    const OPEN: Bulk<'static> = Bulk {
        sql: "INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source, counted_until, policy)
            {rows} ON CONFLICT (store_id, pool_id) DO NOTHING",
        columns: 9,
    };
    let mut vals = Vec::with_capacity(rows.len() * 9);
    for row in rows {
        let known = repeated.contains(&row.pool);
        let (on_hand, as_of) = if known { (Base::ZERO, Millis(0)) } else { (row.on_hand, row.at) };
        vals.extend([
            Val::from(store),
            Val::from(&row.pool),
            Val::from(on_hand),
            Val::from(0_i64),
            Val::from(units(row.policy, on_hand, 0)),
            Val::from(as_of),
            Val::from(if known { "receipt" } else { row.kind.as_str() }),
            Val::from(row.counted_until.filter(|_| !known)),
            Val::from(row.policy.to_string()),
        ]);
    }
    if conn.bulk(OPEN, &[], &vals).await? != rows.len() as u64 {
        return Err(Error::Conflict(sqlx::Error::RowNotFound.into()));
    }
    if !rows.is_empty() {
        conn.touch_catalogue();
    }
    for row in rows {
        conn.touch_stock(store, &row.pool);
    }
    Ok(())
}

/// What moved on hand after each statement's time.
async fn moved_since(conn: &mut Conn, store: &StoreId, rows: &[&Statement]) -> Result<HashMap<String, Base>> {
    const MOVED: Bulk<'static> = Bulk {
        sql: "WITH v (pool_id, at) AS ({rows})
            SELECT m.pool_id, CAST(SUM(m.on_hand_delta) AS BIGINT) FROM v CROSS JOIN movement m
            WHERE m.store_id = $1 AND m.pool_id = v.pool_id AND m.as_of > v.at GROUP BY m.pool_id",
        columns: 2,
    };
    let vals: Vec<Val<'_>> = rows.iter().flat_map(|row| [Val::from(&row.pool), Val::from(row.at)]).collect();
    let sums: Vec<(String, i64)> = conn.bulk_all(MOVED, &[Val::from(store)], &vals).await?;
    Ok(sums.into_iter().map(|(pool, n)| (pool, Base(n))).collect())
}
