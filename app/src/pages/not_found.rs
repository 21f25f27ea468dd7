//! What stands where no page is: with status 404 and ways out.

use axum::http::StatusCode;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use ui::components::{Empty, PageHead};
use ui::text::lang;
use ui::tr;

/// No route fits.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let lang = lang();
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(StatusCode::NOT_FOUND);
    }
    view! {
        <PageHead title=tr!(lang, site.not_found_title) />
        <Empty icon="search" text=tr!(lang, site.not_found_text) href="/" action=tr!(lang, site.go_home) />
    }
}
