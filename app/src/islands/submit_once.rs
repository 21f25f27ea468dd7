//! A second tap on a button changes nothing: once a form is on its way, its
//! button waits. The server has its own guards; this one spares the doubt.

use leptos::prelude::*;

/// Holds the buttons `[data-once]` of forms that are being sent; one for each page.
#[island]
pub fn SubmitOnce() -> impl IntoView {
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        browser::listen();
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use crate::islands::dom::all;
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;
    use web_sys::SubmitEvent;

    pub(super) fn listen() {
        let submit = window_event_listener_untyped("submit", |event| {
            let Some(event) = event.dyn_ref::<SubmitEvent>() else { return };
            let button = event.submitter().filter(|button| button.has_attribute("data-once"));
            let Some(button) = button.filter(|_| !event.default_prevented()) else { return };
            if button.get_attribute("aria-busy").is_some() {
                event.prevent_default();
            }
            // Not `disabled`: that would take the focus away.
            let _ = button.set_attribute("aria-busy", "true");
        });
        // A page that comes back from the back-forward cache was never sent.
        let back = window_event_listener_untyped("pageshow", |_| {
            for button in all("[data-once][aria-busy]") {
                let _ = button.remove_attribute("aria-busy");
            }
        });
        on_cleanup(move || {
            submit.remove();
            back.remove();
        });
    }
}
