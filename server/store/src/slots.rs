//! Delivery and pick-up windows: opened from their templates, taken and given
//! back by conditional updates.

use crate::conn::{each_of, each_one, rows_of};
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{SlotId, StoreId};

/// A weekly template.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct TemplateRow {
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Start, minutes from midnight in the store's zone.
    pub start_min: i64,
    /// End.
    pub end_min: i64,
    /// Weekdays as digits, Monday = 1.
    pub weekdays: String,
    /// Orders that it can hold.
    pub capacity: i64,
    /// It closes so many minutes before it starts.
    pub cutoff_min: i64,
}

/// A window on one day.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct SlotRow {
    /// Which one.
    pub id: String,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Local day, as days since 1970.
    pub day: i64,
    /// Start.
    pub starts_at: i64,
    /// End.
    pub ends_at: i64,
    /// It can no longer be chosen from then on.
    pub cutoff_at: i64,
    /// Orders that it can hold.
    pub capacity: i64,
    /// Orders that it holds.
    pub taken: i64,
}

macro_rules! slot_columns {
    () => {
        "id, kind, day, starts_at, ends_at, cutoff_at, capacity, taken"
    };
}

/// The stores with their zones.
pub async fn store_zones(conn: &mut Conn) -> Result<Vec<(StoreId, String)>> {
    let rows: Vec<(String, String)> = conn.all("SELECT id, zone FROM store ORDER BY id LIMIT 10000", &[]).await?;
    Ok(rows.into_iter().map(|(id, zone)| (StoreId::trusted(id), zone)).collect())
}

/// What checkout and orders need of a store.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct StoreTerms {
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Address in Chinese.
    pub address_zh: String,
    /// Address in English.
    pub address_en: String,
    /// Telephone.
    pub phone: String,
    /// Time zone.
    pub zone: String,
    /// Latitude in millionths of a degree.
    pub lat_e6: i64,
    /// Longitude in millionths of a degree.
    pub lon_e6: i64,
    /// It delivers so far, in metres.
    pub delivery_radius_m: i64,
    /// Delivery fee, in fen.
    pub delivery_fee: i64,
    /// Free from this goods total on, in fen.
    pub free_delivery_above: Option<i64>,
}

/// One store's terms.
pub async fn store_terms(conn: &mut Conn, store: &StoreId) -> Result<Option<StoreTerms>> {
    let sql = "SELECT name_zh, name_en, address_zh, address_en, phone, zone, lat_e6, lon_e6, delivery_radius_m, \
               delivery_fee, free_delivery_above FROM store WHERE id = $1";
    conn.opt(sql, vals![store]).await
}

/// The templates of a store.
pub async fn templates(conn: &mut Conn, store: &StoreId) -> Result<Vec<TemplateRow>> {
    let sql = "SELECT kind, start_min, end_min, weekdays, capacity, cutoff_min FROM slot_template \
               WHERE store_id = $1 ORDER BY kind, start_min, end_min LIMIT 500";
    conn.all(sql, vals![store]).await
}

/// Opens windows; one that is there takes over capacity and cut-off. How many changed.
pub async fn open(conn: &mut Conn, store: &StoreId, slots: &[SlotRow]) -> Result<u64> {
    let mut changed = 0;
    for chunk in slots.chunks(500) {
        let sql = format!(
            "INSERT INTO slot (store_id, id, kind, day, starts_at, ends_at, cutoff_at, capacity) {} \
             ON CONFLICT (store_id, id) DO UPDATE SET capacity = excluded.capacity, cutoff_at = excluded.cutoff_at \
             WHERE slot.capacity <> excluded.capacity OR slot.cutoff_at <> excluded.cutoff_at",
            rows_of(1, chunk.len(), 8)
        );
        let mut vals: Vec<Val<'_>> = Vec::with_capacity(chunk.len() * 8);
        for s in chunk {
            let row = vals![store, &s.id, &s.kind, s.day, s.starts_at, s.ends_at, s.cutoff_at, s.capacity].to_vec();
            vals.extend(row);
        }
        changed += conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    }
    Ok(changed)
}

/// The windows of a store that are not over yet, in order.
pub async fn coming(conn: &mut Conn, store: &StoreId, kind: &str, now: Millis) -> Result<Vec<SlotRow>> {
    let sql = concat!(
        "SELECT ",
        slot_columns!(),
        " FROM slot WHERE store_id = $1 AND kind = $2 AND starts_at > $3 ORDER BY starts_at, ends_at LIMIT 200"
    );
    conn.all(sql, vals![store, kind, now]).await
}

/// Some windows of a store.
pub async fn by_ids(conn: &mut Conn, store: &StoreId, slots: &[&SlotId]) -> Result<Vec<SlotRow>> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        concat!("SELECT ", slot_columns!(), " FROM slot WHERE store_id = $1 AND id {}"),
        each_one(2, slots.len())
    );
    let mut vals = vals![store].to_vec();
    vals.extend(slots.iter().map(|slot| Val::from(*slot)));
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Takes places in windows before their cut-off, given as (window, places);
/// false if one of them has not so many left.
pub async fn take_all(conn: &mut Conn, store: &StoreId, takes: &[(&str, i64)], now: Millis) -> Result<bool> {
    let sql = format!(
        "WITH v (slot_id, places) AS ({}) UPDATE slot SET taken = taken + v.places FROM v \
         WHERE store_id = $1 AND id = v.slot_id AND cutoff_at > $2 AND taken + v.places <= capacity",
        each_of(3, takes.len(), 2)
    );
    let mut vals = vals![store, now].to_vec();
    for (slot, places) in takes {
        vals.extend([Val::from(*slot), Val::from(*places)]);
    }
    Ok(conn.exec(sqlx::AssertSqlSafe(sql), &vals).await? == takes.len() as u64)
}

/// Takes a place in a window of this kind before its cut-off; `None` if there is none left.
pub async fn take(conn: &mut Conn, store: &StoreId, slot: &SlotId, kind: &str, now: Millis) -> Result<Option<SlotRow>> {
    let sql = concat!(
        "UPDATE slot SET taken = taken + 1 WHERE store_id = $1 AND id = $2 AND kind = $3 AND cutoff_at > $4 \
         AND taken < capacity RETURNING ",
        slot_columns!()
    );
    conn.opt(sql, vals![store, slot, kind, now]).await
}

/// Gives a place back.
pub async fn give(conn: &mut Conn, store: &StoreId, slot: &SlotId) -> Result<bool> {
    let sql = "UPDATE slot SET taken = taken - 1 WHERE store_id = $1 AND id = $2 AND taken > 0";
    Ok(conn.exec(sql, vals![store, slot]).await? == 1)
}
