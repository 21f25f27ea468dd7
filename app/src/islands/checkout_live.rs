//! Checkout in place: another kind, address mode, coupon or a line that ran
//! short shows at once, with all that was typed. The server keeps the form, so
//! nothing is kept here.

use leptos::prelude::*;

/// Sends the changing buttons of the part `checkout` in place, and follows the stock.
#[island]
pub fn CheckoutLive(
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
    use crate::islands::part::{Sender, part, post_of};
    use crate::islands::stock_event;
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{Element, HtmlElement, HtmlFormElement, SubmitEvent};

    pub(super) fn listen(failed: &str) {
        let sender = Sender::new("checkout", failed);
        let own = sender.clone();
        let submit = window_event_listener_untyped("submit", move |event| {
            let Some(event) = event.dyn_ref::<SubmitEvent>() else { return };
            let adjusts = event.submitter().filter(|button| button.has_attribute("formaction"));
            if let (Some(button), Some(_)) = (adjusts, form()) {
                event.prevent_default();
                keep(&own, Some(&button));
            }
        });
        let own = sender.clone();
        let change = window_event_listener_untyped("change", move |event| {
            let control = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let recalculates =
                control.and_then(|control| control.closest("[data-recalculate]").ok().flatten()).is_some();
            if recalculates {
                keep(&own, None);
            }
        });
        let stock = stock_event::on_change(move |_| keep(&sender, None));
        on_cleanup(move || {
            submit.remove();
            change.remove();
            stock.remove();
        });
    }

    fn form() -> Option<HtmlFormElement> {
        part("checkout")?.query_selector("form[data-checkout]").ok()??.dyn_into().ok()
    }

    /// Sends the whole form with `button`, or with the one that only keeps it.
    fn keep(sender: &Sender, button: Option<&HtmlElement>) {
        let Some(form) = form() else { return };
        // The form says it all from now on, not the address that the page came by.
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some("/checkout"));
        }
        let keep = || form.query_selector("button[value=\"keep\"]").ok().flatten()?.dyn_into::<HtmlElement>().ok();
        if let Some(post) = button.cloned().or_else(keep).and_then(|button| post_of(&form, Some(&button))) {
            sender.send(post);
        }
    }
}
