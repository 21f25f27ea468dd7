//! The event `zaijia:stock` of the live stream, for islands whose part of the
//! page depends on more than the marks that the stream changes by itself.

use super::dom::{all, document};
use domain::view::LiveState;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CustomEvent, Event};

/// A listener; removed by [`Listener::remove`].
pub(crate) struct Listener(leptos::__reexports::send_wrapper::SendWrapper<Closure<dyn Fn(Event)>>);

impl Listener {
    /// Stops listening.
    pub(crate) fn remove(self) {
        if let Some(document) = document() {
            let _ = document.remove_event_listener_with_callback("zaijia:stock", self.0.as_ref().unchecked_ref());
        }
    }
}

/// Calls `act` when a line of the page (`[data-line]`) is another one now than
/// the page says: its state differs, or fewer are left than it wants.
pub(crate) fn on_change(act: impl Fn(Vec<LiveState>) + 'static) -> Listener {
    let closure = Closure::<dyn Fn(Event)>::new(move |event: Event| {
        let detail = event.dyn_ref::<CustomEvent>().map(CustomEvent::detail);
        let text = detail.and_then(|detail| detail.as_string()).unwrap_or_default();
        let states: Vec<LiveState> = serde_json::from_str(&text).unwrap_or_default();
        let changed: Vec<LiveState> = states.into_iter().filter(differs).collect();
        if !changed.is_empty() {
            act(changed);
        }
    });
    if let Some(document) = document() {
        let _ = document.add_event_listener_with_callback("zaijia:stock", closure.as_ref().unchecked_ref());
    }
    Listener(leptos::__reexports::send_wrapper::SendWrapper::new(closure))
}

fn differs(live: &LiveState) -> bool {
    all(&format!("[data-line=\"{}\"]", live.sku)).iter().any(|line| {
        let number = |name: &str| line.get_attribute(name).and_then(|text| text.parse::<i64>().ok());
        let state = line.get_attribute("data-state");
        let short_before = line.has_attribute("data-short");
        let short_now = number("data-wanted").is_some_and(|wanted| wanted > live.max.0);
        state.as_deref() != Some(live.state.as_str()) || short_before != short_now
    })
}
