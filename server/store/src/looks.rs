//! The log of looks at personal data: who of the staff's side saw whose phone
//! or address, when and why. Rows are only ever added.

use crate::conn::rows_of;
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use sqlx::AssertSqlSafe;

/// The subject of a look at all members' data.
pub const ALL: &str = "*";

/// A look as logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, crate::record::Record)]
pub struct LookRow {
    /// When.
    pub at: i64,
    /// Who: a person of the staff, a token, or who ran a command.
    pub actor: String,
    /// Whose data: the member, or [`ALL`].
    pub subject: String,
    /// What was seen, such as `phone`.
    pub what: String,
    /// Why.
    pub purpose: String,
}

/// Logs a look at the data of some subjects, by one statement for each thousand.
pub async fn add(
    conn: &mut Conn,
    subjects: &[&str],
    (actor, what, purpose): (&str, &str, &str),
    now: Millis,
) -> Result<()> {
    for part in subjects.chunks(1_000) {
        let sql = format!("INSERT INTO look_log (id, at, actor, subject, what, purpose) {}", rows_of(1, part.len(), 6));
        let mut vals = Vec::with_capacity(part.len() * 6);
        for subject in part {
            vals.extend([
                Val::from(crate::new_id()),
                Val::from(now),
                Val::from(actor),
                Val::from(*subject),
                Val::from(what),
                Val::from(purpose),
            ]);
        }
        conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    Ok(())
}

/// The looks at a member's data, the newest first, those at everybody's too.
pub async fn of(conn: &mut Conn, subject: &str) -> Result<Vec<LookRow>> {
    let sql = "SELECT at, actor, subject, what, purpose FROM look_log WHERE subject IN ($1, $2)
        ORDER BY at DESC, id DESC LIMIT 1000";
    conn.all(sql, vals![subject, ALL]).await
}
