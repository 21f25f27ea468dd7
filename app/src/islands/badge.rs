//! The basket's badge in the tabs. What it said last is kept in the browser: a
//! page that comes back from a cache shows what the basket holds now, not what
//! it held when the page was made.

use super::dom::all;
use gloo_storage::{LocalStorage, Storage};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::PageTransitionEvent;

const KEY: &str = "zaijia.badge";

/// Packs in the basket as the tabs show them.
pub(crate) fn basket_count() -> i64 {
    all("[data-basket-count]")
        .first()
        .and_then(|badge| badge.get_attribute("data-basket-count")?.parse().ok())
        .unwrap_or(0)
}

/// Shows another number of packs in the tabs.
pub(crate) fn set_basket_count(count: i64) {
    show(count);
    // Without storage (private browsing) pages from a cache say what they said.
    let _ = LocalStorage::set(KEY, count);
}

/// Keeps what this page says, or takes what was kept if the page is an older one.
pub(crate) fn follow() {
    let kept = || LocalStorage::get::<i64>(KEY).ok();
    let navigation = window().performance().map(|performance| performance.navigation().type_());
    match kept().filter(|_| navigation == Some(web_sys::PerformanceNavigation::TYPE_BACK_FORWARD)) {
        Some(count) => show(count),
        None => set_basket_count(basket_count()),
    }
    let back = window_event_listener_untyped("pageshow", move |event| {
        let is_old = event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted);
        if let Some(count) = kept().filter(|_| is_old) {
            show(count);
        }
    });
    on_cleanup(move || back.remove());
}

fn show(count: i64) {
    let text = if count > 0 { ui::format::badge(count) } else { String::new() };
    for badge in all("[data-basket-count]") {
        let _ = badge.set_attribute("data-basket-count", &count.to_string());
        badge.set_text_content(Some(&text));
    }
    for words in all("[data-basket-words]") {
        let said = words.get_attribute("data-basket-words").filter(|_| count > 0);
        words.set_text_content(said.map(|said| said.replace("{n}", &count.to_string())).as_deref());
    }
}
