//! The storefront: every page that a shopper sees.
//!
//! | module | side | holds |
//! | --- | --- | --- |
//! | [`api`] | both | server functions: the storefront's public API |
//! | [`islands`] | both | the interactive parts, compiled to WASM |
//! | `pages` | server | one file a route, whole without JavaScript |
//! | `routes` | server | every path and its page |
//! | `shell` | server | the document around every page |

#![recursion_limit = "256"]

pub mod api;
#[expect(clippy::needless_pass_by_value, reason = "components take their props by value: `view!` makes them so")]
pub mod islands;

#[cfg(feature = "ssr")]
#[expect(clippy::needless_pass_by_value, reason = "components take their props by value: `view!` makes them so")]
pub mod pages;
#[cfg(feature = "ssr")]
mod routes;
#[cfg(feature = "ssr")]
mod shell;

#[cfg(feature = "ssr")]
pub use routes::App;
#[cfg(feature = "ssr")]
pub use shell::{encode, shell};
