//! Goods: state badge, picture, card, grid.

use super::icon::Icon;
use super::price::Price;
use crate::text::{self, lang};
use crate::tr;
use domain::view::{LiveState, ProductCard};
use leptos::prelude::*;

/// The state of a SKU: shape and text, never colour alone. The live stream
/// changes it in place.
#[component]
pub fn StateBadge(
    /// State and how many can be added.
    live: LiveState,
) -> impl IntoView {
    let lang = lang();
    view! {
        <span class="state" data-live-sku=live.sku.to_string() data-state=text::state_code(&live.state)>
            <span class="state-shape" aria-hidden="true"></span>
            <span class="state-text">{text::state(lang, &live.state)}</span>
        </span>
    }
}

/// A product's picture. Decorative where the name stands beside it.
#[component]
pub fn Picture(
    /// Picture's name.
    #[prop(into)]
    name: String,
    /// Text for those who do not see it; empty if the name stands beside it.
    #[prop(optional, into)]
    alt: String,
    /// Edge in CSS pixels.
    #[prop(default = 96)]
    size: u16,
    /// Is it in the first screen? Then it is loaded at once.
    #[prop(default = false)]
    eager: bool,
) -> impl IntoView {
    // Goods without a picture of their own get a bag.
    let name = if name.is_empty() { "shopping-bags".to_owned() } else { name };
    view! {
        <img
            class="picture"
            src=format!("/pic/{name}.svg")
            alt=alt
            width=size
            height=size
            loading=if eager { "eager" } else { "lazy" }
            decoding="async"
        />
    }
}

/// A product in a list: the whole card leads to its page, the button puts one
/// pack into the basket.
#[component]
pub fn Goods(
    /// The product.
    card: ProductCard,
    /// The page that the plain form comes back to.
    #[prop(into)]
    back: String,
    /// Loads the picture at once (first screen).
    #[prop(default = false)]
    eager: bool,
) -> impl IntoView {
    let lang = lang();
    let href = format!("/p/{}", card.code);
    let sold_out = card.live.max.0 <= 0;
    let state = text::state_code(&card.live.state);
    view! {
        <article class="goods" data-product=card.name.clone() data-state=state>
            <div class="goods-picture"><Picture name=card.picture.clone() eager=eager /></div>
            <h3 class="goods-name"><a href=href>{card.name.clone()}</a></h3>
            {(!card.labels.is_empty()).then(|| view! {
                <ul class="labels">{card.labels.iter().take(2).map(|label| view! { <li>{label.clone()}</li> }).collect_view()}</ul>
            })}
            <StateBadge live=card.live.clone() />
            <Price price=card.price.clone() />
            <form class="goods-add" method="post" action="/api/basket/add" data-add data-name=card.name.clone()>
                <input type="hidden" name="sku" value=card.sku.to_string() />
                <input type="hidden" name="packs" value="1" />
                <input type="hidden" name="back" value=back />
                <button class="add" type="submit" disabled=sold_out data-live-add=card.sku.to_string()
                    aria-label=tr!(lang, words.add_named, name = &card.name)>
                    <Icon name="plus" size=20 />
                </button>
            </form>
        </article>
    }
}

/// Products in a grid. `eager` of them load their picture at once.
#[component]
pub fn GoodsGrid(
    /// The products.
    cards: Vec<ProductCard>,
    /// The page that the plain forms come back to.
    #[prop(into)]
    back: String,
    /// `grid` or `rail` (one line that scrolls).
    #[prop(default = "grid")]
    layout: &'static str,
    /// How many pictures are in the first screen.
    #[prop(default = 0)]
    eager: usize,
) -> impl IntoView {
    view! {
        <ul class=format!("goods-{layout}") role="list">
            {cards.into_iter().enumerate().map(|(i, card)| view! {
                <li><Goods card=card back=back.clone() eager={i < eager} /></li>
            }).collect_view()}
        </ul>
    }
}
