//! Rows of both databases as values: [`Record`] is what a statement's row
//! becomes, [`Source`] a row of either database, [`Cell`] what stands in it.

use crate::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{Column, Row};
pub use store_derive::Record;

/// A value in a row.
pub trait Cell:
    Sized + rusqlite::types::FromSql + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>
{
}

impl<T> Cell for T where
    T: rusqlite::types::FromSql + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>
{
}

/// A row of either database.
pub trait Source {
    /// The value in a place, counted from 0.
    ///
    /// # Errors
    /// If it is not there or of another type: a defect.
    fn at<T: Cell>(&self, place: usize) -> Result<T>;

    /// Where the column of this name is: in `place`, or elsewhere.
    ///
    /// # Errors
    /// If there is none: a defect.
    fn find(&self, place: usize, name: &str) -> Result<usize>;

    /// The value of the column of this name, which is expected in `place`; counts `place` up.
    ///
    /// # Errors
    /// As [`at`](Self::at) and [`find`](Self::find).
    fn named<T: Cell>(&self, place: &mut usize, name: &str) -> Result<T> {
        let found = self.find(*place, name)?;
        *place += 1;
        self.at(found)
    }
}

impl Source for PgRow {
    fn at<T: Cell>(&self, place: usize) -> Result<T> {
        Ok(self.try_get(place)?)
    }

    fn find(&self, place: usize, name: &str) -> Result<usize> {
        if self.columns().get(place).is_some_and(|own| own.name() == name) {
            return Ok(place);
        }
        let found = self.columns().iter().position(|own| own.name() == name);
        found.ok_or_else(|| Error::from(sqlx::Error::ColumnNotFound(name.to_owned())))
    }
}

/// What a row becomes: a struct by `#[derive(Record)]`, or a tuple by place.
pub trait Record: Sized + Send {
    /// Reads it; `place` is the next column that nothing was read from.
    ///
    /// # Errors
    /// If a column is missing or of another type: a defect.
    fn read<S: Source>(row: &S, place: &mut usize) -> Result<Self>;
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name: Cell + Send),+> Record for ($($name,)+) {
            fn read<S: Source>(row: &S, place: &mut usize) -> Result<Self> {
                Ok(($({
                    let value: $name = row.at(*place)?;
                    *place += 1;
                    value
                },)+))
            }
        }
    )+};
}

tuples! {
    A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; A B C D E F G H I;
    A B C D E F G H I J;
}
