//! An order's page follows the order: a change shows by itself.

use leptos::prelude::*;

/// Follows the order `code`, whose page shows `version`.
#[island]
pub fn OrderLive(
    /// The order's code.
    code: String,
    /// The version that the page shows.
    version: i64,
    /// Where to go once it is paid; empty to stay and show the change.
    paid_to: String,
    /// Said when the page has changed.
    updated: String,
    /// Shown when the shop cannot be reached.
    failed: String,
) -> impl IntoView {
    let live = ui::live::follow(format!("/live/order/{code}"), "order");
    let shown = StoredValue::new(version);
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        browser::listen(&failed, &updated, &paid_to, live, shown);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (&failed, &updated, &paid_to, live, shown);
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use crate::islands::dom::announce;
    use crate::islands::part::{Sender, part, post_of, reload};
    use domain::order::State;
    use leptos::prelude::*;
    use serde::Deserialize;
    use ui::live::Live;
    use wasm_bindgen::JsCast;
    use web_sys::{HtmlFormElement, SubmitEvent};

    /// What the stream says of an order.
    #[derive(Deserialize)]
    struct Change {
        version: i64,
        state: State,
    }

    pub(super) fn listen(failed: &str, updated: &str, paid_to: &str, live: Live, shown: StoredValue<i64>) {
        let sender = Sender::new("order", failed);
        let (updated, paid_to) = (updated.to_owned(), paid_to.to_owned());
        let own = sender.clone();
        Effect::new(move |_| {
            let change = live.message.get().and_then(|text| serde_json::from_str::<Change>(&text).ok());
            let Some(change) = change.filter(|change| change.version > shown.get_value()) else { return };
            shown.set_value(change.version);
            if !paid_to.is_empty() && change.state.is_paid() {
                let _ = window().location().replace(&paid_to);
            } else if part("order").is_some() {
                announce(&updated);
                own.refresh();
            } else {
                reload();
            }
        });
        let submit = window_event_listener_untyped("submit", move |event| {
            let Some(event) = event.dyn_ref::<SubmitEvent>() else { return };
            let Some(form) = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok()) else {
                return;
            };
            if form.has_attribute("data-enhance") && !event.default_prevented() {
                event.prevent_default();
                if let Some(post) = post_of(&form, event.submitter().as_ref()) {
                    sender.send(post);
                }
            }
        });
        on_cleanup(move || submit.remove());
    }
}
