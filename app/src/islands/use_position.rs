//! Fills a form's hidden `lat` and `lon` from the browser's position, when the
//! visitor asks for it by the button `[data-use-position]`.

use leptos::prelude::*;

/// Listens for the buttons `[data-use-position]` of the page.
#[island]
pub fn UsePosition(
    /// Said while the browser looks.
    working: String,
    /// Said when the position is known.
    done: String,
    /// Said when it is not to be had.
    failed: String,
) -> impl IntoView {
    Effect::new(move |_| {
        #[cfg(target_arch = "wasm32")]
        browser::listen(&working, &done, &failed);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (&working, &done, &failed);
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;
    use wasm_bindgen::closure::Closure;
    use web_sys::{Element, HtmlInputElement, Position};

    pub(super) fn listen(working: &str, done: &str, failed: &str) {
        let (working, done, failed) = (working.to_owned(), done.to_owned(), failed.to_owned());
        let click = window_event_listener_untyped("click", move |event| {
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let button = target.and_then(|target| target.closest("[data-use-position]").ok().flatten());
            if let Some(form) = button.and_then(|button| button.closest("form").ok().flatten()) {
                say(&form, &working);
                ask(form, done.clone(), failed.clone());
            }
        });
        on_cleanup(move || click.remove());
    }

    fn ask(form: Element, done: String, failed: String) {
        let (own, refused) = (form.clone(), failed.clone());
        let found = Closure::once_into_js(move |position: Position| {
            let place = position.coords();
            fill(&form, "lat", place.latitude());
            fill(&form, "lon", place.longitude());
            say(&form, &done);
        });
        let denied = own.clone();
        let not_found = Closure::once_into_js(move || say(&denied, &refused));
        let asked = window().navigator().geolocation().and_then(|geolocation| {
            geolocation.get_current_position_with_error_callback(found.unchecked_ref(), Some(not_found.unchecked_ref()))
        });
        if asked.is_err() {
            say(&own, &failed);
        }
    }

    fn fill(form: &Element, name: &str, degrees: f64) {
        let input = form.query_selector(&format!("[name=\"{name}\"]")).ok().flatten();
        if let Some(input) = input.and_then(|input| input.dyn_into::<HtmlInputElement>().ok()) {
            // The browser's own formatting: Rust's for floats would weigh 12 KB.
            if let Ok(text) = js_sys::Number::from(degrees).to_fixed(6) {
                input.set_value(&String::from(text));
            }
        }
    }

    fn say(form: &Element, text: &str) {
        if let Ok(Some(status)) = form.query_selector("[data-position-status]") {
            status.set_text_content(Some(text));
        }
    }
}
