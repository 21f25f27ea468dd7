//! A message that passes, with at most one action.

use super::dom::document;
use leptos::prelude::set_timeout;
use std::time::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

const SHOWN: Duration = Duration::from_secs(6);

/// What can be done about a message.
pub(crate) enum Action {
    /// Goes to a page.
    Go {
        /// Label.
        label: String,
        /// Path.
        href: &'static str,
    },
    /// Does something, once.
    Do {
        /// Label.
        label: String,
        /// What is done.
        act: Box<dyn FnOnce()>,
    },
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
    match action {
        None => {}
        Some(Action::Go { label, href }) => {
            let link = document.create_element("a").ok()?;
            link.set_attribute("href", href).ok()?;
            link.set_text_content(Some(&label));
            toast.append_child(&link).ok()?;
        }
        Some(Action::Do { label, act }) => {
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
    }
    region.append_child(&toast).ok()?;
    set_timeout(move || toast.remove(), SHOWN);
    Some(())
}
