//! A countdown by the server's clock: the browser's own is only used to measure
//! how long the page has been open.

use leptos::prelude::*;
use ui::format::clock;

/// Counts down to `until_ms`. `now_ms` is the server's time as the page was
/// made. At the end it shows `done`, and reloads the page if `reload` is set.
#[island]
pub fn Countdown(
    /// The end, milliseconds UTC.
    until_ms: i64,
    /// The server's time, milliseconds UTC.
    now_ms: i64,
    /// What stands there at the end.
    done: String,
    /// Loads the page again at the end.
    reload: bool,
) -> impl IntoView {
    let (left, set_left) = signal(until_ms - now_ms);
    Effect::new(move |_| start(until_ms - now_ms, set_left, reload));
    view! {
        <span class="countdown num" role="timer">
            {move || if left.get() > 0 { clock(left.get()) } else { done.clone() }}
        </span>
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn start(_left_ms: i64, _set_left: WriteSignal<i64>, _reload: bool) {}

/// The page is loaded again a little after the end, so that the server has
/// noticed it, too.
#[cfg(target_arch = "wasm32")]
const AFTER_MS: i64 = 1_500;

#[cfg(target_arch = "wasm32")]
fn start(left_ms: i64, set_left: WriteSignal<i64>, reload: bool) {
    use std::time::Duration;
    // A page that came too late would load itself again and again.
    if left_ms <= 0 {
        return;
    }
    // Nobody sets the monotonic clock, but on most phones it stands while the phone
    // sleeps; the other one goes on. What is later is nearer the truth.
    let monotonic = || window().performance().map_or(0.0, |clock| clock.now());
    let (opened, began) = (monotonic(), js_sys::Date::now());
    #[expect(clippy::cast_possible_truncation, reason = "a page is open for less than 2^63 ms")]
    let open_ms = move || monotonic().max(opened + js_sys::Date::now() - began) as i64;
    let over = StoredValue::new(false);
    let handle = set_interval_with_handle(
        move || {
            let left = left_ms - open_ms();
            set_left.set(left.max(0));
            if left <= -AFTER_MS && reload && !over.get_value() {
                over.set_value(true);
                let _ = window().location().reload();
            }
        },
        Duration::from_millis(500),
    );
    on_cleanup(move || {
        if let Ok(handle) = handle {
            handle.clear();
        }
    });
}
