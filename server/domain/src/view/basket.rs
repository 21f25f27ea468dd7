//! Basket and checkout.

use super::catalogue::{Candidate, LiveState, ProductCard, SubstitutionView};
use super::member::AddressView;
use crate::ids::{AddressId, CouponId, SkuId, SlotId, StoreId};
use crate::pricing;
use crate::{Fen, Millis, Packs};
use serde::{Deserialize, Serialize};

/// A line of the basket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasketLine {
    /// The product; its `live` is the state now.
    pub card: ProductCard,
    /// Packs wanted.
    pub qty: Packs,
    /// Gross: shelf price × packs.
    pub gross: Fen,
    /// What the line costs after all discounts.
    pub total: Fen,
    /// What shall happen if it is missing.
    pub substitution: SubstitutionView,
    /// Fewer are left than wanted: how many can be had; `None` if all is well.
    pub short_to: Option<Packs>,
}

/// A step of the price, as shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Code of the step (`member_price`, `timed_discount`, `spend_and_save`, `coupon`, …).
    pub step: String,
    /// Name of the offer, if one.
    pub name: String,
    /// The discount, as a positive amount.
    pub amount: Fen,
}

/// An offer that did not apply, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Name of the offer.
    pub name: String,
    /// Why not.
    pub reason: pricing::Reason,
    /// Name of the other offer where the reason names one.
    pub other: String,
}

/// Totals of a basket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Σ gross.
    pub goods: Fen,
    /// The steps in their order.
    pub steps: Vec<StepLine>,
    /// Σ of the steps.
    pub discount: Fen,
    /// Delivery fee (0 if free or for pick-up).
    pub delivery: Fen,
    /// To pay.
    pub payable: Fen,
    /// What the member prices would save a guest or non-member on this basket.
    pub member_would_save: Fen,
    /// Offers that did not apply, with the reason.
    pub rejected: Vec<RejectedLine>,
    /// How far to the next discount or free delivery: (code `spend_save`|`free_delivery`, name, missing).
    pub hint: Option<(String, String, Fen)>,
}

/// The basket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BasketView {
    /// Lines that can be had.
    pub lines: Vec<BasketLine>,
    /// Lines that are no longer to be had here.
    pub gone: Vec<BasketLine>,
    /// Totals of `lines`.
    pub totals: Totals,
    /// What the totals were computed from, so that a browser can reprice at once.
    pub pricing: Option<pricing::Input>,
    /// Cheap goods to fill up with, if a hint is given.
    pub fill_up: Vec<ProductCard>,
    /// The last line that was removed, to undo: SKU, packs, name.
    pub undo: Option<(SkuId, Packs, String)>,
    /// All packs in it, for the badge.
    pub count: Packs,
}

impl BasketView {
    /// The states that the page shows.
    pub fn live(&self) -> impl Iterator<Item = &LiveState> {
        self.lines.iter().chain(&self.gone).map(|line| &line.card.live)
    }
}

/// A delivery or pick-up window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotView {
    /// Which slot.
    pub id: SlotId,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Local day such as `2026-11-22`.
    pub day: String,
    /// `today`, `tomorrow`, or empty.
    pub day_code: String,
    /// `18:00–20:00`.
    pub hours: String,
    /// Start.
    pub starts: Millis,
    /// Places left.
    pub left: i64,
    /// Can it be chosen?
    pub open: bool,
    /// Is it chosen?
    pub chosen: bool,
}

/// A coupon at checkout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CouponView {
    /// Which coupon.
    pub id: CouponId,
    /// Its name.
    pub name: String,
    /// From this goods total on.
    pub threshold: Fen,
    /// The discount.
    pub off: Fen,
    /// When it runs out.
    pub ends: Millis,
    /// Why it cannot be used now; `None` if it can.
    pub unusable: Option<pricing::Reason>,
    /// Is it chosen?
    pub chosen: bool,
}

/// The checkout page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckoutView {
    /// The basket as it would be ordered.
    pub basket: BasketView,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Addresses of the member, the chosen one first.
    pub addresses: Vec<AddressView>,
    /// The chosen address.
    pub address: Option<AddressId>,
    /// Slots of the next days for `kind`.
    pub slots: Vec<SlotView>,
    /// Coupons, usable ones first.
    pub coupons: Vec<CouponView>,
    /// Default for lines without a choice of their own.
    pub substitution_default: String,
    /// The highest age limit in the basket.
    pub age_limit: Option<u8>,
    /// Key that makes a double submit one order.
    pub idempotency_key: String,
    /// The store that it would be ordered from.
    pub store: StoreId,
    /// Name and address of the store, for pick-up.
    pub store_name: String,
    /// The store's address.
    pub store_address: String,
    /// Note as last typed.
    pub note: String,
    /// How long the goods are held before payment, in minutes.
    pub hold_min: i64,
}

/// What the checkout form sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceForm {
    /// Key that makes a double submit one order.
    pub idempotency_key: String,
    /// The store that the page showed, by its id; empty if it is not said.
    #[serde(default)]
    pub store: String,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Chosen address (delivery).
    #[serde(default)]
    pub address: Option<String>,
    /// Chosen slot.
    #[serde(default)]
    pub slot: Option<String>,
    /// Chosen coupon; `none` or empty for none.
    #[serde(default)]
    pub coupon: Option<String>,
    /// Default substitution choice of the order.
    #[serde(default)]
    pub substitution_default: Option<String>,
    /// Note to the picker, at most 200 characters.
    #[serde(default)]
    pub note: String,
    /// What the page showed as payable, in fen.
    pub payable: i64,
    /// "I am old enough" was ticked.
    #[serde(default)]
    pub age_confirmed: bool,
}

/// Candidates for one line, loaded when its choice is opened.
pub type Candidates = Vec<Candidate>;
