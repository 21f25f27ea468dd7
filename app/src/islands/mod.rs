//! The interactive parts of pages: what is compiled to WASM. Each works on
//! markup that is whole without it, takes small props without secrets, and gets
//! its texts by props.

mod add_to_basket;
mod countdown;
mod draft;
pub(crate) mod dom;
mod live_stock;
mod locate;
mod search_box;
mod toast;

pub use add_to_basket::*;
pub use countdown::*;
pub use draft::*;
pub use live_stock::*;
pub use locate::*;
pub use search_box::*;
pub(crate) use toast::{Action, toast};
