//! The writer: all writes of the shop, in the order in which they came.
//!
//! A lane is a bounded queue with one task. The task opens a transaction, runs
//! the units of work that wait, each inside a savepoint, commits once and then
//! answers them all. So hundreds of orders share one fsync, nobody overtakes
//! anybody, and inside a server nothing deadlocks. A unit that fails rolls
//! back to its savepoint and harms nobody else.
//!
//! SQLite has one lane (`BEGIN IMMEDIATE`, WAL, `synchronous=FULL`);
//! PostgreSQL has several, a store or a member always using the same one.
//! Between lanes and servers the conditional updates decide; a serialization
//! failure is tried again by the lane, which is why a unit is a function that
//! can be called more than once over borrowed input.

use crate::conn::{Conn, Inner, Kind, Touched};
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
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Units in one transaction at most: bounds the time that the first one waits.
const BATCH_MAX: usize = 500;
/// Tries of a unit that ran into a serialization failure.
const TRIES: u32 = 5;
/// A unit that takes longer is a defect and is logged.
const SLOW_UNIT: Duration = Duration::from_millis(250);

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

/// What became of a unit when it was run inside the batch.
enum Ran {
    Kept,
    Undone,
    /// The connection is gone: nothing of the batch will be committed.
    Lost,
}

/// Called once the batch was committed (`None`) or could not be (`Some(why)`).
type Answer = Box<dyn FnOnce(Option<String>) + Send>;
type Job = Box<dyn for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, (Ran, Answer)> + Send>;

/// What waits in a lane.
enum Wait {
    Job(Job),
    /// Takes no more, finishes what was accepted, then ends.
    Stop,
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
                stopping: false,
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
        let job: Job = Box::new(move |conn| Box::pin(run_unit(conn, input, work, sender)));
        self.lanes[self.lane_of(lane)].try_send(Wait::Job(job)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                metrics::counter!("zaijia_writer_refused_total").increment(1);
                E::from(Error::Busy)
            }
            mpsc::error::TrySendError::Closed(_) => E::from(Error::Unavailable("the shop is stopping".to_owned())),
        })?;
        receiver.await.unwrap_or_else(|_| Err(E::from(Error::Unavailable("the writer stopped".to_owned()))))
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
    options = options.disable_statement_logging();
    let timeout = Duration::from_secs(10);
    let lanes = u32::try_from(config.lanes.max(1)).unwrap_or(4);
    let write = PgPoolOptions::new().max_connections(lanes).acquire_timeout(timeout);
    let write = write.connect_with(options.clone()).await?;
    let read = PgPoolOptions::new().max_connections(config.read_connections).acquire_timeout(timeout);
    let read = read.connect_with(options).await?;
    Ok(Pools::Postgres { read, write })
}

/// Runs one unit inside its savepoint, with further tries after serialization failures.
async fn run_unit<I, T, E, F>(
    conn: &mut Conn,
    input: I,
    work: F,
    sender: oneshot::Sender<std::result::Result<T, E>>,
) -> (Ran, Answer)
where
    T: Send + 'static,
    E: UnitError,
    F: for<'c> Fn(&'c mut Conn, &'c I) -> Unit<'c, T, E>,
{
    let before = conn.touched.mark();
    let mut tried = 0;
    let result = loop {
        tried += 1;
        let result = match conn.raw("SAVEPOINT u").await {
            Ok(()) => work(conn, &input).await,
            Err(error) => Err(E::from(error)),
        };
        let Err(error) = result else { break result };
        conn.touched.undo_to(before);
        if error.is_connection_lost() || conn.raw("ROLLBACK TO SAVEPOINT u").await.is_err() {
            let answer: Answer = Box::new(move |_| drop(sender.send(Err(error))));
            return (Ran::Lost, answer);
        }
        if !error.is_conflict() || tried >= TRIES {
            break Err(error);
        }
        metrics::counter!("zaijia_writer_retries_total").increment(1);
    };
    let ran = if result.is_ok() { Ran::Kept } else { Ran::Undone };
    let answer: Answer = Box::new(move |failed| {
        let result = match failed {
            Some(why) => Err(E::from(Error::Unavailable(why))),
            None => result,
        };
        // The asker may have gone away; what is committed stays committed.
        drop(sender.send(result));
    });
    if let Err(error) = conn.raw("RELEASE SAVEPOINT u").await {
        tracing::error!(%error, "a savepoint could not be released");
        return (Ran::Lost, answer);
    }
    (ran, answer)
}

/// The task of a lane: gathers what waits, runs it in one transaction, commits, answers.
struct LaneTask {
    lane: usize,
    pools: Pools,
    changes: broadcast::Sender<Arc<Touched>>,
    news: Arc<News>,
    statements: Arc<AtomicU64>,
    stopping: bool,
}

impl LaneTask {
    async fn run(mut self, mut queue: mpsc::Receiver<Wait>) {
        while let Some(first) = queue.recv().await {
            let Wait::Job(first) = first else {
                queue.close();
                continue;
            };
            let mut answers: Vec<Answer> = Vec::new();
            let outcome = self.batch(first, &mut queue, &mut answers).await;
            let size = answers.len();
            let failed = match outcome {
                Ok(touched) => {
                    if !touched.is_empty() {
                        self.news.committed();
                        // No listener is no error.
                        let _ = self.changes.send(Arc::new(touched));
                    }
                    None
                }
                Err(error) => {
                    tracing::error!(lane = self.lane, %error, units = size, "a batch was not committed");
                    Some(error.to_string())
                }
            };
            #[expect(clippy::cast_precision_loss, reason = "a batch has at most 500 units")]
            metrics::histogram!("zaijia_writer_batch_units").record(size as f64);
            for answer in answers {
                answer(failed.clone());
            }
            if self.stopping {
                queue.close();
            }
        }
    }

    async fn batch(
        &mut self,
        first: Job,
        queue: &mut mpsc::Receiver<Wait>,
        answers: &mut Vec<Answer>,
    ) -> Result<Touched> {
        // Where no transaction can be begun, the unit is dropped and its caller hears of it.
        let mut conn = self.begin().await?;
        let started = Instant::now();
        let mut next = Some(first);
        while let Some(job) = next {
            let unit_started = Instant::now();
            let (ran, answer) = job(&mut conn).await;
            answers.push(answer);
            let took = unit_started.elapsed();
            if took > SLOW_UNIT {
                tracing::warn!(took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "slow unit of work");
            }
            if matches!(ran, Ran::Lost) {
                discard(conn).await;
                return Err(Error::Unavailable("the connection was lost".to_owned()));
            }
            next = None;
            if answers.len() < BATCH_MAX && !self.stopping {
                match queue.try_recv() {
                    Ok(Wait::Job(job)) => next = Some(job),
                    Ok(Wait::Stop) => self.stopping = true,
                    Err(_) => (),
                }
            }
        }
        let committed = match self.news.note(&mut conn).await {
            Ok(()) => conn.raw("COMMIT").await,
            Err(error) => Err(error),
        };
        metrics::histogram!("zaijia_writer_batch_seconds").record(started.elapsed().as_secs_f64());
        if let Err(error) = committed {
            discard(conn).await;
            return Err(error);
        }
        Ok(std::mem::take(&mut conn.touched))
    }

    async fn begin(&self) -> Result<Conn> {
        let inner = match &self.pools {
            Pools::Sqlite { write, .. } => Inner::Sqlite(write.acquire().await?),
            Pools::Postgres { write, .. } => Inner::Postgres(write.acquire().await?),
        };
        let mut conn = Conn::new(inner, Arc::clone(&self.statements));
        let begun = conn.raw(if conn.kind() == Kind::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await;
        if let Err(error) = begun {
            discard(conn).await;
            return Err(error);
        }
        Ok(conn)
    }
}

/// Closes a connection whose transaction must not live on.
async fn discard(conn: Conn) {
    let closed = match conn.inner {
        Inner::Sqlite(c) => c.close().await,
        Inner::Postgres(c) => c.close().await,
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "closing a lost connection");
    }
}
