//! Prices: small ¥, large yuan, small fen.

use crate::format::{price_parts, yuan, yuan_short};
use crate::text::{self, lang};
use crate::tr;
use domain::Fen;
use domain::view::PriceTag;
use leptos::prelude::*;

/// An amount, set as a price. `size`: `s`, `m`, `l`; `tone`: empty (text
/// colour), `price` (red), `muted`.
#[component]
pub fn Money(
    /// The amount.
    amount: Fen,
    /// `s`, `m` or `l`.
    #[prop(default = "m")]
    size: &'static str,
    /// `""`, `price` or `muted`.
    #[prop(default = "")]
    tone: &'static str,
) -> impl IntoView {
    let (sign, whole, fen) = price_parts(amount);
    view! {
        <span class=format!("money money-{size} {tone}")>
            {sign}<span class="money-sign">"¥"</span>{whole}<span class="money-fen">"."{fen}</span>
        </span>
    }
}

/// The price of a product: amount, struck shelf price, member price, unit price.
#[component]
pub fn Price(
    /// What to show.
    price: PriceTag,
    /// `m` on cards, `l` on the product's page.
    #[prop(default = "m")]
    size: &'static str,
    /// Shows the price per measure.
    #[prop(default = true)]
    unit: bool,
) -> impl IntoView {
    let lang = lang();
    let member = price.member.filter(|member| *member < price.price);
    view! {
        <p class=format!("price price-{size}")>
            <Money amount=price.price size=size tone="price" />
            {price.struck.map(|struck| view! {
                <s class="price-struck"><span class="visually-hidden">{tr!(lang, words.was)}</span>{yuan(struck)}</s>
            })}
            {member.map(|member| view! {
                <span class="price-member"><b>{tr!(lang, words.member)}</b>{yuan_short(member)}</span>
            })}
            {price.unit.filter(|_| unit).map(|(amount, measure)| view! {
                <span class="price-unit">{yuan(amount)}"/"{text::measure(lang, &measure)}</span>
            })}
        </p>
    }
}
