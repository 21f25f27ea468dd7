//! The interactive parts of pages: what is compiled to WASM. Each works on
//! markup that is whole without it, takes small props without secrets, and gets
//! its texts by props.

#![allow(missing_docs, reason = "the island macro makes structs that cannot be documented")]

mod add_to_basket;
mod basket_live;
mod checkout_live;
mod countdown;
mod draft;
#[cfg(target_arch = "wasm32")]
pub(crate) mod dom;
mod live_stock;
mod locate;
#[cfg(target_arch = "wasm32")]
pub(crate) mod part;
mod search_box;
#[cfg(target_arch = "wasm32")]
pub(crate) mod stock_event;
mod order_live;
mod submit_once;
mod use_position;
#[cfg(target_arch = "wasm32")]
pub(crate) mod toast;

pub use add_to_basket::*;
pub use countdown::*;
pub use use_position::*;
pub use submit_once::*;
pub use order_live::*;
pub use checkout_live::*;
pub use basket_live::*;
pub use draft::*;
pub use live_stock::*;
pub use locate::*;
pub use search_box::*;
