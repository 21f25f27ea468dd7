//! One connection to either database, and the four ways to run a statement.
//!
//! SQL is the portable subset: `$1` parameters, `ON CONFLICT`, `RETURNING`,
//! `WITH v (a, b) AS (…)` for rows that come from code (see [`rows_of`]),
//! `CAST(SUM(x) AS BIGINT)`.

use crate::lite::Lite;
use crate::pg::Pg;
use crate::record::Record;
pub(crate) use crate::spelling::alone;
use crate::spelling::{self, Array, Spelled, arrayed, spelled};
pub use crate::spelling::{each_of, each_one, list, one_of, rows_of};
use crate::{Error, Result};
use domain::ids::{MemberId, OrderId, PoolId, StoreId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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

impl Val<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Val::Text(text) => *text,
            Val::Owned(text) => Some(text),
            Val::Int(_) | Val::Bool(_) => None,
        }
    }
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
    Sqlite(Lite),
    Postgres(Pg),
}

/// What a transaction changed that open pages show; told to listeners after the commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Pools of a store whose level or terms changed.
    pub stock: Vec<(StoreId, PoolId)>,
    /// Stores all of whose stock may be shown otherwise now, though no level changed.
    pub stores: Vec<StoreId>,
    /// Orders whose version changed: (member, order, code).
    pub orders: Vec<(MemberId, OrderId, String)>,
    /// The catalogue, prices, offers or stores changed: caches are stale.
    pub catalogue: bool,
    /// News of other processes were lost: whatever is shown must be looked up again.
    pub everything: bool,
}

impl Touched {
    /// Where it stands, for [`undo_to`](Self::undo_to): cheap, since a batch marks it once a unit.
    pub(crate) fn mark(&self) -> (usize, usize, usize, bool) {
        (self.stock.len(), self.stores.len(), self.orders.len(), self.catalogue)
    }

    /// Forgets what was touched since the mark.
    pub(crate) fn undo_to(&mut self, (stock, stores, orders, catalogue): (usize, usize, usize, bool)) {
        self.stock.truncate(stock);
        self.stores.truncate(stores);
        self.orders.truncate(orders);
        self.catalogue = catalogue;
    }

    /// Nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.stock.is_empty() && self.stores.is_empty() && self.orders.is_empty() && !self.catalogue && !self.everything
    }
}

/// A statement under way; its time goes to the metrics when it ends.
pub(crate) struct Timed(Instant);

impl Timed {
    /// Counts the statement, and begins to measure.
    pub(crate) fn of(statements: &Statements, sql: &str) -> Self {
        statements.count(sql);
        Self(Instant::now())
    }
}

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
    /// Units of this transaction that succeeded; what they hold is held until its end.
    pub(crate) stands: usize,
    savepoint: Savepoint,
    pub(crate) statements: Arc<Statements>,
}

/// The statements that were run over all connections of a store.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    pub(crate) count: AtomicU64,
    /// For tests: each statement's text, once somebody wants to know.
    #[cfg(feature = "testing")]
    pub(crate) texts: std::sync::Mutex<Option<std::collections::BTreeSet<String>>>,
}

impl Statements {
    fn count(&self, sql: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "testing")]
        if let Ok(mut texts) = self.texts.lock()
            && let Some(texts) = texts.as_mut()
        {
            texts.insert(sql.to_owned());
        }
        #[cfg(not(feature = "testing"))]
        let _ = sql;
    }
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

/// A statement for PostgreSQL with its parameters.
macro_rules! bound {
    ($sql:expr, $vals:expr) => {{
        let sql: SqlStr = $sql;
        let vals: &[Val<'_>] = $vals;
        let (sql, fixed, arrays) = match arrayed(sql.as_str(), vals) {
            Some((text, arrays)) => {
                let fixed = spelling::fixed(sql.as_str());
                (AssertSqlSafe(text).into_sql_str(), fixed, arrays)
            }
            None => (sql, vals.len(), Vec::new()),
        };
        let mut query = sqlx::query::<Postgres>(sql);
        for val in &vals[..fixed] {
            query = match val {
                Val::Text(text) => query.bind(*text),
                Val::Owned(text) => query.bind(text.as_str()),
                Val::Int(n) => query.bind(*n),
                Val::Bool(b) => query.bind(*b),
            };
        }
        for array in arrays {
            query = match array {
                Array::Text(column) => query.bind(column),
                Array::Int(column) => query.bind(column),
                Array::Bool(column) => query.bind(column),
            };
        }
        query
    }};
}

/// Values of one statement's rows, at most.
const VALUES_MAX: usize = 25_000;

fn record<T: Record>(row: &PgRow) -> Result<T> {
    T::read(row, &mut 0)
}

impl Conn {
    /// `statements` counts what is run, over all connections of a store.
    pub(crate) fn new(inner: Inner, statements: Arc<Statements>) -> Self {
        Self { inner, touched: Touched::default(), stands: 0, savepoint: Savepoint::None, statements }
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
        let sql = sql.into_sql_str();
        let statements = &self.statements;
        match &mut self.inner {
            Inner::Sqlite(c) => {
                let sql = spelled(sql.as_str(), vals.len());
                let _timed = Timed::of(statements, sql.text());
                match &sql {
                    Spelled::Once(sql) => c.exec(sql, vals),
                    Spelled::Each { sql, fixed, columns } => {
                        let (fixed, rows) = vals.split_at(*fixed);
                        c.exec_each(sql, fixed, *columns, rows)
                    }
                }
            }
            Inner::Postgres(c) => {
                let _timed = Timed::of(statements, sql.as_str());
                Ok(c.ask(async |c| bound!(sql, vals).execute(c).await).await?.rows_affected())
            }
        }
    }

    /// Inserts rows given one after another in `vals`: `head` is all before
    /// `VALUES`, `tail` all after the rows.
    ///
    /// See [`each_of`]; PostgreSQL gets as many rows in a statement as it can take.
    pub async fn insert(&mut self, head: &str, columns: usize, vals: &[Val<'_>], tail: &str) -> Result<u64> {
        let mut written = 0;
        for part in vals.chunks(columns * (VALUES_MAX / columns)) {
            let sql = format!("{head} {}{tail}", each_of(1, part.len() / columns, columns));
            written += self.exec(AssertSqlSafe(sql), part).await?;
        }
        Ok(written)
    }

    /// All rows of a query. The query bounds them by itself.
    pub async fn all<T: Record>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<Vec<T>> {
        let sql = sql.into_sql_str();
        let statements = &self.statements;
        match &mut self.inner {
            Inner::Sqlite(c) => {
                let sql = spelled(sql.as_str(), vals.len());
                let _timed = Timed::of(statements, sql.text());
                match &sql {
                    Spelled::Once(sql) => c.rows(sql, vals, usize::MAX),
                    Spelled::Each { sql, fixed, columns } => {
                        let (fixed, rows) = vals.split_at(*fixed);
                        c.rows_each(sql, fixed, *columns, rows)
                    }
                }
            }
            Inner::Postgres(c) => {
                let _timed = Timed::of(statements, sql.as_str());
                c.ask(async |c| bound!(sql, vals).fetch_all(c).await).await?.iter().map(record).collect()
            }
        }
    }

    /// The first row of a query, if there is one. It has no rows of code in it.
    pub async fn opt<T: Record>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<Option<T>> {
        let sql = sql.into_sql_str();
        let _timed = Timed::of(&self.statements, sql.as_str());
        match &mut self.inner {
            Inner::Sqlite(c) => Ok(c.rows(sql.as_str(), vals, 1)?.pop()),
            Inner::Postgres(c) => {
                let row = c.ask(async |c| bound!(sql, vals).fetch_optional(c).await).await?;
                row.as_ref().map(record).transpose()
            }
        }
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// [`Error::Sql`] if there is none.
    pub async fn one<T: Record>(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<T> {
        self.opt(sql, vals).await?.ok_or_else(|| Error::from(sqlx::Error::RowNotFound))
    }

    /// The number in the first column of the only row; 0 for NULL.
    pub async fn int(&mut self, sql: impl SqlSafeStr, vals: &[Val<'_>]) -> Result<i64> {
        let row: (Option<i64>,) = self.one(sql, vals).await?;
        Ok(row.0.unwrap_or(0))
    }

    /// Runs plain statements without parameters, such as `SAVEPOINT u`.
    pub(crate) async fn raw(&mut self, sql: &'static str) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(c) => c.raw(sql),
            Inner::Postgres(c) => c.ask(async |c| sqlx::raw_sql(sql).execute(c).await).await.map(|_| ()),
        }
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

    /// Commits. On PostgreSQL the savepoint is let go of first, which fails where the
    /// transaction is void: its COMMIT would undo everything then, and call it a success.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        let plain = self.savepoint == Savepoint::None || self.kind() == Kind::Sqlite;
        self.raw(if plain { "COMMIT" } else { "RELEASE SAVEPOINT u; COMMIT" }).await
    }

    /// Notes that a pool's level or terms changed; open pages hear of it after the commit.
    pub fn touch_stock(&mut self, store: &StoreId, pool: &PoolId) {
        self.touched.stock.push((store.clone(), pool.clone()));
    }

    /// Notes that more is known of all the stock of a store; open pages hear of it after the commit.
    pub fn touch_store(&mut self, store: &StoreId) {
        self.touched.stores.push(store.clone());
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
    fn rows_from_code_are_numbered_through_on_sqlite() {
        let sql = format!("WITH v (a, b) AS ({}) SELECT $1", rows_of(2, 2, 2));
        let text = |sql: &str, count| spelled(sql, count).text().to_owned();
        assert_eq!(text(&sql, 5), "WITH v (a, b) AS (VALUES ($2, $3), ($4, $5)) SELECT $1");
        assert_eq!(text(&format!("a {}", one_of(1, 2)), 2), "a IN ($1, $2)");
        assert_eq!(text("a = $1", 1), "a = $1");
        assert_eq!(list(2, 3), "$2, $3, $4");
    }

    #[test]
    fn rows_that_are_taken_for_themselves_are_parameters_on_sqlite() {
        let each = |sql: &str| match spelled(sql, 9) {
            Spelled::Each { sql, fixed, columns } => (sql, fixed, columns),
            Spelled::Once(_) => panic!("once"),
        };
        let rows = each_of(2, 4, 2);
        let sql = format!("WITH v (a, a_b) AS ({rows}) UPDATE t SET n = n + v.a FROM v WHERE t.id = v.a_b AND x = $1");
        assert_eq!(each(&sql), ("UPDATE t SET n = n + $2  WHERE t.id = $3 AND x = $1".to_owned(), 1, 2));
        let sql = format!("WITH v (a, b) AS ({rows}) SELECT * FROM v CROSS JOIN t WHERE (t.a, t.b) = (v.a, v.b)");
        assert_eq!(each(&sql).0, "SELECT * FROM t WHERE (t.a, t.b) = ($2, $3)");
        assert_eq!(
            each(&format!("INSERT INTO t (a, b) {rows} RETURNING a")).0,
            "INSERT INTO t (a, b) VALUES ($2, $3) RETURNING a"
        );
        assert_eq!(each(&format!("DELETE FROM t WHERE (a, b) IN ({rows})")).0, "DELETE FROM t WHERE (a, b) = ($2, $3)");
        assert_eq!(each(&format!("a {}", each_one(1, 7))), ("a = $1".to_owned(), 0, 1));
    }

    #[test]
    fn rows_from_code_are_columns_on_postgresql() {
        let vals = vals![7, "a", 1, Option::<&str>::None, Option::<i64>::None];
        let (sql, arrays) = arrayed(&format!("INSERT {} ON $1", rows_of(2, 2, 2)), vals).expect("rows");
        assert_eq!(sql, "INSERT SELECT * FROM unnest(CAST($2 AS TEXT[]), CAST($3 AS BIGINT[])) ON $1");
        assert!(matches!(&arrays[..], [Array::Text(a), Array::Int(b)]
            if *a == [Some("a"), None] && *b == [Some(1), None]));
        let (sql, _) = arrayed(&format!("a {}", one_of(1, 2)), vals![1, 2]).expect("rows");
        assert_eq!(sql, "a = ANY (CAST($1 AS BIGINT[]))");
        let (sql, _) = arrayed(&format!("a {}", each_one(1, 2)), vals![1, 2]).expect("rows");
        assert_eq!(sql, "a = ANY (CAST($1 AS BIGINT[]))");
        assert!(arrayed("a = $1", vals![1]).is_none());
    }
}
