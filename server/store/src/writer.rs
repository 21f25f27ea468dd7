//! The writer: all writes of the shop, in the order in which they came.
//!
//! A lane is a bounded queue with one task. The task opens a transaction, runs
//! the units of work that wait, each inside a savepoint, commits once and then
//! answers them all. So hundreds of orders share one fsync, nobody overtakes
//! anybody, and inside a server nothing deadlocks. A unit that fails rolls
//! back to its savepoint and harms nobody else. Work that comes often (placing
//! and paying orders) is [`Together`]: those who wait for it are served by the
//! same statements.
//!
//! SQLite has one lane (`BEGIN IMMEDIATE`, WAL, `synchronous=FULL`);
//! PostgreSQL has several, a store or a member always using the same one.
//! Between lanes and servers the conditional updates decide; a serialization
//! failure is tried again by the lane, which is why a unit is a function that
//! can be called more than once over borrowed input.

use crate::conn::{Conn, Inner, Kind, Statements, Touched};
use crate::lane::{LaneTask, Wait};
use crate::lite;
use crate::news::News;
use crate::pg::Pg;
use crate::{Error, Result};
use futures::future::BoxFuture;
use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::cmp::Ordering as Order;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Prepared statements that a connection keeps: those of many rows come in as
/// many forms as there are numbers of rows.
const STATEMENTS_KEPT: usize = 512;

/// Pages that each connection keeps in memory, on SQLite. More is slower: as long
/// as the file is shorter than 1 GiB, the writer's commits walk through all pages
/// that it keeps (balancing a tree borrows the number of the page at 1 GiB, which
/// makes SQLite look for pages behind the file's end), and the system keeps the
/// rest of the file in memory anyway.
const CACHE_KIB: u32 = 32 * 1024;

/// Which queue a unit of work waits in.
#[derive(Clone, Copy, Debug)]
pub enum Lane<'a> {
    /// Work on a store's stock, slots and orders.
    Store(&'a str),
    /// Work on a member's, basket's or session's own rows.
    Member(&'a str),
    /// Imports, jobs and other work that nobody waits for.
    Background,
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite://path` or `postgres://user:password@host/database`.
    pub url: String,
    /// Connections for reading.
    pub read_connections: u32,
    /// Lanes on PostgreSQL; SQLite always has one.
    pub lanes: usize,
    /// Units that may wait in a lane; one more is told to come back later.
    pub queue: usize,
    /// PostgreSQL schema to live in, if not the default one.
    pub schema: Option<String>,
}

impl StoreConfig {
    /// The usual settings for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), read_connections: 8, lanes: 4, queue: 4096, schema: None }
    }
}

/// How the schema in a database stands to the one that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There is none, or no database at all.
    Missing,
    /// It lacks migrations.
    Older,
    /// It is the same.
    Current,
    /// It has migrations that this program does not know.
    Newer,
}

impl Schema {
    /// Of a database whose newest migration is this one.
    fn of(newest: Option<i64>, kind: Kind) -> Self {
        let known = migrations(kind).iter().map(|migration| migration.version).max().unwrap_or(0);
        match newest.map(|newest| newest.cmp(&known)) {
            None => Self::Missing,
            Some(Order::Less) => Self::Older,
            Some(Order::Equal) => Self::Current,
            Some(Order::Greater) => Self::Newer,
        }
    }
}

/// An error that a unit of work can end with.
pub trait UnitError: From<Error> + Send + 'static {
    /// Was it a serialization failure, so that the unit may be tried again?
    fn is_conflict(&self) -> bool;
    /// Was the connection lost, so that the whole batch is void?
    fn is_connection_lost(&self) -> bool;
}

impl UnitError for Error {
    fn is_conflict(&self) -> bool {
        Error::is_conflict(self)
    }
    fn is_connection_lost(&self) -> bool {
        Error::is_connection_lost(self)
    }
}

/// The future of a unit of work.
pub type Unit<'c, T, E> = BoxFuture<'c, std::result::Result<T, E>>;

/// An answer for each of those who were served together.
pub type Answers<G> = Vec<std::result::Result<<G as Together>::Output, <G as Together>::Error>>;

/// Work of one kind that is done set-wise: those who wait for it in a lane at
/// the same moment are served by the same statements.
pub trait Together: 'static {
    /// What one of them asks for.
    type Input: Send + Sync + 'static;
    /// What one of them gets.
    type Output: Send + 'static;
    /// Why one of them is refused.
    type Error: UnitError;

    /// Serves all, the earlier ones first, and answers each in the same order.
    ///
    /// Who is refused must have left nothing written. An error of the whole
    /// undoes everything; then each is served alone, so that nobody is harmed
    /// by another's input.
    fn work<'c>(conn: &'c mut Conn, inputs: &'c [Self::Input]) -> Unit<'c, Answers<Self>, Self::Error>
    where
        Self: Sized;
}

#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite { read: Arc<lite::Pool>, write: Arc<lite::Pool>, readers: u32 },
    Postgres { read: PgPool, write: PgPool },
}

/// What changed by a commit, for caches and open pages.
pub type Changes = broadcast::Receiver<Arc<Touched>>;

/// Starts a lane; what it answers hears when the lane has ended.
pub(crate) type StartLane = fn(LaneTask, mpsc::Receiver<Wait>) -> Result<oneshot::Receiver<()>>;

/// The database of the shop. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    lanes: Arc<Vec<mpsc::Sender<Wait>>>,
    changes: broadcast::Sender<Arc<Touched>>,
    news: Arc<News>,
    pub(crate) statements: Arc<Statements>,
    /// Each lane says here that it ended.
    ends: Arc<tokio::sync::Mutex<Vec<oneshot::Receiver<()>>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("kind", &self.kind()).field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database (an SQLite file is made if it is not there) and starts the lanes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Sql`] if it cannot be opened.
    pub async fn open(config: &StoreConfig) -> Result<Self> {
        Self::open_with(config, LaneTask::start).await
    }

    /// The same, with lanes that are started in this way.
    pub(crate) async fn open_with(config: &StoreConfig, start: StartLane) -> Result<Self> {
        let (pools, lanes) = if config.url.starts_with("postgres") {
            (open_postgres(config).await?, config.lanes.max(1))
        } else {
            (open_sqlite(config).await?, 1)
        };
        let (changes, _) = broadcast::channel(4096);
        let news = Arc::new(News::new());
        news.start(&pools);
        let statements = Arc::new(Statements::default());
        let mut senders = Vec::with_capacity(lanes);
        let mut ends = Vec::with_capacity(lanes);
        for lane in 0..lanes {
            let (sender, receiver) = mpsc::channel(config.queue);
            senders.push(sender);
            let task = LaneTask {
                lane,
                pools: pools.clone(),
                changes: changes.clone(),
                news: Arc::clone(&news),
                statements: Arc::clone(&statements),
            };
            ends.push(start(task, receiver)?);
        }
        let ends = Arc::new(tokio::sync::Mutex::new(ends));
        Ok(Self { pools, lanes: Arc::new(senders), changes, news, statements, ends })
    }

    /// How the schema of a database stands, which is not opened for that, nor made or changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Sql`] if it cannot be read.
    pub async fn schema(config: &StoreConfig) -> Result<Schema> {
        if config.url.starts_with("postgres") {
            let mut own = PgConnection::connect_with(&postgres_options(config)?).await?;
            let sql = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
            let is_there: bool = sqlx::query_scalar(sql).fetch_one(&mut own).await?;
            let sql = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success";
            let newest: Option<i64> =
                if is_there { Some(sqlx::query_scalar(sql).fetch_one(&mut own).await?) } else { None };
            own.close().await?;
            return Ok(Schema::of(newest, Kind::Postgres));
        }
        let options = SqliteConnectOptions::from_str(&config.url)?;
        let path = options.get_filename();
        let newest = if path.try_exists().unwrap_or(true) { lite::newest_migration(path)? } else { None };
        Ok(Schema::of(newest, Kind::Sqlite))
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`Error::Migrate`] if a migration fails or the schema is of a newer version.
    pub async fn migrate(&self) -> Result<()> {
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let options = SqliteConnectOptions::new().filename(write.path()).disable_statement_logging();
                let mut own = SqliteConnection::connect_with(&options).await?;
                migrations(Kind::Sqlite).run(&mut own).await?;
                own.close().await?;
            }
            Pools::Postgres { write, .. } => {
                // An index of many rows takes its time.
                let options = write.connect_options().as_ref().clone();
                let options = options.options([("statement_timeout", "0"), ("lock_timeout", "0")]);
                let mut own = PgConnection::connect_with(&options).await?;
                migrations(Kind::Postgres).run(&mut own).await?;
                own.close().await?;
            }
        }
        Ok(())
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        match self.pools {
            Pools::Sqlite { .. } => Kind::Sqlite,
            Pools::Postgres { .. } => Kind::Postgres,
        }
    }

    /// A connection for reading. Never waits for a writer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database cannot be reached in time.
    pub async fn read(&self) -> Result<Conn> {
        let inner = match &self.pools {
            Pools::Sqlite { read, .. } => Inner::Sqlite(read.acquire().await?),
            Pools::Postgres { read, .. } => Inner::Postgres(Pg::new(read.acquire().await?)),
        };
        Ok(Conn::new(inner, Arc::clone(&self.statements)))
    }

    /// A connection for reading all there is, which nobody waits for: no statement is
    /// ended for taking long.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_at_leisure(&self) -> Result<Conn> {
        let inner = match &self.pools {
            Pools::Sqlite { read, .. } => Inner::Sqlite(read.acquire().await?),
            Pools::Postgres { read, .. } => Inner::Postgres(Pg::patient(read.acquire().await?).await?),
        };
        Ok(Conn::new(inner, Arc::clone(&self.statements)))
    }

    /// Hears of what commits change. A slow listener loses the oldest news and
    /// is told so, then reads the present state.
    pub fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    /// Statements run since the store was opened; a check watches how many a page takes.
    pub fn statements(&self) -> u64 {
        self.statements.count.load(Ordering::Relaxed)
    }

    /// Units that wait in all lanes.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.max_capacity() - lane.capacity()).sum()
    }

    /// Runs a unit of work in a lane: all of it is committed, or nothing.
    ///
    /// `work` may be called again after a serialization failure, so it only
    /// borrows its input. It must not wait for anything but the database.
    ///
    /// # Errors
    /// What `work` answers; [`Error::Busy`] at once if the lane is full;
    /// [`Error::Unavailable`] if the commit failed, in which case nothing
    /// (or, when the connection broke during COMMIT, all of it) was written.
    pub async fn write<I, T, E, F>(&self, lane: Lane<'_>, input: I, work: F) -> std::result::Result<T, E>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        E: UnitError,
        F: for<'c> Fn(&'c mut Conn, &'c I) -> Unit<'c, T, E> + Send + Sync + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.queue(lane, Wait::unit(input, work, sender))?;
        receiver.await.unwrap_or_else(|_| Err(E::from(Error::Unavailable("the writer stopped".to_owned()))))
    }

    /// Runs work of a kind that the lane does for all who wait for it at once:
    /// a fixed number of statements for many of them, and one answer for each.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_together<G: Together>(
        &self,
        lane: Lane<'_>,
        input: G::Input,
    ) -> std::result::Result<G::Output, G::Error> {
        let (sender, receiver) = oneshot::channel();
        self.queue(lane, Wait::together::<G>(input, sender))?;
        receiver.await.unwrap_or_else(|_| Err(G::Error::from(Error::Unavailable("the writer stopped".to_owned()))))
    }

    /// Puts work into its lane's queue, or says at once that there is no place.
    fn queue<E: From<Error>>(&self, lane: Lane<'_>, wait: Wait) -> std::result::Result<(), E> {
        self.lanes[self.lane_of(lane)].try_send(wait).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                metrics::counter!("zaijia_writer_refused_total").increment(1);
                E::from(Error::Busy)
            }
            mpsc::error::TrySendError::Closed(_) => E::from(Error::Unavailable("the shop is stopping".to_owned())),
        })
    }

    /// Finishes the work in hand, then closes the database. No write is taken any more.
    pub async fn close(&self) {
        for lane in self.lanes.iter() {
            // A lane that ended already needs no telling.
            let _ = lane.send(Wait::Stop).await;
        }
        for end in self.ends.lock().await.drain(..) {
            if end.await.is_err() {
                tracing::error!("a lane of the writer did not end well");
            }
        }
        self.news.close(&self.pools).await;
        match &self.pools {
            Pools::Sqlite { read, write, readers } => {
                read.close(*readers).await;
                write.close(1).await;
            }
            Pools::Postgres { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(crate) fn news(&self) -> &Arc<News> {
        &self.news
    }

    pub(crate) fn listeners(&self) -> &broadcast::Sender<Arc<Touched>> {
        &self.changes
    }

    /// A connection of the store's own, beside its pools.
    pub(crate) fn conn(&self, inner: Inner) -> Conn {
        Conn::new(inner, Arc::clone(&self.statements))
    }

    fn lane_of(&self, lane: Lane<'_>) -> usize {
        let key = match lane {
            Lane::Store(key) | Lane::Member(key) => key,
            Lane::Background => return self.lanes.len() - 1,
        };
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.lanes.len() as u64).unwrap_or(0)
    }
}

/// Opens the file once, so that a path that cannot be opened is told at once.
async fn open_sqlite(config: &StoreConfig) -> Result<Pools> {
    let path = SqliteConnectOptions::from_str(&config.url)?.get_filename().to_owned();
    let write = lite::Pool::new(path.clone(), false, 1, CACHE_KIB);
    drop(write.acquire().await?);
    write.start_checkpoints()?;
    let readers = config.read_connections.max(1);
    let read = lite::Pool::new(path, true, readers, CACHE_KIB);
    Ok(Pools::Sqlite { read, write, readers })
}

/// All migrations of a database.
fn migrations(kind: Kind) -> Migrator {
    match kind {
        Kind::Sqlite => sqlx::migrate!("./migrations/sqlite"),
        Kind::Postgres => sqlx::migrate!("./migrations/postgres"),
    }
}

/// What connections to PostgreSQL are set to.
fn postgres_options(config: &StoreConfig) -> Result<PgConnectOptions> {
    let mut options = PgConnectOptions::from_str(&config.url)?.options([
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("deadlock_timeout", "200ms"),
        // A server that stands still or went away lets go of what it holds.
        ("idle_in_transaction_session_timeout", "10s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // Statements are short, and an index costs little more than the table beside it.
        ("jit", "off"),
        ("random_page_cost", "1.1"),
    ]);
    if let Some(schema) = &config.schema {
        options = options.options([("search_path", schema)]);
    }
    Ok(options.statement_cache_capacity(STATEMENTS_KEPT).disable_statement_logging())
}

async fn open_postgres(config: &StoreConfig) -> Result<Pools> {
    let options = postgres_options(config)?;
    let timeout = Duration::from_secs(10);
    let lanes = u32::try_from(config.lanes.max(1)).unwrap_or(4);
    let write = PgPoolOptions::new().max_connections(lanes).acquire_timeout(timeout);
    // Units look rows up by their keys, a few for each order. How many there are in an array is not known
    // when it is planned; taken for many, a whole table would be read. Nor are all rows of a store read and
    // kept, to be gone through for each key: of a table that is new, it is not known how many those are.
    let by_key =
        options.clone().options([("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("enable_material", "off")]);
    let write = write.connect_with(by_key).await?;
    let read = PgPoolOptions::new().max_connections(config.read_connections).acquire_timeout(timeout);
    let read = read.connect_with(options).await?;
    Ok(Pools::Postgres { read, write })
}
