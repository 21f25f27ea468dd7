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
    use crate::islands::part::{Conduct, conduct, part, post_of, reload};
    use domain::order::State;
    use leptos::prelude::*;
    use serde::Deserialize;
    use ui::live::Live;

    /// What the stream says of an order.
    #[derive(Deserialize)]
    struct Change {
        version: i64,
        state: State,
    }

    pub(super) fn listen(failed: &str, updated: &str, paid_to: &str, live: Live, shown: StoredValue<i64>) {
        let sender = conduct(
            "order",
            failed,
            Conduct {
                takes: |form, _| form.has_attribute("data-enhance"),
                submit: post_of,
                change: |_| None,
                stock: || None,
            },
        );
        let (updated, paid_to) = (updated.to_owned(), paid_to.to_owned());
        Effect::new(move |_| {
            let change = live.message.get().and_then(|text| serde_json::from_str::<Change>(&text).ok());
            let newer = |change: &Change| change.version > shown.get_value() || sender.has_missed();
            let Some(change) = change.filter(newer) else { return };
            shown.set_value(change.version);
            if !paid_to.is_empty() && change.state.is_paid() {
                let _ = window().location().replace(&paid_to);
            } else if part("order").is_some() {
                announce(&updated);
                sender.refresh();
            } else {
                reload();
            }
        });
    }
}
