//! Rows that fall due: taken for a time (a lease) by one server at a time.
//!
//! For tables with `id`, `state`, `tries` and `due_at`; a row waits while its
//! state is `waiting`. Who takes a row and dies leaves it to fall due again.

use crate::conn::Row;
use crate::{Conn, Result, vals};
use domain::Millis;
use sqlx::AssertSqlSafe;

/// Is any row due?
pub(crate) async fn any(conn: &mut Conn, table: &'static str, now: Millis) -> Result<bool> {
    let sql = format!("SELECT 1 FROM {table} WHERE state = 'waiting' AND due_at <= $1 LIMIT 1");
    let row: Option<(i32,)> = conn.opt(AssertSqlSafe(sql), vals![now]).await?;
    Ok(row.is_some())
}

/// Takes at most `limit` due rows for `lease_ms`: of several servers one gets
/// each. In the order of their ids (`id_of`), which is that of their making.
pub(crate) async fn claim<T: Row>(
    conn: &mut Conn,
    (table, columns): (&'static str, &'static str),
    now: Millis,
    lease_ms: i64,
    limit: i64,
    id_of: fn(&T) -> &str,
) -> Result<Vec<T>> {
    let sql = format!(
        "UPDATE {table} SET tries = tries + 1, due_at = $2 WHERE id IN (SELECT id FROM {table} \
         WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $3) AND state = 'waiting' \
         AND due_at <= $1 RETURNING {columns}"
    );
    let mut rows: Vec<T> = conn.all(AssertSqlSafe(sql), vals![now, now.plus(lease_ms), limit]).await?;
    rows.sort_by(|a, b| id_of(a).cmp(id_of(b)));
    Ok(rows)
}
