//! The basket: put in, change, take out, undo, and what shall happen to a
//! missing line. A guest's basket belongs to the session.

use leptos::server;
use std::collections::BTreeMap;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{cx, fail},
    form::{go_back, ranked, sku_id},
};
#[cfg(feature = "ssr")]
use domain::{Packs, view::BasketView};

/// The basket as its page shows it; with `choose`, the substitutes that could
/// stand in for that SKU are filled in.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn basket(choose: Option<&str>) -> Result<BasketView, AppError> {
    let cx = cx().await?;
    let mut basket = cx.shop.basket(&cx.visit).await.map_err(fail)?;
    let opened = basket.lines.iter_mut().find(|line| Some(line.card.sku.as_str()) == choose);
    if let Some(line) = opened
        && line.substitution.candidates.is_empty()
    {
        line.substitution.candidates = cx.shop.candidates(&cx.visit, &line.card.sku).await.map_err(fail)?;
    }
    Ok(basket)
}

/// Puts packs of a SKU into the basket; answers how many are in it now.
#[server(prefix = "/api", endpoint = "basket/add")]
pub async fn basket_add(
    /// The SKU.
    sku: String,
    /// Packs.
    packs: i64,
    /// The page to come back to.
    #[server(default)]
    back: Option<String>,
) -> Result<i64, AppError> {
    let cx = cx().await?;
    let qty = cx.shop.add(&cx.visit, &sku_id(&sku)?, Packs(packs)).await.map_err(fail)?;
    go_back(back.as_deref().unwrap_or_default(), "/basket");
    Ok(qty.0)
}

/// Sets how many packs of a SKU are wanted, `step` more or fewer than `packs`; 0 takes it out.
#[server(prefix = "/api", endpoint = "basket/set")]
pub async fn basket_set(
    /// The SKU.
    sku: String,
    /// Packs.
    packs: i64,
    /// Added to `packs`.
    #[server(default)]
    step: i64,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    let packs = Packs(packs.saturating_add(step).max(0));
    cx.shop.set_qty(&cx.visit, &sku_id(&sku)?, packs).await.map_err(fail)?;
    go_back(&back, "/basket");
    Ok(())
}

/// Takes a SKU out of the basket.
#[server(prefix = "/api", endpoint = "basket/remove")]
pub async fn basket_remove(
    /// The SKU.
    sku: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    cx.shop.set_qty(&cx.visit, &sku_id(&sku)?, Packs::ZERO).await.map_err(fail)?;
    go_back(&back, "/basket");
    Ok(())
}

/// Puts the line back that was removed last.
#[server(prefix = "/api", endpoint = "basket/undo")]
pub async fn basket_undo(
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    cx.shop.undo(&cx.visit).await.map_err(fail)?;
    go_back(&back, "/basket");
    Ok(())
}

/// Says what shall happen if a SKU is missing. `rank` gives chosen substitutes their order.
#[server(prefix = "/api", endpoint = "basket/substitution")]
pub async fn basket_substitution(
    /// The SKU.
    sku: String,
    /// `refund`, `best_match`, `chosen` or `ask_me`.
    choice: String,
    /// Ranks of the chosen substitutes by SKU.
    #[server(default)]
    rank: BTreeMap<String, String>,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    let chosen = if choice == "chosen" { ranked(&rank)? } else { Vec::new() };
    cx.shop.set_substitution(&cx.visit, &sku_id(&sku)?, &choice, chosen).await.map_err(fail)?;
    go_back(&back, "/basket");
    Ok(())
}
