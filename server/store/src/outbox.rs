//! What must be told to the outside after the commit, and who has which periodic job.
//!
//! A row is claimed for a time (a lease): the server that claims it does the
//! work and marks it done; if that server dies, the row falls due again. So the
//! work behind a row must be repeatable.
//!
//! What a row says is cleared as soon as its work is done: nobody needs it any
//! more, and it may be a secret such as a one-time code.

use crate::conn::each_of;
pub use crate::due::CLOCKS_MS;
use crate::{Conn, Result, Val, due, vals};
use domain::Millis;
use sqlx::AssertSqlSafe;

/// A row of the outbox. States: `waiting`, `done`, `dead` (given up; staff must look).
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct OutboxRow {
    /// Which one.
    pub id: String,
    /// What is to be done: `payment_close`, `refund`, `sign_in_code`.
    pub kind: String,
    /// With what, JSON.
    pub payload: String,
    /// Tries so far, this one included.
    pub tries: i64,
    /// Unique key.
    pub key: String,
}

const COLUMNS: &str = "id, kind, payload, tries, key";

/// Adds a row that is due at once; one of this key that is there stays as it is.
pub async fn add(conn: &mut Conn, kind: &str, payload: &str, key: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO outbox (id, kind, payload, state, tries, due_at, key, created_at) \
               VALUES ($1, $2, $3, 'waiting', 0, $4, $5, $4) ON CONFLICT (key) DO NOTHING";
    conn.exec(sql, vals![crate::new_id(), kind, payload, now, key]).await?;
    Ok(())
}

/// Adds rows that are due at once, given as (kind, payload, key); those of a
/// key that is there stay as they are.
pub async fn add_all(conn: &mut Conn, rows: &[(&str, String, String)], now: Millis) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(rows.len() * 8);
    for (kind, payload, key) in rows {
        vals.extend(vals![crate::new_id(), *kind, payload, "waiting", 0_i64, now, key, now].to_vec());
    }
    let head = "INSERT INTO outbox (id, kind, payload, state, tries, due_at, key, created_at)";
    conn.insert(head, 8, &vals, " ON CONFLICT (key) DO NOTHING").await?;
    Ok(())
}

/// Is anything due?
pub async fn any_due(conn: &mut Conn, now: Millis) -> Result<bool> {
    due::any(conn, "outbox", now).await
}

/// Takes due rows for `lease_ms`: of several servers one gets each.
pub async fn claim(conn: &mut Conn, now: Millis, lease_ms: i64, limit: i64) -> Result<Vec<OutboxRow>> {
    due::claim(conn, ("outbox", COLUMNS), now, lease_ms, limit, |row: &OutboxRow| &row.id).await
}

/// The work of a row is done; what it said is cleared.
pub async fn done(conn: &mut Conn, id: &str) -> Result<()> {
    conn.exec("UPDATE outbox SET state = 'done', payload = '', last_error = '' WHERE id = $1", vals![id]).await?;
    Ok(())
}

/// The work of a row failed: it is tried again at `due`, or given up if that is
/// `None`. Of no effect if another server claimed the row meanwhile.
pub async fn failed(conn: &mut Conn, row: &OutboxRow, error: &str, due: Option<Millis>) -> Result<()> {
    let sql = "UPDATE outbox SET state = CASE WHEN $3 THEN 'dead' ELSE state END, last_error = $2, \
               due_at = COALESCE($4, due_at) WHERE id = $1 AND state = 'waiting' AND tries = $5";
    conn.exec(sql, vals![&row.id, error, due.is_none(), due, row.tries]).await?;
    Ok(())
}

/// Gives rows back that were claimed and not worked on: they are due at `now`, and the try does not count.
pub async fn give_back(conn: &mut Conn, rows: &[OutboxRow], now: Millis) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "WITH v (row, tried) AS ({}) UPDATE outbox SET tries = tries - 1, due_at = $1 FROM v \
         WHERE outbox.id = v.row AND outbox.tries = v.tried AND state = 'waiting'",
        each_of(2, rows.len(), 2)
    );
    let mut vals = vec![Val::from(now)];
    vals.extend(rows.iter().flat_map(|row| [Val::from(&row.id), Val::from(row.tries)]));
    conn.exec(AssertSqlSafe(sql), &vals).await.map(|_| ())
}

/// A periodic job: who has it, and when it was done.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct JobRow {
    /// Its name.
    pub name: String,
    /// The process that took it last.
    pub owner: String,
    /// Until when that process has it; 0 when it gave it back.
    pub until_at: i64,
    /// When it was last done.
    pub done_at: i64,
}

/// All periodic jobs that ran ever.
pub async fn jobs(conn: &mut Conn) -> Result<Vec<JobRow>> {
    conn.all("SELECT name, owner, until_at, done_at FROM job ORDER BY name LIMIT 100", &[]).await
}

/// Takes a periodic job that was not done for `every_ms` and that nobody has in
/// hand, for `lease_ms`. False if another server was faster.
///
/// Times that lie ahead by more than [`CLOCKS_MS`] were written before the clock went back, and bind nobody.
pub async fn claim_job(
    conn: &mut Conn,
    name: &str,
    owner: &str,
    now: Millis,
    every_ms: i64,
    lease_ms: i64,
) -> Result<bool> {
    let sql = "INSERT INTO job (name, owner, until_at, done_at) VALUES ($1, $2, $3, 0) ON CONFLICT (name) DO UPDATE \
               SET owner = excluded.owner, until_at = excluded.until_at \
               WHERE (job.done_at <= $4 OR job.done_at > $6) AND (job.until_at <= $5 OR job.until_at > $7)";
    let (until, ahead) = (now.plus(lease_ms), now.plus(CLOCKS_MS));
    let vals = vals![name, owner, until, now.plus(-every_ms), now, ahead, until.plus(CLOCKS_MS)];
    Ok(conn.exec(sql, vals).await? == 1)
}

/// Renews who has a job in hand up to `until`, though that time ran out. False if another has taken it.
pub async fn renew_job(conn: &mut Conn, name: &str, owner: &str, until: Millis) -> Result<bool> {
    let sql = "UPDATE job SET until_at = $3 WHERE name = $1 AND owner = $2";
    Ok(conn.exec(sql, vals![name, owner, until]).await? == 1)
}

/// Gives a job back: done at this time, or (`None`) to be tried again from `again` on.
pub async fn end_job(conn: &mut Conn, name: &str, owner: &str, done: Option<Millis>, again: Millis) -> Result<()> {
    let sql = "UPDATE job SET done_at = COALESCE($3, done_at), until_at = CASE WHEN $5 THEN 0 ELSE $4 END \
               WHERE name = $1 AND owner = $2";
    conn.exec(sql, vals![name, owner, done, again, done.is_some()]).await?;
    Ok(())
}
