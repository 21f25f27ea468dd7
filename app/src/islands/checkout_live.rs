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
    use crate::islands::part::{Conduct, Post, conduct, part, post_of};
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{HtmlElement, HtmlFormElement};

    pub(super) fn listen(failed: &str) {
        conduct(
            "checkout",
            failed,
            Conduct {
                takes: |_, button| button.is_some_and(|button| button.has_attribute("formaction")),
                submit: |_, button| keep(button),
                change: |control| control.closest("[data-recalculate]").ok().flatten().and_then(|_| keep(None)),
                // What was typed is sent along, so that the answer has it.
                stock: || keep(None),
            },
        );
    }

    fn form() -> Option<HtmlFormElement> {
        part("checkout")?.query_selector("form[data-checkout]").ok()??.dyn_into().ok()
    }

    /// Has the form say at once what a button says: what is sent before its answer comes
    /// must not undo it.
    fn say(form: &HtmlFormElement, adjust: &str) {
        let set = |selector: &str, value: &str| {
            if let Some(input) = form.query_selector(selector).ok().flatten() {
                let _ = input.set_attribute("value", value);
            }
        };
        match adjust.split_once(':') {
            Some(("kind", kind)) => set("input[name=\"kind\"]", kind),
            Some(("address", address)) => {
                set("input[name=\"address\"][type=\"hidden\"], input[name=\"address\"]:checked", address);
            }
            _ => {}
        }
    }

    /// The whole form with `button`, or with the one that only keeps it.
    fn keep(button: Option<&HtmlElement>) -> Option<Post> {
        let form = form()?;
        // The form says it all from now on, not the address that the page came by.
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some("/checkout"));
        }
        if let Some(adjust) = button.and_then(|button| button.get_attribute("value")) {
            say(&form, &adjust);
        }
        let keep = || form.query_selector("button[value=\"keep\"]").ok().flatten()?.dyn_into::<HtmlElement>().ok();
        button.cloned().or_else(keep).and_then(|button| post_of(&form, Some(&button)))
    }
}
