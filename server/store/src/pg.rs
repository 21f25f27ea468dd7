//! A connection of PostgreSQL's pool that does not wait for ever: it ends what it
//! waits for, and a pool's place is free again, though nobody answers.

use crate::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Postgres};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// PostgreSQL ends a statement after half a minute by itself: where no answer came
/// until then, there is nobody at the other end of the line any more.
const DEADLINE: Duration = Duration::from_secs(40);
/// A connection says goodbye, or gives an answer that nobody waits for, within this time.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection. Dropped while it owes an answer (who asked went away, or it does not
/// answer), it goes back to its pool if it answers soon, else it is closed.
#[derive(Debug)]
pub(crate) struct Pg {
    conn: Option<PoolConnection<Postgres>>,
    owes: bool,
    /// Waits for as long as it takes, and does not go back to its pool.
    patient: bool,
}

impl Pg {
    pub(crate) fn new(conn: PoolConnection<Postgres>) -> Self {
        Self { conn: Some(conn), owes: false, patient: false }
    }

    /// For statements that may take any time, which PostgreSQL does not end either.
    pub(crate) async fn patient(conn: PoolConnection<Postgres>) -> Result<Self> {
        let mut own = Self::new(conn);
        own.ask(async |c| sqlx::query("SET statement_timeout = 0").execute(c).await).await?;
        own.patient = true;
        Ok(own)
    }

    /// What it answers to what `ask` sends.
    ///
    /// # Errors
    /// The database's; [`Error::Unavailable`] if there is no answer.
    pub(crate) async fn ask<T>(&mut self, ask: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> Result<T> {
        let Some(conn) = self.conn.as_mut() else { return Err(Error::Unavailable("it is closed".to_owned())) };
        self.owes = true;
        let answer = if self.patient { Ok(ask(conn).await) } else { timeout(DEADLINE, ask(conn)).await };
        let answer = answer.map_err(|_| Error::Unavailable("it does not answer".to_owned()))?;
        self.owes = false;
        Ok(answer?)
    }

    /// Closes it.
    pub(crate) async fn close(mut self) -> Result<()> {
        let Some(conn) = self.conn.take() else { return Ok(()) };
        match timeout(GOODBYE, conn.close()).await {
            Ok(closed) => Ok(closed?),
            Err(_) => Err(Error::Unavailable("no goodbye".to_owned())),
        }
    }
}

impl Drop for Pg {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take().filter(|_| self.owes || self.patient) else { return };
        if self.patient {
            return conn.close_on_drop();
        }
        let Ok(runtime) = Handle::try_current() else { return conn.close_on_drop() };
        runtime.spawn(async move {
            if !matches!(timeout(GOODBYE, conn.ping()).await, Ok(Ok(()))) {
                conn.close_on_drop();
            }
        });
    }
}
