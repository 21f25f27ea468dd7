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

use crate::conn::{Conn, Inner, Kind, Touched};
use crate::lane::{LaneTask, Wait};
use crate::news::News;
use crate::{Error, Result};
use futures::future::BoxFuture;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Prepared statements that a connection keeps: those of many rows come in as
/// many forms as there are numbers of rows.
const STATEMENTS_KEPT: usize = 512;

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

/// An error that a unit of work can end with.
pub trait UnitError: From<Error> + Send + 'static {
    /// Was it a serialization failure, so that the unit may be tried again?
    fn is_conflict(&self) -> bool;
    /// Was the connection lost, so that the whole batch is void?
    fn is_connection_lost(&self) -> bool;
}

impl UnitError for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Error::Conflict(_))
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
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres { read: PgPool, write: PgPool },
}

/// What changed by a commit, for caches and open pages.
pub type Changes = broadcast::Receiver<Arc<Touched>>;

/// The database of the shop. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    lanes: Arc<Vec<mpsc::Sender<Wait>>>,
    changes: broadcast::Sender<Arc<Touched>>,
    news: Arc<News>,
    statements: Arc<AtomicU64>,
    tasks: Arc<tokio::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>>,
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
        let (pools, lanes) = if config.url.starts_with("postgres") {
            (open_postgres(config).await?, config.lanes.max(1))
        } else {
            (open_sqlite(config).await?, 1)
        };
        let (changes, _) = broadcast::channel(4096);
        let news = Arc::new(News::new());
        news.start(&pools);
        let statements = Arc::new(AtomicU64::new(0));
        let mut senders = Vec::with_capacity(lanes);
        let mut tasks = Vec::with_capacity(lanes);
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
            tasks.push(tokio::spawn(task.run(receiver)));
        }
        let tasks = Arc::new(tokio::sync::Mutex::new(tasks));
        Ok(Self { pools, lanes: Arc::new(senders), changes, news, statements, tasks })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`Error::Migrate`] if a migration fails or the schema is of a newer version.
    pub async fn migrate(&self) -> Result<()> {
        match &self.pools {
            Pools::Sqlite { write, .. } => sqlx::migrate!("./migrations/sqlite").run(write).await?,
            Pools::Postgres { write, .. } => sqlx::migrate!("./migrations/postgres").run(write).await?,
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
            Pools::Postgres { read, .. } => Inner::Postgres(read.acquire().await?),
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
        self.statements.load(Ordering::Relaxed)
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
        for task in self.tasks.lock().await.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a lane of the writer did not end well");
            }
        }
        self.news.close(&self.pools).await;
        match &self.pools {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
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

async fn open_sqlite(config: &StoreConfig) -> Result<Pools> {
    let options = SqliteConnectOptions::from_str(&config.url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "memory")
        .statement_cache_capacity(STATEMENTS_KEPT)
        // Statements of many rows would fill the log; slow units are logged by the lane.
        .disable_statement_logging();
    let write = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let write = write.connect_with(options.clone()).await?;
    let read = SqlitePoolOptions::new().max_connections(config.read_connections).idle_timeout(None).max_lifetime(None);
    let read = read.connect_with(options.pragma("query_only", "ON")).await?;
    Ok(Pools::Sqlite { read, write })
}

async fn open_postgres(config: &StoreConfig) -> Result<Pools> {
    let mut options = PgConnectOptions::from_str(&config.url)?.options([
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("deadlock_timeout", "200ms"),
    ]);
    if let Some(schema) = &config.schema {
        options = options.options([("search_path", schema)]);
    }
    options = options.statement_cache_capacity(STATEMENTS_KEPT).disable_statement_logging();
    let timeout = Duration::from_secs(10);
    let lanes = u32::try_from(config.lanes.max(1)).unwrap_or(4);
    let write = PgPoolOptions::new().max_connections(lanes).acquire_timeout(timeout);
    let write = write.connect_with(options.clone()).await?;
    let read = PgPoolOptions::new().max_connections(config.read_connections).acquire_timeout(timeout);
    let read = read.connect_with(options).await?;
    Ok(Pools::Postgres { read, write })
}
