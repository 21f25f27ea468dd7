//! Identifiers. Each is a newtype over text, so that a SKU can never be passed
//! where a store is wanted. New ones are UUIDs of version 7 (time-ordered),
//! made by the store crate; people see short codes instead (see `code`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier has 1 to 64 letters, digits, '-', '_' or '.'")]
pub struct BadId;

fn parse(text: &str) -> Result<&str, BadId> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits { Ok(text) } else { Err(BadId) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 64 letters, digits, `-`, `_` or `.`.
            ///
            /// # Errors
            /// [`BadId`] for anything else.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                parse(text).map(|t| Self(t.to_owned()))
            }

            /// Takes an identifier that this shop made itself (read back from its database).
            pub fn trusted(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::parse(text)
            }
        }
    )*};
}

ids! {
    /// A physical supermarket.
    StoreId,
    /// What can be put in a basket.
    SkuId,
    /// A pool of base units that one or several SKUs are sold from.
    PoolId,
    /// A node of the category tree.
    CategoryId,
    /// A person who signed in.
    MemberId,
    /// A basket, of a member or of a guest.
    BasketId,
    /// An order.
    OrderId,
    /// An offer: timed discount, spend-and-save, coupon.
    OfferId,
    /// A coupon in a member's hands.
    CouponId,
    /// A delivery or pick-up window of a store on one day.
    SlotId,
    /// An attempt to pay an order.
    PaymentId,
    /// Money on its way back.
    RefundId,
    /// A member's address.
    AddressId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_short_and_plain() {
        assert!(SkuId::parse("0192f3a0-7c1e-7c3e-9b1a-0123456789ab").is_ok());
        for bad in ["", "a b", "a/b", "奶", &"x".repeat(65)] {
            assert_eq!(SkuId::parse(bad), Err(BadId), "{bad}");
        }
    }
}
