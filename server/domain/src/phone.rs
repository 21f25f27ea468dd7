//! Mobile numbers of mainland China: eleven digits from 13 to 19.
//!
//! Rule: a number is shown masked (`138****1234`). So that none slips into a
//! page or a log by accident, printing a [`Phone`] masks it; [`Phone::as_str`]
//! is the one way to the whole number.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Characters that a number is written with at most.
const LONGEST: usize = 40;

/// A mobile number, kept as its eleven digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

/// Why a text is no mobile number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mobile number has eleven digits and begins with 13 to 19")]
pub struct BadPhone;

impl Phone {
    /// Reads a number as people write it: with `+86`, `0086`, spaces, dashes, full-width digits.
    ///
    /// # Errors
    /// [`BadPhone`] for anything that is no mainland mobile number.
    pub fn parse(text: &str) -> Result<Self, BadPhone> {
        let text = text.trim();
        if text.chars().nth(LONGEST).is_some() {
            return Err(BadPhone);
        }
        let mut digits = String::with_capacity(14);
        for c in text.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '０'..='９' => digits.push(char::from_digit(u32::from(c) - u32::from('０'), 10).ok_or(BadPhone)?),
                '+' | '＋' if digits.is_empty() => {}
                ' ' | '\u{a0}' | '\u{3000}' | '-' | '–' | '(' | ')' => {}
                _ => return Err(BadPhone),
            }
        }
        let national = match digits.len() {
            13 => digits.strip_prefix("86").ok_or(BadPhone)?,
            15 => digits.strip_prefix("0086").ok_or(BadPhone)?,
            _ => &digits,
        };
        let fits = national.len() == 11 && national.starts_with('1') && matches!(national.as_bytes()[1], b'3'..=b'9');
        if fits { Ok(Self(national.to_owned())) } else { Err(BadPhone) }
    }

    /// The whole number: only for who needs it for an order at hand.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it is shown: `138****1234`.
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], &self.0[7..])
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

impl FromStr for Phone {
    type Err = BadPhone;
    fn from_str(text: &str) -> Result<Self, BadPhone> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Phone {
    type Error = BadPhone;
    fn try_from(text: String) -> Result<Self, BadPhone> {
        Self::parse(&text)
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for text in [
            "13812341234",
            "+86 138 1234 1234",
            "0086-138-1234-1234",
            "86 13812341234",
            " 138-1234-1234 ",
            "１３８１２３４１２３４",
        ] {
            assert_eq!(Phone::parse(text).as_ref().map(Phone::as_str), Ok("13812341234"), "{text}");
        }
    }

    #[test]
    fn what_is_no_mobile_number_is_refused() {
        for bad in [
            "",
            "12812341234",
            "1381234123",
            "138123412345",
            "1381234123a",
            "+1 202 555 0101",
            "02112345678",
            "138+12341234",
            "13812341234                                                  2",
        ] {
            assert_eq!(Phone::parse(bad), Err(BadPhone), "{bad}");
        }
    }

    #[test]
    fn printing_it_masks_it() {
        let phone = Phone::parse("13812341234").expect("a number");
        assert_eq!(phone.to_string(), "138****1234");
        assert_eq!(format!("{phone:?}"), "Phone(138****1234)");
    }
}
