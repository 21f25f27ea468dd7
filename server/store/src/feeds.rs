//! Batches from the tills: each is applied once, whatever the network repeats.

use crate::{Conn, Result, vals};
use domain::Millis;
use domain::ids::StoreId;

/// What was answered to a batch.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct Answered {
    /// Digest of the batch's content.
    pub body_hash: String,
    /// The answer, JSON.
    pub answer: String,
}

/// The answer that a batch was given already, if it came before.
pub async fn answered(conn: &mut Conn, store: &StoreId, key: &str) -> Result<Option<Answered>> {
    conn.opt("SELECT body_hash, answer FROM feed_batch WHERE store_id = $1 AND key = $2", vals![store, key]).await
}

/// Keeps the answer to a batch. Two servers with the same batch at once: one
/// of them fails here on the key, and its unit is undone.
pub async fn keep(
    conn: &mut Conn,
    (store, key, source): (&StoreId, &str, &str),
    answered: &Answered,
    now: Millis,
) -> Result<()> {
    let sql = "INSERT INTO feed_batch (store_id, key, source, body_hash, answer, at) VALUES ($1, $2, $3, $4, $5, $6)";
    conn.exec(sql, vals![store, key, source, &answered.body_hash, &answered.answer, now]).await.map(|_| ())
}
