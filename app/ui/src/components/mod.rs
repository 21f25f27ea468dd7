//! Components that pages are made of: markup and classes, no decisions.
//!
//! They render on the server only. The reader's language is a context
//! (`crate::text::lang()`), so no component takes it as a prop.

mod field;
mod frame;
mod goods;
mod icon;
mod price;

pub use field::*;
pub use frame::*;
pub use goods::*;
pub use icon::*;
pub use price::*;
