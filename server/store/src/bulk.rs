//! Many rows by one statement: how imports and generators write.
//!
//! A statement says `{rows}` where its rows stand, and takes each row for itself,
//! as one with [`each_of`](crate::conn::each_of) does, and by the same rules of
//! spelling. SQLite runs it once for each row; PostgreSQL gets an array a column
//! by `UNNEST`, so that a short text takes however many rows.
//! Parameters that are the same for all rows are `$1`, `$2`, … as elsewhere.
//! PostgreSQL plans them each time: a plan that was kept from when a table was
//! empty would read it whole for each row once it has grown.

use crate::conn::{Inner, Timed, alone};
use crate::record::Record;
use crate::{Conn, Error, Result, Val};
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, Postgres};
use std::fmt::Write;

/// Rows that PostgreSQL gets at a time.
const ROWS_MAX: usize = 10_000;

/// A statement over many rows.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'s> {
    /// The statement, with `{rows}` in the place of its rows.
    pub sql: &'s str,
    /// Columns of a row.
    pub columns: usize,
}

impl Bulk<'_> {
    /// For SQLite: one row, after the fixed parameters.
    fn one(&self, fixed: usize) -> Result<String> {
        let (before, after) = self.parts()?;
        Ok(alone(before, after, fixed + 1, self.columns))
    }

    /// For PostgreSQL: an array a column, after the fixed parameters.
    fn unnest(&self, fixed: usize, types: &[&str]) -> Result<String> {
        let (before, after) = self.parts()?;
        let mut text = format!("{before}SELECT * FROM UNNEST(");
        for (no, kind) in types.iter().enumerate() {
            let comma = if no == 0 { "" } else { ", " };
            write!(text, "{comma}CAST(${} AS {kind}[])", fixed + no + 1).expect("a String takes all");
        }
        Ok(format!("{text}){after}"))
    }

    fn parts(&self) -> Result<(&str, &str)> {
        let parts = self.sql.split_once("{rows}");
        parts.ok_or_else(|| Error::from(sqlx::Error::Protocol("a statement of many rows says {rows}".to_owned())))
    }
}

/// The parameters of a statement on PostgreSQL, and the type of each column.
fn postgres_arguments(fixed: &[Val<'_>], vals: &[Val<'_>], columns: usize) -> Result<(PgArguments, Vec<&'static str>)> {
    let mut arguments = PgArguments::default();
    for val in fixed {
        match val {
            Val::Text(text) => arguments.add(text.map(str::to_owned)),
            Val::Owned(text) => arguments.add(text.clone()),
            Val::Int(n) => arguments.add(*n),
            Val::Bool(b) => arguments.add(*b),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    let mut types = Vec::with_capacity(columns);
    for column in 0..columns {
        let cells = vals.iter().skip(column).step_by(columns);
        let (kind, added) = match vals.get(column) {
            Some(Val::Int(_)) => ("BIGINT", arguments.add(cells.map(Val::int).collect::<Vec<Option<i64>>>())),
            Some(Val::Bool(_)) => {
                let flags = cells.map(|val| matches!(val, Val::Bool(true))).collect::<Vec<bool>>();
                ("BOOLEAN", arguments.add(flags))
            }
            _ => ("TEXT", arguments.add(cells.map(Val::text).collect::<Vec<Option<&str>>>())),
        };
        added.map_err(sqlx::Error::Encode)?;
        types.push(kind);
    }
    Ok((arguments, types))
}

impl Val<'_> {
    fn int(&self) -> Option<i64> {
        match self {
            Val::Int(n) => *n,
            _ => None,
        }
    }
}

impl Conn {
    /// Runs a statement for rows whose cells come one after another in `vals`;
    /// how many rows it changed.
    pub async fn bulk(&mut self, bulk: Bulk<'_>, fixed: &[Val<'_>], vals: &[Val<'_>]) -> Result<u64> {
        let mut changed = 0;
        for part in vals.chunks(ROWS_MAX * bulk.columns) {
            changed += match &mut self.inner {
                Inner::Sqlite(c) => {
                    let sql = bulk.one(fixed.len())?;
                    let _timed = Timed::of(&self.statements, &sql);
                    c.exec_each(&sql, fixed, bulk.columns, part)?
                }
                Inner::Postgres(c) => {
                    let (arguments, types) = postgres_arguments(fixed, part, bulk.columns)?;
                    let sql = bulk.unnest(fixed.len(), &types)?;
                    let _timed = Timed::of(&self.statements, &sql);
                    let query = sqlx::query_with::<Postgres, _>(AssertSqlSafe(sql), arguments).persistent(false);
                    c.ask(async |c| query.execute(c).await).await?.rows_affected()
                }
            };
        }
        Ok(changed)
    }

    /// The same for a statement that answers rows.
    pub async fn bulk_all<T: Record>(&mut self, bulk: Bulk<'_>, fixed: &[Val<'_>], vals: &[Val<'_>]) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for part in vals.chunks(ROWS_MAX * bulk.columns) {
            match &mut self.inner {
                Inner::Sqlite(c) => {
                    let sql = bulk.one(fixed.len())?;
                    let _timed = Timed::of(&self.statements, &sql);
                    found.extend(c.rows_each(&sql, fixed, bulk.columns, part)?);
                }
                Inner::Postgres(c) => {
                    let (arguments, types) = postgres_arguments(fixed, part, bulk.columns)?;
                    let sql = bulk.unnest(fixed.len(), &types)?;
                    let _timed = Timed::of(&self.statements, &sql);
                    let query = sqlx::query_with::<Postgres, _>(AssertSqlSafe(sql), arguments).persistent(false);
                    for row in &c.ask(async |c| query.fetch_all(c).await).await? {
                        found.push(T::read(row, &mut 0)?);
                    }
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: Bulk<'static> = Bulk { sql: "WITH v (a, b) AS ({rows}) SELECT v.a FROM v WHERE v.b > $1", columns: 2 };

    #[test]
    fn sqlite_gets_a_row_and_postgres_an_array_a_column() {
        let one = SUMS.one(1).expect("a statement");
        assert_eq!(one, "SELECT $2  WHERE $3 > $1");
        let all = SUMS.unnest(1, &["TEXT", "BIGINT"]).expect("a statement");
        assert!(all.contains("AS (SELECT * FROM UNNEST(CAST($2 AS TEXT[]), CAST($3 AS BIGINT[]))) SELECT"), "{all}");
    }

    #[test]
    fn a_statement_without_rows_is_a_defect() {
        assert!(Bulk { sql: "DELETE FROM sku", columns: 1 }.one(0).is_err());
    }
}
