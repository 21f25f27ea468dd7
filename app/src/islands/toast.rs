//! A message that passes, with at most one action.

use super::dom::document;
use leptos::prelude::set_timeout;
use std::time::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

const SHOWN: Duration = Duration::from_secs(6);

/// What can be done about a message, once.
pub(crate) struct Action {
    /// Label of the button.
    pub label: String,
    /// What is done.
    pub act: Box<dyn FnOnce()>,
}

/// Shows `text` for six seconds in the region that is read out.
pub(crate) fn toast(text: &str, action: Option<Action>) {
    let _ = show(text, action);
}

fn show(text: &str, action: Option<Action>) -> Option<()> {
    let document = document()?;
    let region = document.get_element_by_id("toasts")?;
    // One at a time: the newest counts.
    region.set_inner_html("");
    let toast = document.create_element("div").ok()?;
    toast.set_class_name("toast");
    let words = document.create_element("span").ok()?;
    words.set_text_content(Some(text));
    toast.append_child(&words).ok()?;
    if let Some(Action { label, act }) = action {
        let button = document.create_element("button").ok()?;
        button.set_attribute("type", "button").ok()?;
        button.set_text_content(Some(&label));
        let own = toast.clone();
        let click = Closure::once_into_js(move || {
            own.remove();
            act();
        });
        button.add_event_listener_with_callback("click", click.unchecked_ref()).ok()?;
        toast.append_child(&button).ok()?;
    }
    region.append_child(&toast).ok()?;
    set_timeout(move || toast.remove(), SHOWN);
    Some(())
}
