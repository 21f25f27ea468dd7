//! What can go wrong in the database.

/// Failures of the database, by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique or check constraint said no; its name (PostgreSQL) or columns (SQLite).
    #[error("constraint {0}")]
    Constraint(String),
    /// The waiting queue of the writer is full: come back later.
    #[error("the writer's queue is full")]
    Busy,
    /// Two transactions were in each other's way; the writer tries again by itself.
    #[error("serialization failure")]
    Conflict(#[source] sqlx::Error),
    /// The database could not be reached or is shutting down.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// Anything else: a defect.
    #[error("database")]
    Sql(#[source] sqlx::Error),
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
                if matches!(db.code().as_deref(), Some("40001" | "40P01" | "5" | "517")) {
                    return Self::Conflict(error);
                }
                if db.is_unique_violation() || db.is_check_violation() {
                    let name = db.constraint().map_or_else(|| db.message().to_owned(), str::to_owned);
                    return Self::Constraint(name);
                }
                // 57P0x: PostgreSQL shuts down or was cut off.
                if db.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")) {
                    return Self::Unavailable(error.to_string());
                }
                Self::Sql(error)
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Sql(error),
        }
    }
}

impl Error {
    /// Is the connection itself of no more use?
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
