//! What the price of a basket is made of.

use super::Step;
use crate::ids::{CouponId, OfferId, SkuId};
use crate::{Fen, Packs};
use serde::{Deserialize, Serialize};

/// A priced basket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Priced {
    /// The lines, in the basket's order.
    pub lines: Vec<LineOut>,
    /// What each step and offer took off, in the fixed order. Their amounts add
    /// up to `discount_total`, and each to the lines' shares of it.
    pub steps: Vec<StepOut>,
    /// Offers that did not apply, and why; the chosen coupon among them.
    pub rejected: Vec<Rejected>,
    /// Σ shelf price × packs.
    pub shelf_total: Fen,
    /// Σ of the discounts.
    pub discount_total: Fen,
    /// The goods after all discounts.
    pub goods_total: Fen,
    /// The delivery fee to pay.
    pub delivery_fee: Fen,
    /// The delivery fee that is waived.
    pub delivery_waived: Fen,
    /// To pay: goods and delivery fee.
    pub payable: Fen,
    /// Discounts and waived delivery fee.
    pub saved: Fen,
    /// The next threshold within reach.
    pub hint: Option<Hint>,
    /// Every coupon with what it would give or why it cannot be used.
    pub coupons: Vec<CouponOut>,
    /// The usable coupon with which least is to be paid (the chosen one counts,
    /// too); none if that is not less than without any.
    pub best_coupon: Option<CouponId>,
    /// How much less a member would pay for this basket; 0 for members.
    pub member_would_save: Fen,
}

/// A priced line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineOut {
    /// The SKU.
    pub sku: SkuId,
    /// Packs.
    pub qty: Packs,
    /// The shelf price of a pack.
    pub shelf_price: Fen,
    /// What a pack costs after the steps that change its price (member price,
    /// timed discount, campaign), before the basket's discounts.
    pub unit_price: Fen,
    /// Shelf price × packs.
    pub gross: Fen,
    /// What each step and offer took off this line, in the fixed order.
    pub shares: Vec<Share>,
    /// Gross less shares: what the line costs.
    pub total: Fen,
}

/// A line's share of a discount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The step.
    pub step: Step,
    /// The offer or campaign; none for a member price.
    pub offer: Option<OfferId>,
    /// The amount taken off, above 0.
    pub amount: Fen,
}

/// What a step took off the basket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOut {
    /// The step.
    pub step: Step,
    /// The offer or campaign; none for a member price.
    pub offer: Option<OfferId>,
    /// The amount taken off, above 0.
    pub amount: Fen,
}

/// An offer that did not apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// The offer.
    pub offer: OfferId,
    /// The coupon, if it is the chosen one's.
    pub coupon: Option<CouponId>,
    /// Why not.
    pub reason: Reason,
}

/// Why an offer did not apply. In JSON `{"why":"short_by","short_by":320}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    /// The goods in scope cost too little.
    ShortBy {
        /// So much is missing.
        short_by: Fen,
    },
    /// It has not begun.
    NotStarted,
    /// It is over, or the coupon has run out.
    Ended,
    /// It is for members.
    NotMember,
    /// It is another store's.
    OtherStore,
    /// Nothing in the basket is in its scope.
    OutOfScope,
    /// Used as often as allowed, by the member or by all.
    LimitReached,
    /// Another offer that it does not stack with applied.
    Excluded {
        /// The other one.
        by: Winner,
    },
    /// Something better applied to the same goods.
    BetterOffer {
        /// The better one.
        by: Winner,
    },
    /// Its budget does not reach.
    BudgetSpent,
    /// It would not make anything cheaper.
    NoGain,
}

impl Reason {
    /// The reason's word, for texts.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ShortBy { .. } => "short_by",
            Self::NotStarted => "not_started",
            Self::Ended => "ended",
            Self::NotMember => "not_member",
            Self::OtherStore => "other_store",
            Self::OutOfScope => "out_of_scope",
            Self::LimitReached => "limit_reached",
            Self::Excluded { .. } => "excluded",
            Self::BetterOffer { .. } => "better_offer",
            Self::BudgetSpent => "budget_spent",
            Self::NoGain => "no_gain",
        }
    }

    /// The offer that stood in the way, if an offer did.
    pub const fn other_offer(&self) -> Option<&OfferId> {
        match self {
            Self::Excluded { by: Winner::Offer(id) | Winner::Campaign(id) }
            | Self::BetterOffer { by: Winner::Offer(id) | Winner::Campaign(id) } => Some(id),
            _ => None,
        }
    }
}

/// What applied instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The member price.
    MemberPrice,
    /// An offer.
    Offer(OfferId),
    /// A campaign's price.
    Campaign(OfferId),
}

/// A coupon as checkout shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CouponOut {
    /// Which one.
    pub id: CouponId,
    /// What it gives.
    pub offer: OfferId,
    /// What it would take off this basket; 0 if it cannot be used.
    pub amount: Fen,
    /// Why it cannot be used; `None` if it can.
    pub unusable: Option<Reason>,
    /// Is it applied?
    pub applied: bool,
}

/// How far it is to the next threshold (凑单).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hint {
    /// What is to be had.
    pub kind: HintKind,
    /// The offer, for a spend-and-save.
    pub offer: Option<OfferId>,
    /// So much more, at least 1 fen.
    pub short_by: Fen,
    /// What that would save.
    pub saves: Fen,
}

/// What a hint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    /// A spend-and-save.
    SpendSave,
    /// Free delivery.
    FreeDelivery,
}

impl HintKind {
    /// The word in texts: `spend_save`, `free_delivery`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpendSave => "spend_save",
            Self::FreeDelivery => "free_delivery",
        }
    }
}

/// What one pack costs before a basket's discounts, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitPrice {
    /// The price.
    pub price: Fen,
    /// The step that makes it ([`Step::ShelfPrice`] if none does).
    pub step: Step,
    /// The timed discount, if that is it.
    pub offer: Option<OfferId>,
}
