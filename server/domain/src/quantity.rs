//! Quantities. Stock is counted in base units (pieces, or grams for goods sold
//! by weight); a shopper buys packs. The two never mix: see [`Packs::base`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// None.
            pub const ZERO: Self = Self(0);
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self { Self(self.0 + other.0) }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self { Self(self.0 - other.0) }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self { Self(-self.0) }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) { self.0 += other.0; }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) { self.0 -= other.0; }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self { all.fold(Self::ZERO, Add::add) }
        }
    )*};
}

quantities! {
    /// Base units of a pool: pieces or grams.
    Base,
    /// Packs of a SKU: what a shopper counts.
    Packs
}

impl Packs {
    /// The most packs of one SKU in a basket.
    pub const MAX_IN_BASKET: Self = Self(99);

    /// How many base units these packs take from their pool.
    #[must_use]
    pub const fn base(self, pack_size: Base) -> Base {
        Base(self.0.saturating_mul(pack_size.0))
    }
}
