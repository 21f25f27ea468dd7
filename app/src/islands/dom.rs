//! Small steps in the browser's document that several islands take. On the
//! server they do nothing: there is no document.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element};

/// The document; `None` on the server.
pub(crate) fn document() -> Option<Document> {
    if cfg!(target_arch = "wasm32") { web_sys::window()?.document() } else { None }
}

/// All elements that match `selector`.
pub(crate) fn all(selector: &str) -> Vec<Element> {
    let Some(list) = document().and_then(|document| document.query_selector_all(selector).ok()) else {
        return Vec::new();
    };
    (0..list.length()).filter_map(|i| list.item(i)?.dyn_into().ok()).collect()
}

/// Says `text` to screen readers, politely.
pub(crate) fn announce(text: &str) {
    if let Some(region) = document().and_then(|document| document.get_element_by_id("live")) {
        region.set_text_content(Some(text));
    }
}

/// Tells the page that the basket is another one now (`zaijia:basket` on the window).
pub(crate) fn basket_changed() {
    if let (Some(window), Ok(event)) = (web_sys::window(), web_sys::Event::new("zaijia:basket")) {
        let _ = window.dispatch_event(&event);
    }
}
