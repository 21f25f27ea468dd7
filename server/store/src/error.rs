//! What can go wrong in the database.

/// What the database itself said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Failures of the database, by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique or check constraint said no; its name (PostgreSQL) or columns (SQLite).
    #[error("constraint {0}")]
    Constraint(String),
    /// The waiting queue of the writer is full, or others held for too long what is needed: come back later.
    #[error("the database is busy")]
    Busy,
    /// Two transactions were in each other's way; the writer tries again by itself.
    #[error("serialization failure")]
    Conflict(#[source] Cause),
    /// What was read was changed by another server before it could be written; tried again likewise.
    #[error("{0} changed meanwhile")]
    Changed(&'static str),
    /// The database could not be reached or is shutting down.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// Anything else: a defect.
    #[error("database")]
    Sql(#[source] Cause),
    /// A stored snapshot could not be read: a defect.
    #[error("stored JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A migration failed.
    #[error("migration")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                if matches!(db.code().as_deref(), Some("40001" | "40P01")) {
                    return Self::Conflict(error.into());
                }
                if db.code().as_deref() == Some(LOCKED_FOR_LONG) {
                    return Self::Busy;
                }
                if db.is_unique_violation() || db.is_check_violation() {
                    let name = db.constraint().map_or_else(|| db.message().to_owned(), str::to_owned);
                    return Self::Constraint(name);
                }
                if db.code().is_some_and(|code| is_for_a_while(&code)) {
                    return Self::Unavailable(error.to_string());
                }
                Self::Sql(error.into())
            }
            // A connection that was cut half-way through a message gives what is no protocol.
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Sql(error.into()),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure,
        };
        use rusqlite::ffi::{SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
        let rusqlite::Error::SqliteFailure(failure, message) = &error else { return Self::Sql(error.into()) };
        match failure.code {
            DatabaseBusy | DatabaseLocked => Self::Conflict(error.into()),
            ConstraintViolation
                if [SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE]
                    .contains(&failure.extended_code) =>
            {
                Self::Constraint(message.clone().unwrap_or_else(|| error.to_string()))
            }
            // The disk is full or broken: the transaction is void.
            DiskFull | SystemIoFailure | CannotOpen => Self::Unavailable(error.to_string()),
            _ => Self::Sql(error.into()),
        }
    }
}

/// PostgreSQL's code for a lock that was not to be had within `lock_timeout`.
const LOCKED_FOR_LONG: &str = "55P03";

impl Error {
    /// Would the same work go well if it were done anew?
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Changed(_))
    }

    /// Is the connection itself of no more use?
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Does this code of PostgreSQL say that it cannot work at present, though
/// nothing is wrong with what it was asked? A broken connection (08), a transaction
/// that was left alone for too long (25P03), no more room, memory or connections
/// (53), a shutdown or a cut (57P), a failing disk (58).
fn is_for_a_while(code: &str) -> bool {
    ["08", "25P03", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_defect() {
        // PostgreSQL: full, out of connections, shutting down, no write, cut off.
        for code in ["53100", "53300", "57P01", "58030", "08006", "25P03"] {
            assert!(is_for_a_while(code), "{code}");
        }
        // Mistakes in statements and what constraints say stay what they are; so does a statement that took too long.
        for code in ["42601", "23505", "40001", "57014"] {
            assert!(!is_for_a_while(code), "{code}");
        }
        // SQLite: full, and no room for its index.
        for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
            let failure = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert!(matches!(Error::from(failure), Error::Unavailable(_)), "{code}");
        }
    }
}
