//! The member's message box.

use leptos::server;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{fail, member_cx},
    form::go,
};
#[cfg(feature = "ssr")]
use domain::{Millis, view::MessageView};

/// The member's messages, newest first.
///
/// # Errors
/// `sign_in_first`, internal ones.
#[cfg(feature = "ssr")]
pub async fn messages() -> Result<Vec<MessageView>, AppError> {
    let cx = member_cx().await?;
    cx.shop.messages(&cx.visit).await.map_err(fail)
}

/// Marks the messages that the page showed as read.
#[server(prefix = "/api", endpoint = "messages/read")]
pub async fn messages_read(
    /// When the newest of them was written, in UTC milliseconds.
    up_to: i64,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.shop.read_messages(&cx.visit, Millis(up_to)).await.map_err(fail)?;
    go("/me/messages");
    Ok(())
}
