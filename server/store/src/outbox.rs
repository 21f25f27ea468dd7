//! What must be told to the outside after the commit, and when periodic jobs ran.
//!
//! A row is claimed for a time (a lease): the server that claims it does the
//! work and marks it done; if that server dies, the row falls due again. So the
//! work behind a row must be repeatable.

use crate::{Conn, Result, vals};
use domain::Millis;

/// A row of the outbox. States: `waiting`, `done`, `dead` (given up; staff must look).
#[derive(Clone, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct OutboxRow {
    /// Which one.
    pub id: String,
    /// What is to be done: `payment_open`, `payment_close`, `refund`.
    pub kind: String,
    /// With what, JSON.
    pub payload: String,
    /// Tries so far, this one included.
    pub tries: i64,
    /// Unique key.
    pub key: String,
}

macro_rules! outbox_columns {
    () => {
        "id, kind, payload, tries, key"
    };
}

/// Adds a row that is due at once; one of this key that is there stays as it is.
pub async fn add(conn: &mut Conn, kind: &str, payload: &str, key: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO outbox (id, kind, payload, state, tries, due_at, key, created_at) \
               VALUES ($1, $2, $3, 'waiting', 0, $4, $5, $4) ON CONFLICT (key) DO NOTHING";
    conn.exec(sql, vals![crate::new_id(), kind, payload, now, key]).await?;
    Ok(())
}

/// Is anything due?
pub async fn any_due(conn: &mut Conn, now: Millis) -> Result<bool> {
    let sql = "SELECT 1 FROM outbox WHERE state = 'waiting' AND due_at <= $1 LIMIT 1";
    let row: Option<(i32,)> = conn.opt(sql, vals![now]).await?;
    Ok(row.is_some())
}

/// Takes due rows for `lease_ms`: of several servers one gets each.
pub async fn claim(conn: &mut Conn, now: Millis, lease_ms: i64, limit: i64) -> Result<Vec<OutboxRow>> {
    let sql = concat!(
        "UPDATE outbox SET tries = tries + 1, due_at = $2 WHERE id IN (SELECT id FROM outbox \
         WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $3) AND state = 'waiting' \
         AND due_at <= $1 RETURNING ",
        outbox_columns!()
    );
    let mut rows: Vec<OutboxRow> = conn.all(sql, vals![now, now.plus(lease_ms), limit]).await?;
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rows)
}

/// The work of a row is done.
pub async fn done(conn: &mut Conn, id: &str) -> Result<()> {
    conn.exec("UPDATE outbox SET state = 'done', last_error = '' WHERE id = $1", vals![id]).await?;
    Ok(())
}

/// The work of a row failed: it is tried again at `due`, or given up if that is `None`.
pub async fn failed(conn: &mut Conn, id: &str, error: &str, due: Option<Millis>) -> Result<()> {
    let sql = "UPDATE outbox SET state = CASE WHEN $3 THEN 'dead' ELSE state END, last_error = $2, \
               due_at = COALESCE($4, due_at) WHERE id = $1 AND state = 'waiting'";
    conn.exec(sql, vals![id, error, due.is_none(), due]).await?;
    Ok(())
}

/// When each periodic job ran last: (name, UTC ms).
pub async fn job_runs(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT name, CAST(value AS BIGINT) FROM setting WHERE name LIKE 'job.%' ORDER BY name LIMIT 100";
    conn.all(sql, &[]).await
}

/// Takes a periodic job that did not run since `before`; false if another server was faster.
pub async fn claim_job(conn: &mut Conn, name: &str, before: Millis, now: Millis) -> Result<bool> {
    let sql = "INSERT INTO setting (name, value) VALUES ($1, CAST($2 AS TEXT)) ON CONFLICT (name) DO UPDATE \
               SET value = excluded.value WHERE CAST(setting.value AS BIGINT) <= $3";
    Ok(conn.exec(sql, vals![name, now, before]).await? == 1)
}
