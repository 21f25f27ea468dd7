//! Finds the nearest store: asks the browser for the position and opens the list
//! of stores by distance. Without JavaScript the list is there as it is.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Texts of [`Locate`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocateTexts {
    /// Label of the button.
    pub find: String,
    /// While the browser looks.
    pub looking: String,
    /// When there is no position.
    pub denied: String,
}

/// A button that leads to `/stores?lat=…&lon=…`. The position is rounded to
/// about a hundred metres before it leaves the browser.
#[island]
pub fn Locate(
    /// Texts.
    texts: LocateTexts,
    /// The page to go back to after the choice.
    back: String,
) -> impl IntoView {
    let (ready, set_ready) = signal(false);
    let (message, set_message) = signal(String::new());
    Effect::new(move |_| set_ready.set(cfg!(target_arch = "wasm32")));
    let LocateTexts { find, looking, denied } = texts;
    let ask = move |_| {
        set_message.set(looking.clone());
        #[cfg(target_arch = "wasm32")]
        browser::ask(back.clone(), denied.clone(), set_message);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (&back, &denied);
    };
    view! {
        <div class="cluster" hidden=move || !ready.get()>
            <button type="button" class="button accent" on:click=ask>{find}</button>
            <span class="muted small" role="status">{message}</span>
        </div>
    }
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;
    use wasm_bindgen::closure::Closure;
    use web_sys::Position;

    pub(super) fn ask(back: String, denied: String, message: WriteSignal<String>) {
        let refused = denied.clone();
        let found = Closure::once_into_js(move |position: Position| {
            let place = position.coords();
            let back = String::from(js_sys::encode_uri_component(&back));
            // The browser's own formatting: Rust's for floats would weigh 12 KB.
            let degrees = |value: f64| js_sys::Number::from(value).to_fixed(3).map(String::from).unwrap_or_default();
            let (lat, lon) = (degrees(place.latitude()), degrees(place.longitude()));
            let _ = window().location().set_href(&format!("/stores?lat={lat}&lon={lon}&back={back}"));
        });
        let failed = Closure::once_into_js(move || message.set(refused));
        let asked = window().navigator().geolocation().and_then(|geolocation| {
            geolocation.get_current_position_with_error_callback(found.unchecked_ref(), Some(failed.unchecked_ref()))
        });
        if asked.is_err() {
            message.set(denied);
        }
    }
}
