//! Keeps the states on an open page true: one stream for all its SKUs, and
//! every mark in the page changed in place.
//!
//! What it changes is marked by the server: `[data-live-sku]` (the state badge),
//! `[data-live-add]` (buttons that need stock), `[data-live-max]` (quantity
//! inputs). It also sends the event `zaijia:stock` on the document, for islands
//! whose page depends on more than the marks.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Texts of [`LiveStock`]; `{n}` and `{name}` are filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockTexts {
    /// 有货.
    pub in_stock: String,
    /// 仅剩 {n}.
    pub low: String,
    /// 可能缺货.
    pub risky: String,
    /// 售罄.
    pub sold_out: String,
    /// Said when something sold out: {name}.
    pub became_sold_out: String,
    /// Said when little is left: {name}, {n}.
    pub became_low: String,
    /// Said when something is back: {name}.
    pub became_back: String,
}

/// Follows the stock of `skus` in `store`. One for each page.
#[island]
pub fn LiveStock(
    /// Code of the store.
    store: String,
    /// The SKUs on the page.
    skus: Vec<String>,
    /// Texts.
    texts: StockTexts,
) -> impl IntoView {
    if !skus.is_empty() {
        let live = ui::live::follow(format!("/live?store={store}&skus={}", skus.join(",")), "stock");
        Effect::new(move |_| {
            if let Some(text) = live.message.get() {
                #[cfg(target_arch = "wasm32")]
                browser::apply(&text, &texts);
                #[cfg(not(target_arch = "wasm32"))]
                let _ = (text, &texts);
            }
        });
    }
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use super::StockTexts;
    use crate::islands::dom::{all, announce, document};
    use domain::availability::State;
    use domain::view::LiveState;
    use web_sys::{CustomEvent, CustomEventInit};

    pub(super) fn apply(message: &str, texts: &StockTexts) {
        let Ok(states) = serde_json::from_str::<Vec<LiveState>>(message) else { return };
        let mut said: Vec<String> = states.iter().filter_map(|state| show(state, texts)).collect();
        // Three at most: more is noise. What is sold out is said first.
        said.truncate(3);
        if !said.is_empty() {
            announce(&said.join("; "));
        }
        let detail = CustomEventInit::new();
        detail.set_bubbles(false);
        // As text: who listens reads JSON anyway.
        detail.set_detail(&message.into());
        if let (Some(document), Ok(event)) =
            (document(), CustomEvent::new_with_event_init_dict("zaijia:stock", &detail))
        {
            let _ = document.dispatch_event(&event);
        }
    }

    /// Shows one state everywhere; the sentence to say if it matters.
    fn show(live: &LiveState, texts: &StockTexts) -> Option<String> {
        let (sku, code) = (&live.sku, live.state.as_str());
        let mut said = None;
        for badge in all(&format!("[data-live-sku=\"{sku}\"]")) {
            let before = badge.get_attribute("data-state");
            let text = words(&live.state, texts);
            let label = badge.query_selector(".state-text").ok().flatten();
            let shown = label.as_ref().and_then(|label| label.text_content());
            if before.as_deref() == Some(code) && shown.as_deref() == Some(&text) {
                continue;
            }
            let _ = badge.set_attribute("data-state", code);
            let _ = badge.class_list().add_1("changed");
            if let Some(label) = label {
                label.set_text_content(Some(&text));
            }
            let product = badge.closest("[data-product]").ok().flatten();
            if let Some(product) = product {
                let _ = product.set_attribute("data-state", code);
                let name = product.get_attribute("data-product").unwrap_or_default();
                said = said.or_else(|| sentence(before.as_deref(), &live.state, &name, texts));
            }
        }
        for button in all(&format!("[data-live-add=\"{sku}\"]")) {
            let _ = button.toggle_attribute_with_force("disabled", live.max.0 <= 0);
        }
        for input in all(&format!("[data-live-max=\"{sku}\"] input")) {
            let _ = input.set_attribute("max", &live.max.0.max(1).to_string());
        }
        said
    }

    fn words(state: &State, texts: &StockTexts) -> String {
        match state {
            State::InStock => texts.in_stock.clone(),
            State::Low(n) => texts.low.replace("{n}", &n.to_string()),
            State::Risky => texts.risky.clone(),
            State::SoldOut => texts.sold_out.clone(),
        }
    }

    /// Only what changes a decision is said.
    fn sentence(before: Option<&str>, state: &State, name: &str, texts: &StockTexts) -> Option<String> {
        if before == Some(state.as_str()) {
            return None;
        }
        let text = match state {
            State::SoldOut => &texts.became_sold_out,
            _ if before == Some(State::SoldOut.as_str()) => &texts.became_back,
            State::Low(n) => return Some(texts.became_low.replace("{name}", name).replace("{n}", &n.to_string())),
            _ => return None,
        };
        Some(text.replace("{name}", name))
    }
}
