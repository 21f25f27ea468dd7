//! Errors that a person sees: a code with parameters, never free text. The
//! sentence is made from the code in the reader's language, at the edge.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What went wrong, in a word that a page can translate and a client can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Something failed inside; the log has the reference.
    Internal,
    /// There is no such thing (page, product, order) for this visitor.
    NotFound,
    /// A field of the form is missing or malformed; `field` says which.
    Invalid,
    /// Sign in first.
    SignInFirst,
    /// Signed in, but not allowed.
    Forbidden,
    /// Too many tries; `retry_s` says when to come back.
    TooMany,
    /// The shop is busy; try again in `retry_s` seconds.
    Busy,
    /// The database could not be reached.
    Unavailable,
    /// The phone number is not one.
    BadPhone,
    /// The one-time code is wrong, used or out of date.
    BadCode,
    /// Not as many left as asked: `sku`, `left`.
    NotEnough,
    /// Nothing left: `sku`.
    SoldOut,
    /// The SKU is not sold in this store: `sku`.
    NotSoldHere,
    /// At most `max` of one product in a basket.
    TooManyOfOne,
    /// At most `max` lines in a basket.
    BasketFull,
    /// The basket is empty.
    BasketEmpty,
    /// The basket's price changed since it was shown: `old`, `new` (fen).
    PriceChanged,
    /// Another store was chosen since the basket was shown.
    StoreChanged,
    /// The delivery slot has no place left.
    SlotFull,
    /// The delivery slot can no longer be chosen.
    SlotClosed,
    /// Choose a delivery slot.
    SlotMissing,
    /// Choose or write an address.
    AddressMissing,
    /// The address lies outside the store's delivery area: `radius_m`.
    TooFar,
    /// The coupon cannot be used on this basket.
    CouponUnusable,
    /// Goods for adults: confirm the age of `age`.
    AgeUnconfirmed,
    /// The order is no longer in a state that allows this.
    OrderState,
    /// The time to pay has run out.
    HoldExpired,
    /// The payment was declined by the channel.
    PaymentDeclined,
    /// The same key was used for another request.
    KeyReused,
    /// A file or batch could not be read.
    Unreadable,
    /// The API token is missing, wrong or lacks the role.
    BadToken,
    /// The request is larger than allowed: `max`.
    TooLarge,
    /// At most 5 substitutes can be named.
    TooManySubstitutes,
    /// The substitute may not stand in for this product.
    SubstituteNotAllowed,
}

impl Code {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::NotFound => 404,
            Self::SignInFirst | Self::BadToken => 401,
            Self::Forbidden => 403,
            Self::TooMany => 429,
            Self::Busy | Self::Unavailable => 503,
            Self::TooLarge => 413,
            Self::NotEnough
            | Self::SoldOut
            | Self::NotSoldHere
            | Self::PriceChanged
            | Self::StoreChanged
            | Self::SlotFull
            | Self::SlotClosed
            | Self::CouponUnusable
            | Self::OrderState
            | Self::HoldExpired
            | Self::KeyReused => 409,
            Self::PaymentDeclined => 402,
            _ => 422,
        }
    }

    /// The code as it stands in JSON and in texts: `sold_out`.
    pub fn as_str(self) -> String {
        // The derive's own name, so that code and text can never drift apart.
        let debug = format!("{self:?}");
        let mut out = String::with_capacity(debug.len() + 4);
        for (i, c) in debug.chars().enumerate() {
            if c.is_ascii_uppercase() && i > 0 {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    }
}

/// A code with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserError {
    /// What went wrong.
    pub code: Code,
    /// Values that the sentence needs, such as `max` or `left`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The form field that it concerns, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl UserError {
    /// An error without parameters.
    pub fn new(code: Code) -> Self {
        Self { code, params: BTreeMap::new(), field: None }
    }

    /// A malformed or missing field.
    pub fn invalid(field: &str) -> Self {
        Self::new(Code::Invalid).field(field)
    }

    /// Adds a value for the sentence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// Names the form field.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        self.field = Some(name.to_owned());
        self
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code.as_str())?;
        self.field.iter().try_for_each(|field| write!(f, " field={field}"))?;
        self.params.iter().try_for_each(|(k, v)| write!(f, " {k}={v}"))
    }
}

impl std::error::Error for UserError {}

impl From<Code> for UserError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}
