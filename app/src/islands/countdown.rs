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

#[cfg(target_arch = "wasm32")]
#[expect(clippy::cast_possible_truncation, reason = "a page is open for less than 2^63 ms")]
fn start(left_ms: i64, set_left: WriteSignal<i64>, reload: bool) {
    use std::time::Duration;
    // The monotonic clock goes on while the tab sleeps, and nobody sets it.
    let since_load = || window().performance().map_or(0.0, |clock| clock.now());
    // The page may have waited for the module: its clock starts at its load.
    let end_ms = left_ms as f64;
    let handle = set_interval_with_handle(
        move || {
            let left = end_ms - since_load();
            set_left.set(left.max(0.0) as i64);
            if left <= 0.0 && reload {
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
