//! WASM entry of the storefront: wakes the islands of a page, nothing else.

// Without this the linker drops the crate, and with it every island.
use app as _;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page once the module is loaded.
#[wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
