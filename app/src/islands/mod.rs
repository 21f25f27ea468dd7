//! The interactive parts of pages: what is compiled to WASM. Each works on
//! markup that is whole without it, takes small props without secrets, and gets
//! its texts by props.

#![allow(missing_docs, reason = "the island macro makes structs that cannot be documented")]

mod add_to_basket;
#[cfg(target_arch = "wasm32")]
pub(crate) mod badge;
mod basket_live;
mod checkout_live;
mod countdown;
#[cfg(target_arch = "wasm32")]
pub(crate) mod dom;
mod draft;
#[cfg(target_arch = "wasm32")]
pub(crate) mod hold;
mod live_stock;
mod locate;
mod order_live;
#[cfg(target_arch = "wasm32")]
pub(crate) mod part;
mod search_box;
#[cfg(target_arch = "wasm32")]
pub(crate) mod stock_event;
mod submit_once;
#[cfg(target_arch = "wasm32")]
pub(crate) mod toast;
#[cfg(target_arch = "wasm32")]
pub(crate) mod turns;
mod use_position;

pub use add_to_basket::*;
pub use basket_live::*;
pub use checkout_live::*;
pub use countdown::*;
pub use draft::*;
pub use live_stock::*;
pub use locate::*;
pub use order_live::*;
pub use search_box::*;
pub use submit_once::*;
pub use use_position::*;
