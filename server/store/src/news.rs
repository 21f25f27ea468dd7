//! News between processes: what one commits, the others hear of, so that their
//! caches and open pages are as fresh as its own.
//!
//! The writer adds one row to the table `news` in each transaction that touched
//! something, and rings the bell once it is committed. A server reads the rows
//! that it has not seen, passes over its own, and tells its listeners.
//!
//! **PostgreSQL.** A row's number is that of its transaction. Transactions
//! become visible in another order than their numbers, so a reader's place is
//! not the highest number that it saw but the snapshot in which it looked: new
//! is what that snapshot did not see, which is everything from its `xmax` on,
//! and the few transactions that were under way then. Nothing is missed and
//! nothing is told twice, without a window to read again. The bell is `NOTIFY`,
//! in a transaction of its own that waits for no disk: a `NOTIFY` inside the
//! writer's transactions would make all commits of the database wait for each
//! other. Who misses a bell looks once a second anyway.
//!
//! **SQLite** has one server; commands such as `zaijia import` are further
//! processes. Commands write news, the server does not (nobody would read
//! them): it asks `PRAGMA data_version` four times a second whether anybody
//! wrote, and if so reads the rows after the last one.
//!
//! Rows are kept for a short time. A server that was away for longer tells its
//! listeners that everything may have changed, which costs them one look each.

use crate::conn::{Conn, Inner, Kind, Touched};
use crate::pg::Pg;
use crate::writer::Pools;
use crate::{Lane, Result, Store, vals};
use domain::ids::{MemberId, OrderId, PoolId, StoreId};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;

/// How long rows are kept.
const KEEP_MS: i64 = 2 * 60 * 1_000;
/// Rows that are read at a time; of more than that, everything may have changed.
const MOST_ROWS: usize = 1_000;
/// Pools that one row names; of more than that, everything may have changed.
const MOST_POOLS: usize = 10_000;
/// The bell rings at most once in this time.
const RING_PAUSE: Duration = Duration::from_millis(5);
/// A server looks for news at least this often, bell or not.
const LOOK: Duration = Duration::from_secs(1);
/// How often SQLite is asked whether anybody wrote.
const ASK: Duration = Duration::from_millis(250);
/// Where the mark stands up to which rows were deleted.
const TRIMMED: &str = "news.trimmed";

/// What a row says, each pool and store once.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    stock: BTreeMap<StoreId, BTreeSet<PoolId>>,
    #[serde(rename = "t", default, skip_serializing_if = "BTreeSet::is_empty")]
    stores: BTreeSet<StoreId>,
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    orders: Vec<(MemberId, OrderId, String)>,
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    catalogue: bool,
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
}

impl Row {
    fn of(touched: &Touched) -> Self {
        let mut row = Self {
            stores: touched.stores.iter().cloned().collect(),
            orders: touched.orders.clone(),
            catalogue: touched.catalogue,
            ..Self::default()
        };
        let mut pools = 0;
        for (store, pool) in &touched.stock {
            pools += usize::from(row.stock.entry(store.clone()).or_default().insert(pool.clone()));
        }
        if pools > MOST_POOLS {
            row.stock.clear();
            row.everything = true;
        }
        row
    }

    fn add_to(self, touched: &mut Touched) {
        for (store, pools) in self.stock {
            touched.stock.extend(pools.into_iter().map(|pool| (store.clone(), pool)));
        }
        touched.stores.extend(self.stores);
        touched.orders.extend(self.orders);
        touched.catalogue |= self.catalogue || self.everything;
        touched.everything |= self.everything;
    }
}

/// Everything may have changed.
fn everything() -> Touched {
    Touched { catalogue: true, everything: true, ..Touched::default() }
}

/// This process's part in the news: what it writes, and who waits for the bell.
#[derive(Debug)]
pub(crate) struct News {
    /// Names this process, so that it passes over its own rows.
    origin: String,
    /// Does this process write rows?
    writes: AtomicBool,
    /// Something was committed since the bell rang.
    unsaid: AtomicBool,
    committed: Notify,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl News {
    pub(crate) fn new() -> Self {
        Self {
            origin: crate::new_id(),
            writes: AtomicBool::new(true),
            unsaid: AtomicBool::new(false),
            committed: Notify::new(),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Writes down what the transaction touched. The last statement before COMMIT.
    pub(crate) async fn note(&self, conn: &mut Conn) -> Result<()> {
        if conn.touched.is_empty() || !self.writes.load(Ordering::Relaxed) {
            return Ok(());
        }
        let row = serde_json::to_string(&Row::of(&conn.touched))?;
        let sql = match conn.kind() {
            Kind::Sqlite => {
                "INSERT INTO news (seq, origin, touched, at) SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, \
                 CAST(unixepoch('subsec') * 1000 AS BIGINT) FROM news"
            }
            // In a cluster that was restored from a dump, transactions are numbered anew.
            Kind::Postgres => {
                "INSERT INTO news (seq, origin, touched, at) VALUES (CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), \
                 $1, $2, CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)) ON CONFLICT (seq) DO UPDATE \
                 SET origin = excluded.origin, touched = excluded.touched, at = excluded.at"
            }
        };
        conn.exec(sql, vals![&self.origin, row]).await?;
        Ok(())
    }

    /// The transaction was committed: the others may look.
    pub(crate) fn committed(&self) {
        self.unsaid.store(true, Ordering::Release);
        self.committed.notify_one();
    }

    /// Starts what rings the bell.
    pub(crate) fn start(self: &Arc<Self>, pools: &Pools) {
        if let Pools::Postgres { .. } = pools {
            let (news, pools) = (Arc::clone(self), pools.clone());
            self.keep(&tokio::spawn(async move {
                loop {
                    news.committed.notified().await;
                    news.ring(&pools).await;
                    tokio::time::sleep(RING_PAUSE).await;
                }
            }));
        }
    }

    fn keep(&self, task: &tokio::task::JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
    }

    /// Tells the other servers that there is news.
    async fn ring(&self, pools: &Pools) {
        let Pools::Postgres { read, .. } = pools else { return };
        if !self.unsaid.swap(false, Ordering::AcqRel) {
            return;
        }
        let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(
                   'zaijia_' || (SELECT CAST(oid AS TEXT) FROM pg_namespace WHERE nspname = current_schema()), $1)";
        let rung = async {
            let mut pg = Pg::new(read.acquire().await?);
            pg.ask(async |c| sqlx::query(sql).bind(&self.origin).execute(c).await).await
        };
        if let Err(error) = rung.await {
            tracing::debug!(%error, "the bell did not ring: others look by themselves");
        }
    }

    /// Ends the tasks, and rings a last time. After the last commit, before the pools close.
    pub(crate) async fn close(&self, pools: &Pools) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        // A bell that does not ring must not keep the process from ending.
        let _ = tokio::time::timeout(LOOK, self.ring(pools)).await;
    }
}

/// Up to where a server has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// On PostgreSQL the snapshot's `xmax`; on SQLite the number after the last row.
    next: i64,
    /// Transactions that were under way.
    under_way: Vec<i64>,
    /// The mark up to which rows were deleted, as it stood then.
    trimmed: i64,
}

impl Place {
    /// From `xmin:xmax:xip,xip`, or the number of the last row.
    fn parse(text: &str, trimmed: i64) -> Option<Self> {
        let mut parts = text.split(':');
        let first: i64 = parts.next()?.parse().ok()?;
        let Some(next) = parts.next() else {
            return Some(Self { next: first.saturating_add(1), under_way: Vec::new(), trimmed });
        };
        let under_way: std::result::Result<Vec<i64>, _> =
            parts.next()?.split(',').filter(|xid| !xid.is_empty()).map(str::parse).collect();
        Some(Self { next: next.parse().ok()?, under_way: under_way.ok()?, trimmed })
    }

    /// Were rows deleted, with the mark where it stands now, that were not seen here?
    fn is_behind(&self, trimmed: i64) -> bool {
        trimmed != self.trimmed && (trimmed >= self.next || self.under_way.iter().any(|xid| *xid <= trimmed))
    }
}

/// The rows of others that `from` did not see, as one; and up to where that is.
async fn read_on(conn: &mut Conn, origin: &str, from: &Place) -> Result<(Touched, Place)> {
    let sql = match conn.kind() {
        Kind::Sqlite => {
            "SELECT CAST(p.last AS TEXT), p.trimmed, n.touched FROM
             (SELECT (SELECT COALESCE(MAX(seq), 0) FROM news) AS last,
                     (SELECT CAST(value AS BIGINT) FROM setting WHERE name = $4) AS trimmed) p
             LEFT JOIN (SELECT touched FROM news WHERE seq >= $1 AND $2 = '' AND origin <> $3
                        ORDER BY seq LIMIT 1001) n ON 1 = 1"
        }
        Kind::Postgres => {
            "SELECT CAST(pg_current_snapshot() AS TEXT), p.trimmed, n.touched FROM
             (SELECT (SELECT CAST(value AS BIGINT) FROM setting WHERE name = $4) AS trimmed) p
             LEFT JOIN (SELECT touched FROM news WHERE origin <> $3
                        AND (seq >= $1 OR seq = ANY (CAST(string_to_array($2, ',') AS BIGINT[])))
                        ORDER BY seq LIMIT 1001) n ON TRUE"
        }
    };
    let under_way = from.under_way.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let rows: Vec<(String, Option<i64>, Option<String>)> =
        conn.all(sql, vals![from.next, under_way, origin, TRIMMED]).await?;
    let place = rows.first().and_then(|(text, trimmed, _)| Place::parse(text, trimmed.unwrap_or(0)));
    let place = place.ok_or_else(|| crate::Error::Unavailable("the place in the news is not one".to_owned()))?;
    if rows.len() > MOST_ROWS || from.is_behind(place.trimmed) {
        return Ok((everything(), place));
    }
    let mut touched = Touched::default();
    for (_, _, row) in rows {
        let Some(row) = row else { continue };
        match serde_json::from_str::<Row>(&row) {
            Ok(row) => row.add_to(&mut touched),
            // Written by a newer version, perhaps: look at everything.
            Err(_) => return Ok((everything(), place)),
        }
    }
    Ok((touched, place))
}

/// Deletes rows that were there for long enough. How many.
pub async fn trim(conn: &mut Conn) -> Result<u64> {
    let (old, restored) = match conn.kind() {
        // The last row stays: the next one's number follows from it.
        Kind::Sqlite => (
            "SELECT MAX(seq) FROM news WHERE at < CAST(unixepoch('subsec') * 1000 AS BIGINT) - $1
             AND seq < (SELECT MAX(seq) FROM news)",
            None,
        ),
        // A row that is visible and of a transaction to come was restored from a dump.
        Kind::Postgres => (
            "SELECT MAX(seq) FROM news WHERE at < CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) - $1",
            Some(
                "DELETE FROM news WHERE seq >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)
                 AND seq <> CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)",
            ),
        ),
    };
    if let Some(restored) = restored {
        conn.exec(restored, &[]).await?;
    }
    let old = conn.int(old, vals![KEEP_MS]).await?;
    if old == 0 {
        return Ok(0);
    }
    let mark = "INSERT INTO setting (name, value) VALUES ($1, CAST($2 AS TEXT)) \
                ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    conn.exec(mark, vals![TRIMMED, old]).await?;
    conn.exec("DELETE FROM news WHERE seq <= $1", vals![old]).await
}

impl Store {
    /// Hears from now on of what other processes commit, and tells it to the
    /// listeners of [`Store::changes`]. For servers; ends when the store is closed.
    ///
    /// # Errors
    /// Those of the database: a server that cannot hear of others must not start.
    pub async fn listen(&self) -> Result<()> {
        let wake = Arc::new(Notify::new());
        let (pools, news) = (self.pools(), self.news());
        match pools {
            Pools::Sqlite { read, .. } => {
                // The only server: nobody else reads what it would write.
                news.writes.store(false, Ordering::Relaxed);
                let mut conn = self.conn(Inner::Sqlite(read.apart().acquire().await?));
                let (_, place) = read_on(&mut conn, &news.origin, &Place::default()).await?;
                let follower = Follower { store: self.clone(), place };
                news.keep(&tokio::spawn(follower.ask_sqlite(conn)));
            }
            Pools::Postgres { read, .. } => {
                let options = read.connect_options().as_ref().clone();
                let own = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
                let own = own.connect_with(options).await?;
                let sql = "SELECT 'zaijia_' || CAST(oid AS TEXT) FROM pg_namespace WHERE nspname = current_schema()";
                let channel: String = sqlx::query_scalar(sql).fetch_one(&own).await?;
                let mut bell = PgListener::connect_with(&own).await?;
                bell.listen(&channel).await?;
                let (_, place) = read_on(&mut self.read().await?, &news.origin, &Place::default()).await?;
                let follower = Follower { store: self.clone(), place };
                news.keep(&tokio::spawn(hear_bell(bell, Arc::clone(&wake), news.origin.clone())));
                news.keep(&tokio::spawn(follower.follow(wake)));
            }
        }
        Ok(())
    }

    /// Names this process among those that use the database.
    pub fn process(&self) -> &str {
        self.news().origin()
    }

    /// Deletes news that every server has heard of by now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trim_news(&self) -> Result<u64> {
        self.write(Lane::Background, (), |conn, ()| Box::pin(trim(conn))).await
    }
}

/// Wakes the follower at each bell of another server, and when the connection came back.
async fn hear_bell(mut bell: PgListener, wake: Arc<Notify>, origin: String) {
    loop {
        match bell.try_recv().await {
            Ok(Some(rung)) if rung.payload() == origin => {}
            Ok(Some(_)) => wake.notify_one(),
            Ok(None) => {
                tracing::warn!("the connection for news was lost");
                wake.notify_one();
            }
            Err(error) => {
                tracing::debug!(%error, "news cannot be heard");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Reads on and tells the listeners of this process.
struct Follower {
    store: Store,
    place: Place,
}

impl Follower {
    async fn follow(mut self, wake: Arc<Notify>) {
        loop {
            // Without a bell it looks all the same.
            let _ = tokio::time::timeout(LOOK, wake.notified()).await;
            let looked = match self.store.read().await {
                Ok(mut conn) => self.look(&mut conn).await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "news could not be read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn ask_sqlite(mut self, mut conn: Conn) {
        let mut version = 0;
        loop {
            tokio::time::sleep(ASK).await;
            let asked = match conn.int("PRAGMA data_version", &[]).await {
                Ok(now) if now == version => continue,
                Ok(now) => self.look(&mut conn).await.map(|()| version = now),
                Err(error) => Err(error),
            };
            if let Err(error) = asked {
                tracing::warn!(%error, "news could not be read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn look(&mut self, conn: &mut Conn) -> Result<()> {
        let (touched, place) = read_on(conn, &self.store.news().origin, &self.place).await?;
        self.place = place;
        if !touched.is_empty() {
            metrics::counter!("zaijia_news_total").increment(1);
            tell(self.store.listeners(), touched);
        }
        Ok(())
    }
}

fn tell(listeners: &broadcast::Sender<Arc<Touched>>, touched: Touched) {
    // No listener is no error.
    let _ = listeners.send(Arc::new(touched));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_snapshot() {
        let place = Place::parse("10:20:10,14,17", 3).expect("a snapshot");
        assert_eq!(place, Place { next: 20, under_way: vec![10, 14, 17], trimmed: 3 });
        assert_eq!(Place::parse("20:20:", 0).expect("nothing under way").under_way, Vec::<i64>::new());
        assert_eq!(Place::parse("7", 0).expect("a number").next, 8);
        assert_eq!(Place::parse("", 0), None);
    }

    #[test]
    fn who_was_away_for_long_is_behind() {
        let place = Place { next: 20, under_way: vec![12], trimmed: 5 };
        assert!(!place.is_behind(5), "nothing was deleted since");
        assert!(!place.is_behind(11), "all that was deleted was seen");
        assert!(place.is_behind(12), "it was under way, and is gone");
        assert!(place.is_behind(20));
    }

    #[test]
    fn a_row_names_each_pool_once() {
        let mut touched = Touched::default();
        let pair = (StoreId::trusted("s"), PoolId::trusted("p"));
        touched.stock = vec![pair.clone(), pair.clone()];
        let json = serde_json::to_string(&Row::of(&touched)).expect("JSON");
        assert_eq!(json, r#"{"s":{"s":["p"]}}"#);
        let mut heard = Touched::default();
        serde_json::from_str::<Row>(&json).expect("a row").add_to(&mut heard);
        assert_eq!(heard.stock, std::slice::from_ref(&pair));
        touched.stock = (0..=MOST_POOLS).map(|n| (pair.0.clone(), PoolId::trusted(n.to_string()))).collect();
        assert!(Row::of(&touched).everything);
    }

    #[test]
    fn a_row_names_each_store_that_is_shown_otherwise_once() {
        let store = StoreId::trusted("s");
        let touched = Touched { stores: vec![store.clone(), store.clone()], ..Touched::default() };
        assert!(!touched.is_empty());
        let json = serde_json::to_string(&Row::of(&touched)).expect("JSON");
        assert_eq!(json, r#"{"t":["s"]}"#);
        let mut heard = Touched::default();
        serde_json::from_str::<Row>(&json).expect("a row").add_to(&mut heard);
        assert_eq!(heard, Touched { stores: vec![store], ..Touched::default() });
    }
}
