//! The rules of the shop, as pure functions over plain data.
//!
//! Nothing here reads a clock, draws a random number or talks to the outside:
//! time and chance are arguments. The crate is compiled for the server and for
//! the browser, so that both compute the same totals and the same states.
//!
//! | module | rule it holds |
//! | --- | --- |
//! | [`availability`], [`safety`], [`stock`] | what may be sold, and why |
//! | [`pricing`], [`shares`] | what a basket costs, to the fen |
//! | [`refund`] | what goes back when a shelf was empty |
//! | [`substitution`] | what may stand in for a missing product |
//! | [`order`], [`slot`] | the life of an order and its delivery window |
//! | [`code`], [`phone`] | what people read out and type in |
//! | [`view`] | what a page shows: read models without behaviour |

pub mod availability;
pub mod code;
pub mod error;
pub mod ids;
pub mod money;
pub mod order;
pub mod phone;
pub mod pricing;
pub mod quantity;
pub mod refund;
pub mod safety;
pub mod shares;
pub mod slot;
mod small;
pub mod stock;
pub mod substitution;
pub mod time;
pub mod view;

pub use error::{Code, UserError};
pub use money::Fen;
pub use quantity::{Base, Packs};
pub use time::Millis;
