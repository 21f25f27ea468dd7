//! Puts goods into the basket without leaving the page: one island listens for
//! every `form[data-add]`, so that a list of fifty cards stays fifty plain forms.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Texts of [`AddToBasket`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddTexts {
    /// "Added to the basket".
    pub added: String,
    /// "Undo".
    pub undo: String,
    /// "Taken out again".
    pub undone: String,
    /// What is said when the shop cannot be reached.
    pub failed: String,
}

/// Sends the page's `form[data-add]` in place, and keeps the basket's badge right. Without it
/// the forms are plain POSTs.
#[island]
pub fn AddToBasket(
    /// Texts.
    texts: AddTexts,
) -> impl IntoView {
    let texts = StoredValue::new(texts);
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        browser::listen(texts);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = texts;
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use super::AddTexts;
    use crate::api::basket::{basket_add, basket_set};
    use crate::islands::badge::{self, basket_count, set_basket_count};
    use crate::islands::dom::basket_changed;
    use crate::islands::toast::{Action, toast};
    use crate::islands::turns::Turns;
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;
    use web_sys::{FormData, HtmlElement, HtmlFormElement, SubmitEvent};

    pub(super) fn listen(texts: StoredValue<AddTexts>) {
        badge::follow();
        let turns = Turns::default();
        let handle = window_event_listener_untyped("submit", move |event| {
            let Some(event) = event.dyn_ref::<SubmitEvent>() else { return };
            let Some(form) = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok()) else {
                return;
            };
            // "Buy now" goes on to another page: a plain POST does that.
            let goes_on = event.submitter().is_some_and(|button| button.has_attribute("data-plain"));
            if event.default_prevented() || goes_on || !form.has_attribute("data-add") {
                return;
            }
            event.prevent_default();
            send(&form, event.submitter(), texts, &turns);
        });
        on_cleanup(move || handle.remove());
    }

    /// One after another: the first answer may bring the session that the basket belongs to.
    fn send(form: &HtmlFormElement, button: Option<HtmlElement>, texts: StoredValue<AddTexts>, turns: &Turns) {
        let Ok(data) = FormData::new_with_form(form) else { return };
        let Some(sku) = data.get("sku").as_string() else { return };
        let packs = data.get("packs").as_string().and_then(|text| text.parse().ok()).unwrap_or(1);
        let busy = move |busy: bool| {
            if let Some(button) = &button {
                let _ =
                    if busy { button.set_attribute("aria-busy", "true") } else { button.remove_attribute("aria-busy") };
            }
        };
        busy(true);
        let own = turns.clone();
        turns.take(async move {
            let answer = basket_add(sku.clone(), packs, None).await;
            busy(false);
            match answer {
                Ok(now) => {
                    set_basket_count(basket_count() + packs);
                    basket_changed();
                    let (added, label) = texts.with_value(|t| (t.added.clone(), t.undo.clone()));
                    let act = Box::new(move || undo(sku, now - packs, packs, texts, &own));
                    toast(&added, Some(Action { label, act }));
                }
                Err(error) => toast(&texts.with_value(|t| error.shown(&t.failed)), None),
            }
        });
    }

    /// Back to the `before` packs that were in the basket.
    fn undo(sku: String, before: i64, packs: i64, texts: StoredValue<AddTexts>, turns: &Turns) {
        turns.take(async move {
            let answer = basket_set(sku, before.max(0), 0, String::new()).await;
            let said = match answer {
                Ok(()) => {
                    set_basket_count(basket_count() - packs);
                    basket_changed();
                    texts.with_value(|t| t.undone.clone())
                }
                Err(error) => texts.with_value(|t| error.shown(&t.failed)),
            };
            toast(&said, None);
        });
    }
}
