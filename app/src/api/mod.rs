//! The storefront's public API: server functions, one file an area. Each does
//! four things and no more: context, authorise, one use case, map the error.
//! Each is also a plain form's target, so that pages work without JavaScript.

pub mod account;
pub mod basket;
pub mod catalogue;
pub mod checkout;
pub mod form;
pub mod orders;
pub mod sandbox;
pub mod settings;
#[cfg(feature = "ssr")]
pub mod access;
#[cfg(feature = "ssr")]
pub mod cx;
