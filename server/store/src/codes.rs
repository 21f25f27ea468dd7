//! One-time codes, each of the session that asked for it, and the counters of what
//! visitors try.

use crate::{Conn, Result, vals};
use domain::Millis;

/// A one-time code that was sent.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct CodeRow {
    /// Its digest.
    pub code: String,
    /// When it ends.
    pub expires_at: i64,
    /// Wrong tries that it still bears.
    pub tries_left: i64,
    /// When it was sent.
    pub sent_at: i64,
}

/// The code sent to a phone for who asked for it.
pub async fn sign_in_code(conn: &mut Conn, phone: &str, asker: &str) -> Result<Option<CodeRow>> {
    let sql = "SELECT code, expires_at, tries_left, sent_at FROM sign_in_code WHERE phone = $1 AND asker = $2";
    conn.opt(sql, vals![phone, asker]).await
}

/// The codes sent to a phone, for whoever asked: the last hundred of them, newest first.
pub async fn sign_in_codes(conn: &mut Conn, phone: &str) -> Result<Vec<CodeRow>> {
    let sql = "SELECT code, expires_at, tries_left, sent_at FROM sign_in_code WHERE phone = $1 \
               ORDER BY sent_at DESC LIMIT 100";
    conn.all(sql, vals![phone]).await
}

/// Writes the code sent to a phone for who asked, over an earlier one for the same.
pub async fn put_sign_in_code(conn: &mut Conn, phone: &str, asker: &str, row: &CodeRow) -> Result<()> {
    conn.exec(
        "INSERT INTO sign_in_code (phone, asker, code, expires_at, tries_left, sent_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (phone, asker) DO UPDATE SET code = excluded.code, expires_at = excluded.expires_at,
             tries_left = excluded.tries_left, sent_at = excluded.sent_at",
        vals![phone, asker, &row.code, row.expires_at, row.tries_left, row.sent_at],
    )
    .await?;
    Ok(())
}

/// Takes one try of the code sent to a phone for who asked, and tells its digest;
/// nothing if there is none that still lives and bears one.
pub async fn spend_try(conn: &mut Conn, phone: &str, asker: &str, now: Millis) -> Result<Option<String>> {
    let sql = "UPDATE sign_in_code SET tries_left = tries_left - 1 \
               WHERE phone = $1 AND asker = $2 AND tries_left > 0 AND expires_at > $3 RETURNING code";
    let row: Option<(String,)> = conn.opt(sql, vals![phone, asker, now]).await?;
    Ok(row.map(|(code,)| code))
}

/// Ends a code: it was used.
pub async fn end_sign_in_code(conn: &mut Conn, phone: &str, asker: &str) -> Result<()> {
    conn.exec("DELETE FROM sign_in_code WHERE phone = $1 AND asker = $2", vals![phone, asker]).await?;
    Ok(())
}

/// When the last code went to a phone, for whoever asked.
pub async fn code_sent(conn: &mut Conn, phone: &str) -> Result<Option<Millis>> {
    let sql = "SELECT starts_at FROM rate WHERE scope = 'code_sent' AND subject = $1";
    let row: Option<(i64,)> = conn.opt(sql, vals![phone]).await?;
    Ok(row.map(|(at,)| Millis(at)))
}

/// Notes that a code goes to a phone now; `false` if another server sent one
/// within `pause_ms`. One that seems to be sent later than that from now was
/// sent before the clock went back.
pub async fn note_code_sent(conn: &mut Conn, phone: &str, now: Millis, pause_ms: i64) -> Result<bool> {
    let noted = conn
        .exec(
            "INSERT INTO rate (scope, subject, starts_at, count) VALUES ('code_sent', $1, $2, 1)
             ON CONFLICT (scope, subject) DO UPDATE SET starts_at = excluded.starts_at
                WHERE rate.starts_at <= $3 OR rate.starts_at > $4",
            vals![phone, now, now.plus(-pause_ms), now.plus(pause_ms)],
        )
        .await?;
    Ok(noted == 1)
}

/// Counts a try of `subject` in the window that runs (or opens one); how many
/// there are now and when the window began. A window that begins later than now
/// was opened before the clock went back, and binds nobody.
pub async fn count_try(
    conn: &mut Conn,
    scope: &str,
    subject: &str,
    now: Millis,
    window_ms: i64,
) -> Result<(i64, Millis)> {
    let row: (i64, i64) = conn
        .one(
            "INSERT INTO rate (scope, subject, starts_at, count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (scope, subject) DO UPDATE SET
                 count = CASE WHEN rate.starts_at <= $4 OR rate.starts_at > $3 THEN 1 ELSE rate.count + 1 END,
                 starts_at = CASE WHEN rate.starts_at <= $4 OR rate.starts_at > $3 THEN $3 ELSE rate.starts_at END
             RETURNING count, starts_at",
            vals![scope, subject, now, now.plus(-window_ms)],
        )
        .await?;
    Ok((row.0, Millis(row.1)))
}

/// Gives a counted try of `subject` back.
pub async fn uncount(conn: &mut Conn, scope: &str, subject: &str) -> Result<()> {
    let sql = "UPDATE rate SET count = count - 1 WHERE scope = $1 AND subject = $2 AND count > 0";
    conn.exec(sql, vals![scope, subject]).await?;
    Ok(())
}

/// Removes at most `limit` codes that were sent by a time; how many.
pub async fn delete_codes(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM sign_in_code WHERE sent_at <= $1 AND (phone, asker) IN \
               (SELECT phone, asker FROM sign_in_code WHERE sent_at <= $1 ORDER BY sent_at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}

/// Removes at most `limit` counters whose windows began by a time; how many.
pub async fn delete_counters(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM rate WHERE starts_at <= $1 AND (scope, subject) IN \
               (SELECT scope, subject FROM rate WHERE starts_at <= $1 ORDER BY starts_at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}
