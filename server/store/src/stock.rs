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

use crate::conn::{Kind as Db, list, values};
use crate::{Conn, Result, Val, new_id};
use domain::availability::{Level, sellable_base};
use domain::ids::{OrderId, PoolId, StoreId};
use domain::safety::{Dms, Policy, units};
use domain::stock::{Delta, Kind, delta, flow, state_level};
use domain::time::Day;
use domain::{Base, Millis};
use sqlx::{AssertSqlSafe, FromRow};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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

#[derive(Debug, FromRow)]
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

/// A pool that holds less than was wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// Which pool.
    pub pool: PoolId,
    /// Base units wanted.
    pub want: Base,
    /// Base units that could be had.
    pub left: Base,
}

/// What a picker did not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which pool.
    pub pool: PoolId,
    /// Held base units that were not there.
    pub missing: Base,
    /// What the picker sees on the shelf afterwards (usually nothing); the
    /// level is corrected to it. `None` leaves the rest of the level alone.
    pub left_on_shelf: Option<Base>,
}

const LEVELS: &str = "SELECT s.pool_id, s.on_hand, s.reserved, s.safety, s.as_of, s.source, s.counted_until,
    s.dms_normal_milli, s.dms_promo_milli, s.policy, s.promo_today, t.feed_until
    FROM stock s JOIN store t ON t.id = s.store_id WHERE s.store_id = $1 AND s.pool_id IN ";

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
        let sql = format!("{LEVELS}({}) ORDER BY s.pool_id{end}", list(2, part.len()));
        let mut vals = vec![Val::from(store)];
        vals.extend(part.iter().map(|pool| Val::from(*pool)));
        let rows: Vec<StockRow> = conn.all(AssertSqlSafe(sql), &vals).await?;
        found.extend(rows.into_iter().map(Stock::from));
    }
    Ok(found)
}

fn sum_by_pool(lines: &[(PoolId, Base)]) -> Vec<(PoolId, Base)> {
    let mut sums: BTreeMap<&PoolId, Base> = BTreeMap::new();
    for (pool, quantity) in lines {
        *sums.entry(pool).or_default() += *quantity;
    }
    sums.into_iter().filter(|(_, n)| n.0 > 0).map(|(pool, n)| (pool.clone(), n)).collect()
}

/// Holds units for an order: all lines, or none.
///
/// `tag` tells several reservations of one order apart (`place`, `late:<payment>`).
/// `Ok(Err(short))` names what is short, and nothing was changed. The same
/// (order, tag) twice is a constraint error: an order is placed once.
pub async fn reserve(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    tag: &str,
    lines: &[(PoolId, Base)],
    now: Millis,
) -> Result<std::result::Result<(), Vec<Short>>> {
    let wants = sum_by_pool(lines);
    if wants.is_empty() {
        return Ok(Ok(()));
    }
    let pools: Vec<PoolId> = wants.iter().map(|(pool, _)| pool.clone()).collect();
    let have: HashMap<PoolId, Stock> = by_pool(lock(conn, store, &pools).await?);
    let short: Vec<Short> = wants.iter().filter_map(|(pool, want)| short_of(&have, pool, *want, now)).collect();
    if !short.is_empty() {
        return Ok(Err(short));
    }
    take(conn, store, &wants, now).await?;
    let rows = wants.iter().map(|(pool, n)| Movement::of_order(Kind::Reservation, pool, *n, order, tag, now)).collect();
    insert_movements(conn, store, rows, OnRepeat::Fail).await?;
    for pool in &pools {
        conn.touch_stock(store, pool);
    }
    Ok(Ok(()))
}

fn by_pool(stocks: Vec<Stock>) -> HashMap<PoolId, Stock> {
    stocks.into_iter().map(|stock| (stock.pool.clone(), stock)).collect()
}

fn short_of(have: &HashMap<PoolId, Stock>, pool: &PoolId, want: Base, now: Millis) -> Option<Short> {
    let left = have.get(pool).map_or(Base::ZERO, |stock| sellable_base(&stock.level, now));
    (left < want).then(|| Short { pool: pool.clone(), want, left })
}

/// The conditional update itself. The levels were read under lock, so that it
/// takes all rows; if one escaped, the unit is tried again.
async fn take(conn: &mut Conn, store: &StoreId, wants: &[(PoolId, Base)], now: Millis) -> Result<()> {
    for part in wants.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, want) AS (VALUES {})
             UPDATE stock SET reserved = stock.reserved + v.want FROM v
             WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id
             AND stock.on_hand - stock.reserved - stock.safety >= v.want
             AND (stock.counted_until IS NULL OR stock.counted_until > $2)",
            values(3, part.len(), 2)
        );
        let mut vals = vec![Val::from(store), Val::from(now)];
        for (pool, want) in part {
            vals.extend([Val::from(pool), Val::from(*want)]);
        }
        let taken = conn.exec(AssertSqlSafe(sql), &vals).await?;
        if taken != part.len() as u64 {
            return Err(crate::Error::Conflict(sqlx::Error::RowNotFound));
        }
    }
    Ok(())
}

/// Gives held units of an order back (hold ran out, cancelled). The same
/// (order, tag) a second time changes nothing.
pub async fn release(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    tag: &str,
    lines: &[(PoolId, Base)],
    now: Millis,
) -> Result<()> {
    settle(conn, store, Kind::Release, order, tag, lines, now).await
}

/// A picker took held units off the shelf. The same (order, tag) a second time changes nothing.
pub async fn pick(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    tag: &str,
    lines: &[(PoolId, Base)],
    now: Millis,
) -> Result<()> {
    settle(conn, store, Kind::Pick, order, tag, lines, now).await
}

async fn settle(
    conn: &mut Conn,
    store: &StoreId,
    kind: Kind,
    order: &OrderId,
    tag: &str,
    lines: &[(PoolId, Base)],
    now: Millis,
) -> Result<()> {
    let rows = sum_by_pool(lines).iter().map(|(pool, n)| Movement::of_order(kind, pool, *n, order, tag, now)).collect();
    book(conn, store, rows).await.map(|_| ())
}

/// A picker did not find held units: they leave the hold and the book, and the
/// level is corrected to what the picker saw. The same (order, tag) a second
/// time changes nothing.
pub async fn short_pick(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    tag: &str,
    missing: &[Missing],
    now: Millis,
) -> Result<()> {
    let lines: Vec<_> = missing.iter().map(|m| (m.pool.clone(), m.missing)).collect();
    let pools: Vec<PoolId> = missing.iter().map(|m| m.pool.clone()).collect();
    let have = by_pool(lock(conn, store, &pools).await?);
    let mut rows = Vec::new();
    for (pool, n) in sum_by_pool(&lines) {
        rows.push(Movement::of_order(Kind::ShortPick, &pool, n, order, tag, now));
        let seen = missing.iter().rev().find(|m| m.pool == pool).and_then(|m| m.left_on_shelf);
        let Some((seen, stock)) = seen.zip(have.get(&pool)) else { continue };
        let off = seen - (stock.level.on_hand - n);
        if off != Base::ZERO {
            rows.push(Movement::of_order(Kind::Correction, &pool, off, order, tag, now));
        }
    }
    book(conn, store, rows).await.map(|_| ())
}

/// A row of the ledger to be written.
#[derive(Clone, Debug)]
struct Movement {
    pool: PoolId,
    kind: Kind,
    delta: Delta,
    as_of: Millis,
    at: Millis,
    ref_id: String,
    key: String,
}

impl Movement {
    fn of_order(kind: Kind, pool: &PoolId, n: Base, order: &OrderId, tag: &str, now: Millis) -> Self {
        Self {
            pool: pool.clone(),
            kind,
            delta: delta(kind, n),
            as_of: now,
            at: now,
            ref_id: order.to_string(),
            key: format!("{kind}:{order}:{tag}:{pool}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum OnRepeat {
    Fail,
    Skip,
}

/// Writes ledger rows; answers the keys of those that were not there yet.
async fn insert_movements(
    conn: &mut Conn,
    store: &StoreId,
    rows: Vec<Movement>,
    repeat: OnRepeat,
) -> Result<HashSet<String>> {
    let conflict = if repeat == OnRepeat::Skip { " ON CONFLICT (store_id, key) DO NOTHING" } else { "" };
    let mut written = HashSet::with_capacity(rows.len());
    for part in rows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO movement (store_id, pool_id, id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key)
             VALUES {}{conflict} RETURNING key",
            values(1, part.len(), 10)
        );
        let mut vals = Vec::with_capacity(part.len() * 10);
        for row in part {
            vals.extend([
                Val::from(store),
                Val::from(&row.pool),
                Val::from(new_id()),
                Val::from(row.kind.as_str()),
                Val::from(row.delta.on_hand),
                Val::from(row.delta.reserved),
                Val::from(row.as_of),
                Val::from(row.at),
                Val::from(&row.ref_id),
                Val::from(&row.key),
            ]);
        }
        let keys: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
        written.extend(keys.into_iter().map(|(key,)| key));
    }
    Ok(written)
}

/// What a unit of work does to a level.
#[derive(Clone, Debug)]
struct Change {
    pool: PoolId,
    delta: Delta,
    safety: Base,
    as_of: Millis,
    source: Kind,
    counted_until: Option<Millis>,
}

/// Books movements with fixed deltas on levels that exist: ledger rows that
/// are new, and the levels by their sum. Answers the keys that were new.
async fn book(conn: &mut Conn, store: &StoreId, rows: Vec<Movement>) -> Result<HashSet<String>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let pools: Vec<PoolId> = rows.iter().map(|row| row.pool.clone()).collect();
    let have = by_pool(lock(conn, store, &pools).await?);
    let written = insert_movements(conn, store, rows.clone(), OnRepeat::Skip).await?;
    let mut changes: BTreeMap<PoolId, Change> = BTreeMap::new();
    for row in rows.iter().filter(|row| written.contains(&row.key)) {
        let Some(stock) = have.get(&row.pool) else { continue };
        let change = changes.entry(row.pool.clone()).or_insert_with(|| unchanged(stock));
        change.delta = change.delta.plus(row.delta);
        if stock.stated_at.is_none() && row.kind.is_flow() {
            change.as_of = change.as_of.max(row.as_of);
        }
        change.safety = stock.safety_at(stock.level.on_hand + change.delta.on_hand);
    }
    apply(conn, store, changes.into_values().collect()).await?;
    Ok(written)
}

fn unchanged(stock: &Stock) -> Change {
    Change {
        pool: stock.pool.clone(),
        delta: Delta::NONE,
        safety: stock.level.safety,
        as_of: stock.stated_at.unwrap_or(stock.level.as_of),
        source: stock.told_by,
        counted_until: stock.level.counted_until,
    }
}

/// Brings levels up to their movements.
async fn apply(conn: &mut Conn, store: &StoreId, changes: Vec<Change>) -> Result<()> {
    for part in changes.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, on_hand, reserved, safety, as_of, source, counted_until) AS (VALUES {})
             UPDATE stock SET on_hand = stock.on_hand + v.on_hand, reserved = stock.reserved + v.reserved,
             safety = v.safety, as_of = v.as_of, source = v.source, counted_until = v.counted_until
             FROM v WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id",
            values(2, part.len(), 7)
        );
        let mut vals = vec![Val::from(store)];
        for c in part {
            vals.extend([
                Val::from(&c.pool),
                Val::from(c.delta.on_hand),
                Val::from(c.delta.reserved),
                Val::from(c.safety),
                Val::from(c.as_of),
                Val::from(c.source.as_str()),
                Val::from(c.counted_until),
            ]);
        }
        conn.exec(AssertSqlSafe(sql), &vals).await?;
        for c in part {
            conn.touch_stock(store, &c.pool);
        }
    }
    Ok(())
}

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
    /// A hand count holds up to then.
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
        sum = sum.plus(apply_part(conn, store, part, now).await?);
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

async fn apply_part(conn: &mut Conn, store: &StoreId, rows: &[&Statement], now: Millis) -> Result<Applied> {
    let opened = open_levels(conn, store, rows.iter().map(|row| (&row.pool, row.policy))).await?;
    let pools: Vec<PoolId> = rows.iter().map(|row| row.pool.clone()).collect();
    let have = by_pool(lock(conn, store, &pools).await?);
    let moved = moved_since(conn, store, rows).await?;
    let mut movements = Vec::with_capacity(rows.len());
    let mut changes = Vec::with_capacity(rows.len());
    let mut late = 0;
    for row in rows {
        let Some(stock) = have.get(&row.pool) else { continue };
        let since = moved.get(row.pool.as_str()).copied().unwrap_or_default();
        let stated = state_level(stock.level.on_hand, stock.stated_at, row.on_hand, row.at, since);
        if stated.late {
            late += 1;
            continue;
        }
        movements.push(Movement {
            pool: row.pool.clone(),
            kind: row.kind,
            delta: stated.delta,
            as_of: row.at,
            at: now,
            ref_id: String::new(),
            key: row.key.clone(),
        });
        changes.push(Change {
            pool: row.pool.clone(),
            delta: stated.delta,
            safety: stock.safety_at(stock.level.on_hand + stated.delta.on_hand),
            as_of: stated.as_of,
            source: row.kind,
            counted_until: row.counted_until,
        });
    }
    let tried = movements.len();
    let keys: HashMap<PoolId, String> = movements.iter().map(|m| (m.pool.clone(), m.key.clone())).collect();
    let written = insert_movements(conn, store, movements, OnRepeat::Skip).await?;
    changes.retain(|c| keys.get(&c.pool).is_some_and(|key| written.contains(key)));
    apply(conn, store, changes).await?;
    Ok(Applied { applied: written.len(), opened, repeated: tried - written.len(), late })
}

/// What moved on hand after each statement's time.
async fn moved_since(conn: &mut Conn, store: &StoreId, rows: &[&Statement]) -> Result<HashMap<String, Base>> {
    let sql = format!(
        "WITH v (pool_id, at) AS (VALUES {})
         SELECT v.pool_id, CAST(SUM(m.on_hand_delta) AS BIGINT) FROM v
         JOIN movement m ON m.store_id = $1 AND m.pool_id = v.pool_id AND m.as_of > v.at GROUP BY v.pool_id",
        values(2, rows.len(), 2)
    );
    let mut vals = vec![Val::from(store)];
    for row in rows {
        vals.extend([Val::from(&row.pool), Val::from(row.at)]);
    }
    let sums: Vec<(String, i64)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    Ok(sums.into_iter().map(|(pool, n)| (pool, Base(n))).collect())
}

/// Makes the rows of pools that are new in the store: nothing on hand, nothing stated. How many.
async fn open_levels<'a>(
    conn: &mut Conn,
    store: &StoreId,
    pools: impl Iterator<Item = (&'a PoolId, Policy)>,
) -> Result<usize> {
    let mut opened = 0;
    let pools: BTreeMap<&PoolId, Policy> = pools.collect();
    let pools: Vec<_> = pools.into_iter().collect();
    for part in pools.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, policy, safety) AS (VALUES {})
             INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source, policy)
             SELECT $1, v.pool_id, 0, 0, v.safety, 0, 'receipt', v.policy FROM v WHERE NOT EXISTS
             (SELECT 1 FROM stock s WHERE s.store_id = $1 AND s.pool_id = v.pool_id)
             ON CONFLICT (store_id, pool_id) DO NOTHING",
            values(2, part.len(), 3)
        );
        let mut vals = vec![Val::from(store)];
        for (pool, policy) in part {
            let safety = units(*policy, Base::ZERO, 0);
            vals.extend([Val::from(*pool), Val::from(policy.to_string()), Val::from(safety)]);
        }
        opened += conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    Ok(usize::try_from(opened).unwrap_or(usize::MAX))
}

/// Applies receipts and till sales; sales also count for the mean daily sales,
/// and tell up to when the tills have reported.
pub async fn apply_flows(conn: &mut Conn, store: &StoreId, rows: &[Flow], now: Millis) -> Result<Applied> {
    let opened = open_levels(conn, store, rows.iter().map(|row| (&row.pool, row.policy))).await?;
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
        let sql = "UPDATE store SET feed_until = $2 WHERE id = $1 AND feed_until < $2";
        conn.exec(sql, crate::vals![store, until.min(now)]).await?;
    }
    Ok(Applied { applied: written.len(), opened, repeated: rows.len() - written.len(), late: 0 })
}

async fn add_sales(conn: &mut Conn, store: &StoreId, sold: &[&Flow]) -> Result<()> {
    let mut days: BTreeMap<(&PoolId, Day, bool), Base> = BTreeMap::new();
    for row in sold {
        *days.entry((&row.pool, row.day, row.promo)).or_default() += row.quantity;
    }
    let days: Vec<SaleDay> =
        days.into_iter().map(|((pool, day, promo), units)| SaleDay { pool: pool.clone(), day, promo, units }).collect();
    write_sale_days(conn, store, &days, "sale_day.units + excluded.units").await.map(|_| ())
}

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
            "INSERT INTO sale_day (store_id, pool_id, day, promo, units) VALUES {}
             ON CONFLICT (store_id, pool_id, day, promo) DO UPDATE SET units = {units}
             WHERE sale_day.units <> {units}",
            values(1, part.len(), 5)
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

/// All stock of a store, in the order of its key. Bounded by a million pools.
pub async fn all(conn: &mut Conn, store: &StoreId) -> Result<Vec<Stock>> {
    let sql = "SELECT s.pool_id, s.on_hand, s.reserved, s.safety, s.as_of, s.source, s.counted_until,
        s.dms_normal_milli, s.dms_promo_milli, s.policy, s.promo_today, t.feed_until
        FROM stock s JOIN store t ON t.id = s.store_id WHERE s.store_id = $1 ORDER BY s.pool_id LIMIT 1000000";
    let rows: Vec<StockRow> = conn.all(sql, crate::vals![store]).await?;
    Ok(rows.into_iter().map(Stock::from).collect())
}

/// Puts new terms in place, and the safety stock that follows from them.
pub async fn set_terms(conn: &mut Conn, store: &StoreId, rows: &[PoolTerms]) -> Result<()> {
    for part in rows.chunks(ROWS) {
        let pools: Vec<PoolId> = part.iter().map(|row| row.pool.clone()).collect();
        let have = by_pool(lock(conn, store, &pools).await?);
        let sql = format!(
            "WITH v (pool_id, policy, normal, promo, promo_today, safety) AS (VALUES {})
             UPDATE stock SET policy = v.policy, dms_normal_milli = v.normal, dms_promo_milli = v.promo,
             promo_today = v.promo_today, safety = v.safety
             FROM v WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id",
            values(2, part.len(), 6)
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
                Val::from(units(row.policy, on_hand, row.dms.for_day(row.promo_today))),
            ]);
        }
        conn.exec(AssertSqlSafe(sql), &vals).await?;
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
