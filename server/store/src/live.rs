//! What the live stream asks: where goods are sold from, and how far orders are.

use crate::conn::list;
use crate::{Conn, Result, Val};
use domain::ids::SkuId;
use sqlx::AssertSqlSafe;

/// Rows that one statement asks for at most.
pub const MOST: usize = 500;

/// The pools that SKUs (at most [`MOST`] of them) are sold from: (SKU, pool).
pub async fn pools_of_skus(conn: &mut Conn, skus: &[SkuId]) -> Result<Vec<(String, String)>> {
    let skus = &skus[..skus.len().min(MOST)];
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT id, pool_id FROM sku WHERE id IN ({})", list(1, skus.len()));
    let vals: Vec<Val<'_>> = skus.iter().map(Val::from).collect();
    conn.all(AssertSqlSafe(sql), &vals).await
}

/// Code, version and state of orders (at most [`MOST`] of them).
pub async fn order_versions(conn: &mut Conn, codes: &[&str]) -> Result<Vec<(String, i64, String)>> {
    let codes = &codes[..codes.len().min(MOST)];
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT code, version, state FROM orders WHERE code IN ({})", list(1, codes.len()));
    let vals: Vec<Val<'_>> = codes.iter().map(|code| Val::from(*code)).collect();
    conn.all(AssertSqlSafe(sql), &vals).await
}
