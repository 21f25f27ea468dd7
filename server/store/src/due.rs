//! Rows that fall due: taken for a time (a lease) by one server at a time.
//!
//! For tables with `id`, `state`, `tries` and `due_at`; a row waits while its
//! state is `waiting`. Who takes a row and dies leaves it to fall due again.

use crate::record::Record;
use crate::{Conn, Result, vals};
use domain::Millis;
use domain::time::{HOUR_MS, MINUTE_MS};
use sqlx::AssertSqlSafe;

/// The clocks of two servers differ by less.
pub const CLOCKS_MS: i64 = MINUTE_MS;
/// No lease and no back-off reaches further than this, by whichever server's clock.
/// A row that is due later was written before the clock went back, and is due now.
const FURTHEST_MS: i64 = HOUR_MS + CLOCKS_MS;

/// Is any row due?
pub(crate) async fn any(conn: &mut Conn, table: &'static str, now: Millis) -> Result<bool> {
    // Two looks at the two ends of the index.
    let sql = format!(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM {table} WHERE state = 'waiting' AND due_at <= $1) \
         OR EXISTS (SELECT 1 FROM {table} WHERE state = 'waiting' AND due_at > $2)"
    );
    let row: Option<(i32,)> = conn.opt(AssertSqlSafe(sql), vals![now, now.plus(FURTHEST_MS)]).await?;
    Ok(row.is_some())
}

/// Takes at most `limit` due rows for `lease_ms`: of several servers one gets
/// each. In the order of their ids (`id_of`), which is that of their making.
pub(crate) async fn claim<T: Record>(
    conn: &mut Conn,
    (table, columns): (&'static str, &'static str),
    now: Millis,
    lease_ms: i64,
    limit: i64,
    id_of: fn(&T) -> &str,
) -> Result<Vec<T>> {
    let sql = format!(
        "UPDATE {table} SET tries = tries + 1, due_at = $2 WHERE id IN (SELECT id FROM {table} \
         WHERE state = 'waiting' AND (due_at <= $1 OR due_at > $4) ORDER BY due_at, id LIMIT $3) \
         AND state = 'waiting' AND (due_at <= $1 OR due_at > $4) RETURNING {columns}"
    );
    let vals = vals![now, now.plus(lease_ms), limit, now.plus(FURTHEST_MS)];
    let mut rows: Vec<T> = conn.all(AssertSqlSafe(sql), vals).await?;
    rows.sort_by(|a, b| id_of(a).cmp(id_of(b)));
    Ok(rows)
}
