//! The basket answers at once: the same pricing as the server's runs here on
//! what the page was priced from, and the server's answer then takes its place.

use leptos::prelude::*;

/// Sends the forms of the part `basket` in place, and follows the stock.
#[island]
pub fn BasketLive(
    /// Shown when the shop cannot be reached.
    failed: String,
) -> impl IntoView {
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        browser::listen(&failed);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = &failed;
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use crate::islands::badge::set_basket_count;
    use crate::islands::dom::all;
    use crate::islands::part::{Conduct, Post, conduct, part, post_of};
    use domain::Packs;
    use domain::pricing::{Priced, price, wire};
    use leptos::prelude::*;
    use ui::format::{price_parts, yuan};
    use wasm_bindgen::JsCast;
    use web_sys::{Element, HtmlElement, HtmlFormElement, HtmlInputElement};

    pub(super) fn listen(failed: &str) {
        let own = conduct(
            "basket",
            failed,
            Conduct {
                takes: |form, _| form.has_attribute("data-enhance"),
                submit: show_at_once,
                change: typed,
                // The page is shown again as the server has it.
                stock: || None,
            },
        );
        // Something was put in by another island, such as a fill-up.
        let added = window_event_listener_untyped("zaijia:basket", move |_| own.refresh());
        on_cleanup(move || added.remove());
    }

    /// A number that was typed counts when it is left.
    fn typed(control: &Element) -> Option<Post> {
        let form = control.closest("form[data-qty]").ok().flatten()?.dyn_into::<HtmlFormElement>().ok()?;
        show_at_once(&form, None)
    }

    /// Shows what the form will do, and what is to be sent.
    fn show_at_once(form: &HtmlFormElement, button: Option<&HtmlElement>) -> Option<Post> {
        let sku = form.query_selector("[name=\"sku\"]").ok()?.and_then(|input| input.get_attribute("value"));
        let action = form.get_attribute("action")?;
        if form.has_attribute("data-qty") {
            let input: HtmlInputElement = form.query_selector("[name=\"packs\"]").ok()??.dyn_into().ok()?;
            let step: i64 = button.and_then(|button| button.get_attribute("value")?.parse().ok()).unwrap_or(0);
            // The buttons never take the last one out: that is another button's.
            let least = i64::from(step != 0);
            let packs = input.value().parse::<i64>().ok()?.saturating_add(step).clamp(least, Packs::MAX_IN_BASKET.0);
            input.set_value(&packs.to_string());
            if let Some(less) = form.query_selector("button[name=\"step\"][value=\"-1\"]").ok().flatten() {
                let _ = less.toggle_attribute_with_force("disabled", packs <= 1);
            }
            reprice(sku.as_deref()?, packs);
            return post_of(form, None).map(|post| Post { key: sku, ..post });
        }
        if action.ends_with("/remove") {
            let line = form.closest("[data-line]").ok().flatten();
            reprice(sku.as_deref()?, 0);
            let post = post_of(form, button);
            if let Some(line) = line {
                let _ = line.set_attribute("data-leaving", "");
            }
            return post;
        }
        post_of(form, button)
    }

    /// Prices the basket with another quantity of `sku`, and shows the amounts.
    fn reprice(sku: &str, packs: i64) {
        let Some(part) = part("basket") else { return };
        let Some(mut input) = part.get_attribute("data-pricing").and_then(|text| wire::decode(&text)) else { return };
        for line in &mut input.lines {
            // Other lines may have been changed since the page was made.
            let shown = all(&format!("[data-line=\"{}\"] input[name=\"packs\"]", line.sku));
            let shown = shown.first().and_then(|input| input.dyn_ref::<HtmlInputElement>()?.value().parse().ok());
            line.qty = Packs(if line.sku.as_str() == sku { packs } else { shown.unwrap_or(line.qty.0) });
        }
        show(&price(&input));
        set_basket_count(input.lines.iter().map(|line| line.qty.0).sum());
    }

    fn show(priced: &Priced) {
        for line in &priced.lines {
            let at = format!("[data-line=\"{}\"]", line.sku);
            set_money(&format!("{at} [data-line-total] .money"), line.total);
            set_text(&format!("{at} [data-line-gross]"), &yuan(line.gross));
        }
        set_money("[data-sum=\"payable\"] .money", priced.payable);
        set_text("[data-sum=\"goods\"]", &yuan(priced.shelf_total));
        set_text("[data-sum=\"saved\"]", &yuan(priced.discount_total));
        for step in &priced.steps {
            // Two offers of one step have a row each; the server's answer fills them.
            let rows = all(&format!("[data-sum=\"{}\"]", step.step));
            let same = priced.steps.iter().filter(|other| other.step == step.step).count();
            if let ([row], 1) = (rows.as_slice(), same) {
                row.set_text_content(Some(&format!("−{}", yuan(step.amount))));
            }
        }
        if priced.delivery_fee.is_positive() {
            set_text("[data-sum=\"delivery\"]", &yuan(priced.delivery_fee));
        }
    }

    fn set_text(selector: &str, text: &str) {
        for element in all(selector) {
            element.set_text_content(Some(text));
        }
    }

    fn set_money(selector: &str, amount: domain::Fen) {
        let (sign, whole, fen) = price_parts(amount);
        for element in all(selector) {
            set_parts(
                &element,
                &format!("{sign}<span class=\"money-sign\">¥</span>{whole}<span class=\"money-fen\">.{fen}</span>"),
            );
        }
    }

    /// Only digits and the markup above ever come here.
    fn set_parts(element: &Element, html: &str) {
        element.set_inner_html(html);
    }
}
