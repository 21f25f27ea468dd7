//! What a use case can fail with: something that the person can act on, or a
//! defect that the log gets.

use domain::{Code, UserError};
use store::UnitError;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The person is told, in words of theirs.
    #[error("{0}")]
    User(#[from] UserError),
    /// The database.
    #[error(transparent)]
    Store(store::Error),
    /// Another failure inside: logged with a reference, never shown.
    #[error("{0}")]
    Internal(String),
}

/// What a use case answers.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::User(code.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Busy => Self::User(UserError::new(Code::Busy).with("retry_s", 2)),
            other => Self::Store(other),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(error.into())
    }
}

impl UnitError for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
    fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Store(store::Error::Unavailable(_)))
    }
}

impl Error {
    /// What the person is told: internal failures become `internal` or `unavailable`.
    pub fn user(&self) -> UserError {
        match self {
            Self::User(error) => error.clone(),
            Self::Store(store::Error::Unavailable(_)) => Code::Unavailable.into(),
            Self::Store(_) | Self::Internal(_) => Code::Internal.into(),
        }
    }

    /// Must the log have it?
    pub fn is_internal(&self) -> bool {
        !matches!(self, Self::User(_))
    }
}
