//! Baskets and their lines.
//!
//! A member's basket has the member's id, a guest's the one kept in the
//! session. Nothing is reserved by a basket: reservation comes with the order.

use crate::conn::{each_of, each_one, list};
use crate::{Conn, Error, Result, Val, vals};
use domain::ids::{BasketId, SkuId, StoreId};
use domain::pricing::Scope;
use domain::view::{Lang, full_name};
use domain::{Fen, Millis, Packs};
use std::collections::BTreeSet;

/// A product as a basket and an order need it, with its stock in one store.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct GoodsRow {
    /// SKU.
    pub sku_id: String,
    /// Its code.
    pub code: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Label of the variant in Chinese; may be empty.
    pub option_zh: String,
    /// Label of the variant in English.
    pub option_en: String,
    /// Size in Chinese; may be empty.
    pub size_zh: String,
    /// Size in English.
    pub size_en: String,
    /// Picture's name.
    pub picture: String,
    /// Leaf category.
    pub category_id: String,
    /// Pool that it is sold from.
    pub pool_id: String,
    /// Base units in a pack.
    pub pack_size: i64,
    /// Shelf price of a pack, in fen.
    pub price: i64,
    /// Price for members, in fen.
    pub member_price: Option<i64>,
    /// Buyers must be this old.
    pub age_limit: Option<i64>,
    /// Is it on sale at all?
    pub active: bool,
    /// Base units on hand; `None`: the store does not keep it.
    pub on_hand: Option<i64>,
    /// Base units reserved.
    pub reserved: Option<i64>,
    /// Base units kept back.
    pub safety: Option<i64>,
    /// When `on_hand` was told.
    pub as_of: Option<i64>,
    /// A hand count holds up to then.
    pub counted_until: Option<i64>,
}

impl GoodsRow {
    /// The name by which it is told from its variants.
    pub fn name(&self, lang: Lang) -> String {
        let option = lang.pick(&self.option_zh, &self.option_en);
        full_name(lang.pick(&self.name_zh, &self.name_en), option, lang.pick(&self.size_zh, &self.size_en))
    }
}

/// A line of a basket with its product.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct LineRow {
    /// Packs wanted.
    pub qty: i64,
    /// What shall happen if it is missing: the line's own choice, else the one
    /// remembered for the member; empty if there is neither.
    pub choice: String,
    /// Chosen substitutes, JSON list of SKU ids.
    pub chosen: String,
    /// When it was put in.
    pub added_at: i64,
    /// The product.
    #[record(flatten)]
    pub goods: GoodsRow,
}

/// The removed line that can be put back, and when the basket changed last.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct BasketRow {
    /// JSON of the removed line; empty if there is none.
    pub undo: String,
    /// Last change.
    pub updated_at: i64,
}

/// A line without its product.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct PlainLine {
    /// SKU.
    pub sku_id: String,
    /// Packs.
    pub qty: i64,
    /// Choice of the line, may be empty.
    pub choice: String,
    /// Chosen substitutes, JSON.
    pub chosen: String,
    /// When it was put in.
    pub added_at: i64,
}

macro_rules! goods_columns {
    () => {
        "k.id AS sku_id, k.code, k.name_zh, k.name_en, k.option_zh, k.option_en, k.size_zh, k.size_en, k.picture, \
         k.category_id, k.pool_id, k.pack_size, k.price, k.member_price, k.age_limit, k.active, s.on_hand, s.reserved, s.safety, s.as_of, s.counted_until"
    };
}

/// The lines of baskets, each given with the store whose stock stands beside
/// them, in the order in which they were put in.
pub async fn lines(conn: &mut Conn, baskets: &[(&BasketId, &StoreId)]) -> Result<Vec<(BasketId, LineRow)>> {
    #[derive(crate::record::Record)]
    struct Row {
        basket_id: String,
        #[record(flatten)]
        line: LineRow,
    }
    let sql = format!(
        concat!(
            "WITH v (of_basket, of_store) AS ({}) SELECT l.basket_id, l.qty, \
             CASE WHEN l.choice <> '' THEN l.choice ELSE COALESCE(c.choice, '') END AS choice, \
             CASE WHEN l.choice <> '' THEN l.chosen ELSE COALESCE(c.chosen, '[]') END AS chosen, l.added_at, ",
            goods_columns!(),
            " FROM v CROSS JOIN basket_line l JOIN sku k ON k.id = l.sku_id \
             LEFT JOIN stock s ON s.store_id = v.of_store AND s.pool_id = k.pool_id \
             LEFT JOIN substitution_choice c ON c.member_id = l.basket_id AND c.sku_id = l.sku_id \
             WHERE l.basket_id = v.of_basket ORDER BY l.basket_id, l.added_at, l.sku_id LIMIT $1"
        ),
        each_of(2, baskets.len(), 2)
    );
    let mut vals = vals![200 * i64::try_from(baskets.len()).unwrap_or(1)].to_vec();
    vals.extend(baskets.iter().flat_map(|(b, s)| [Val::from(*b), Val::from(*s)]));
    let rows: Vec<Row> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|row| (BasketId::trusted(row.basket_id), row.line)).collect())
}

const GOODS: &str = concat!(
    "SELECT ",
    goods_columns!(),
    " FROM sku k LEFT JOIN stock s ON s.store_id = $2 AND s.pool_id = k.pool_id WHERE k.id = $1"
);

/// One product with its stock in `store`.
pub async fn goods(conn: &mut Conn, sku: &SkuId, store: &StoreId) -> Result<Option<GoodsRow>> {
    conn.opt(GOODS, vals![sku, store]).await
}

/// The basket's own row.
pub async fn basket(conn: &mut Conn, basket: &BasketId) -> Result<BasketRow> {
    let row = conn.opt("SELECT undo, updated_at FROM basket WHERE id = $1", vals![basket]).await?;
    Ok(row.unwrap_or_default())
}

/// Locks a basket for this unit: who reads lines and then writes them starts
/// here, so that two tabs at two servers change it one after the other.
pub async fn lock(conn: &mut Conn, basket: &BasketId, now: Millis) -> Result<()> {
    let sql = "INSERT INTO basket (id, undo, updated_at) VALUES ($1, '', $2) \
               ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at";
    conn.exec(sql, vals![basket, now]).await?;
    Ok(())
}

/// Lines without products.
pub async fn plain_lines(conn: &mut Conn, basket: &BasketId) -> Result<Vec<PlainLine>> {
    let sql = "SELECT sku_id, qty, choice, chosen, added_at FROM basket_line WHERE basket_id = $1 \
               ORDER BY added_at, sku_id LIMIT 200";
    conn.all(sql, vals![basket]).await
}

/// All packs in a basket.
pub async fn count(conn: &mut Conn, basket: &BasketId) -> Result<Packs> {
    let sql = "SELECT CAST(SUM(qty) AS BIGINT) FROM basket_line WHERE basket_id = $1";
    Ok(Packs(conn.int(sql, vals![basket]).await?))
}

/// Writes lines, each new or over the one of the same SKU.
pub async fn put_lines(conn: &mut Conn, basket: &BasketId, lines: &[PlainLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO basket_line (basket_id, sku_id, qty, choice, chosen, added_at) {} \
         ON CONFLICT (basket_id, sku_id) DO UPDATE SET qty = excluded.qty, choice = excluded.choice, \
         chosen = excluded.chosen",
        each_of(1, lines.len(), 6)
    );
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(lines.len() * 6);
    for line in lines {
        vals.extend([
            Val::from(basket),
            Val::from(&line.sku_id),
            Val::from(line.qty),
            Val::from(&line.choice),
            Val::from(&line.chosen),
            Val::from(line.added_at),
        ]);
    }
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(())
}

/// Takes lines out of a basket.
pub async fn remove(conn: &mut Conn, basket: &BasketId, skus: &[SkuId]) -> Result<u64> {
    if skus.is_empty() {
        return Ok(0);
    }
    let sql = format!("DELETE FROM basket_line WHERE basket_id = $1 AND sku_id IN ({})", list(2, skus.len()));
    let mut vals = vec![Val::from(basket)];
    vals.extend(skus.iter().map(Val::from));
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Notes a change of the basket, and what can be undone (empty: nothing).
pub async fn touch(conn: &mut Conn, basket: &BasketId, undo: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO basket (id, undo, updated_at) VALUES ($1, $2, $3) \
               ON CONFLICT (id) DO UPDATE SET undo = excluded.undo, updated_at = excluded.updated_at";
    conn.exec(sql, vals![basket, undo, now]).await?;
    Ok(())
}

/// Removes a guest's basket with its lines and what was chosen under its id.
pub async fn drop_basket(conn: &mut Conn, basket: &BasketId) -> Result<()> {
    conn.exec("DELETE FROM substitution_choice WHERE member_id = $1", vals![basket]).await?;
    conn.exec("DELETE FROM basket_line WHERE basket_id = $1", vals![basket]).await?;
    conn.exec("DELETE FROM basket WHERE id = $1", vals![basket]).await?;
    Ok(())
}

/// At most `limit` baskets that are no member's and were not touched after a time.
pub async fn forgotten(conn: &mut Conn, before: Millis, limit: i64) -> Result<Vec<BasketId>> {
    let sql = "SELECT b.id FROM basket b WHERE b.updated_at <= $1 \
               AND NOT EXISTS (SELECT 1 FROM member m WHERE m.id = b.id) LIMIT $2";
    let rows: Vec<(String,)> = conn.all(sql, vals![before, limit]).await?;
    Ok(rows.into_iter().map(|(id,)| BasketId::trusted(id)).collect())
}

/// Removes those of the baskets that were not touched after a time, with their lines and
/// what was chosen under their ids; how many.
pub async fn drop_forgotten(conn: &mut Conn, baskets: &[BasketId], before: Millis) -> Result<u64> {
    if baskets.is_empty() {
        return Ok(0);
    }
    let sql = format!("DELETE FROM basket WHERE updated_at <= $1 AND id {} RETURNING id", each_one(2, baskets.len()));
    let mut vals = vals![before].to_vec();
    vals.extend(baskets.iter().map(Val::from));
    let gone: Vec<(String,)> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    if gone.is_empty() {
        return Ok(0);
    }
    let vals: Vec<Val<'_>> = gone.iter().map(|(id,)| Val::from(id)).collect();
    for of_them in ["basket_line WHERE basket_id", "substitution_choice WHERE member_id"] {
        let sql = format!("DELETE FROM {of_them} {}", each_one(1, gone.len()));
        conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    }
    Ok(gone.len() as u64)
}

/// Writes the choice of a line that is in the basket; false if it is not.
pub async fn set_choice(conn: &mut Conn, basket: &BasketId, sku: &SkuId, choice: &str, chosen: &str) -> Result<bool> {
    let sql = "UPDATE basket_line SET choice = $3, chosen = $4 WHERE basket_id = $1 AND sku_id = $2";
    Ok(conn.exec(sql, vals![basket, sku, choice, chosen]).await? == 1)
}

/// What was chosen last for missing goods under a basket's id, 500 at most: (SKU,
/// choice, chosen substitutes as JSON).
pub async fn choices(conn: &mut Conn, basket: &BasketId) -> Result<Vec<(String, String, String)>> {
    let sql = "SELECT sku_id, choice, chosen FROM substitution_choice WHERE member_id = $1 \
               ORDER BY updated_at DESC, sku_id LIMIT 500";
    conn.all(sql, vals![basket]).await
}

/// Remembers choices under a basket's id, a member's or a guest's: (SKU, choice,
/// chosen substitutes as JSON).
pub async fn remember_choices(
    conn: &mut Conn,
    basket: &BasketId,
    choices: &[(String, String, String)],
    now: Millis,
) -> Result<()> {
    if choices.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO substitution_choice (member_id, sku_id, choice, chosen, updated_at) {} \
         ON CONFLICT (member_id, sku_id) DO UPDATE SET choice = excluded.choice, chosen = excluded.chosen, \
         updated_at = excluded.updated_at",
        each_of(1, choices.len(), 5)
    );
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(choices.len() * 5);
    for (sku, choice, chosen) in choices {
        vals.extend([Val::from(basket), Val::from(sku), Val::from(choice), Val::from(chosen), Val::from(now)]);
    }
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(())
}

/// Remembers of members, given as (member, choice, store), their default
/// choice, and this store as home if there is none yet.
pub async fn remember_buyers(conn: &mut Conn, buyers: &[(&str, &str, &str)]) -> Result<()> {
    if buyers.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "WITH v (of_member, choice, store_id) AS ({}) UPDATE member SET substitution_default = v.choice, \
         home_store_id = COALESCE(home_store_id, v.store_id) FROM v WHERE id = v.of_member",
        each_of(1, buyers.len(), 3)
    );
    let vals: Vec<Val<'_>> =
        buyers.iter().flat_map(|(m, c, s)| [Val::from(*m), Val::from(*c), Val::from(*s)]).collect();
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(())
}

/// Takes out of baskets what was ordered, given as (basket, SKU, packs), and
/// notes the change: nothing of it can be undone.
///
/// # Errors
/// [`Error::Changed`] if a basket is no longer what was read: what another
/// server took out or put in meanwhile is neither ordered twice nor lost.
pub async fn take_ordered(conn: &mut Conn, ordered: &[(&BasketId, &SkuId, Packs)], now: Millis) -> Result<()> {
    // The baskets' own rows first, as in `lock`.
    let baskets: BTreeSet<&BasketId> = ordered.iter().map(|(basket, ..)| *basket).collect();
    let vals: Vec<Val<'_>> = baskets.iter().flat_map(|b| [Val::from(*b), Val::from(""), Val::from(now)]).collect();
    let tail = " ON CONFLICT (id) DO UPDATE SET undo = excluded.undo, updated_at = excluded.updated_at";
    conn.insert("INSERT INTO basket (id, undo, updated_at)", 3, &vals, tail).await?;
    let rows = each_of(1, ordered.len(), 3);
    let sql = format!("DELETE FROM basket_line WHERE (basket_id, sku_id, qty) IN ({rows})");
    let vals: Vec<Val<'_>> =
        ordered.iter().flat_map(|(b, s, n)| [Val::from(*b), Val::from(*s), Val::from(n.0)]).collect();
    if conn.exec(sqlx::AssertSqlSafe(sql), &vals).await? != ordered.len() as u64 {
        return Err(Error::Changed("a basket"));
    }
    Ok(())
}

/// A category above a leaf, or the leaf itself.
#[derive(Clone, Debug, PartialEq, crate::record::Record)]
pub struct PathRow {
    /// The leaf that was asked for.
    pub leaf: String,
    /// A category on its path.
    pub id: String,
    /// 0 for the leaf, counting up to the root.
    pub depth: i64,
}

/// The paths from categories up to their roots, leaf first.
pub async fn category_paths(conn: &mut Conn, leaves: &[&str]) -> Result<Vec<PathRow>> {
    if leaves.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH RECURSIVE up (leaf, id, parent_id, depth) AS ( \
         SELECT id, id, parent_id, CAST(0 AS BIGINT) FROM category WHERE id {} \
         UNION ALL SELECT up.leaf, c.id, c.parent_id, up.depth + 1 FROM up JOIN category c ON c.id = up.parent_id \
         WHERE up.depth < 12) SELECT leaf, id, depth FROM up ORDER BY leaf, depth",
        each_one(1, leaves.len())
    );
    let vals: Vec<Val<'_>> = leaves.iter().map(|leaf| Val::from(*leaf)).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Cheap goods in a scope that a store has, from a price on, cheapest first: to fill a basket up.
pub async fn fill_up(
    conn: &mut Conn,
    store: &StoreId,
    from: Fen,
    not: &BasketId,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<SkuId>> {
    let mut vals = vals![store, from, not, limit].to_vec();
    let in_scope = match scope {
        Scope::All => String::new(),
        Scope::Skus(skus) => {
            vals.extend(skus.iter().map(Val::from));
            format!("AND k.id IN ({})", list(5, skus.len()))
        }
        Scope::Categories(tops) => {
            vals.extend(tops.iter().map(Val::from));
            let tops = list(5, tops.len());
            format!(
                "AND k.category_id IN (WITH RECURSIVE down (id, depth) AS ( \
                 SELECT id, 0 FROM category WHERE id IN ({tops}) \
                 UNION ALL SELECT c.id, down.depth + 1 FROM down JOIN category c ON c.parent_id = down.id \
                 WHERE down.depth < 12) SELECT id FROM down)"
            )
        }
    };
    // CROSS JOIN: walk the goods by price and stop at the limit.
    let sql = format!(
        "SELECT k.id FROM sku k CROSS JOIN stock s WHERE s.store_id = $1 AND s.pool_id = k.pool_id \
         AND k.active AND k.price >= $2 AND k.age_limit IS NULL {in_scope} \
         AND s.on_hand - s.reserved - s.safety >= k.pack_size \
         AND NOT EXISTS (SELECT 1 FROM basket_line l WHERE l.basket_id = $3 AND l.sku_id = k.id) \
         ORDER BY k.price, k.id LIMIT $4"
    );
    let rows: Vec<(String,)> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|(id,)| SkuId::trusted(id)).collect())
}

/// Several products with their stock in `store`.
pub async fn goods_of(conn: &mut Conn, skus: &[SkuId], store: &StoreId) -> Result<Vec<GoodsRow>> {
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {} FROM sku k LEFT JOIN stock s ON s.store_id = $1 AND s.pool_id = k.pool_id WHERE k.id IN ({}) \
         ORDER BY k.id",
        goods_columns!(),
        list(2, skus.len())
    );
    let mut vals = vec![Val::from(store)];
    vals.extend(skus.iter().map(Val::from));
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Full names of products in a language, by id.
pub async fn sku_names(conn: &mut Conn, skus: &[SkuId], lang: Lang) -> Result<Vec<(String, String)>> {
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let columns = match lang {
        Lang::Zh => "name_zh, option_zh, size_zh",
        Lang::En => "name_en, option_en, size_en",
    };
    let sql = format!("SELECT id, {columns} FROM sku WHERE id IN ({}) ORDER BY id", list(1, skus.len()));
    let vals: Vec<Val<'_>> = skus.iter().map(Val::from).collect();
    let rows: Vec<(String, String, String, String)> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|(id, name, option, size)| (id, full_name(&name, &option, &size))).collect())
}
