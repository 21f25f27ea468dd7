//! The sandbox: the page of its payment channel, and the page where the
//! one-time codes are shown. Neither exists where the sandbox is switched off.

use leptos::server;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{Cx, cx, fail, refuse},
    form::go,
};
#[cfg(feature = "ssr")]
use domain::{Code, view::SandboxView};

#[cfg(feature = "ssr")]
async fn sandbox_cx() -> Result<Cx, AppError> {
    let cx = cx().await?;
    if cx.shop.settings().sandbox { Ok(cx) } else { Err(refuse(Code::NotFound)) }
}

/// A payment at the sandbox channel.
///
/// # Errors
/// `not_found`, internal ones.
#[cfg(feature = "ssr")]
pub async fn payment(trade_no: &str) -> Result<SandboxView, AppError> {
    let cx = sandbox_cx().await?;
    cx.shop.view(trade_no).await.map_err(fail)
}

/// The one-time code that waits for `phone`.
///
/// # Errors
/// `not_found` without the sandbox, internal ones.
#[cfg(feature = "ssr")]
pub async fn message(phone: &str) -> Result<Option<String>, AppError> {
    let cx = sandbox_cx().await?;
    if phone.is_empty() {
        return Ok(None);
    }
    cx.shop.sandbox_code(phone, cx.visit.now).await.map_err(fail)
}

/// Does at the channel what its page offers: `pay`, `deny`, `delay`, `repeat`,
/// `lose`, `misprice`, `forge`.
#[server(prefix = "/api", endpoint = "sandbox/act")]
pub async fn sandbox_act(
    /// Number of the payment at the channel.
    trade_no: String,
    /// What the channel does.
    act: String,
) -> Result<(), AppError> {
    let cx = sandbox_cx().await?;
    let back = cx.shop.view(&trade_no).await.map_err(fail)?.back;
    cx.shop.act(&trade_no, &act).await.map_err(fail)?;
    // What cannot have succeeded stays at the channel, to try another way.
    let stays = matches!(act.as_str(), "deny" | "misprice" | "forge");
    go(&if stays { format!("/sandbox/pay/{trade_no}?did={act}") } else { back });
    Ok(())
}
