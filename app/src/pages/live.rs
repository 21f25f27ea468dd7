//! The live stream of a page: which SKUs it shows, and the words for changes.

use crate::api::cx::visit;
use crate::islands::{LiveStock, StockTexts};
use domain::view::ProductCard;
use leptos::prelude::*;
use ui::text::lang;
use ui::tr;

/// A page follows at most so many SKUs.
const MOST: usize = 100;

/// Keeps the states of `skus` true while the page is open; one for each page.
#[component]
pub fn Live(
    /// The SKUs on the page, in any order, with repeats.
    skus: Vec<String>,
) -> impl IntoView {
    let lang = lang();
    let mut skus = skus;
    skus.sort();
    skus.dedup();
    skus.truncate(MOST);
    // `{n}` and `{name}` are filled in by the island.
    let texts = StockTexts {
        in_stock: tr!(lang, words.in_stock).to_owned(),
        low: tr!(lang, words.only_left, n = "{n}"),
        risky: tr!(lang, words.maybe).to_owned(),
        sold_out: tr!(lang, words.sold_out).to_owned(),
        became_sold_out: tr!(lang, site.became_sold_out, name = "{name}"),
        became_low: tr!(lang, site.became_low, name = "{name}", n = "{n}"),
        became_back: tr!(lang, site.became_back, name = "{name}"),
    };
    view! { <LiveStock store=visit().store_code skus=skus texts=texts /> }
}

/// The SKUs of some cards.
pub fn skus<'a>(cards: impl IntoIterator<Item = &'a ProductCard>) -> Vec<String> {
    cards.into_iter().map(|card| card.sku.to_string()).collect()
}
