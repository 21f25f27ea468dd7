//! The storefront's public API: server functions, one file an area. Each does
//! four things and no more: context, authorise, one use case, map the error.
//! Each is also a plain form's target, so that pages work without JavaScript.

#[cfg(feature = "ssr")]
pub mod access;
pub mod account;
pub mod basket;
pub mod catalogue;
pub mod checkout;
#[cfg(feature = "ssr")]
pub mod cx;
pub mod form;
pub mod messages;
pub mod orders;
pub mod sandbox;
pub mod settings;
