//! Writing the catalogue: categories, pools, SKUs, safety policies. Every
//! write leaves rows alone that would stay the same, and says what changed.

use crate::bulk::Bulk;
use crate::catalogue::{CategoryRecord, PolicyRecord, SkuRecord, pack_list};
use crate::conn::{each_of, rows_of};
use crate::record::Record;
use crate::stores::set_where_changed;
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{PoolId, SkuId};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rows that one statement takes at most.
const ROWS: usize = 1_000;

/// Makes or changes categories by their code; answers the codes that were new or changed.
pub async fn put_categories(conn: &mut Conn, rows: &[CategoryRecord]) -> Result<Vec<String>> {
    const COLUMNS: [&str; 6] = ["parent_id", "name_zh", "name_en", "picture", "sort", "count_holds_day"];
    let mut changed = Vec::new();
    for part in rows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO category (id, code, {}) {} ON CONFLICT (code) DO UPDATE SET {} RETURNING code",
            COLUMNS.join(", "),
            rows_of(1, part.len(), 8),
            set_where_changed("category", &COLUMNS)
        );
        let mut vals = Vec::with_capacity(part.len() * 8);
        for row in part {
            vals.extend([
                Val::from(&row.id),
                Val::from(&row.code),
                Val::from(row.parent.as_ref()),
                Val::from(&row.name_zh),
                Val::from(&row.name_en),
                Val::from(&row.picture),
                Val::from(row.sort),
                Val::from(row.count_holds_day),
            ]);
        }
        let codes: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
        changed.extend(codes.into_iter().map(|(code,)| code));
    }
    Ok(changed)
}

/// Sets policies, or takes away those that are `None`: (scope, scope id, store, policy).
/// Answers how many rows changed.
pub async fn put_policies(conn: &mut Conn, set: &[PolicyRecord], unset: &[(&str, &str, &str)]) -> Result<u64> {
    const UNSET: Bulk<'static> =
        Bulk { sql: "DELETE FROM safety_policy WHERE (scope, scope_id, store_id) IN ({rows})", columns: 3 };
    let mut changed = 0;
    let sql = format!(
        "INSERT INTO safety_policy (scope, scope_id, store_id, policy) {{rows}}
         ON CONFLICT (scope, scope_id, store_id) DO UPDATE SET {}",
        set_where_changed("safety_policy", &["policy"])
    );
    let mut vals = Vec::with_capacity(set.len() * 4);
    for row in set {
        let policy = Val::from(row.policy.to_string());
        vals.extend([Val::from(&row.scope), Val::from(&row.scope_id), Val::from(&row.store), policy]);
    }
    changed += conn.bulk(Bulk { sql: &sql, columns: 4 }, &[], &vals).await?;
    let vals: Vec<Val<'_>> = unset.iter().flat_map(|(a, b, c)| [Val::from(*a), Val::from(*b), Val::from(*c)]).collect();
    changed += conn.bulk(UNSET, &[], &vals).await?;
    Ok(changed)
}

/// What is known of a SKU before an import changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: SkuId,
    /// Its number in the search index.
    pub num: i64,
    /// Digest of what was imported last.
    pub digest: String,
}

/// Ids and digests of all SKUs, by code: what an import begins with. Bounded
/// by a million, far above any supermarket.
pub async fn known_skus(conn: &mut Conn) -> Result<HashMap<String, Known>> {
    let rows: Vec<(String, String, i64, String)> =
        conn.all("SELECT code, id, num, digest FROM sku LIMIT 1000000", &[]).await?;
    let known = |(code, id, num, digest)| (code, Known { id: SkuId::trusted(id), num, digest });
    Ok(rows.into_iter().map(known).collect())
}

/// Ids and base units of all pools, by code.
pub async fn known_pools(conn: &mut Conn) -> Result<HashMap<String, (PoolId, String)>> {
    let rows: Vec<(String, String, String)> =
        conn.all("SELECT code, id, base_unit FROM pool LIMIT 1000000", &[]).await?;
    Ok(rows.into_iter().map(|(code, id, unit)| (code, (PoolId::trusted(id), unit))).collect())
}

/// Makes pools: (id, code, base unit).
pub async fn put_pools(conn: &mut Conn, rows: &[(PoolId, String, String)]) -> Result<()> {
    const POOLS: Bulk<'static> = Bulk {
        sql: "INSERT INTO pool (id, code, base_unit) {rows}
            ON CONFLICT (code) DO UPDATE SET base_unit = excluded.base_unit",
        columns: 3,
    };
    let vals: Vec<Val<'_>> =
        rows.iter().flat_map(|(id, code, unit)| [Val::from(id), Val::from(code), Val::from(unit)]).collect();
    conn.bulk(POOLS, &[], &vals).await.map(|_| ())
}

/// The columns of a SKU that an import writes, after id, num and code.
const SKU_COLUMNS: [&str; 29] = [
    "product",
    "name_zh",
    "name_en",
    "option_zh",
    "option_en",
    "brand_zh",
    "brand_en",
    "barcode",
    "category_id",
    "size_zh",
    "size_en",
    "by_weight",
    "pool_id",
    "pack_size",
    "price",
    "member_price",
    "measure_amount",
    "measure_unit",
    "allergens",
    "diet",
    "storage",
    "age_limit",
    "counted",
    "picture",
    "description_zh",
    "description_en",
    "active",
    "updated_at",
    "digest",
];

/// Writes SKUs that are new or changed, each with the digest of what was imported.
pub async fn put_skus(conn: &mut Conn, rows: &[(SkuRecord, String)], now: Millis) -> Result<()> {
    let columns = SKU_COLUMNS.len() + 3;
    let set: Vec<String> = SKU_COLUMNS.iter().map(|c| format!("{c} = excluded.{c}")).collect();
    let sql = format!(
        "INSERT INTO sku (id, num, code, {}) {{rows}} ON CONFLICT (code) DO UPDATE SET {}",
        SKU_COLUMNS.join(", "),
        set.join(", ")
    );
    let mut vals = Vec::with_capacity(rows.len() * columns);
    for (sku, digest) in rows {
        sku_vals(sku, digest, now, &mut vals);
    }
    conn.bulk(Bulk { sql: &sql, columns }, &[], &vals).await.map(|_| ())
}

fn sku_vals<'a>(sku: &'a SkuRecord, digest: &'a String, now: Millis, vals: &mut Vec<Val<'a>>) {
    vals.extend([
        Val::from(&sku.id),
        Val::from(sku.num),
        Val::from(&sku.code),
        Val::from(&sku.product),
        Val::from(&sku.name_zh),
        Val::from(&sku.name_en),
        Val::from(&sku.option_zh),
        Val::from(&sku.option_en),
        Val::from(&sku.brand_zh),
        Val::from(&sku.brand_en),
        Val::from(&sku.barcode),
        Val::from(&sku.category),
        Val::from(&sku.size_zh),
        Val::from(&sku.size_en),
        Val::from(sku.by_weight),
        Val::from(&sku.pool),
        Val::from(sku.pack_size),
        Val::from(sku.price),
        Val::from(sku.member_price),
        Val::from(sku.measure_amount),
        Val::from(&sku.measure_unit),
        Val::from(pack_list(&sku.allergens)),
        Val::from(pack_list(&sku.diet)),
        Val::from(&sku.storage),
        Val::from(sku.age_limit.map(i64::from)),
        Val::from(sku.counted),
        Val::from(&sku.picture),
        Val::from(&sku.description_zh),
        Val::from(&sku.description_en),
        Val::from(sku.active),
        Val::from(now),
        Val::from(digest),
    ]);
}

/// The highest number in the search index.
pub async fn last_num(conn: &mut Conn) -> Result<i64> {
    conn.int("SELECT MAX(num) FROM sku", &[]).await
}

/// A setting of the shop as kept in the database.
pub async fn setting(conn: &mut Conn, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn.opt("SELECT value FROM setting WHERE name = $1", vals![name]).await?;
    Ok(row.map(|(value,)| value))
}

/// Writes a setting.
pub async fn set_setting(conn: &mut Conn, name: &str, value: &str) -> Result<()> {
    let sql =
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    conn.exec(sql, vals![name, value]).await.map(|_| ())
}

/// What a row of a stock or sales file names, by its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The pool.
    pub pool: PoolId,
    /// Base units in a pack.
    pub pack_size: i64,
    /// Its leaf category.
    pub category: String,
    /// Counted by hand every day.
    pub counted: bool,
}

/// SKUs by code, by barcode and (the smallest pack's) by pool code, for files and
/// feeds. What is on sale comes before what is not.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// By SKU code.
    pub by_code: HashMap<String, Sold>,
    /// By barcode.
    pub by_barcode: HashMap<String, Sold>,
    /// Barcodes that SKUs on sale from several pools share: they name none of them.
    pub ambiguous: HashSet<String>,
    /// By pool code; the SKU with the smallest pack stands for the pool.
    pub by_pool: HashMap<String, (Sold, SkuId)>,
    /// The SKU that stands for each pool.
    pub of_pool: BTreeMap<PoolId, (SkuId, String)>,
}

/// A SKU in a look-up.
#[derive(Debug, Record)]
struct IndexRow {
    id: String,
    code: String,
    barcode: String,
    pool_id: String,
    pack_size: i64,
    category_id: String,
    counted: bool,
    active: bool,
    pool_code: String,
}

impl IndexRow {
    /// Its place among those that share a name: on sale, the smallest pack.
    fn place(&self) -> (bool, i64, &str) {
        (!self.active, self.pack_size, self.code.as_str())
    }
}

const INDEX: &str = "SELECT k.id, k.code, k.barcode, k.pool_id, k.pack_size, k.category_id, k.counted, k.active,
    p.code AS pool_code FROM sku k JOIN pool p ON p.id = k.pool_id";

/// The index over all SKUs.
pub async fn index(conn: &mut Conn) -> Result<Index> {
    let sql = format!("{INDEX} LIMIT 1000000");
    Ok(index_from(conn.all(AssertSqlSafe(sql), &[]).await?))
}

/// The index over the SKUs that these codes, barcodes or pool codes name: a look-up in each of the three.
pub async fn index_of(conn: &mut Conn, names: &[&str]) -> Result<Index> {
    let mut rows: Vec<IndexRow> = Vec::new();
    for part in names.chunks(5_000) {
        let sql = format!(
            "WITH v (name) AS ({}) {INDEX} WHERE k.num IN (
             SELECT a.num FROM v CROSS JOIN sku a WHERE a.code = v.name
             UNION SELECT b.num FROM v CROSS JOIN sku b WHERE b.barcode = v.name AND v.name <> ''
             UNION SELECT c.num FROM v CROSS JOIN pool q CROSS JOIN sku c WHERE q.code = v.name AND c.pool_id = q.id)",
            each_of(1, part.len(), 1)
        );
        let vals: Vec<Val<'_>> = part.iter().map(|name| Val::from(*name)).collect();
        rows.extend(conn.all::<IndexRow>(AssertSqlSafe(sql), &vals).await?);
    }
    Ok(index_from(rows))
}

fn index_from(mut rows: Vec<IndexRow>) -> Index {
    rows.sort_by(|a, b| a.place().cmp(&b.place()));
    let mut index = Index::default();
    for row in rows {
        let pool = PoolId::trusted(row.pool_id);
        let category = row.category_id;
        let sold = Sold { pool, pack_size: row.pack_size, category: category.clone(), counted: row.counted };
        let id = SkuId::trusted(row.id);
        index.of_pool.entry(sold.pool.clone()).or_insert_with(|| (id.clone(), category));
        index.by_pool.entry(row.pool_code).or_insert_with(|| (sold.clone(), id));
        if !row.barcode.is_empty() {
            let first = index.by_barcode.entry(row.barcode.clone()).or_insert_with(|| sold.clone());
            if row.active && first.pool != sold.pool {
                index.ambiguous.insert(row.barcode);
            }
        }
        index.by_code.insert(row.code, sold);
    }
    index.by_barcode.retain(|barcode, _| !index.ambiguous.contains(barcode));
    index
}

/// A SKU as one of those that are sold from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSku {
    /// The pool.
    pub pool: PoolId,
    /// The SKU.
    pub sku: SkuId,
    /// Its leaf category.
    pub category: domain::ids::CategoryId,
}

/// All SKUs by the pool that they are sold from; first the one that stands for the
/// pool: on sale, and the smallest pack.
pub async fn pool_skus(conn: &mut Conn) -> Result<Vec<PoolSku>> {
    let sql = "SELECT pool_id, id, category_id FROM sku ORDER BY pool_id, active DESC, pack_size, code LIMIT 1000000";
    let rows: Vec<(String, String, String)> = conn.all(sql, &[]).await?;
    let sku = |(pool, sku, category)| PoolSku {
        pool: PoolId::trusted(pool),
        sku: SkuId::trusted(sku),
        category: domain::ids::CategoryId::trusted(category),
    };
    Ok(rows.into_iter().map(sku).collect())
}

/// The SKUs that are sold from one pool, in the same order.
pub async fn skus_of_pool(conn: &mut Conn, pool: &PoolId) -> Result<Vec<PoolSku>> {
    let sql = "SELECT pool_id, id, category_id FROM sku WHERE pool_id = $1
        ORDER BY active DESC, pack_size, code LIMIT 100";
    let rows: Vec<(String, String, String)> = conn.all(sql, vals![pool]).await?;
    let sku = |(pool, sku, category)| PoolSku {
        pool: PoolId::trusted(pool),
        sku: SkuId::trusted(sku),
        category: domain::ids::CategoryId::trusted(category),
    };
    Ok(rows.into_iter().map(sku).collect())
}
