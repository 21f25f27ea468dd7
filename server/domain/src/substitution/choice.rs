//! What a member wants to happen if a line's product is missing.

use crate::ids::SkuId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most substitutes that can be named for a line.
pub const MAX_CHOSEN: usize = 5;

/// What shall happen if a product is missing. Stored and sent as text:
/// `refund`, `best_match`, `chosen:<sku>;<sku>`, `ask_me`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// 缺货退款: the money back.
    #[default]
    Refund,
    /// 相近商品: the best that may stand in.
    BestMatch,
    /// 指定商品: one of these, in this order; else the money back.
    Chosen(Vec<SkuId>),
    /// 联系我: ask, and decide on a live page.
    AskMe,
}

/// Why a text is no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChoice {
    /// Unknown word or malformed SKU.
    #[error("a choice is refund, best_match, chosen:<sku>;<sku> or ask_me")]
    Unknown,
    /// More than [`MAX_CHOSEN`] substitutes.
    #[error("at most {MAX_CHOSEN} substitutes can be named")]
    TooMany,
}

impl Choice {
    /// These substitutes in this order; one named twice counts once. None at all
    /// is a refund.
    ///
    /// # Errors
    /// [`BadChoice::TooMany`] for more than [`MAX_CHOSEN`].
    pub fn chosen(skus: impl IntoIterator<Item = SkuId>) -> Result<Self, BadChoice> {
        let mut ranked: Vec<SkuId> = Vec::new();
        for sku in skus {
            if !ranked.contains(&sku) {
                ranked.push(sku);
            }
            if ranked.len() > MAX_CHOSEN {
                return Err(BadChoice::TooMany);
            }
        }
        Ok(if ranked.is_empty() { Self::Refund } else { Self::Chosen(ranked) })
    }

    /// The kind of choice: `refund`, `best_match`, `chosen`, `ask_me`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::BestMatch => "best_match",
            Self::Chosen(_) => "chosen",
            Self::AskMe => "ask_me",
        }
    }

    /// The substitutes named, in their order.
    pub fn skus(&self) -> &[SkuId] {
        match self {
            Self::Chosen(skus) => skus,
            _ => &[],
        }
    }

    /// Puts kind and substitutes together, as a form sends them.
    ///
    /// # Errors
    /// [`BadChoice`] for an unknown kind or too many substitutes.
    pub fn from_parts(kind: &str, skus: &[SkuId]) -> Result<Self, BadChoice> {
        match kind {
            "refund" => Ok(Self::Refund),
            "best_match" => Ok(Self::BestMatch),
            "ask_me" => Ok(Self::AskMe),
            "chosen" => Self::chosen(skus.iter().cloned()),
            _ => Err(BadChoice::Unknown),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        for (i, sku) in self.skus().iter().enumerate() {
            write!(f, "{}{sku}", if i == 0 { ':' } else { ';' })?;
        }
        Ok(())
    }
}

impl FromStr for Choice {
    type Err = BadChoice;
    fn from_str(text: &str) -> Result<Self, BadChoice> {
        let (kind, list) = text.split_once(':').unwrap_or((text, ""));
        let words = list.split(';').map(str::trim).filter(|word| !word.is_empty());
        let skus = words.map(SkuId::parse).collect::<Result<Vec<_>, _>>().map_err(|_| BadChoice::Unknown)?;
        if kind != "chosen" && !skus.is_empty() {
            return Err(BadChoice::Unknown);
        }
        Self::from_parts(kind, &skus)
    }
}

impl TryFrom<String> for Choice {
    type Error = BadChoice;
    fn try_from(text: String) -> Result<Self, BadChoice> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

/// The choice that holds for a line: its own, else the order's default, else
/// the member's, else a refund.
pub fn effective(line: Option<&Choice>, order: Option<&Choice>, member: Option<&Choice>) -> Choice {
    line.or(order).or(member).cloned().unwrap_or_default()
}

/// What happens to a line when the member was asked and the deadline passed in
/// silence: what else was chosen at checkout (the order's default), and where
/// that is "ask me" too or nothing, a refund.
pub fn on_silence(line: &Choice, order: Option<&Choice>) -> Choice {
    match (line, order) {
        (Choice::AskMe, Some(Choice::AskMe) | None) => Choice::Refund,
        (Choice::AskMe, Some(other)) => other.clone(),
        (own, _) => own.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skus(n: usize) -> Vec<SkuId> {
        (0..n).map(|i| SkuId::trusted(format!("s{i}"))).collect()
    }

    #[test]
    fn choices_are_read_and_written_back() {
        for choice in [Choice::Refund, Choice::BestMatch, Choice::AskMe, Choice::Chosen(skus(5))] {
            assert_eq!(choice.to_string().parse(), Ok(choice.clone()));
            let json = serde_json::to_string(&choice).expect("serialises");
            assert_eq!(serde_json::from_str::<Choice>(&json).expect("reads back"), choice);
        }
        assert_eq!(Choice::Chosen(skus(2)).to_string(), "chosen:s0;s1");
        assert_eq!("refund:s1".parse::<Choice>(), Err(BadChoice::Unknown));
        assert_eq!("".parse::<Choice>(), Err(BadChoice::Unknown));
    }

    #[test]
    fn at_most_five_and_each_once() {
        assert_eq!(Choice::chosen(skus(6)), Err(BadChoice::TooMany));
        assert_eq!(Choice::chosen([skus(5), skus(5)].concat()), Ok(Choice::Chosen(skus(5))));
        assert_eq!(Choice::chosen([]), Ok(Choice::Refund));
    }

    #[test]
    fn the_nearest_choice_holds() {
        let (ask, best) = (Choice::AskMe, Choice::BestMatch);
        assert_eq!(effective(Some(&ask), Some(&best), None), ask);
        assert_eq!(effective(None, Some(&best), Some(&ask)), best);
        assert_eq!(effective(None, None, Some(&ask)), ask);
        assert_eq!(effective(None, None, None), Choice::Refund);
    }

    #[test]
    fn silence_buys_nothing_that_was_not_chosen() {
        assert_eq!(on_silence(&Choice::AskMe, None), Choice::Refund);
        assert_eq!(on_silence(&Choice::AskMe, Some(&Choice::AskMe)), Choice::Refund);
        assert_eq!(on_silence(&Choice::AskMe, Some(&Choice::BestMatch)), Choice::BestMatch);
        assert_eq!(on_silence(&Choice::BestMatch, None), Choice::BestMatch);
    }
}
