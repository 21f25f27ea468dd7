//! Lists of products: categories, search, deals; suggestions while typing.

use super::cards::Viewer;
use super::{Snapshot, words};
use crate::{Error, Result, Shop, Visit};
use domain::Code;
use domain::ids::{CategoryId, SkuId};
use domain::pricing::{Offer, Scope};
use domain::view::{CategoryNode, Lang, ListQuery, ProductList, Sort, Suggestion};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use store::Conn;
use store::catalogue::{Filter, Found, SkuInStore, Slim};
use store::tokens::{self, Term};

/// Products that a list holds at most.
pub(super) const LIST_MAX: u32 = 1_000;
/// Brands to filter by.
const BRANDS_MAX: usize = 12;
/// Suggestions while typing.
const SUGGESTIONS_MAX: usize = 10;
/// Levels of the category tree that are shown.
const LEVELS: u32 = 8;

impl Shop {
    /// The category tree.
    pub async fn categories(&self, visit: &Visit) -> Result<Vec<CategoryNode>> {
        Ok(self.snapshot().await?.tree(None, visit.lang, LEVELS))
    }

    /// A page of products: of a category and everything below it, of a search, of
    /// deals, or all of them together. At most nine statements.
    ///
    /// # Errors
    /// `not_found` for an unknown category.
    pub async fn list(&self, visit: &Visit, query: ListQuery) -> Result<ProductList> {
        let mut conn = self.store().read().await?;
        let viewer = Viewer::load(self, &mut conn, visit).await?;
        let snapshot = viewer.snapshot.clone();
        let category = match &query.category {
            Some(code) => Some(snapshot.category_by_code(code).ok_or(Error::from(Code::NotFound))?.id.clone()),
            None => None,
        };
        let mut list = ProductList {
            path: path(&snapshot, category.as_ref(), visit.lang),
            children: category.as_ref().map(|id| snapshot.tree(Some(id), visit.lang, 1)).unwrap_or_default(),
            ..ProductList::default()
        };
        let nums: Vec<i64> = if let Some(category) = category.as_ref().filter(|_| is_plain(&query)) {
            let ranking = snapshot.ranking(&mut conn, &visit.store, category, visit.now).await?;
            list.brands = ranking.brands(visit.lang).to_vec();
            list.more = !ranking.is_whole();
            ranking.places.iter().map(|place| place.num).collect()
        } else {
            let found = search(&mut conn, &viewer, &query, category.as_ref()).await?;
            list.brands = brands(&found.goods, visit.lang);
            list.more = found.more;
            found.goods.into_iter().map(|slim| slim.num).collect()
        };
        list.total = u32::try_from(nums.len()).unwrap_or(LIST_MAX);
        list.query = ListQuery { page: query.page.clamp(1, list.pages()), ..query };
        let size = ProductList::PAGE as usize;
        let first = (list.query.page as usize - 1) * size;
        let nums: Vec<i64> = nums.into_iter().skip(first).take(size).collect();
        let items = store::catalogue::by_num(&mut conn, &visit.store, &nums).await?;
        list.cards = items.iter().map(|item| viewer.card(item)).collect();
        Ok(list)
    }

    /// Names, categories and brands that begin with what was typed: at most ten.
    pub async fn suggest(&self, visit: &Visit, text: &str) -> Result<Vec<Suggestion>> {
        let terms = tokens::query(text, false);
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot().await?;
        let terms = snapshot.with_categories(terms);
        let phrase = tokens::phrase(text);
        let mut found = category_suggestions(&snapshot, text, visit.lang);
        let mut conn = self.store().read().await?;
        let (store, enough) = (&visit.store, SUGGESTIONS_MAX);
        let mut rows = store::catalogue::suggest(&mut conn, store, &terms, phrase.as_ref(), enough).await?;
        for terms in other_tries(text) {
            if rows.is_empty() {
                let terms = snapshot.with_categories(terms);
                rows = store::catalogue::suggest(&mut conn, store, &terms, None, enough).await?;
            }
        }
        for row in rows {
            let name = visit.lang.pick(&row.1, &row.2).to_owned();
            if found.len() < SUGGESTIONS_MAX && !found.iter().any(|s| s.text == name) {
                found.push(Suggestion { text: name, link: format!("/p/{}", row.0) });
            }
        }
        Ok(found)
    }
}

/// Does a query ask for a category as it is, what sells most first?
fn is_plain(query: &ListQuery) -> bool {
    let ListQuery { text, brand, diet, without, in_stock, deals, sort, .. } = query;
    let any = [brand, diet, without].into_iter().any(|word| word_of(word.as_ref()).is_some());
    text.trim().is_empty() && !any && !in_stock && !deals && matches!(sort, Sort::Relevance | Sort::Sales)
}

/// What a query asks for, in its order. By price, it is sorted once more with the
/// prices that timed discounts make.
async fn search(
    conn: &mut Conn,
    viewer: &Viewer<'_>,
    query: &ListQuery,
    category: Option<&CategoryId>,
) -> Result<Found> {
    let (store, now) = (&viewer.visit.store, viewer.visit.now);
    let mut filter = filter(query, viewer, category);
    if filter.terms.is_empty() && !query.text.trim().is_empty() {
        return Ok(Found::default());
    }
    let mut found = store::catalogue::find(conn, store, &filter, now, LIST_MAX).await?;
    for terms in other_tries(&query.text) {
        if found.goods.is_empty() {
            filter.terms = viewer.snapshot.with_categories(terms);
            found = store::catalogue::find(conn, store, &filter, now, LIST_MAX).await?;
        }
    }
    if matches!(query.sort, Sort::PriceUp | Sort::PriceDown | Sort::UnitPrice) && !viewer.timed().is_empty() {
        sort_by_price(viewer, &mut found.goods, query.sort);
    }
    Ok(found)
}

/// What else is looked for when nothing is found for Chinese words: their
/// characters, then what they sound like.
fn other_tries(text: &str) -> Vec<Vec<Term>> {
    if !tokens::has_han(text) {
        return Vec::new();
    }
    let words = tokens::query(text, false);
    let tries = [tokens::query(text, true), tokens::query_by_sound(text)];
    tries.into_iter().filter(|terms| !terms.is_empty() && *terms != words).collect()
}

/// Categories whose name begins with the text, in either language; at most three.
fn category_suggestions(snapshot: &Snapshot, text: &str, lang: Lang) -> Vec<Suggestion> {
    let text = text.trim().to_lowercase();
    let begins = |name: &str| name.to_lowercase().split([' ', '、']).any(|word| word.starts_with(&text));
    let hits = snapshot.categories.iter().filter(|c| begins(&c.name_zh) || begins(&c.name_en));
    let suggestion = |c: &store::catalogue::CategoryRecord| Suggestion {
        text: lang.pick(&c.name_zh, &c.name_en).to_owned(),
        link: format!("/c/{}", c.code),
    };
    hits.take(3).map(suggestion).collect()
}

fn word_of(word: Option<&String>) -> Option<&String> {
    word.filter(|word| !word.trim().is_empty())
}

fn filter(query: &ListQuery, viewer: &Viewer<'_>, category: Option<&CategoryId>) -> Filter {
    Filter {
        terms: viewer.snapshot.with_categories(tokens::query(&query.text, false)),
        phrase: tokens::phrase(&query.text),
        categories: category.map(|id| viewer.snapshot.subtree(id)),
        among: query.deals.then(|| deal_scope(&viewer.snapshot, viewer.timed())),
        brand: word_of(query.brand.as_ref()).cloned(),
        diet: word_of(query.diet.as_ref()).cloned(),
        without: word_of(query.without.as_ref()).cloned(),
        in_stock: query.in_stock,
        sort: query.sort,
        is_member: viewer.is_member,
    }
}

/// SKUs and categories (with everything below) that timed discounts are on.
pub(super) fn deal_scope(snapshot: &Snapshot, timed: &[Offer]) -> (Vec<SkuId>, Vec<CategoryId>) {
    let (mut skus, mut categories) = (Vec::new(), Vec::new());
    for offer in timed {
        match &offer.scope {
            Scope::All => categories.extend(snapshot.categories.iter().map(|c| c.id.clone())),
            Scope::Categories(ids) => categories.extend(ids.iter().flat_map(|id| snapshot.subtree(id))),
            Scope::Skus(ids) => skus.extend(ids.iter().cloned()),
        }
    }
    (skus, categories)
}

fn path(snapshot: &Snapshot, category: Option<&CategoryId>, lang: Lang) -> Vec<(String, String)> {
    let mut path = category.map(|id| names(snapshot, id, lang)).unwrap_or_default();
    path.reverse();
    path
}

/// (code, name) of a category and those above it, from the leaf up.
pub(super) fn names(snapshot: &Snapshot, leaf: &CategoryId, lang: Lang) -> Vec<(String, String)> {
    let name = |c: &store::catalogue::CategoryRecord| (c.code.clone(), lang.pick(&c.name_zh, &c.name_en).to_owned());
    snapshot.path(leaf).into_iter().map(name).collect()
}

/// Brands of a list, the most frequent first.
pub(super) fn brands(found: &[Slim], lang: Lang) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for slim in found {
        let brand = lang.pick(&slim.brand_zh, &slim.brand_en);
        if !brand.is_empty() {
            *counts.entry(brand).or_default() += 1;
        }
    }
    let mut brands: Vec<(&str, usize)> = counts.into_iter().collect();
    brands.sort_by_key(|&(_, n)| Reverse(n));
    brands.into_iter().take(BRANDS_MAX).map(|(brand, _)| brand.to_owned()).collect()
}

fn sort_by_price(viewer: &Viewer<'_>, found: &mut [Slim], sort: Sort) {
    let price = |slim: &Slim| {
        let sku = store::catalogue::SkuRecord {
            id: slim.id.clone(),
            category: slim.category.clone(),
            price: slim.price,
            member_price: slim.member_price,
            ..store::catalogue::SkuRecord::default()
        };
        let price = viewer.price(&sku).price;
        match (sort, slim.measure_amount) {
            (Sort::PriceDown, _) => -price.0,
            (Sort::UnitPrice, Some(amount)) => price.0.saturating_mul(100_000) / amount.max(1),
            (Sort::UnitPrice, None) => price.0.saturating_mul(100_000),
            _ => price.0,
        }
    };
    let keys: HashMap<SkuId, i64> = found.iter().map(|slim| (slim.id.clone(), price(slim))).collect();
    found.sort_by_key(|slim| keys.get(&slim.id).copied());
}

/// The brand as a reader of this language sees it.
pub(super) fn brand_of(item: &SkuInStore, lang: Lang) -> String {
    words::brand(&item.sku, lang).to_owned()
}
