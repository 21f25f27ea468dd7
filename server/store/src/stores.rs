//! Stores and the templates of their delivery slots.

use crate::conn::rows_of;
use crate::record::Record;
use crate::{Conn, Result, Val};
use domain::Fen;
use domain::ids::StoreId;
use sqlx::AssertSqlSafe;

/// A physical supermarket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRecord {
    /// Which store.
    pub id: StoreId,
    /// Its code, for URLs and files.
    pub code: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Latitude in millionths of a degree.
    pub lat_e6: i64,
    /// Longitude in millionths of a degree.
    pub lon_e6: i64,
    /// Address in Chinese.
    pub address_zh: String,
    /// Address in English.
    pub address_en: String,
    /// Telephone.
    pub phone: String,
    /// IANA time zone.
    pub zone: String,
    /// Opens at this minute of the day.
    pub opens_min: i64,
    /// Closes at this minute of the day.
    pub closes_min: i64,
    /// Delivers up to this far, in metres.
    pub delivery_radius_m: i64,
    /// Delivery fee.
    pub delivery_fee: Fen,
    /// Delivery is free from this goods total on.
    pub free_delivery_above: Option<Fen>,
    /// Place in the list of stores.
    pub sort: i64,
}

#[derive(Debug, Record)]
struct StoreRow {
    id: String,
    code: String,
    name_zh: String,
    name_en: String,
    lat_e6: i64,
    lon_e6: i64,
    address_zh: String,
    address_en: String,
    phone: String,
    zone: String,
    opens_min: i64,
    closes_min: i64,
    delivery_radius_m: i64,
    delivery_fee: i64,
    free_delivery_above: Option<i64>,
    sort: i64,
}

impl From<StoreRow> for StoreRecord {
    fn from(row: StoreRow) -> Self {
        Self {
            id: StoreId::trusted(row.id),
            code: row.code,
            name_zh: row.name_zh,
            name_en: row.name_en,
            lat_e6: row.lat_e6,
            lon_e6: row.lon_e6,
            address_zh: row.address_zh,
            address_en: row.address_en,
            phone: row.phone,
            zone: row.zone,
            opens_min: row.opens_min,
            closes_min: row.closes_min,
            delivery_radius_m: row.delivery_radius_m,
            delivery_fee: Fen(row.delivery_fee),
            free_delivery_above: row.free_delivery_above.map(Fen),
            sort: row.sort,
        }
    }
}

const ALL: &str = "SELECT id, code, name_zh, name_en, lat_e6, lon_e6, address_zh, address_en, phone, zone, opens_min,
    closes_min, delivery_radius_m, delivery_fee, free_delivery_above, sort FROM store ORDER BY sort, code LIMIT 10000";

/// All stores in their order.
pub async fn all(conn: &mut Conn) -> Result<Vec<StoreRecord>> {
    let rows: Vec<StoreRow> = conn.all(ALL, &[]).await?;
    Ok(rows.into_iter().map(StoreRecord::from).collect())
}

/// The columns of a store that an import writes, after id and code.
const STORE_COLUMNS: [&str; 14] = [
    "name_zh",
    "name_en",
    "lat_e6",
    "lon_e6",
    "address_zh",
    "address_en",
    "phone",
    "zone",
    "opens_min",
    "closes_min",
    "delivery_radius_m",
    "delivery_fee",
    "free_delivery_above",
    "sort",
];

/// Makes or changes stores by their code; answers the codes that were new or changed.
pub async fn put(conn: &mut Conn, stores: &[StoreRecord]) -> Result<Vec<String>> {
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "INSERT INTO store (id, code, {}) {} ON CONFLICT (code) DO UPDATE SET {} RETURNING code",
        STORE_COLUMNS.join(", "),
        rows_of(1, stores.len(), 16),
        set_where_changed("store", &STORE_COLUMNS)
    );
    let mut vals = Vec::with_capacity(stores.len() * 16);
    for s in stores {
        vals.extend([
            Val::from(&s.id),
            Val::from(&s.code),
            Val::from(&s.name_zh),
            Val::from(&s.name_en),
            Val::from(s.lat_e6),
            Val::from(s.lon_e6),
            Val::from(&s.address_zh),
            Val::from(&s.address_en),
            Val::from(&s.phone),
            Val::from(&s.zone),
            Val::from(s.opens_min),
            Val::from(s.closes_min),
            Val::from(s.delivery_radius_m),
            Val::from(s.delivery_fee),
            Val::from(s.free_delivery_above),
            Val::from(s.sort),
        ]);
    }
    let codes: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    Ok(codes.into_iter().map(|(code,)| code).collect())
}

/// `a = excluded.a, … WHERE t.a IS DISTINCT FROM excluded.a OR …`: an upsert
/// that leaves rows alone that would stay the same.
pub(crate) fn set_where_changed(table: &str, columns: &[&str]) -> String {
    let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
    let differ: Vec<String> = columns.iter().map(|c| format!("{table}.{c} IS DISTINCT FROM excluded.{c}")).collect();
    format!("{} WHERE {}", set.join(", "), differ.join(" OR "))
}

/// A delivery or pick-up window that a store opens on some weekdays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotTemplate {
    /// The store.
    pub store: StoreId,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Starts at this minute of the day.
    pub start_min: i64,
    /// Ends at this minute of the day.
    pub end_min: i64,
    /// Weekdays as digits, Monday = 1.
    pub weekdays: String,
    /// Orders that fit in.
    pub capacity: i64,
    /// Closes so many minutes before its start.
    pub cutoff_min: i64,
}

/// The slot templates of all stores.
pub async fn slot_templates(conn: &mut Conn) -> Result<Vec<SlotTemplate>> {
    type Row = (String, String, i64, i64, String, i64, i64);
    let sql = "SELECT store_id, kind, start_min, end_min, weekdays, capacity, cutoff_min FROM slot_template
        ORDER BY store_id, kind, start_min, end_min LIMIT 100000";
    let rows: Vec<Row> = conn.all(sql, &[]).await?;
    let template = |(store, kind, start_min, end_min, weekdays, capacity, cutoff_min): Row| SlotTemplate {
        store: StoreId::trusted(store),
        kind,
        start_min,
        end_min,
        weekdays,
        capacity,
        cutoff_min,
    };
    Ok(rows.into_iter().map(template).collect())
}

/// Makes or changes slot templates; answers how many were new or changed.
pub async fn put_slot_templates(conn: &mut Conn, rows: &[SlotTemplate]) -> Result<u64> {
    let mut changed = 0;
    for part in rows.chunks(1_000) {
        let sql = format!(
            "INSERT INTO slot_template (store_id, kind, start_min, end_min, weekdays, capacity, cutoff_min) {}
             ON CONFLICT (store_id, kind, start_min, end_min) DO UPDATE SET {}",
            rows_of(1, part.len(), 7),
            set_where_changed("slot_template", &["weekdays", "capacity", "cutoff_min"])
        );
        let mut vals = Vec::with_capacity(part.len() * 7);
        for row in part {
            vals.extend([
                Val::from(&row.store),
                Val::from(&row.kind),
                Val::from(row.start_min),
                Val::from(row.end_min),
                Val::from(&row.weekdays),
                Val::from(row.capacity),
                Val::from(row.cutoff_min),
            ]);
        }
        changed += conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    Ok(changed)
}
