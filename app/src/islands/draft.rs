//! The basket draft: names and numbers, kept in the browser so that the offline
//! page can show what was in the basket. No prices, no stock, nobody's name.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A line of the draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftLine {
    /// Product.
    pub name: String,
    /// Packs.
    pub packs: i64,
}

#[cfg(target_arch = "wasm32")]
const KEY: &str = "zaijia.basket";

/// Keeps the basket's lines for the offline page; on the basket's page.
#[island]
pub fn BasketDraft(
    /// The lines.
    lines: Vec<DraftLine>,
) -> impl IntoView {
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        {
            use gloo_storage::{LocalStorage, Storage};
            // Without storage (private browsing) there is no draft.
            let _ = LocalStorage::set(KEY, &lines);
        }
        #[cfg(not(target_arch = "wasm32"))]
        let _ = &lines;
    });
}

/// Shows the draft; on the offline page. Nothing if there is none.
#[island]
pub fn OfflineBasket(
    /// Heading.
    title: String,
    /// What it is worth.
    text: String,
) -> impl IntoView {
    let (lines, set_lines) = signal(Vec::<DraftLine>::new());
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        {
            use gloo_storage::{LocalStorage, Storage};
            set_lines.set(LocalStorage::get(KEY).unwrap_or_default());
        }
        #[cfg(not(target_arch = "wasm32"))]
        let _ = set_lines;
    });
    view! {
        {move || {
            let (title, text) = (title.clone(), text.clone());
            (!lines.get().is_empty()).then(move || view! {
                <section class="card stack-small">
                    <h2>{title}</h2>
                    <p class="muted small">{text}</p>
                    <ul class="rows">
                        {move || lines.get().into_iter().map(|line| view! {
                            <li class="row"><span>{line.name}</span><span class="row-end">"× "{line.packs}</span></li>
                        }).collect::<Vec<_>>()}
                    </ul>
                </section>
            })
        }}
    }
}
