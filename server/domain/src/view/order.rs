//! Orders and payment.

use super::basket::StepLine;
use crate::ids::{OrderId, SkuId};
use crate::order::State;
use crate::{Fen, Millis, Packs};
use serde::{Deserialize, Serialize};

/// An order in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderCard {
    /// Its code, for people and URLs: `/orders/<code>`.
    pub code: String,
    /// Its state.
    pub state: State,
    /// When it was placed.
    pub placed: Millis,
    /// `11月22日 18:05`, in the store's zone.
    pub placed_text: String,
    /// Paid or to pay.
    pub total: Fen,
    /// Pictures of the first lines.
    pub pictures: Vec<String>,
    /// Names of the first lines.
    pub names: Vec<String>,
    /// Packs in all.
    pub count: Packs,
    /// The store's name.
    pub store: String,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderLineView {
    /// Line number from 1.
    pub no: u32,
    /// The SKU.
    pub sku: SkuId,
    /// The SKU's code, for the link.
    pub sku_code: String,
    /// Name as ordered.
    pub name: String,
    /// Picture's name.
    pub picture: String,
    /// Packs ordered.
    pub qty: Packs,
    /// Packs short so far.
    pub short: Packs,
    /// Price of a pack as paid before basket discounts.
    pub unit_price: Fen,
    /// Shelf price × packs.
    pub gross: Fen,
    /// Discount shares, step by step.
    pub shares: Vec<StepLine>,
    /// Paid for the line.
    pub total: Fen,
    /// Refunded of the line so far.
    pub refunded: Fen,
    /// `refund`, `best_match`, `chosen`, `ask_me`.
    pub choice: String,
    /// Names of the chosen substitutes in order.
    pub chosen: Vec<String>,
    /// Can the choice still be changed?
    pub choice_open: bool,
}

/// An entry of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Millis,
    /// As text, in the store's zone.
    pub at_text: String,
    /// Code of what happened: `placed`, `paid`, `hold_expired`, `cancelled`, `short`, `refunded`, `accepted`, …
    pub kind: String,
    /// Who: `member`, `staff`, `system`, `channel`.
    pub actor: String,
    /// Values of the sentence, such as an amount or a name.
    pub detail: Vec<(String, String)>,
}

/// A refund as the member sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundView {
    /// `shortage`, `cancelled`, `late_payment`, `double_payment`.
    pub reason: String,
    /// `requested`, `done`, `failed`.
    pub state: String,
    /// In all.
    pub amount: Fen,
    /// Of it, delivery fee.
    pub delivery: Fen,
    /// Line by line: name, packs, gross of them, shares of them, refunded.
    pub lines: Vec<RefundLineView>,
    /// When, as text.
    pub at_text: String,
}

/// The calculation of a refund for one line: `gross − shares = amount`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundLineView {
    /// Name as ordered.
    pub name: String,
    /// Packs.
    pub qty: Packs,
    /// Shelf price of them.
    pub gross: Fen,
    /// Discount shares on them.
    pub shares: Fen,
    /// What goes back.
    pub amount: Fen,
}

/// An order's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    /// Which order.
    pub id: OrderId,
    /// Its code.
    pub code: String,
    /// Its state.
    pub state: State,
    /// Counts up with every change, for the live stream.
    pub version: i64,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// The store.
    pub store_name: String,
    /// The store's address.
    pub store_address: String,
    /// The store's telephone.
    pub store_phone: String,
    /// Recipient, masked phone and address; empty for pick-up.
    pub address: String,
    /// `11月22日 18:00–20:00`.
    pub slot: String,
    /// Note to the picker.
    pub note: String,
    /// When it was placed, as text.
    pub placed_text: String,
    /// The time to pay runs out then (unpaid orders).
    pub hold_until: Option<Millis>,
    /// Seconds left to pay, by the server's clock (unpaid orders).
    pub hold_left_s: Option<i64>,
    /// Lines.
    pub lines: Vec<OrderLineView>,
    /// Σ gross.
    pub goods: Fen,
    /// Steps of the price.
    pub steps: Vec<StepLine>,
    /// Delivery fee.
    pub delivery: Fen,
    /// Paid or to pay.
    pub total: Fen,
    /// Refunded so far.
    pub refunded: Fen,
    /// Timeline, newest first.
    pub timeline: Vec<TimelineEntry>,
    /// Refunds.
    pub refunds: Vec<RefundView>,
    /// Pick-up code (digits), for pick-up orders that are paid.
    pub pickup_code: Option<String>,
    /// Can the member cancel it?
    pub can_cancel: bool,
    /// Can the member pay it?
    pub can_pay: bool,
}

/// The sandbox channel's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxView {
    /// Number of the payment at the channel.
    pub trade_no: String,
    /// Code of the order.
    pub order_code: String,
    /// Amount to pay.
    pub amount: Fen,
    /// `open`, `paid`, `closed`.
    pub state: String,
    /// The shop's page to go back to.
    pub back: String,
}
