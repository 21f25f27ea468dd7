//! What the shop sells: home, categories, lists, products, stores; and the
//! suggestions of the search box.

use domain::view::Suggestion;
use leptos::server;
use leptos::server_fn::codec::GetUrl;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::cx::{cx, fail};
#[cfg(feature = "ssr")]
use domain::view::{CategoryNode, HomePage, ListQuery, ProductList, ProductPage, StoreCard};

/// Characters of a search that are looked at.
#[cfg(feature = "ssr")]
const LONGEST: usize = 60;

/// The first page.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn home() -> Result<HomePage, AppError> {
    let cx = cx().await?;
    cx.shop.home(&cx.visit).await.map_err(fail)
}

/// The tree of categories.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn categories() -> Result<Vec<CategoryNode>, AppError> {
    let cx = cx().await?;
    cx.shop.categories(&cx.visit).await.map_err(fail)
}

/// A page of products: a category, a search, what is cheap today.
///
/// # Errors
/// `not_found` for an unknown category, internal ones.
#[cfg(feature = "ssr")]
pub async fn list(query: ListQuery) -> Result<ProductList, AppError> {
    let cx = cx().await?;
    cx.shop.list(&cx.visit, query).await.map_err(fail)
}

/// A product's page.
///
/// # Errors
/// `not_found`, internal ones.
#[cfg(feature = "ssr")]
pub async fn product(code: &str) -> Result<ProductPage, AppError> {
    let cx = cx().await?;
    cx.shop.product(&cx.visit, code).await.map_err(fail)
}

/// The stores, nearest first if the position (millionths of a degree) is known.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn stores(near_e6: Option<(i64, i64)>) -> Result<Vec<StoreCard>, AppError> {
    let cx = cx().await?;
    cx.shop.stores(cx.visit.lang, Some(&cx.visit.store), near_e6, cx.visit.now).await.map_err(fail)
}

/// Suggestions for what is typed in the search box, at most 10.
#[server(prefix = "/api", endpoint = "catalogue/suggest", input = GetUrl)]
pub async fn suggest(
    /// What is typed.
    text: String,
) -> Result<Vec<Suggestion>, AppError> {
    let cx = cx().await?;
    let text: String = text.trim().chars().take(LONGEST).collect();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    cx.shop.suggest(&cx.visit, &text).await.map_err(fail)
}
