//! How a page waits for what it shows, and what it shows instead on an error.

use crate::api::cx::visit;
use crate::api::form::lead_to;
use crate::shell::{encode, here};
use domain::Code;
use leptos::prelude::*;
use std::future::Future;
use ui::AppError;
use ui::components::{Empty, PageHead};
use ui::text::{lang, sentence};
use ui::tr;

/// Waits for a page. Who has to sign in first is led there and back; another
/// error takes the page's place, with its status.
pub fn loaded<V: IntoView + 'static>(
    page: impl Future<Output = Result<V, AppError>> + Send + 'static,
) -> impl IntoView {
    view! {
        <Suspense fallback=|| ()>
            {Suspend::new(async move {
                match page.await {
                    Ok(view) => view.into_any(),
                    Err(error) => failed(&error).into_any(),
                }
            })}
        </Suspense>
    }
}

/// An error in the place of a page.
fn failed(error: &AppError) -> impl IntoView {
    let lang = lang();
    if error.code == Code::SignInFirst {
        lead_to(&format!("/sign-in?back={}", encode(&here(&visit()))));
    }
    let (href, action) = match error.code {
        Code::BasketEmpty => ("/basket", tr!(lang, checkout.empty_action)),
        Code::SignInFirst => ("/sign-in", tr!(lang, words.sign_in)),
        _ => ("/", tr!(lang, words.home)),
    };
    view! {
        <PageHead title=sentence(lang, error) />
        <Empty icon="alert" href=href action=action />
    }
}
