//! The message box: what the shop told a member. (`orders::add_message` writes
//! within the unit that has something to tell.)

use crate::{Conn, Result, vals};
use domain::Millis;
use domain::ids::MemberId;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct MessageRow {
    /// Which message, within the member's.
    pub id: String,
    /// What it is about: `late_payment`, `double_payment`, …
    pub kind: String,
    /// Values of the sentence, JSON list of pairs.
    pub detail: String,
    /// When it was written.
    pub at: i64,
    /// When the member marked it as read.
    pub read_at: Option<i64>,
}

/// A member's messages, newest first.
pub async fn of_member(conn: &mut Conn, member: &MemberId, limit: i64) -> Result<Vec<MessageRow>> {
    let sql =
        "SELECT id, kind, detail, at, read_at FROM message WHERE member_id = $1 ORDER BY at DESC, id DESC LIMIT $2";
    conn.all(sql, vals![member, limit]).await
}

/// How many messages a member has not read, counted up to `most`.
pub async fn unread(conn: &mut Conn, member: &MemberId, most: i64) -> Result<i64> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM \
               (SELECT 1 AS one FROM message WHERE member_id = $1 AND read_at IS NULL LIMIT $2) AS unread";
    conn.int(sql, vals![member, most]).await
}

/// Marks a member's messages up to a time as read.
pub async fn mark_read(conn: &mut Conn, member: &MemberId, up_to: Millis, now: Millis) -> Result<()> {
    let sql = "UPDATE message SET read_at = $3 WHERE member_id = $1 AND at <= $2 AND read_at IS NULL";
    conn.exec(sql, vals![member, up_to, now]).await?;
    Ok(())
}
