//! The price of a basket: a pure function from (basket, offers, member, time)
//! to (lines, steps, offers that did not apply and why).
//!
//! Rules:
//! - The steps run in a fixed order, laid down in [`STEPS`]: shelf price → the
//!   best *one* of member price, level price and timed discount → campaign price
//!   (flash sale, group buy, bargain) → spend-and-save → coupon ✗ → points ✗ →
//!   delivery fee. A line with a campaign price takes no part in the steps
//!   marked ✗. Stored value pays, and is no discount: it comes with the payment.
//! - Every step writes each line's share in fen. Shares add up exactly to the
//!   step's discount (see [`shares`](crate::shares)); no line goes below 0.
//! - A threshold is measured on what the goods in the offer's scope cost after
//!   the earlier steps.
//! - Stacking is data: what an offer excludes (by code or kind), its priority,
//!   its limit per member and in all, its budget. Two offers of which one
//!   excludes the other never take from the same line; the one whose step or
//!   priority comes first wins.
//! - Time is the caller's, hence the server's. Prices come from the shop's data,
//!   never from a client.
//!
//! A price of the future (a level price, points) is a variant of [`Step`] that
//! is there already, and a function in [`STEPS`].
//!
//! Example: lines 60.00 and 30.00 with 满88减10 cost 80.00; the shares are
//! 6.67 and 3.33.

mod hint;
mod input;
mod item;
mod offer;
mod output;
mod spend;
#[cfg(test)]
mod tests;
pub mod wire;
mod work;

pub use input::{CampaignKind, CampaignPrice, CouponIn, DeliveryTerms, Input, LineIn, MemberStatus};
pub use item::best_unit_price;
pub use offer::{BadOffer, Offer, OfferKind, Rule, Scope};
pub use output::{CouponOut, Hint, HintKind, LineOut, Priced, Reason, Rejected, Share, StepOut, UnitPrice, Winner};

use crate::Fen;
use serde::{Deserialize, Serialize};
use std::fmt;
use work::Work;

/// A step of the price, in the order in which the steps run. The three prices
/// of an article share one step, since only one of them applies; so do the campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// What the shelf says; where the price starts.
    ShelfPrice,
    /// The price for members.
    MemberPrice,
    /// The price for a member's level.
    LevelPrice,
    /// A discount for a time.
    TimedDiscount,
    /// A flash sale's price.
    FlashSale,
    /// A group buy's price.
    GroupBuy,
    /// A bargain's price.
    Bargain,
    /// So much off from so much on (满减).
    SpendAndSave,
    /// A coupon.
    Coupon,
    /// Points.
    Points,
    /// Stored value: a way to pay.
    StoredValue,
    /// The delivery fee.
    DeliveryFee,
}

impl Step {
    /// The word in the database, in JSON and in texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShelfPrice => "shelf_price",
            Self::MemberPrice => "member_price",
            Self::LevelPrice => "level_price",
            Self::TimedDiscount => "timed_discount",
            Self::FlashSale => "flash_sale",
            Self::GroupBuy => "group_buy",
            Self::Bargain => "bargain",
            Self::SpendAndSave => "spend_and_save",
            Self::Coupon => "coupon",
            Self::Points => "points",
            Self::StoredValue => "stored_value",
            Self::DeliveryFee => "delivery_fee",
        }
    }

    /// Reads the word back; `None` for an unknown one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }

    /// Every step, in order.
    pub const ALL: [Self; 12] = [
        Self::ShelfPrice,
        Self::MemberPrice,
        Self::LevelPrice,
        Self::TimedDiscount,
        Self::FlashSale,
        Self::GroupBuy,
        Self::Bargain,
        Self::SpendAndSave,
        Self::Coupon,
        Self::Points,
        Self::StoredValue,
        Self::DeliveryFee,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step: reads the basket, takes its discounts off the working state.
type StepFn = for<'a> fn(&'a Input, &mut Work<'a>);

/// The steps that give discounts, in their fixed order. Each works on what the
/// earlier ones left; the delivery fee is computed from the result.
const STEPS: &[StepFn] =
    &[item::member_price_or_timed_discount, item::campaign_price, spend::spend_and_save, spend::coupon];

/// Prices a basket.
pub fn price(input: &Input) -> Priced {
    let mut priced = price_goods(input);
    if !input.member.is_member {
        let member = MemberStatus { is_member: true, ..input.member.clone() };
        let as_member = price_goods(&Input { member, ..input.clone() });
        priced.member_would_save = (priced.payable - as_member.payable).at_least_zero();
    }
    priced
}

/// Everything but what membership would change.
fn price_goods(input: &Input) -> Priced {
    let mut work = Work::new(input);
    for step in STEPS {
        step(input, &mut work);
    }
    let shelf_total: Fen = work.lines.iter().map(|line| line.gross).sum();
    let goods_total: Fen = work.lines.iter().map(|line| line.left).sum();
    let (delivery_fee, delivery_waived) = delivery(input, goods_total);
    let hint = hint::next_threshold(input, &work, goods_total, delivery_fee);
    let coupons = std::mem::take(&mut work.coupons);
    let without_coupon = goods_total + coupons.iter().filter(|c| c.applied).map(|c| c.amount).sum::<Fen>();
    let best_coupon = spend::best(&coupons, |off| {
        let goods = without_coupon - off;
        goods + delivery(input, goods).0
    });
    let (lines, steps, rejected) = work.finish(input);
    Priced {
        lines,
        steps,
        rejected,
        shelf_total,
        discount_total: shelf_total - goods_total,
        goods_total,
        delivery_fee,
        delivery_waived,
        payable: goods_total + delivery_fee,
        saved: shelf_total - goods_total + delivery_waived,
        hint,
        coupons,
        best_coupon,
        member_would_save: Fen::ZERO,
    }
}

/// The delivery fee to pay, and the part of it that is waived. Free from
/// `free_above` on, measured on the goods after all discounts; an empty basket
/// and a pick-up cost nothing.
fn delivery(input: &Input, goods_total: Fen) -> (Fen, Fen) {
    let any = input.lines.iter().any(|line| line.qty.0 > 0);
    match &input.delivery {
        Some(terms) if any => {
            let fee = terms.fee.at_least_zero();
            let free = terms.free_above.is_some_and(|above| goods_total >= above);
            if free { (Fen::ZERO, fee) } else { (fee, Fen::ZERO) }
        }
        _ => (Fen::ZERO, Fen::ZERO),
    }
}
