//! Tables as files: pages of rows in the order of their keys, so that an
//! export of any size needs little memory and holds up nobody.

use crate::{Conn, Result, vals};

/// Rows of a page.
pub const PAGE: i64 = 2_000;

/// An order, as exported. Money in fen, times in UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct OrderRow {
    /// Key of the page: the store.
    pub store_id: String,
    /// Key of the page: the order.
    pub id: String,
    /// Its code.
    pub code: String,
    /// Code of the store.
    pub store: String,
    /// Who placed it.
    pub member_id: String,
    /// The member's phone, to be masked.
    pub phone: String,
    /// Its state.
    pub state: String,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// When it was placed.
    pub placed_at: i64,
    /// Start of its slot.
    pub slot_starts_at: i64,
    /// Goods at shelf price.
    pub goods: i64,
    /// Discount in all.
    pub discount: i64,
    /// Delivery fee.
    pub delivery_fee: i64,
    /// To pay.
    pub total: i64,
    /// Paid.
    pub paid: i64,
    /// Refunded.
    pub refunded: i64,
}

/// Orders after the one of a store with an id.
pub async fn orders(conn: &mut Conn, after: (&str, &str)) -> Result<Vec<OrderRow>> {
    conn.all(
        "SELECT o.store_id, o.id, o.code, s.code AS store, o.member_id, m.phone, o.state, o.kind, o.placed_at,
                o.slot_starts_at, o.goods, o.discount, o.delivery_fee, o.total, o.paid, o.refunded
         FROM orders o CROSS JOIN store s CROSS JOIN member m
         WHERE s.id = o.store_id AND m.id = o.member_id AND (o.store_id, o.id) > ($1, $2)
         ORDER BY o.store_id, o.id LIMIT $3",
        vals![after.0, after.1, PAGE],
    )
    .await
}

/// A level of stock, as exported, in base units.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct StockRow {
    /// Key of the page: the store.
    pub store_id: String,
    /// Key of the page: the pool.
    pub pool_id: String,
    /// Code of the store.
    pub store: String,
    /// Code of the pool.
    pub pool: String,
    /// On hand.
    pub on_hand: i64,
    /// Reserved.
    pub reserved: i64,
    /// Kept on the shelf.
    pub safety: i64,
    /// When it was told.
    pub as_of: i64,
    /// By what.
    pub source: String,
}

/// Levels after those of a store and pool.
pub async fn stock(conn: &mut Conn, after: (&str, &str)) -> Result<Vec<StockRow>> {
    conn.all(
        "SELECT k.store_id, k.pool_id, s.code AS store, p.code AS pool, k.on_hand, k.reserved, k.safety, k.as_of,
                k.source
         FROM stock k CROSS JOIN store s CROSS JOIN pool p
         WHERE s.id = k.store_id AND p.id = k.pool_id AND (k.store_id, k.pool_id) > ($1, $2)
         ORDER BY k.store_id, k.pool_id LIMIT $3",
        vals![after.0, after.1, PAGE],
    )
    .await
}

/// A SKU, as exported. Money in fen.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct SkuRow {
    /// Its code, key of the page.
    pub code: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Barcode.
    pub barcode: String,
    /// Code of its category.
    pub category: String,
    /// Code of its pool.
    pub pool: String,
    /// Base units in a pack.
    pub pack_size: i64,
    /// Shelf price.
    pub price: i64,
    /// Member price.
    pub member_price: Option<i64>,
    /// Is it sold?
    pub active: bool,
}

/// SKUs after the one with the code `after`.
pub async fn skus(conn: &mut Conn, after: &str) -> Result<Vec<SkuRow>> {
    conn.all(
        "SELECT k.code, k.name_zh, k.name_en, k.barcode, c.code AS category, p.code AS pool, k.pack_size, k.price,
                k.member_price, k.active
         FROM sku k JOIN category c ON c.id = k.category_id JOIN pool p ON p.id = k.pool_id
         WHERE k.code > $1 ORDER BY k.code LIMIT $2",
        vals![after, PAGE],
    )
    .await
}

/// Writes a whole, consistent copy of an SQLite database into a new or empty file, while others read and write it.
///
/// # Errors
/// [`crate::Error::Sql`] if there is anything in the file or it cannot be written.
pub async fn copy_sqlite(conn: &mut Conn, path: &str) -> Result<()> {
    // Connections for reading refuse all writing, also into another file.
    conn.raw("PRAGMA query_only = OFF").await?;
    let copied = conn.exec("VACUUM INTO $1", vals![path]).await;
    conn.raw("PRAGMA query_only = ON").await?;
    copied.map(|_| ())
}
