//! Money: whole fen (1/100 yuan) in 64 bits. No floating point anywhere.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount in fen; may be negative where it is a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fen(pub i64);

/// Why a text is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a number of yuan with at most two decimals, up to 1,000,000")]
pub struct BadAmount;

impl Fen {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that is accepted from outside: one million yuan.
    pub const MAX: Self = Self(100_000_000);

    /// Reads yuan as people write them: `12`, `12.5`, `12.80`, `¥12.80`.
    ///
    /// # Errors
    /// [`BadAmount`] for a negative amount, more than two decimals, or above [`Fen::MAX`].
    pub fn parse_yuan(text: &str) -> Result<Self, BadAmount> {
        let text = text.trim().trim_start_matches(['¥', '￥']);
        let yuan: Decimal = text.parse().map_err(|_| BadAmount)?;
        let fen = yuan.checked_mul(Decimal::ONE_HUNDRED).ok_or(BadAmount)?;
        if !fen.fract().is_zero() {
            return Err(BadAmount);
        }
        let fen = Self(fen.to_i64().ok_or(BadAmount)?);
        if (Self::ZERO..=Self::MAX).contains(&fen) { Ok(fen) } else { Err(BadAmount) }
    }

    /// The amount in yuan.
    pub fn yuan(self) -> Decimal {
        Decimal::new(self.0, 2)
    }

    /// `self` × `n`; saturates, which no accepted amount and quantity reach.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The smaller of two amounts.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Ord::min(self, other)
    }

    /// The amount, or nothing if it is negative.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        Self(self.0.max(0))
    }

    /// Is it more than nothing?
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

/// Two decimals, no currency sign: `12.80`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", abs / 100, abs % 100)
    }
}

impl Add for Fen {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}
impl Sub for Fen {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}
impl Neg for Fen {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl AddAssign for Fen {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}
impl SubAssign for Fen {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}
impl Sum for Fen {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_are_read_to_the_fen() {
        assert_eq!(Fen::parse_yuan("12.8"), Ok(Fen(1280)));
        assert_eq!(Fen::parse_yuan(" ¥0.05 "), Ok(Fen(5)));
        for bad in ["", "-1", "1.234", "1e3x", "1000000.01", "一"] {
            assert_eq!(Fen::parse_yuan(bad), Err(BadAmount), "{bad}");
        }
    }

    #[test]
    fn fen_are_written_with_two_decimals() {
        assert_eq!(Fen(5).to_string(), "0.05");
        assert_eq!(Fen(-1280).to_string(), "-12.80");
    }
}
