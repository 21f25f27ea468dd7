//! Orders: pay, cancel, buy again, and what shall happen to a missing line as
//! long as its picking has not begun.

use leptos::server;
use std::collections::BTreeMap;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{fail, member_cx},
    form::{go, ranked},
};
#[cfg(feature = "ssr")]
use domain::view::{OrderCard, OrderView};

/// The member's orders: `all`, `unpaid`, `open` or `done`.
///
/// # Errors
/// `sign_in_first`, internal ones.
#[cfg(feature = "ssr")]
pub async fn orders(filter: &str, page: u32) -> Result<Vec<OrderCard>, AppError> {
    let cx = member_cx().await?;
    cx.shop.orders(&cx.visit, filter, page).await.map_err(fail)
}

/// One of the member's orders.
///
/// # Errors
/// `sign_in_first`, `not_found`, internal ones.
#[cfg(feature = "ssr")]
pub async fn order(code: &str) -> Result<OrderView, AppError> {
    let cx = member_cx().await?;
    cx.shop.order(&cx.visit, code).await.map_err(fail)
}

/// An order whose page waits for its payment: the channel is asked first.
///
/// # Errors
/// `sign_in_first`, `not_found`, internal ones.
#[cfg(feature = "ssr")]
pub async fn awaited_order(code: &str) -> Result<OrderView, AppError> {
    let cx = member_cx().await?;
    cx.shop.awaited_order(&cx.visit, code).await.map_err(fail)
}

/// Opens a payment at the channel and leads on to its page.
#[server(prefix = "/api", endpoint = "orders/pay")]
pub async fn orders_pay(
    /// The code.
    code: String,
) -> Result<String, AppError> {
    let cx = member_cx().await?;
    let url = cx.shop.pay(&cx.visit, &code).await.map_err(fail)?;
    go(&url);
    Ok(url)
}

/// Calls an order off.
#[server(prefix = "/api", endpoint = "orders/cancel")]
pub async fn orders_cancel(
    /// The code.
    code: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.shop.cancel(&cx.visit, &code).await.map_err(fail)?;
    go(&format!("/orders/{code}"));
    Ok(())
}

/// Puts the goods of an order into the basket again.
#[server(prefix = "/api", endpoint = "orders/buy_again")]
pub async fn orders_buy_again(
    /// The code.
    code: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.shop.buy_again(&cx.visit, &code).await.map_err(fail)?;
    go("/basket");
    Ok(())
}

/// Says what shall happen if a line of an order is missing.
#[server(prefix = "/api", endpoint = "orders/line_choice")]
pub async fn orders_line_choice(
    /// The code.
    code: String,
    /// Number of the line.
    no: u32,
    /// `refund`, `best_match`, `chosen` or `ask_me`.
    choice: String,
    /// Ranks of the chosen substitutes by SKU.
    #[server(default)]
    rank: BTreeMap<String, String>,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    let chosen = if choice == "chosen" { ranked(&rank)? } else { Vec::new() };
    cx.shop.set_line_choice(&cx.visit, &code, no, &choice, chosen).await.map_err(fail)?;
    go(&format!("/orders/{code}"));
    Ok(())
}
