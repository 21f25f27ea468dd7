//! Offers: what they give, on which goods, when and how often.

use super::input::{Input, LineIn};
use super::output::Reason;
use crate::ids::{CategoryId, OfferId, SkuId, StoreId};
use crate::{Fen, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An offer of the shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Which one.
    pub id: OfferId,
    /// Its code, by which others exclude it.
    pub code: String,
    /// What it gives.
    pub rule: Rule,
    /// On which goods.
    pub scope: Scope,
    /// Only in this store; `None`: in all.
    pub store: Option<StoreId>,
    /// From when on; `None`: always.
    pub starts: Option<Millis>,
    /// Up to when (exclusive); `None`: without end.
    pub ends: Option<Millis>,
    /// Only for members?
    pub members_only: bool,
    /// Within one step, higher ones are tried first.
    pub priority: i32,
    /// Codes (`spring24`) or kinds (`timed`, `spend_save`, `coupon`) that it does
    /// not stack with. Its own kind means the others of that kind.
    pub excludes: Vec<String>,
    /// Orders a member may use it in.
    pub per_member: Option<u32>,
    /// Orders it may be used in altogether.
    pub total: Option<u32>,
    /// Orders it is used in so far.
    pub used_total: u32,
    /// What it may cost the shop altogether.
    pub budget: Option<Fen>,
    /// What it cost so far.
    pub spent: Fen,
}

/// What an offer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// A price for each pack in scope.
    TimedPrice {
        /// The price of a pack.
        price: Fen,
    },
    /// A part off the shelf price of each pack in scope.
    TimedPercent {
        /// The part in thousandths of a percent: 15,000 is 15 % off (85 折).
        off_milli: i64,
    },
    /// So much off when the goods in scope cost so much (满减).
    SpendSave {
        /// From this amount on.
        threshold: Fen,
        /// So much off.
        off: Fen,
    },
    /// A coupon: so much off when the goods in scope cost so much.
    Coupon {
        /// From this amount on.
        threshold: Fen,
        /// So much off.
        off: Fen,
    },
}

/// Kinds of offers, as import files and `excludes` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferKind {
    /// A discount for a time on the goods themselves.
    Timed,
    /// Spend and save.
    SpendSave,
    /// A coupon.
    Coupon,
}

impl OfferKind {
    /// The word in files, in the database and in `excludes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timed => "timed",
            Self::SpendSave => "spend_save",
            Self::Coupon => "coupon",
        }
    }
}

impl fmt::Display for OfferKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no kind or no scope of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOffer {
    /// Unknown kind.
    #[error("an offer's kind is timed, spend_save or coupon")]
    Kind,
    /// Unreadable scope.
    #[error("a scope is `all`, `category:<code>;<code>` or `sku:<code>;<code>`")]
    Scope,
}

impl FromStr for OfferKind {
    type Err = BadOffer;
    fn from_str(text: &str) -> Result<Self, BadOffer> {
        match text {
            "timed" => Ok(Self::Timed),
            "spend_save" => Ok(Self::SpendSave),
            "coupon" => Ok(Self::Coupon),
            _ => Err(BadOffer::Kind),
        }
    }
}

/// Goods that an offer is for. Written `all`, `category:dairy;fruit`, `sku:A1;A2`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "ids", rename_all = "snake_case")]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// Everything in or below these categories.
    Categories(Vec<CategoryId>),
    /// These SKUs.
    Skus(Vec<SkuId>),
}

impl Scope {
    /// Is this product in scope? `categories` run from its leaf to the root.
    pub fn covers(&self, sku: &SkuId, categories: &[CategoryId]) -> bool {
        match self {
            Self::All => true,
            Self::Categories(wanted) => categories.iter().any(|c| wanted.contains(c)),
            Self::Skus(wanted) => wanted.contains(sku),
        }
    }
}

impl FromStr for Scope {
    type Err = BadOffer;

    /// The identifiers in the text are taken as they are: an importer turns
    /// codes into identifiers.
    fn from_str(text: &str) -> Result<Self, BadOffer> {
        let words = |list: &str| -> Vec<String> {
            list.split(';').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect()
        };
        match text.trim().split_once(':') {
            None if matches!(text.trim(), "" | "all") => Ok(Self::All),
            Some(("category", list)) if !words(list).is_empty() => words(list)
                .iter()
                .map(|word| CategoryId::parse(word).map_err(|_| BadOffer::Scope))
                .collect::<Result<_, _>>()
                .map(Self::Categories),
            Some(("sku", list)) if !words(list).is_empty() => words(list)
                .iter()
                .map(|word| SkuId::parse(word).map_err(|_| BadOffer::Scope))
                .collect::<Result<_, _>>()
                .map(Self::Skus),
            _ => Err(BadOffer::Scope),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |words: Vec<&str>| words.join(";");
        match self {
            Self::All => f.write_str("all"),
            Self::Categories(ids) => {
                write!(f, "category:{}", join(ids.iter().map(CategoryId::as_str).collect()))
            }
            Self::Skus(ids) => write!(f, "sku:{}", join(ids.iter().map(SkuId::as_str).collect())),
        }
    }
}

impl Offer {
    /// An offer on everything, in all stores, without end or limit.
    pub fn new(id: OfferId, code: impl Into<String>, rule: Rule) -> Self {
        Self {
            id,
            code: code.into(),
            rule,
            scope: Scope::All,
            store: None,
            starts: None,
            ends: None,
            members_only: false,
            priority: 0,
            excludes: Vec::new(),
            per_member: None,
            total: None,
            used_total: 0,
            budget: None,
            spent: Fen::ZERO,
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> OfferKind {
        match self.rule {
            Rule::TimedPrice { .. } | Rule::TimedPercent { .. } => OfferKind::Timed,
            Rule::SpendSave { .. } => OfferKind::SpendSave,
            Rule::Coupon { .. } => OfferKind::Coupon,
        }
    }

    /// Threshold and amount off, for the kinds that have them.
    pub const fn threshold_and_off(&self) -> Option<(Fen, Fen)> {
        match self.rule {
            Rule::SpendSave { threshold, off } | Rule::Coupon { threshold, off } => Some((threshold, off)),
            Rule::TimedPrice { .. } | Rule::TimedPercent { .. } => None,
        }
    }

    /// What a pack costs under a timed discount: the offer's price, or the shelf
    /// price less the percentage, rounded to the nearest fen (halves up). Never
    /// negative; `None` for other kinds.
    pub fn timed_price(&self, shelf_price: Fen) -> Option<Fen> {
        match self.rule {
            Rule::TimedPrice { price } => Some(price.at_least_zero()),
            Rule::TimedPercent { off_milli } => {
                let rest = i128::from(100_000 - off_milli.clamp(0, 100_000));
                let price = (i128::from(shelf_price.0.max(0)) * rest + 50_000) / 100_000;
                Some(Fen(i64::try_from(price).unwrap_or(shelf_price.0)))
            }
            Rule::SpendSave { .. } | Rule::Coupon { .. } => None,
        }
    }

    /// Does one of the two exclude the other, by code or kind?
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let excludes = |a: &Self, b: &Self| a.excludes.iter().any(|word| *word == b.code || word == b.kind().as_str());
        self.id != other.id && (excludes(self, other) || excludes(other, self))
    }

    /// Is the line in its scope?
    pub fn covers(&self, line: &LineIn) -> bool {
        line.qty.0 > 0 && self.scope.covers(&line.sku, &line.categories)
    }

    /// Why it cannot apply to this basket at all, whatever the amounts: store,
    /// time, membership, limits, scope, in this order.
    pub(super) fn barred(&self, input: &Input) -> Option<Reason> {
        let used = input.member.uses.get(&self.id).copied().unwrap_or(0);
        if self.store.as_ref().is_some_and(|store| *store != input.store) {
            Some(Reason::OtherStore)
        } else if self.starts.is_some_and(|starts| input.now < starts) {
            Some(Reason::NotStarted)
        } else if self.ends.is_some_and(|ends| input.now >= ends) {
            Some(Reason::Ended)
        } else if self.members_only && !input.member.is_member {
            Some(Reason::NotMember)
        } else if self.per_member.is_some_and(|limit| used >= limit)
            || self.total.is_some_and(|limit| self.used_total >= limit)
        {
            Some(Reason::LimitReached)
        } else if self.budget_left() == Some(Fen::ZERO) {
            Some(Reason::BudgetSpent)
        } else if !input.lines.iter().any(|line| self.covers(line)) {
            Some(Reason::OutOfScope)
        } else {
            None
        }
    }

    /// What its budget still has; `None`: it has no bound.
    pub(super) fn budget_left(&self) -> Option<Fen> {
        self.budget.map(|budget| (budget - self.spent).at_least_zero())
    }

    /// Would so much more pass its budget?
    pub(super) fn passes_budget(&self, amount: Fen) -> bool {
        self.budget_left().is_some_and(|left| amount > left)
    }
}
