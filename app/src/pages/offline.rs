//! `/offline`: what the service worker shows where there is no network. The same
//! for everybody: it is kept in the browser.

use crate::islands::OfflineBasket;
use leptos::prelude::*;
use ui::components::{Empty, PageHead};
use ui::text::lang;
use ui::tr;

/// The page without a network, with the basket's draft.
#[component]
pub fn OfflinePage() -> impl IntoView {
    let lang = lang();
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, site.offline_title) />
            // An empty address is the page that could not be reached.
            <Empty icon="offline" text=tr!(lang, site.offline_text) href="" action=tr!(lang, site.offline_retry) />
            <OfflineBasket title=tr!(lang, site.offline_draft).to_owned() text=tr!(lang, site.offline_draft_text).to_owned() />
        </div>
    }
}
