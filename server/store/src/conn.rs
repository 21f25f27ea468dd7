//! One connection to either database, and the four ways to run a statement.
//!
//! SQL is the portable subset: `$1` parameters, `ON CONFLICT`, `RETURNING`,
//! `WITH v (a, b) AS (VALUES …)` for rows that come from code (see [`values`]),
//! `CAST(SUM(x) AS BIGINT)`.

use crate::{Error, Result};
use domain::ids::{MemberId, OrderId, PoolId, StoreId};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, FromRow, Postgres, SqlSafeStr, SqlStr, Sqlite};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A row type that both databases can fill; `#[derive(sqlx::FromRow)]` makes one.
pub trait Row:
    Send + Unpin + for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow>
{
}

impl<T> Row for T where
    T: Send + Unpin + for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow>
{
}

/// A parameter of a statement. Absent values keep their type, as PostgreSQL wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Val<'a> {
    /// Text, or NULL.
    Text(Option<&'a str>),
    /// Text made for this statement.
    Owned(String),
    /// A whole number, or NULL.
    Int(Option<i64>),
    /// Yes or no.
    Bool(bool),
}

macro_rules! val_from {
    ($($type:ty, $name:ident => $val:expr;)*) => {$(
        impl<'a> From<$type> for Val<'a> {
            fn from($name: $type) -> Self { $val }
        }
    )*};
}

val_from! {
    &'a str, t => Val::Text(Some(t));
    &'a String, t => Val::Text(Some(t));
    Option<&'a str>, t => Val::Text(t);
    &'a Option<String>, t => Val::Text(t.as_deref());
    String, t => Val::Owned(t);
    i64, n => Val::Int(Some(n));
    i32, n => Val::Int(Some(i64::from(n)));
    u32, n => Val::Int(Some(i64::from(n)));
    Option<i64>, n => Val::Int(n);
    bool, b => Val::Bool(b);
    domain::Fen, m => Val::Int(Some(m.0));
    Option<domain::Fen>, m => Val::Int(m.map(|m| m.0));
    domain::Base, n => Val::Int(Some(n.0));
    domain::Packs, n => Val::Int(Some(n.0));
    domain::Millis, t => Val::Int(Some(t.0));
    Option<domain::Millis>, t => Val::Int(t.map(|t| t.0));
    domain::time::Day, d => Val::Int(Some(i64::from(d.0)));
}

macro_rules! val_from_id {
    ($($id:ident),*) => {$(
        impl<'a> From<&'a domain::ids::$id> for Val<'a> {
            fn from(id: &'a domain::ids::$id) -> Self { Val::Text(Some(id.as_str())) }
        }
        impl<'a> From<Option<&'a domain::ids::$id>> for Val<'a> {
            fn from(id: Option<&'a domain::ids::$id>) -> Self { Val::Text(id.map(|id| id.as_str())) }
        }
    )*};
}
val_from_id!(
    StoreId, SkuId, PoolId, CategoryId, MemberId, BasketId, OrderId, OfferId, CouponId, SlotId, PaymentId, RefundId,
    AddressId
);

/// Parameters in order: `vals![&store, pool, 3]`.
#[macro_export]
macro_rules! vals {
    ($($value:expr),* $(,)?) => { &[$($crate::Val::from($value)),*][..] };
}

/// `($1, $2), ($3, $4), …`: `rows` rows of `columns` parameters, the first
/// numbered `first`, for a `WITH v (…) AS (VALUES …)`.
pub fn values(first: usize, rows: usize, columns: usize) -> String {
    use std::fmt::Write;
    debug_assert!(rows > 0 && columns > 0 && rows * columns < 30_000, "bounded by the caller");
    let mut sql = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            write!(sql, "{comma}${}", first + row * columns + column).expect("a String takes all");
        }
        sql.push(')');
    }
    sql
}

/// `$1, $2, …`: `count` parameters for an `IN (…)`, the first numbered `first`.
pub fn list(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Embedded, one file.
    Sqlite,
    /// A server of its own.
    Postgres,
}

#[derive(Debug)]
pub(crate) enum Inner {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// What a transaction changed that open pages show; told to listeners after the commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Pools of a store whose level or terms changed.
    pub stock: Vec<(StoreId, PoolId)>,
    /// Orders whose version changed: (member, order, code).
    pub orders: Vec<(MemberId, OrderId, String)>,
    /// The catalogue, prices, offers or stores changed: caches are stale.
    pub catalogue: bool,
    /// News of other processes were lost: whatever is shown must be looked up again.
    pub everything: bool,
}

impl Touched {
    /// Where it stands, for [`undo_to`](Self::undo_to): cheap, since a batch marks it once a unit.
    pub(crate) fn mark(&self) -> (usize, usize, bool) {
        (self.stock.len(), self.orders.len(), self.catalogue)
    }

    /// Forgets what was touched since the mark.
    pub(crate) fn undo_to(&mut self, (stock, orders, catalogue): (usize, usize, bool)) {
        self.stock.truncate(stock);
        self.orders.truncate(orders);
        self.catalogue = catalogue;
    }

    /// Nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.stock.is_empty() && self.orders.is_empty() && !self.catalogue && !self.everything
    }
}

/// A statement under way; its time goes to the metrics when it ends.
struct Timed(Instant);

impl Drop for Timed {
    fn drop(&mut self) {
        metrics::histogram!("zaijia_query_seconds").record(self.0.elapsed().as_secs_f64());
    }
}

/// A connection, inside a transaction of the writer or for reading.
#[derive(Debug)]
pub struct Conn {
    pub(crate) inner: Inner,
    pub(crate) touched: Touched,
    savepoint: Savepoint,
    statements: Arc<AtomicU64>,
}

/// How the writer's savepoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Savepoint {
    /// There is none.
    None,
    /// Set, and nothing was written since.
    Fresh,
    /// Set, with a unit's work after it.
    Used,
}

macro_rules! bind {
    ($query:expr, $vals:expr) => {{
        let mut query = $query;
        for val in $vals {
            query = match val {
                Val::Text(text) => query.bind(text.map(str::to_owned)),
                Val::Owned(text) => query.bind(text.clone()),
                Val::Int(n) => query.bind(*n),
                Val::Bool(b) => query.bind(*b),
            };
        }
        query
    }};
}

/// Parameters of one statement at most, below what SQLite takes.
const PARAMETERS_MAX: usize = 25_000;

/// Above so many parameters, SQLite gets a statement without their numbers.
const NUMBERED_MAX: usize = 50;

/// The statement with `?` in place of `$1`, and its parameters in the order in
/// which they stand there.
///
/// SQLite keeps `$1` as a name, and looks for names one after another: a
/// statement with 20,000 of them would take seconds to bind.
fn unnumbered<'v, 'a>(sql: SqlStr, vals: &'v [Val<'a>]) -> (SqlStr, Cow<'v, [Val<'a>]>) {
    if vals.len() <= NUMBERED_MAX {
        return (sql, Cow::Borrowed(vals));
    }
    let mut text = String::with_capacity(sql.as_str().len());
    let mut order = Vec::with_capacity(vals.len());
    let mut parts = sql.as_str().split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let val = part[..digits].parse::<usize>().ok().and_then(|n| vals.get(n.checked_sub(1)?));
        match val {
            Some(val) => {
                text.push('?');
                order.push(val.clone());
            }
            // No parameter of ours: leave the whole statement as it is.
            None => return (sql, Cow::Borrowed(vals)),
        }
        text.push_str(&part[digits..]);
    }
    // The bound of SQLite; a parameter that stands twice counts twice here.
    if order.len() > 32_766 {
        return (sql, Cow::Borrowed(vals));
    }
    (AssertSqlSafe(text).into_sql_str(), Cow::Owned(order))
}

macro_rules! on_both {
    ($self:expr, $sql:expr, $vals:expr, query $method:ident) => {
        match &mut $self.inner {
            Inner::Sqlite(c) => {
                let (sql, vals) = unnumbered($sql.into_sql_str(), $vals);
                bind!(sqlx::query::<Sqlite>(sql), vals.iter()).$method(&mut **c).await?.rows_affected()
            }
            Inner::Postgres(c) => bind!(sqlx::query::<Postgres>($sql), $vals).$method(&mut **c).await?.rows_affected(),
        }
    };
    ($self:expr, $sql:expr, $vals:expr, $row:ty, $method:ident) => {
        match &mut $self.inner {
            Inner::Sqlite(c) => {
                let (sql, vals) = unnumbered($sql.into_sql_str(), $vals);
                bind!(sqlx::query_as::<Sqlite, $row>(sql), vals.iter()).$method(&mut **c).await?
            }
            Inner::Postgres(c) => bind!(sqlx::query_as::<Postgres, $row>($sql), $vals).$method(&mut **c).await?,
        }
    };
}

impl Conn {
    /// `statements` counts what is run, over all connections of a store.
    pub(crate) fn new(inner: Inner, statements: Arc<AtomicU64>) -> Self {
        Self { inner, touched: Touched::default(), savepoint: Savepoint::None, statements }
    }

    /// Counts a statement and, when the answer is dropped, notes how long it took.
    fn timed(&self) -> Timed {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Timed(Instant::now())
    }

    /// Which database it leads to.
    pub fn kind(&self) -> Kind {
        match self.inner {
            Inner::Sqlite(_) => Kind::Sqlite,
            Inner::Postgres(_) => Kind::Postgres,
        }
    }

    /// Runs a statement; how many rows it changed.
    ///
    /// SQL made at run time is passed as `sqlx::AssertSqlSafe(text)`: its parts
    /// are ours, values only ever come as parameters.
    pub async fn exec(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<u64> {
        let _timed = self.timed();
        Ok(on_both!(self, sql, vals, query execute))
    }

    /// Inserts rows given one after another in `vals`, as many in a statement as
    /// it can take: `head` is all before `VALUES`, `tail` all after the rows.
    pub async fn insert(&mut self, head: &str, columns: usize, vals: &[Val<'_>], tail: &str) -> Result<u64> {
        let mut written = 0;
        for part in vals.chunks(columns * (PARAMETERS_MAX / columns)) {
            let sql = format!("{head} VALUES {}{tail}", values(1, part.len() / columns, columns));
            written += self.exec(AssertSqlSafe(sql), part).await?;
        }
        Ok(written)
    }

    /// All rows of a query. The query bounds them by itself.
    pub async fn all<T: Row>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<Vec<T>> {
        let _timed = self.timed();
        Ok(on_both!(self, sql, vals, T, fetch_all))
    }

    /// The first row of a query, if there is one.
    pub async fn opt<T: Row>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<Option<T>> {
        let _timed = self.timed();
        Ok(on_both!(self, sql, vals, T, fetch_optional))
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// [`Error::Sql`] if there is none.
    pub async fn one<T: Row>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<T> {
        let _timed = self.timed();
        Ok(on_both!(self, sql, vals, T, fetch_one))
    }

    /// The number in the first column of the only row; 0 for NULL.
    pub async fn int(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<i64> {
        let row: (Option<i64>,) = self.one(sql, vals).await?;
        Ok(row.0.unwrap_or(0))
    }

    /// Runs plain statements without parameters, such as `SAVEPOINT u`.
    pub(crate) async fn raw(&mut self, sql: &'static str) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(|_| ()),
            Inner::Postgres(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(|_| ()),
        }
        .map_err(Error::from)
    }

    /// Sets the savepoint that a unit of work can be undone to. What was done
    /// before stays: it is let go of in the same message.
    pub(crate) async fn begin_unit(&mut self) -> Result<()> {
        match self.savepoint {
            Savepoint::None => self.raw("SAVEPOINT u").await?,
            Savepoint::Used => self.raw("RELEASE SAVEPOINT u; SAVEPOINT u").await?,
            Savepoint::Fresh => {}
        }
        self.savepoint = Savepoint::Used;
        Ok(())
    }

    /// Undoes the unit.
    pub(crate) async fn undo_unit(&mut self) -> Result<()> {
        self.raw("ROLLBACK TO SAVEPOINT u").await?;
        self.savepoint = Savepoint::Fresh;
        Ok(())
    }

    /// Notes that a pool's level or terms changed; open pages hear of it after the commit.
    pub fn touch_stock(&mut self, store: &StoreId, pool: &PoolId) {
        self.touched.stock.push((store.clone(), pool.clone()));
    }

    /// Notes that an order changed; its open pages hear of it after the commit.
    pub fn touch_order(&mut self, member: &MemberId, order: &OrderId, code: &str) {
        self.touched.orders.push((member.clone(), order.clone(), code.to_owned()));
    }

    /// Notes that cached catalogue, prices, offers or stores are stale.
    pub fn touch_catalogue(&mut self) {
        self.touched.catalogue = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_from_code_are_numbered_through() {
        assert_eq!(values(3, 2, 2), "($3, $4), ($5, $6)");
        assert_eq!(list(2, 3), "$2, $3, $4");
    }

    #[test]
    fn many_parameters_lose_their_numbers_and_keep_their_places() {
        let numbers: Vec<Val<'_>> = (1..=60_i64).map(Val::from).collect();
        let (sql, vals) = unnumbered("a = $2 AND b IN ($1, $60) AND c = $2".into_sql_str(), &numbers);
        assert_eq!(sql.as_str(), "a = ? AND b IN (?, ?) AND c = ?");
        assert_eq!(vals.as_ref(), [2_i64, 1, 60, 2].map(Val::from));
        let (sql, vals) = unnumbered("a = $2".into_sql_str(), &numbers[..2]);
        assert_eq!((sql.as_str(), vals.len()), ("a = $2", 2));
    }
}
