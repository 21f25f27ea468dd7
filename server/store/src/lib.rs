//! SQL, migrations and the writer, for SQLite and PostgreSQL.
//!
//! Every statement is written once, in the portable subset of SQL, and runs
//! on both databases through [`Conn`]; what must differ lives in [`dialect`].
//! Reads take a connection by [`Store::read`]; every write goes through
//! [`Store::write`], see [`writer`].

pub mod bulk;
pub mod conn;
pub mod dialect;
mod due;
mod error;
mod lane;
mod lite;
mod pg;
pub mod record;
#[cfg(feature = "testing")]
pub mod testing;
pub mod writer;

pub mod baskets;
pub mod catalogue;
pub mod checks;
pub mod codes;
pub mod exports;
pub mod feeds;
pub mod goods;
pub mod lists;
pub mod live;
pub mod looks;
pub mod members;
pub mod messages;
pub mod news;
pub mod offers;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod places;
pub mod sandbox;
mod search;
pub mod sessions;
pub mod shortages;
pub mod slots;
mod spelling;
pub mod stock;
pub mod stores;
pub mod tokens;

pub use conn::{Conn, Val};
pub use error::Error;
pub use writer::{Answers, Changes, Lane, Schema, Store, StoreConfig, Together, Unit, UnitError};

/// What the functions of this crate answer.
pub type Result<T> = std::result::Result<T, Error>;

/// A new identifier: UUID version 7, so that keys grow with time and touch few pages.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
