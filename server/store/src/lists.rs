//! Finding goods for lists: categories, searches, deals, what sells most.
//!
//! A list costs what it shows, not what the catalogue holds. What sells most
//! is a walk along the index `stock_sales` that stops when enough is found. A
//! category with few goods is ranked whole. One with [`Size::Many`] is ranked
//! among the store's best sellers and as many others as fill a list: its best
//! sellers come first in their order, and its tail is cut. What a search looks at
//! stands in `search.rs`.

use crate::conn::{Kind, list};
use crate::dialect;
use crate::record::Record;
use crate::search::{Limits, Named, hits};
use crate::tokens::{Phrase, Term};
use crate::{Conn, Result, Val, vals};
use domain::ids::{CategoryId, SkuId, StoreId};
use domain::view::Sort;
use domain::{Fen, Millis};
use sqlx::AssertSqlSafe;

/// Goods of categories and deals that are ranked whole.
const SCOPE_FEW: usize = 2_000;
/// Best sellers of a store that are looked through for a list of many.
const BEST: usize = 2_000;
/// Others that fill up a list of many.
const OTHERS: usize = 1_000;

/// The store keeps it and at least one pack is sellable; `$2` is the time.
const BUYABLE: &str = "s.on_hand - s.reserved - s.safety >= k.pack_size
    AND (s.counted_until IS NULL OR s.counted_until > $2)";

/// `k` with its stock `s` in the store. `CROSS JOIN` keeps SQLite to the order
/// in which the tables are named; to PostgreSQL it is a join like any other.
pub(crate) const IN_STORE: &str = "CROSS JOIN stock s";
pub(crate) const SAME_POOL: &str = "s.store_id = $1 AND s.pool_id = k.pool_id";

/// A SKU as a list sorts and filters it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slim {
    /// Which SKU.
    pub id: SkuId,
    /// Its number.
    pub num: i64,
    /// Its leaf category.
    pub category: CategoryId,
    /// Brand in Chinese.
    pub brand_zh: String,
    /// Brand in English.
    pub brand_en: String,
    /// Shelf price.
    pub price: Fen,
    /// Member price.
    pub member_price: Option<Fen>,
    /// Net content of a pack.
    pub measure_amount: Option<i64>,
}

#[derive(Debug, Record)]
struct SlimRow {
    id: String,
    num: i64,
    category_id: String,
    brand_zh: String,
    brand_en: String,
    price: i64,
    member_price: Option<i64>,
    measure_amount: Option<i64>,
    /// How many hits of a search were ranked.
    hits: i64,
}

impl From<SlimRow> for Slim {
    fn from(row: SlimRow) -> Self {
        Self {
            id: SkuId::trusted(row.id),
            num: row.num,
            category: CategoryId::trusted(row.category_id),
            brand_zh: row.brand_zh,
            brand_en: row.brand_en,
            price: Fen(row.price),
            member_price: row.member_price.map(Fen),
            measure_amount: row.measure_amount,
        }
    }
}

/// What a list is made of.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Terms that must all match; none: no search.
    pub terms: Vec<Term>,
    /// Names that hold this come first.
    pub phrase: Option<Phrase>,
    /// In one of these categories; `None`: in any.
    pub categories: Option<Vec<CategoryId>>,
    /// One of these SKUs, or in one of these categories; `None`: any.
    pub among: Option<(Vec<SkuId>, Vec<CategoryId>)>,
    /// Brand, in either language.
    pub brand: Option<String>,
    /// Diet mark that must be there.
    pub diet: Option<String>,
    /// Allergen that must not be there.
    pub without: Option<String>,
    /// At least one pack is sellable.
    pub in_stock: bool,
    /// Order.
    pub sort: Sort,
    /// Member prices hold.
    pub is_member: bool,
}

/// How many goods a list is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// None: no word of the search is known, or the categories are empty.
    None,
    /// Few enough to rank them all.
    Few,
    /// So many that only the best sellers and some others are ranked.
    Many,
}

/// What a list is filled with.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The goods, in the order of the filter.
    pub goods: Vec<Slim>,
    /// There are more than these.
    pub more: bool,
}

/// SKUs of a store that pass a filter, in its order, at most `limit`.
pub async fn find(conn: &mut Conn, store: &StoreId, filter: &Filter, now: Millis, limit: u32) -> Result<Found> {
    let size = size(conn, filter).await?;
    if size == Size::None {
        return Ok(Found::default());
    }
    let searched = !filter.terms.is_empty();
    if let Some(best) = Limits::of_best_names(filter) {
        let (hits, goods) = found(conn, find_sql(conn.kind(), store, filter, now, limit, (size, best))).await?;
        if best.is_full(hits, goods.len()) {
            return Ok(Found { goods, more: true });
        }
    }
    let limits = Limits::of(filter);
    let (hits, goods) = found(conn, find_sql(conn.kind(), store, filter, now, limit, (size, limits))).await?;
    let cut = size == Size::Many || (searched && hits >= limits.whole());
    let more = !goods.is_empty() && (cut || goods.len() >= limit as usize);
    Ok(Found { goods, more })
}

/// How many hits a statement ranked, and the goods that it found.
async fn found(conn: &mut Conn, (sql, vals): (String, Vec<Val<'_>>)) -> Result<(usize, Vec<Slim>)> {
    let rows: Vec<SlimRow> = conn.all(AssertSqlSafe(sql), &vals).await?;
    let hits = rows.first().map_or(0, |row| usize::try_from(row.hits).unwrap_or_default());
    Ok((hits, rows.into_iter().map(Slim::from).collect()))
}

/// Counts as far as it matters: up to one more than few. One statement, or none
/// where all goods are asked for, or an order that only a whole list has.
async fn size(conn: &mut Conn, filter: &Filter) -> Result<Size> {
    let Some((sql, vals, few)) = size_sql(filter) else { return Ok(Size::Few) };
    let n = usize::try_from(conn.int(AssertSqlSafe(sql), &vals).await?).unwrap_or_default();
    Ok(match n {
        0 => Size::None,
        n if n > few && is_by_sales(filter) => Size::Many,
        _ => Size::Few,
    })
}

pub(crate) fn is_by_sales(filter: &Filter) -> bool {
    matches!(filter.sort, Sort::Relevance | Sort::Sales)
}

/// The statement of [`size`], and how many are few.
fn size_sql(filter: &Filter) -> Option<(String, Vec<Val<'_>>, usize)> {
    let scoped = filter.categories.is_some() || filter.among.is_some();
    if !filter.terms.is_empty() || !is_by_sales(filter) || !scoped {
        return None;
    }
    let mut vals = Vec::new();
    let scope = scope(filter, &mut vals);
    let sql = format!("SELECT k.num FROM sku k WHERE k.active = TRUE{scope}");
    Some((count_sql(&sql, SCOPE_FEW), vals, SCOPE_FEW))
}

/// How many rows a query has; at most one more than `few` are counted.
fn count_sql(sql: &str, few: usize) -> String {
    format!("SELECT COUNT(*) FROM ({sql} LIMIT {}) AS counted", few + 1)
}

/// ` AND …`: in the filter's categories, and among its deals.
fn scope<'a>(filter: &'a Filter, vals: &mut Vec<Val<'a>>) -> String {
    let mut cond = String::new();
    if let Some(categories) = &filter.categories {
        cond = format!(" AND {}", one_of("k.category_id", categories.iter().map(Val::from), vals));
    }
    if let Some((skus, categories)) = &filter.among {
        // A part that never holds would keep SQLite from the indexes of the other.
        let mut parts = Vec::new();
        if !skus.is_empty() || categories.is_empty() {
            parts.push(one_of("k.id", skus.iter().map(Val::from), vals));
        }
        if !categories.is_empty() {
            parts.push(one_of("k.category_id", categories.iter().map(Val::from), vals));
        }
        cond = format!("{cond} AND ({})", parts.join(" OR "));
    }
    cond
}

/// What a SKU `k` with its stock `s` must be for a filter.
fn condition<'a>(filter: &'a Filter, vals: &mut Vec<Val<'a>>) -> String {
    // Every parameter has a use, so that PostgreSQL knows its type.
    let stock = if filter.in_stock { BUYABLE } else { "$2 >= 0" };
    let mut cond = format!("k.active = TRUE AND {stock}{}", scope(filter, vals));
    if let Some(brand) = &filter.brand {
        vals.push(Val::from(brand));
        cond = format!("{cond} AND ${n} IN (k.brand_zh, k.brand_en)", n = vals.len());
    }
    for (column, word, not) in [("k.diet", &filter.diet, ""), ("k.allergens", &filter.without, "NOT ")] {
        if let Some(word) = word {
            vals.push(Val::from(format!("%;{};%", word.replace(['%', '_', ';'], ""))));
            cond = format!("{cond} AND {column} {not}LIKE ${}", vals.len());
        }
    }
    cond
}

/// The statement of [`find`]: parts that are ours, values as parameters.
fn find_sql<'a>(
    kind: Kind,
    store: &'a StoreId,
    filter: &'a Filter,
    now: Millis,
    limit: u32,
    (size, limits): (Size, Limits),
) -> (String, Vec<Val<'a>>) {
    let mut vals = vec![Val::from(store), Val::from(now)];
    let searched = !filter.terms.is_empty();
    if searched {
        let (all, names) = dialect::match_params(kind, &filter.terms);
        vals.extend([Val::from(all), Val::from(names)]);
    }
    let cond = condition(filter, &mut vals);
    let phrase = filter.phrase.as_ref().filter(|_| searched && filter.sort == Sort::Relevance);
    let named = phrase.map(|phrase| Named::new(kind, phrase, &mut vals)).unwrap_or_default();
    let everything = filter.categories.is_none() && filter.among.is_none();
    let hit = match (searched, size) {
        (true, _) => Some(hits(kind, limits, named.said)),
        (false, Size::Many) => Some(many_in_scope(filter, &cond)),
        (false, _) => None,
    };
    let (with, from, joined, rank) = match hit {
        Some(hit) => {
            let from = format!("hit CROSS JOIN sku k {IN_STORE}");
            let rank = format!("{}hit.in_names, ", named.order);
            (format!("WITH hit AS ({hit}) "), from, "k.num = hit.num AND ", rank)
        }
        None if everything => (String::new(), "stock s CROSS JOIN sku k".to_owned(), "", String::new()),
        None => (String::new(), format!("sku k {IN_STORE}"), "", String::new()),
    };
    let hits = if searched { "(SELECT COUNT(*) FROM hit)" } else { "CAST(0 AS BIGINT)" };
    let price = if filter.is_member { "COALESCE(k.member_price, k.price)" } else { "k.price" };
    // Where all goods are walked, those that sell alike come as the index has them.
    let sales = if everything && !searched { "s.sales DESC, s.pool_id" } else { "s.sales DESC" };
    let order = match filter.sort {
        Sort::Relevance => format!("{rank}{sales}"),
        Sort::Sales => sales.to_owned(),
        Sort::PriceUp => format!("{price}, {sales}"),
        Sort::PriceDown => format!("{price} DESC, {sales}"),
        Sort::UnitPrice => format!("{price} * 100000 / COALESCE(k.measure_amount, 1), {sales}"),
    };
    vals.push(Val::from(limit));
    let sql = format!(
        "{with}SELECT k.id, k.num, k.category_id, k.brand_zh, k.brand_en, k.price, k.member_price, k.measure_amount,
         {hits} AS hits FROM {from} WHERE {joined}{SAME_POOL} AND {cond}{} ORDER BY {order}, k.code LIMIT ${}",
        named.holds,
        vals.len()
    );
    (sql, vals)
}

/// The best sellers of the store, as `b`: read from the index alone where no level is asked for.
fn best(filter: &Filter) -> String {
    let levels = if filter.in_stock { ", on_hand, reserved, safety, counted_until" } else { "" };
    format!("(SELECT pool_id{levels} FROM stock WHERE store_id = $1 ORDER BY sales DESC, pool_id LIMIT {BEST}) b")
}

/// The condition as it filters SKUs that are found by a pool of the [`best`]: the
/// categories' index is of no use there, and must not tempt the planner.
fn by_pool(cond: &str) -> String {
    let cond = cond.replace("k.category_id IN", "(k.category_id || '') IN").replace("k.id IN", "(k.id || '') IN");
    cond.replace(" s.", " b.").replace("(s.", "(b.")
}

/// `hit (num, in_names)` of categories with many goods.
fn many_in_scope(filter: &Filter, cond: &str) -> String {
    format!(
        "SELECT num, MIN(c) AS in_names FROM (
         SELECT k.num, 0 AS c FROM {best} CROSS JOIN sku k WHERE k.pool_id = b.pool_id AND {by_pool}
         UNION ALL SELECT num, c FROM (
         SELECT k.num, 0 AS c FROM sku k {IN_STORE} WHERE {SAME_POOL} AND {cond} LIMIT {OTHERS}) AS other
         ) AS near GROUP BY num",
        best = best(filter),
        by_pool = by_pool(cond)
    )
}

/// Will a filter leave out much of what a search finds?
pub(crate) fn is_narrow(filter: &Filter) -> bool {
    let Filter { categories, among, brand, diet, without, .. } = filter;
    categories.is_some() || among.is_some() || brand.is_some() || diet.is_some() || without.is_some()
}

/// `column IN (…)`, or what never holds for an empty list.
fn one_of<'a>(column: &str, items: impl Iterator<Item = Val<'a>>, vals: &mut Vec<Val<'a>>) -> String {
    let first = vals.len() + 1;
    vals.extend(items.take(10_000));
    let count = vals.len() + 1 - first;
    if count == 0 { "1 = 0".to_owned() } else { format!("{column} IN ({})", list(first, count)) }
}

const POPULAR: &str = "SELECT k.id FROM stock s CROSS JOIN sku k
    WHERE s.store_id = $1 AND k.pool_id = s.pool_id AND k.active = TRUE
    AND s.on_hand - s.reserved - s.safety >= k.pack_size
    AND (s.counted_until IS NULL OR s.counted_until > $2)
    ORDER BY s.sales DESC, s.pool_id, k.code LIMIT $3";

/// Best sellers of a store for the search index: numbers of SKUs with what they
/// sell, the best first.
pub async fn best_sellers(conn: &mut Conn, store: &StoreId, limit: u32) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT k.num, s.sales FROM stock s CROSS JOIN sku k
        WHERE s.store_id = $1 AND k.pool_id = s.pool_id AND k.active = TRUE
        ORDER BY s.sales DESC, s.pool_id, k.code LIMIT $2";
    conn.all(sql, vals![store, limit]).await
}

/// SKUs that sell most in a store and can be bought now.
pub async fn popular(conn: &mut Conn, store: &StoreId, now: Millis, limit: u32) -> Result<Vec<SkuId>> {
    let rows: Vec<(String,)> = conn.all(POPULAR, vals![store, now, limit]).await?;
    Ok(rows.into_iter().map(|(id,)| SkuId::trusted(id)).collect())
}

/// A statement of this module with its parameters, for a look at its plan.
#[cfg(feature = "testing")]
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// What it is for.
    pub name: &'static str,
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub vals: Vec<Val<'a>>,
}

/// The statements that pages wait for: lists of each kind, of few and of many
/// goods, suggestions, what sells most, and what a member bought.
#[cfg(feature = "testing")]
pub fn statements<'a>(kind: Kind, store: &'a StoreId, filters: &'a [(&'static str, Filter)]) -> Vec<Statement<'a>> {
    let (now, limit) = (Millis(1), 10);
    let mut all = Vec::new();
    for (name, filter) in filters {
        let counted = size_sql(filter);
        let sizes = if counted.is_some() && is_by_sales(filter) { 2 } else { 1 };
        all.extend(counted.map(|(sql, vals, _)| Statement { name: "a size", sql, vals }));
        for size in [Size::Few, Size::Many].into_iter().take(sizes) {
            let (sql, vals) = find_sql(kind, store, filter, now, limit, (size, Limits::of(filter)));
            all.push(Statement { name, sql, vals });
        }
        if !filter.terms.is_empty() {
            let best = Limits::of_best_names(filter).into_iter();
            all.extend(best.map(|best| {
                let (sql, vals) = find_sql(kind, store, filter, now, limit, (Size::Few, best));
                Statement { name, sql, vals }
            }));
            let typed = (filter.terms.as_slice(), filter.phrase.as_ref());
            let suggested = crate::search::statements(kind, store, typed, limit);
            all.extend(suggested.into_iter().map(|(sounds, (sql, vals))| {
                let name = if sounds { "a phrase's sound" } else { name };
                Statement { name, sql, vals }
            }));
        }
    }
    let vals = vec![Val::from(store), Val::from(now), Val::from(limit)];
    all.push(Statement { name: "popular", sql: POPULAR.to_owned(), vals });
    let (sql, vals) = crate::catalogue::by_num_sql(store, &[1, 2, 3]);
    all.push(Statement { name: "goods by number", sql, vals });
    all
}

/// The statements of a member's pages that look at the orders of the past.
#[cfg(feature = "testing")]
pub fn of_member(member: &domain::ids::MemberId) -> Vec<Statement<'_>> {
    let states = [domain::order::State::Paid, domain::order::State::Completed];
    let (sql, vals) = crate::orders::of_member_sql(member, &states, 20, 0);
    let bought = crate::catalogue::BOUGHT.to_owned();
    vec![
        Statement { name: "orders", sql, vals },
        Statement { name: "bought", sql: bought, vals: vec![Val::from(member), Val::from(12_i64)] },
    ]
}
