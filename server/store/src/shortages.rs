//! What the staff reported as missing from orders: each report has a key, so that
//! one that is sent again is not done again.

use crate::{Conn, Result, vals};
use domain::Millis;
use domain::ids::StoreId;

/// A report that was done, and what was answered to it.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct Reported {
    /// Which order.
    pub order_id: String,
    /// Lines and packs as they were reported, JSON.
    pub asked: String,
    /// What goes back to the member, in fen.
    pub back: i64,
}

/// The report of a key, if it was done before.
pub async fn reported(conn: &mut Conn, store: &StoreId, key: &str) -> Result<Option<Reported>> {
    conn.opt("SELECT order_id, asked, back FROM shortage WHERE store_id = $1 AND key = $2", vals![store, key]).await
}

/// Keeps a report; false if the key is that of another one.
pub async fn keep(conn: &mut Conn, store: &StoreId, key: &str, report: &Reported, now: Millis) -> Result<bool> {
    let sql = "INSERT INTO shortage (store_id, key, order_id, asked, back, at) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (store_id, key) DO NOTHING";
    let vals = vals![store, key, &report.order_id, &report.asked, report.back, now];
    Ok(conn.exec(sql, vals).await? == 1)
}
