//! SQLite in this process: its connections, and statements that run where they
//! are called.
//!
//! A statement here takes microseconds, much less than handing it to another
//! thread and waiting for the answer would. So readers run theirs on the
//! thread that asks, and the writer has a thread of its own (see `lane`), on
//! which a commit may wait for the disk without keeping anybody else waiting.

use crate::conn::Val;
use crate::record::{Cell as Cellable, Record, Source};
use crate::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 512;
/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// How often what was written is copied from the log into the file.
const CHECKPOINT: Duration = Duration::from_millis(200);

/// What connections are set to. The log is copied into the file beside the
/// writer; only when it is this long (in pages of 4 KiB) does the writer copy the
/// little that is left, after which the log begins anew.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                        PRAGMA temp_store = memory; PRAGMA wal_autocheckpoint = 16000;";

/// Connections to one file, as many as there are places.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    /// Only reads.
    read_only: bool,
    /// Size of each connection's cache of pages.
    cache_kib: u32,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
    checkpoints: Mutex<Option<Checkpoints>>,
}

/// The thread that copies what was written from the log into the file: it waits
/// for the disk, so that the writer need not. It ends when `stop` is dropped.
#[derive(Debug)]
struct Checkpoints {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, read_only: bool, places: u32, cache_kib: u32) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(places.max(1) as usize));
        Arc::new(Self { path, read_only, cache_kib, idle: Mutex::default(), places, checkpoints: Mutex::default() })
    }

    /// Starts copying what is written into the file.
    pub(crate) fn start_checkpoints(&self) -> Result<()> {
        let connection = self.open()?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("zaijia-checkpoint".to_owned());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(CHECKPOINT) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                    tracing::warn!(%error, "the log could not be copied into the file");
                }
            }
        });
        let thread = thread.map_err(|error| Error::Unavailable(error.to_string()))?;
        *self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner) = Some(Checkpoints { stop, thread });
        Ok(())
    }

    /// A connection, when there is a place.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Lite> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Error::Unavailable("the database is closed".to_owned()))?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        Ok(Lite { connection: Some(connection), pool: Arc::clone(self), _place: place })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection beside the pool's.
    pub(crate) fn apart(self: &Arc<Self>) -> Arc<Self> {
        Self::new(self.path.clone(), self.read_only, 1, 256)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // Else a statement whose plan could hang on a parameter is planned anew each time.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(&format!("PRAGMA cache_size = -{}", self.cache_kib))?;
        if self.read_only {
            connection.execute_batch("PRAGMA query_only = ON")?;
        }
        Ok(connection)
    }

    /// Gives out no connection any more, and waits for those that are out.
    pub(crate) async fn close(&self, places: u32) {
        if let Ok(all) = self.places.acquire_many(places.max(1)).await {
            self.places.close();
            drop(all);
        }
        let checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Checkpoints { stop, thread }) = checkpoints {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("the thread of checkpoints did not end well");
            }
        }
        self.idle().clear();
    }
}

/// A connection; it goes back to its pool when it is dropped.
#[derive(Debug)]
pub(crate) struct Lite {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Lite {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.idle().push(connection);
        }
    }
}

impl ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Val::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Val::Owned(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Val::Int(Some(n)) => ToSqlOutput::Owned(Value::Integer(*n)),
            Val::Bool(yes) => ToSqlOutput::Owned(Value::Integer(i64::from(*yes))),
            Val::Text(None) | Val::Int(None) => ToSqlOutput::Owned(Value::Null),
        })
    }
}

/// `$1` as `?1`, which SQLite takes as a number rather than a name.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push(if part.starts_with(|first: char| first.is_ascii_digit()) { '?' } else { '$' });
        text.push_str(part);
    }
    text
}

/// What is known of the columns of a statement: once a row was read whose
/// columns all stood in their places, nobody asks for the names of the next.
#[derive(Default)]
struct Columns {
    known: Cell<bool>,
    moved: Cell<bool>,
}

impl Columns {
    fn read<T: Record>(&self, row: &rusqlite::Row<'_>) -> Result<T> {
        let value = T::read(&Placed { row, columns: self }, &mut 0)?;
        self.known.set(!self.moved.get());
        Ok(value)
    }
}

/// A row of a statement whose columns may be known.
struct Placed<'a, 'r> {
    row: &'a rusqlite::Row<'r>,
    columns: &'a Columns,
}

impl Source for Placed<'_, '_> {
    fn at<T: Cellable>(&self, place: usize) -> Result<T> {
        Ok(self.row.get(place)?)
    }

    fn find(&self, place: usize, name: &str) -> Result<usize> {
        let statement = self.row.as_ref();
        if self.columns.known.get() || statement.column_name(place).is_ok_and(|own| own == name) {
            return Ok(place);
        }
        self.columns.moved.set(true);
        Ok(statement.column_index(name)?)
    }
}

impl Lite {
    fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| Error::Unavailable("the connection is closed".to_owned()))
    }

    fn prepare(&self, sql: &str, vals: &[Val<'_>]) -> Result<CachedStatement<'_>> {
        let mut statement = self.connection()?.prepare_cached(&numbered(sql))?;
        bind(&mut statement, 1, vals)?;
        Ok(statement)
    }

    /// Runs a statement to its end; how many rows it changed.
    pub(crate) fn exec(&self, sql: &str, vals: &[Val<'_>]) -> Result<u64> {
        let mut statement = self.prepare(sql, vals)?;
        finish(&mut statement)?;
        drop(statement);
        Ok(self.connection()?.changes())
    }

    /// Runs a statement once for each `columns` of `vals`, which stand after the
    /// `fixed` parameters; how many rows all of them changed.
    pub(crate) fn exec_each(&self, sql: &str, fixed: &[Val<'_>], columns: usize, vals: &[Val<'_>]) -> Result<u64> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&numbered(sql))?;
        bind(&mut statement, 1, fixed)?;
        let mut changed = 0;
        for row in vals.chunks(columns) {
            bind(&mut statement, 1 + fixed.len(), row)?;
            finish(&mut statement)?;
            changed += connection.changes();
        }
        Ok(changed)
    }

    /// The same for a query: the rows that all of them have.
    pub(crate) fn rows_each<T: Record>(
        &self,
        sql: &str,
        fixed: &[Val<'_>],
        columns: usize,
        vals: &[Val<'_>],
    ) -> Result<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(&numbered(sql))?;
        bind(&mut statement, 1, fixed)?;
        let (mut all, columns_of) = (Vec::new(), Columns::default());
        for row in vals.chunks(columns) {
            bind(&mut statement, 1 + fixed.len(), row)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                all.push(columns_of.read(row)?);
            }
        }
        Ok(all)
    }

    /// The rows of a query, up to `limit`.
    pub(crate) fn rows<T: Record>(&self, sql: &str, vals: &[Val<'_>], limit: usize) -> Result<Vec<T>> {
        let mut statement = self.prepare(sql, vals)?;
        let mut rows = statement.raw_query();
        let (mut all, columns_of) = (Vec::new(), Columns::default());
        while all.len() < limit
            && let Some(row) = rows.next()?
        {
            all.push(columns_of.read(row)?);
        }
        Ok(all)
    }

    /// Runs plain statements, parted by `;`.
    pub(crate) fn raw(&self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        for part in sql.split(';') {
            finish(&mut connection.prepare_cached(part.trim())?)?;
        }
        Ok(())
    }

    /// Ends the connection, with whatever transaction it is in.
    pub(crate) fn discard(mut self) -> Result<()> {
        match self.connection.take() {
            Some(connection) => connection.close().map_err(|(_, error)| error.into()),
            None => Ok(()),
        }
    }
}

/// The newest migration that a file's schema has, if the file is a shop's. Changes nothing.
pub(crate) fn newest_migration(path: &Path) -> Result<Option<i64>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")? == 0 {
        return Ok(None);
    }
    Ok(Some(number("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success")?))
}

/// Binds parameters, the first of them to the number `first`.
fn bind(statement: &mut CachedStatement<'_>, first: usize, vals: &[Val<'_>]) -> Result<()> {
    for (no, val) in (first..).zip(vals) {
        statement.raw_bind_parameter(no, val)?;
    }
    Ok(())
}

fn finish(statement: &mut CachedStatement<'_>) -> Result<()> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbers() {
        assert_eq!(numbered("a = $2 AND b = $1 || '$.x'"), "a = ?2 AND b = ?1 || '$.x'");
        assert_eq!(numbered("$1"), "?1");
    }
}
