//! Sessions: who is signed in, a guest's basket, what was typed in a form that
//! was refused. The key is a digest of the cookie's value, so that a copy of
//! this table opens no session.

use crate::{Conn, Result, vals};
use domain::Millis;
use domain::ids::MemberId;

/// Columns of a session.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct SessionRow {
    /// What it holds, as JSON.
    pub data: String,
    /// When it ends, in UTC milliseconds.
    pub expires_at: i64,
}

/// A session that has not run out.
pub async fn load(conn: &mut Conn, id: &str, now: Millis) -> Result<Option<SessionRow>> {
    conn.opt("SELECT data, expires_at FROM session WHERE id = $1 AND expires_at > $2", vals![id, now]).await
}

/// Writes what a session holds now; `false` if it was ended meanwhile, and stays so.
pub async fn save(conn: &mut Conn, id: &str, member: Option<&str>, data: &str, expires: Millis) -> Result<bool> {
    let sql = "UPDATE session SET member_id = $2, data = $3, expires_at = $4 WHERE id = $1";
    Ok(conn.exec(sql, vals![id, member, data, expires]).await? == 1)
}

/// Writes a new session; `false` if its id is taken.
pub async fn create(conn: &mut Conn, id: &str, member: Option<&str>, data: &str, expires: Millis) -> Result<bool> {
    let made = conn
        .exec(
            "INSERT INTO session (id, member_id, data, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
            vals![id, member, data, expires],
        )
        .await?;
    Ok(made == 1)
}

/// Ends a session.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    conn.exec("DELETE FROM session WHERE id = $1", vals![id]).await?;
    Ok(())
}

/// Ends all sessions of a member.
pub async fn delete_of_member(conn: &mut Conn, member: &MemberId) -> Result<u64> {
    conn.exec("DELETE FROM session WHERE member_id = $1", vals![member]).await
}

/// Removes at most `limit` sessions that ran out; how many.
pub async fn delete_expired(conn: &mut Conn, now: Millis, limit: i64) -> Result<u64> {
    conn.exec(
        "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        vals![now, limit],
    )
    .await
}
