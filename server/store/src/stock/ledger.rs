//! The ledger of movements, and the levels kept beside it: reservations, what
//! becomes of them, and the booking of every movement.

use super::{ROWS, Stock, by_pool, lock};
use crate::conn::each_of;
use crate::{Conn, Result, Val};
use domain::availability::sellable_base;
use domain::ids::{OrderId, PoolId, StoreId};
use domain::stock::{Delta, Kind, delta};
use domain::{Base, Millis};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, HashMap, HashSet};

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

fn sum_by_pool(lines: &[(PoolId, Base)]) -> Vec<(PoolId, Base)> {
    let mut sums: BTreeMap<&PoolId, Base> = BTreeMap::new();
    for (pool, quantity) in lines {
        *sums.entry(pool).or_default() += *quantity;
    }
    sums.into_iter().filter(|(_, n)| n.0 > 0).map(|(pool, n)| (pool.clone(), n)).collect()
}

/// Holds units for an order: all lines, or none.
///
/// `tag` tells several reservations of one order apart (`place`, `late`).
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
    let pools: Vec<PoolId> = lines.iter().map(|(pool, _)| pool.clone()).collect();
    let mut shelf = Shelf::lock(conn, store, &pools).await?;
    if let Err(short) = shelf.can_hold(lines, now) {
        return Ok(Err(short));
    }
    shelf.hold(order, tag, lines, now);
    shelf.write(conn, now).await?;
    Ok(Ok(()))
}

/// The locked levels of a store's pools, from which orders are held one after
/// another; what was held is then written by three statements for all of them.
#[derive(Debug)]
pub struct Shelf {
    store: StoreId,
    levels: HashMap<PoolId, Stock>,
    held: BTreeMap<PoolId, Base>,
    movements: Vec<Movement>,
}

impl Shelf {
    /// Locks the levels, in the order of their keys, up to the end of the unit.
    pub async fn lock(conn: &mut Conn, store: &StoreId, pools: &[PoolId]) -> Result<Self> {
        let levels = by_pool(lock(conn, store, pools).await?);
        Ok(Self { store: store.clone(), levels, held: BTreeMap::new(), movements: Vec::new() })
    }

    /// Can all of these be held? Else what is short.
    pub fn can_hold(&self, lines: &[(PoolId, Base)], now: Millis) -> std::result::Result<(), Vec<Short>> {
        let wants = sum_by_pool(lines);
        let short: Vec<Short> = wants.iter().filter_map(|(pool, want)| self.short_of(pool, *want, now)).collect();
        if short.is_empty() { Ok(()) } else { Err(short) }
    }

    fn short_of(&self, pool: &PoolId, want: Base, now: Millis) -> Option<Short> {
        let left = self.levels.get(pool).map_or(Base::ZERO, |stock| sellable_base(&stock.level, now));
        (left < want).then(|| Short { pool: pool.clone(), want, left })
    }

    /// Holds them for an order; the caller has asked [`can_hold`](Self::can_hold).
    pub fn hold(&mut self, order: &OrderId, tag: &str, lines: &[(PoolId, Base)], now: Millis) {
        for (pool, want) in sum_by_pool(lines) {
            if let Some(stock) = self.levels.get_mut(&pool) {
                stock.level.reserved += want;
            }
            self.movements.push(Movement::of_order(Kind::Reservation, &pool, want, order, tag, now));
            *self.held.entry(pool).or_default() += want;
        }
    }

    /// Writes what was held: the levels by a conditional update, and the ledger.
    pub async fn write(self, conn: &mut Conn, now: Millis) -> Result<()> {
        let Self { store, held, movements, .. } = self;
        let held: Vec<(PoolId, Base)> = held.into_iter().collect();
        take(conn, &store, &held, now).await?;
        insert_movements(conn, &store, movements, OnRepeat::Fail).await?;
        for (pool, _) in &held {
            conn.touch_stock(&store, pool);
        }
        Ok(())
    }
}

/// The conditional update itself. The levels were read under lock, so that it
/// takes all rows; if one escaped, the unit is tried again.
async fn take(conn: &mut Conn, store: &StoreId, wants: &[(PoolId, Base)], now: Millis) -> Result<()> {
    for part in wants.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, want) AS ({})
             UPDATE stock SET reserved = stock.reserved + v.want FROM v
             WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id
             AND stock.on_hand - stock.reserved - stock.safety >= v.want
             AND (stock.counted_until IS NULL OR stock.counted_until > $2)",
            each_of(3, part.len(), 2)
        );
        let mut vals = vec![Val::from(store), Val::from(now)];
        for (pool, want) in part {
            vals.extend([Val::from(pool), Val::from(*want)]);
        }
        let taken = conn.exec(AssertSqlSafe(sql), &vals).await?;
        if taken != part.len() as u64 {
            return Err(crate::Error::Conflict("a level escaped its lock".into()));
        }
    }
    Ok(())
}

/// What becomes of held units of an order: given back ([`Kind::Release`]; the
/// hold ran out, or it was cancelled) or taken off the shelf ([`Kind::Pick`]).
/// The same (order, tag) a second time changes nothing.
pub async fn settle(
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

/// A picker did not find held units: they leave the hold and, as far as it has
/// them, the book (what the tills sold of held units has left it before); the level
/// is corrected to what the picker saw. The same (order, tag) a second time changes
/// nothing.
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
        let Some(stock) = have.get(&pool) else { continue };
        let taken = domain::stock::short_pick(&stock.level, n);
        rows.push(Movement { delta: taken, ..Movement::of_order(Kind::ShortPick, &pool, n, order, tag, now) });
        let seen = missing.iter().rev().find(|m| m.pool == pool).and_then(|m| m.left_on_shelf);
        let Some(seen) = seen else { continue };
        let off = seen - (stock.level.on_hand + taken.on_hand);
        if off != Base::ZERO {
            rows.push(Movement::of_order(Kind::Correction, &pool, off, order, tag, now));
        }
    }
    book(conn, store, rows).await.map(|_| ())
}

/// A row of the ledger to be written.
#[derive(Clone, Debug)]
pub(super) struct Movement {
    pub pool: PoolId,
    pub kind: Kind,
    pub delta: Delta,
    pub as_of: Millis,
    pub at: Millis,
    pub ref_id: String,
    pub key: String,
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
pub(super) enum OnRepeat {
    Fail,
    Skip,
}

/// Writes ledger rows; answers the keys of those that were not there yet.
pub(super) async fn insert_movements(
    conn: &mut Conn,
    store: &StoreId,
    rows: Vec<Movement>,
    repeat: OnRepeat,
) -> Result<HashSet<String>> {
    let conflict = if repeat == OnRepeat::Skip { " ON CONFLICT (store_id, key) DO NOTHING" } else { "" };
    let mut written = HashSet::with_capacity(rows.len());
    for part in rows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key)
             {}{conflict} RETURNING key",
            each_of(1, part.len(), 9)
        );
        let mut vals = Vec::with_capacity(part.len() * 9);
        for row in part {
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
        let keys: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
        written.extend(keys.into_iter().map(|(key,)| key));
    }
    Ok(written)
}

/// What a unit of work does to a level.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub pool: PoolId,
    pub delta: Delta,
    pub safety: Base,
    pub as_of: Millis,
    pub source: Kind,
    pub counted_until: Option<Millis>,
}

/// Books movements with fixed deltas on levels that exist: ledger rows that
/// are new, and the levels by their sum. Answers the keys that were new.
pub(super) async fn book(conn: &mut Conn, store: &StoreId, rows: Vec<Movement>) -> Result<HashSet<String>> {
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
pub(super) async fn apply(conn: &mut Conn, store: &StoreId, changes: Vec<Change>) -> Result<()> {
    for part in changes.chunks(ROWS) {
        let sql = format!(
            "WITH v (pool_id, on_hand, reserved, safety, as_of, source, counted_until) AS ({})
             UPDATE stock SET on_hand = stock.on_hand + v.on_hand, reserved = stock.reserved + v.reserved,
             safety = v.safety, as_of = v.as_of, source = v.source, counted_until = v.counted_until
             FROM v WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id",
            each_of(2, part.len(), 7)
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
