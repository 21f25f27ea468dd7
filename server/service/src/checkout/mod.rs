//! Checkout: what an order would be, and placing it.
//!
//! Rule: an order is placed in one unit of work: it is priced again, stock,
//! slot, coupon and the offers' places are taken by conditional updates, prices
//! and shares are frozen, the payment is prepared. All of it is committed, or
//! nothing. The same idempotency key gives the same order.

mod desk;
mod placing;
mod rows;
mod view;

use crate::Shop;
use serde::{Deserialize, Serialize};

/// What the checkout page has chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutChoice {
    /// `delivery` (also for an empty or unknown word) or `pickup`.
    pub kind: String,
    /// Chosen address; else the usual one.
    pub address: Option<String>,
    /// Chosen slot.
    pub slot: Option<String>,
    /// Chosen coupon, `none` for none; else the one with which least is to be paid.
    pub coupon: Option<String>,
    /// Default for goods without a choice of their own; else the member's.
    pub substitution_default: Option<String>,
    /// Note as typed.
    pub note: String,
}

/// A placed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its code.
    pub code: String,
    /// Where it is paid: the channel's page, or the order's own payment page.
    pub payment_url: String,
}

/// The address as it was when the order was placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FrozenAddress {
    pub name: String,
    pub phone: String,
    pub area: String,
    pub detail: String,
    pub lat_e6: Option<i64>,
    pub lon_e6: Option<i64>,
}

impl Shop {
    /// 128 random bits as text.
    pub(crate) fn random_key(&self) -> String {
        let random = &self.ports().random;
        format!("{:016x}{:016x}", random.bits(), random.bits())
    }
}

/// May this word be the default for goods without a choice of their own?
fn is_default(choice: &str) -> bool {
    matches!(choice, "refund" | "best_match" | "ask_me")
}
