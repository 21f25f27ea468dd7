//! The member's own pages.

use crate::ids::{AddressId, MemberId};
use crate::{Fen, Millis};
use serde::{Deserialize, Serialize};

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// Which member.
    pub id: MemberId,
    /// Phone, masked: `138****1234`.
    pub phone: String,
    /// Name, may be empty.
    pub name: String,
    /// Do member prices apply?
    pub is_member: bool,
    /// Default for missing goods: `refund`, `best_match`, `ask_me`.
    pub substitution_default: String,
    /// Orders waiting for payment, on their way, and done.
    pub orders: (u32, u32, u32),
    /// Coupons that can be used.
    pub coupons: u32,
    /// Messages that were not read yet.
    pub unread: u32,
}

/// A coupon as the member's own page shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CouponCard {
    /// Its name.
    pub name: String,
    /// From this goods total on.
    pub threshold: Fen,
    /// The discount.
    pub off: Fen,
    /// When it runs out, as text.
    pub ends_text: String,
    /// Does it count for some goods only?
    pub some_goods: bool,
    /// Is it for another store than the chosen one?
    pub other_store: bool,
}

/// Something that the shop told a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// What it is about: `late_payment`, `double_payment`.
    pub kind: String,
    /// When.
    pub at: Millis,
    /// As text, in the chosen store's zone.
    pub at_text: String,
    /// Code of the order that it is about, if of one.
    pub order: Option<String>,
    /// Amount that it is about, if of one.
    pub amount: Option<Fen>,
    /// Not read yet?
    pub unread: bool,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AddressView {
    /// Which address.
    pub id: AddressId,
    /// Recipient.
    pub name: String,
    /// Phone of the recipient as typed (the member's own page).
    pub phone: String,
    /// District and street.
    pub area: String,
    /// House, floor, door.
    pub detail: String,
    /// Latitude in millionths of a degree, if known.
    pub lat_e6: Option<i64>,
    /// Longitude in millionths of a degree, if known.
    pub lon_e6: Option<i64>,
    /// The member's usual one.
    pub is_default: bool,
    /// Lies within the chosen store's delivery area, as far as known.
    pub in_area: bool,
}

/// What the address form sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AddressForm {
    /// Empty for a new one.
    #[serde(default)]
    pub id: String,
    /// Recipient, 1–40 characters.
    pub name: String,
    /// Mobile number.
    pub phone: String,
    /// District and street, 2–100 characters.
    pub area: String,
    /// House, floor, door, 1–100 characters.
    pub detail: String,
    /// Latitude in degrees, as text, if the browser gave it.
    #[serde(default)]
    pub lat: String,
    /// Longitude in degrees, as text.
    #[serde(default)]
    pub lon: String,
    /// Make it the usual one.
    #[serde(default)]
    pub is_default: bool,
}
