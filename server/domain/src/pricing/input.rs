//! What the price of a basket is computed from.

use super::{Offer, Step};
use crate::ids::{CategoryId, CouponId, OfferId, SkuId, StoreId};
use crate::{Fen, Millis, Packs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A basket with everything that bears on its price.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Lines in the basket's order, one a SKU.
    pub lines: Vec<LineIn>,
    /// Timed discounts and spend-and-saves that exist for this store, running or
    /// soon to run. (Coupons here are ignored: they are in `coupons`.)
    pub offers: Vec<Offer>,
    /// The member's coupons.
    pub coupons: Vec<CouponIn>,
    /// The coupon chosen, one of `coupons`.
    pub coupon: Option<CouponId>,
    /// Who buys.
    pub member: MemberStatus,
    /// The store that sells.
    pub store: StoreId,
    /// The server's time.
    pub now: Millis,
    /// Terms of delivery; `None` for a pick-up, or as long as it is open.
    pub delivery: Option<DeliveryTerms>,
}

/// A line of the basket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineIn {
    /// What is bought.
    pub sku: SkuId,
    /// Its categories from the leaf up to the root.
    pub categories: Vec<CategoryId>,
    /// How many packs.
    pub qty: Packs,
    /// The shelf price of a pack.
    pub shelf_price: Fen,
    /// The price of a pack for members, if there is one.
    pub member_price: Option<Fen>,
    /// The price of a campaign that this line was put in the basket with.
    pub campaign: Option<CampaignPrice>,
}

/// The price of a flash sale, a group buy or a bargain for one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignPrice {
    /// The campaign.
    pub id: OfferId,
    /// Which kind.
    pub kind: CampaignKind,
    /// The price of a pack.
    pub price: Fen,
}

/// Campaigns with a price of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignKind {
    /// 秒杀
    FlashSale,
    /// 拼团
    GroupBuy,
    /// 砍价
    Bargain,
}

impl CampaignKind {
    /// The step that its price is.
    pub const fn step(self) -> Step {
        match self {
            Self::FlashSale => Step::FlashSale,
            Self::GroupBuy => Step::GroupBuy,
            Self::Bargain => Step::Bargain,
        }
    }
}

/// A coupon in the member's hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CouponIn {
    /// Which one.
    pub id: CouponId,
    /// What it gives; its rule is [`Rule::Coupon`](super::Rule::Coupon).
    pub offer: Offer,
    /// When this one runs out, if before its offer ends.
    pub expires: Option<Millis>,
}

/// Who buys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Do member prices hold for them?
    pub is_member: bool,
    /// How often each offer was used by them, in orders that are not called off
    /// (unpaid ones count while they hold).
    pub uses: BTreeMap<OfferId, u32>,
}

/// What delivery costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryTerms {
    /// The fee.
    pub fee: Fen,
    /// Free from this goods total on (after discounts).
    pub free_above: Option<Fen>,
}
