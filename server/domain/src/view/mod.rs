//! Read models: what a page shows, in the reader's language, without behaviour.
//!
//! The service fills them, the pages render them, the islands get parts of
//! them as props; so they hold no secrets and nothing that is not shown.

mod basket;
mod catalogue;
mod member;
mod order;

pub use basket::*;
pub use catalogue::*;
pub use member::*;
pub use order::*;

use serde::{Deserialize, Serialize};

/// The languages of the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lang {
    /// Chinese as written in mainland China.
    #[default]
    #[serde(rename = "zh-CN")]
    Zh,
    /// English.
    #[serde(rename = "en")]
    En,
}

impl Lang {
    /// The tag for `lang="…"`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// Reads a tag such as `zh-CN`, `zh`, `en-GB`.
    pub fn parse(tag: &str) -> Option<Self> {
        match tag.get(..2)?.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The text in this language; the other one where this is empty.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh if zh.is_empty() => en,
            Self::En if en.is_empty() => zh,
            Self::Zh => zh,
            Self::En => en,
        }
    }
}
