//! Categories, pools, SKUs, safety policies: reading them for pages. Finding
//! goods for lists is in [`crate::lists`], writing in [`crate::goods`].

use crate::conn::list;
pub use crate::lists::{Filter, Found, Slim, find, popular};
use crate::record::Record;
pub use crate::search::suggest;
use crate::stock::Stock;
use crate::{Conn, Result, Val, vals};
use domain::availability::Level;
use domain::ids::{BasketId, CategoryId, MemberId, PoolId, SkuId, StoreId};
use domain::safety::{Dms, Policy};
use domain::{Base, Fen, Millis, Packs};
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

/// A node of the category tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryRecord {
    /// Which category.
    pub id: CategoryId,
    /// Its code.
    pub code: String,
    /// The category above it.
    pub parent: Option<CategoryId>,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Picture's name.
    pub picture: String,
    /// Place among its siblings.
    pub sort: i64,
    /// A hand count holds up to the end of its day; else until the next one.
    pub count_holds_day: bool,
}

#[derive(Debug, Record)]
struct CategoryRow {
    id: String,
    code: String,
    parent_id: Option<String>,
    name_zh: String,
    name_en: String,
    picture: String,
    sort: i64,
    count_holds_day: bool,
}

impl From<CategoryRow> for CategoryRecord {
    fn from(row: CategoryRow) -> Self {
        Self {
            id: CategoryId::trusted(row.id),
            code: row.code,
            parent: row.parent_id.map(CategoryId::trusted),
            name_zh: row.name_zh,
            name_en: row.name_en,
            picture: row.picture,
            sort: row.sort,
            count_holds_day: row.count_holds_day,
        }
    }
}

const CATEGORIES: &str = "SELECT id, code, parent_id, name_zh, name_en, picture, sort, count_holds_day
    FROM category ORDER BY sort, code LIMIT 20000";

/// All categories, siblings in their order.
pub async fn categories(conn: &mut Conn) -> Result<Vec<CategoryRecord>> {
    let rows: Vec<CategoryRow> = conn.all(CATEGORIES, &[]).await?;
    Ok(rows.into_iter().map(CategoryRecord::from).collect())
}

/// A safety policy and where it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRecord {
    /// `sku`, `category`, `store` or `chain`.
    pub scope: String,
    /// The SKU or category; empty for store and chain.
    pub scope_id: String,
    /// The store that set it; empty for the chain.
    pub store: String,
    /// The policy.
    pub policy: Policy,
}

const POLICIES: &str =
    "SELECT scope, scope_id, store_id, policy FROM safety_policy WHERE scope <> 'sku' OR scope_id = $1 LIMIT 100000";
const SKU_POLICIES: &str = "SELECT scope, scope_id, store_id, policy FROM safety_policy LIMIT 1000000";

fn policies_from(rows: Vec<(String, String, String, String)>) -> Vec<PolicyRecord> {
    let record = |(scope, scope_id, store, policy): (String, String, String, String)| {
        Some(PolicyRecord { scope, scope_id, store, policy: policy.parse().ok()? })
    };
    rows.into_iter().filter_map(record).collect()
}

/// The policies of chain, stores and categories, and those of one SKU (none: "").
pub async fn policies(conn: &mut Conn, sku: &str) -> Result<Vec<PolicyRecord>> {
    Ok(policies_from(conn.all(POLICIES, vals![sku]).await?))
}

/// All policies, those of SKUs too.
pub async fn all_policies(conn: &mut Conn) -> Result<Vec<PolicyRecord>> {
    Ok(policies_from(conn.all(SKU_POLICIES, &[]).await?))
}

/// What can be put in a basket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SkuRecord {
    /// Which SKU.
    pub id: SkuId,
    /// Its number in the search index.
    pub num: i64,
    /// Its code.
    pub code: String,
    /// Code of the product whose variant it is.
    pub product: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// The variant's label in Chinese.
    pub option_zh: String,
    /// The variant's label in English.
    pub option_en: String,
    /// Brand in Chinese.
    pub brand_zh: String,
    /// Brand in English.
    pub brand_en: String,
    /// Barcode; may be empty.
    pub barcode: String,
    /// Leaf category.
    pub category: CategoryId,
    /// Size in Chinese.
    pub size_zh: String,
    /// Size in English.
    pub size_en: String,
    /// The scale decides what a pack costs in the end.
    pub by_weight: bool,
    /// Pool that it is sold from.
    pub pool: PoolId,
    /// Base units in a pack.
    pub pack_size: Base,
    /// Shelf price of a pack.
    pub price: Fen,
    /// Price of a pack for members.
    pub member_price: Option<Fen>,
    /// Net content of a pack.
    pub measure_amount: Option<i64>,
    /// `g`, `ml` or `piece`.
    pub measure_unit: String,
    /// Allergen codes.
    pub allergens: Vec<String>,
    /// Diet mark codes.
    pub diet: Vec<String>,
    /// `ambient`, `chilled` or `frozen`.
    pub storage: String,
    /// Buyers must be this old.
    pub age_limit: Option<u8>,
    /// Counted by hand every day.
    pub counted: bool,
    /// Picture's name.
    pub picture: String,
    /// Description in Chinese.
    pub description_zh: String,
    /// Description in English.
    pub description_en: String,
    /// Is it on sale at all?
    pub active: bool,
}

/// A SKU with its stock in one store.
#[derive(Clone, Debug, PartialEq)]
pub struct SkuInStore {
    /// The SKU.
    pub sku: SkuRecord,
    /// Its pool's stock; `None`: the store does not keep it.
    pub stock: Option<Stock>,
}

#[derive(Debug, Record)]
struct SkuRow {
    id: String,
    num: i64,
    code: String,
    product: String,
    name_zh: String,
    name_en: String,
    option_zh: String,
    option_en: String,
    brand_zh: String,
    brand_en: String,
    barcode: String,
    category_id: String,
    size_zh: String,
    size_en: String,
    by_weight: bool,
    pool_id: String,
    pack_size: i64,
    price: i64,
    member_price: Option<i64>,
    measure_amount: Option<i64>,
    measure_unit: String,
    allergens: String,
    diet: String,
    storage: String,
    age_limit: Option<i64>,
    counted: bool,
    picture: String,
    description_zh: String,
    description_en: String,
    active: bool,
    on_hand: Option<i64>,
    reserved: Option<i64>,
    safety: Option<i64>,
    as_of: Option<i64>,
    source: Option<String>,
    counted_until: Option<i64>,
    dms_normal_milli: Option<i64>,
    dms_promo_milli: Option<i64>,
    policy: Option<String>,
    promo_today: Option<bool>,
    feed_until: Option<i64>,
}

/// Lists are kept as `;a;b;`, so that a filter can look for `;a;`.
pub(crate) fn pack_list(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(";{};", words.join(";")) }
}

fn unpack_list(text: &str) -> Vec<String> {
    text.split(';').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl SkuRow {
    fn stock(&self) -> Option<Stock> {
        let told_by = self.source.as_deref()?.parse().unwrap_or(domain::stock::Kind::Correction);
        let as_of = self.as_of?;
        Some(Stock {
            pool: PoolId::trusted(self.pool_id.clone()),
            level: Level {
                on_hand: Base(self.on_hand?),
                reserved: Base(self.reserved?),
                safety: Base(self.safety?),
                as_of: Millis(as_of.max(self.feed_until.unwrap_or(0))),
                counted_until: self.counted_until.map(Millis),
            },
            stated_at: told_by.is_statement().then_some(Millis(as_of)),
            told_by,
            policy: self.policy.as_deref().and_then(|p| p.parse().ok()).unwrap_or_default(),
            dms: Dms { normal_milli: self.dms_normal_milli?, promo_milli: self.dms_promo_milli? },
            promo_today: self.promo_today?,
        })
    }
}

impl From<SkuRow> for SkuInStore {
    fn from(row: SkuRow) -> Self {
        let stock = row.stock();
        let sku = SkuRecord {
            id: SkuId::trusted(row.id),
            num: row.num,
            code: row.code,
            product: row.product,
            name_zh: row.name_zh,
            name_en: row.name_en,
            option_zh: row.option_zh,
            option_en: row.option_en,
            brand_zh: row.brand_zh,
            brand_en: row.brand_en,
            barcode: row.barcode,
            category: CategoryId::trusted(row.category_id),
            size_zh: row.size_zh,
            size_en: row.size_en,
            by_weight: row.by_weight,
            pool: PoolId::trusted(row.pool_id),
            pack_size: Base(row.pack_size),
            price: Fen(row.price),
            member_price: row.member_price.map(Fen),
            measure_amount: row.measure_amount,
            measure_unit: row.measure_unit,
            allergens: unpack_list(&row.allergens),
            diet: unpack_list(&row.diet),
            storage: row.storage,
            age_limit: row.age_limit.and_then(|age| u8::try_from(age).ok()),
            counted: row.counted,
            picture: row.picture,
            description_zh: row.description_zh,
            description_en: row.description_en,
            active: row.active,
        };
        Self { sku, stock }
    }
}

/// `SELECT` of a [`SkuRow`]; `$1` is the store.
const SKU: &str = "SELECT k.id, k.num, k.code, k.product, k.name_zh, k.name_en, k.option_zh, k.option_en, k.brand_zh,
    k.brand_en, k.barcode, k.category_id, k.size_zh, k.size_en, k.by_weight, k.pool_id, k.pack_size, k.price,
    k.member_price, k.measure_amount, k.measure_unit, k.allergens, k.diet, k.storage, k.age_limit, k.counted,
    k.picture, k.description_zh, k.description_en, k.active, s.on_hand, s.reserved, s.safety, s.as_of, s.source,
    s.counted_until, s.dms_normal_milli, s.dms_promo_milli, s.policy, s.promo_today, t.feed_until
    FROM sku k LEFT JOIN stock s ON s.store_id = $1 AND s.pool_id = k.pool_id LEFT JOIN store t ON t.id = s.store_id ";

async fn skus(conn: &mut Conn, end: &str, vals: &[Val<'_>]) -> Result<Vec<SkuInStore>> {
    let rows: Vec<SkuRow> = conn.all(AssertSqlSafe(format!("{SKU}{end}")), vals).await?;
    Ok(rows.into_iter().map(SkuInStore::from).collect())
}

/// SKUs by their ids, in no order; unknown ones are left out. At most 2,000 are looked at.
pub async fn by_id(conn: &mut Conn, store: &StoreId, ids: &[SkuId]) -> Result<Vec<SkuInStore>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = &ids[..ids.len().min(2_000)];
    let mut vals = vec![Val::from(store)];
    vals.extend(ids.iter().map(Val::from));
    skus(conn, &format!("WHERE k.id IN ({})", list(2, ids.len())), &vals).await
}

/// SKUs by their numbers, in the order of these; unknown ones are left out. At most 2,000 are looked at.
pub async fn by_num(conn: &mut Conn, store: &StoreId, nums: &[i64]) -> Result<Vec<SkuInStore>> {
    if nums.is_empty() {
        return Ok(Vec::new());
    }
    let (sql, vals) = by_num_sql(store, &nums[..nums.len().min(2_000)]);
    let rows: Vec<SkuRow> = conn.all(AssertSqlSafe(sql), &vals).await?;
    let mut items: HashMap<i64, SkuInStore> = rows.into_iter().map(|row| (row.num, SkuInStore::from(row))).collect();
    Ok(nums.iter().filter_map(|num| items.remove(num)).collect())
}

/// The statement of [`by_num`].
pub(crate) fn by_num_sql<'a>(store: &'a StoreId, nums: &[i64]) -> (String, Vec<Val<'a>>) {
    let mut vals = vec![Val::from(store)];
    vals.extend(nums.iter().map(|&num| Val::from(num)));
    (format!("{SKU}WHERE k.num IN ({})", list(2, nums.len())), vals)
}

/// A SKU by its code.
pub async fn by_code(conn: &mut Conn, store: &StoreId, code: &str) -> Result<Option<SkuInStore>> {
    Ok(skus(conn, "WHERE k.code = $2", vals![store, code]).await?.pop())
}

/// All SKUs on sale that are variants of the same product as this code, small packs first.
pub async fn variants(conn: &mut Conn, store: &StoreId, code: &str) -> Result<Vec<SkuInStore>> {
    let end = "WHERE k.product = (SELECT product FROM sku WHERE code = $2) AND k.active
        ORDER BY k.pack_size, k.price, k.code LIMIT 50";
    skus(conn, end, vals![store, code]).await
}

/// Looks at a member's last orders only, however many there are.
pub(crate) const BOUGHT: &str =
    "SELECT l.sku_id, MAX(o.placed_at) AS last FROM (SELECT store_id, id, placed_at FROM orders
    WHERE member_id = $1 AND paid > 0 ORDER BY placed_at DESC LIMIT 30) o
    CROSS JOIN order_line l WHERE l.store_id = o.store_id AND l.order_id = o.id
    GROUP BY l.sku_id ORDER BY last DESC, l.sku_id LIMIT $2";

/// SKUs that a member bought with the last 30 orders, the latest first.
pub async fn bought(conn: &mut Conn, member: &MemberId, limit: u32) -> Result<Vec<SkuId>> {
    let rows: Vec<(String, i64)> = conn.all(BOUGHT, vals![member, limit]).await?;
    Ok(rows.into_iter().map(|(id, _)| SkuId::trusted(id)).collect())
}

const IN_BASKET: &str = "SELECT sku_id, qty FROM basket_line WHERE basket_id = $1 LIMIT 1000";

/// Packs of each SKU in a basket.
pub async fn in_basket(conn: &mut Conn, basket: &BasketId) -> Result<Vec<(SkuId, Packs)>> {
    let rows: Vec<(String, i64)> = conn.all(IN_BASKET, vals![basket]).await?;
    Ok(rows.into_iter().map(|(id, n)| (SkuId::trusted(id), Packs(n))).collect())
}

const CHOICE: &str = "SELECT choice, chosen FROM ( \
    SELECT choice, chosen, 1 AS place FROM basket_line WHERE basket_id = $1 AND sku_id = $2 AND choice <> '' \
    UNION ALL SELECT choice, chosen, 2 AS place FROM substitution_choice WHERE member_id = $1 AND sku_id = $2 \
    ) AS said ORDER BY place LIMIT 1";

/// What was chosen for a SKU if it is missing, in this basket, else as it is
/// remembered under the basket's id: kind, and chosen SKUs as JSON.
pub async fn choice(conn: &mut Conn, basket: &BasketId, sku: &SkuId) -> Result<Option<(String, String)>> {
    conn.opt(CHOICE, vals![basket, sku]).await
}

/// A substitute of a SKU, and how often it was accepted, less how often declined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What was missing.
    pub sku: SkuId,
    /// What stood in.
    pub substitute: SkuId,
    /// How often that was accepted, less how often declined.
    pub accepted: i64,
}

/// What stood in for each of some SKUs before; at most 2,000 of them are looked at.
pub async fn accepted_pairs(conn: &mut Conn, skus: &[SkuId]) -> Result<Vec<Pair>> {
    let skus = &skus[..skus.len().min(2_000)];
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT sku_id, substitute_id, accepted - declined FROM substitution_pair WHERE sku_id IN ({}) LIMIT 20000",
        list(1, skus.len())
    );
    let vals: Vec<Val<'_>> = skus.iter().map(Val::from).collect();
    let rows: Vec<(String, String, i64)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    let pair = |(sku, substitute, accepted)| Pair {
        sku: SkuId::trusted(sku),
        substitute: SkuId::trusted(substitute),
        accepted,
    };
    Ok(rows.into_iter().map(pair).collect())
}

/// How often a member ordered each SKU of some categories, with the last hundred orders.
pub async fn bought_times(conn: &mut Conn, member: &MemberId, categories: &[CategoryId]) -> Result<Vec<(SkuId, i64)>> {
    let categories = &categories[..categories.len().min(2_000)];
    if categories.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT l.sku_id, CAST(COUNT(*) AS BIGINT) FROM (SELECT store_id, id FROM orders
         WHERE member_id = $1 ORDER BY placed_at DESC LIMIT 100) o CROSS JOIN order_line l CROSS JOIN sku k
         WHERE l.store_id = o.store_id AND l.order_id = o.id AND k.id = l.sku_id
         AND k.category_id IN ({}) GROUP BY l.sku_id LIMIT 10000",
        list(2, categories.len())
    );
    let mut vals = vec![Val::from(member)];
    vals.extend(categories.iter().map(Val::from));
    let rows: Vec<(String, i64)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|(id, n)| (SkuId::trusted(id), n)).collect())
}
