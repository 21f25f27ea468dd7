//! What may stand in for a product that is missing, at which price, in which order.
//!
//! Rules:
//! - Each line carries a [`Choice`]: refund, best match, chosen ones (up to 5,
//!   ranked), or ask me. The order has a default. What is nearest wins
//!   ([`effective`]); silence is never consent to a purchase ([`on_silence`]).
//! - Never broken ([`allowed`]): no allergen that the original has not, every
//!   diet mark of the original, no higher age limit, no brand that the member
//!   never wants, never less quantity for the same price, and it must be there.
//! - A substitute costs at most what the original would have ([`settle`]):
//!   dearer, the store pays the difference; cheaper, the member gets it back,
//!   net of the line's discount shares.
//! - Candidates are ranked ([`rank`]): the same leaf category first; then
//!   accepted pairs from past orders, attributes (brand, size, flavour, diet),
//!   closeness of unit price, the member's own history, what is sellable. The
//!   reasons are shown.

mod choice;
mod rank;
mod rules;

pub use choice::{BadChoice, Choice, MAX_CHOSEN, effective, on_silence};
pub use rank::{History, Ranked, Reason, rank};
pub use rules::{Forbidden, Goods, Limits, Measure, Settlement, allowed, packs_needed, settle};
