//! `/sign-in`: a phone, then the one-time code. The phone is kept in the
//! session, never in the address of the page. Who has a code always finds the
//! way to its field.

use super::load::loaded;
use crate::api::account::{Underway, masked, signing_in};
use crate::api::cx::{safe_back, visit};
use crate::shell::{encode, query_value};
use domain::Code;
use leptos::prelude::*;
use ui::components::{Back, Field, Note, PageHead};
use ui::error::form_error;
use ui::text::lang;
use ui::tr;

/// The sign-in page.
#[component]
pub fn SignInPage() -> impl IntoView {
    let visitor = visit();
    let back = match query_value(&visitor.path, "back") {
        back if back.is_empty() => "/me".to_owned(),
        back => safe_back(&back).to_owned(),
    };
    let wants_code = query_value(&visitor.path, "step") == "code";
    // Asked for once more too soon: the code that was sent is the one to enter.
    let is_too_soon = form_error().is_some_and(|error| error.code == Code::TooMany);
    let has_basket = visitor.basket_count > 0;
    loaded(async move {
        let Underway { phone, has_code, sandbox } = signing_in().await?;
        Ok(match phone {
            Some(phone) if wants_code || (has_code && is_too_soon) => code_step(&phone, back, sandbox).into_any(),
            phone => phone_step(phone.unwrap_or_default(), back, has_basket, has_code).into_any(),
        })
    })
}

fn phone_step(phone: String, back: String, has_basket: bool, has_code: bool) -> impl IntoView {
    let lang = lang();
    let enter = format!("/sign-in?back={}&step=code", encode(&back));
    view! {
        <div class="narrow stack sign-in">
            <PageHead title=tr!(lang, member.sign_in) />
            {has_basket.then(|| view! { <Note kind="good">{tr!(lang, member.basket_kept)}</Note> })}
            <form class="card form" method="post" action="/api/account/request_code" data-submit-once>
                <Back to=back />
                <Field name="phone" label=tr!(lang, member.phone) hint=tr!(lang, member.phone_hint) value=phone kind="tel" inputmode="tel" autocomplete="tel-national" maxlength=20 />
                <button class="button primary wide" type="submit" data-once>{tr!(lang, member.send)}</button>
                <p class="muted small">{tr!(lang, member.sign_in_text)}</p>
            </form>
            {has_code.then(|| view! { <p><a class="link" href=enter>{tr!(lang, member.have_code)}</a></p> })}
        </div>
    }
}

fn code_step(phone: &str, back: String, sandbox: bool) -> impl IntoView + use<> {
    let lang = lang();
    let messages = format!("/sandbox/messages?phone={}", encode(phone));
    let other = format!("/sign-in?back={}", encode(&back));
    view! {
        <div class="narrow stack sign-in">
            <PageHead title=tr!(lang, member.sign_in) back=other.clone() />
            <form class="card form" method="post" action="/api/account/sign_in" data-submit-once>
                <p>{tr!(lang, member.sent, phone = masked(phone))}</p>
                <Back to=back.clone() />
                <Field name="code" label=tr!(lang, member.code) hint=tr!(lang, member.code_hint) inputmode="numeric" autocomplete="one-time-code" maxlength=6 />
                <button class="button primary wide" type="submit" data-once>{tr!(lang, member.enter)}</button>
            </form>
            {sandbox.then(|| view! {
                <Note>{tr!(lang, member.sandbox_code)}" "<a href=messages target="_blank" rel="noopener">{tr!(lang, member.sandbox_link)}</a></Note>
            })}
            <div class="cluster spread">
                <form method="post" action="/api/account/request_code" data-submit-once>
                    <Back to=back />
                    <input type="hidden" name="phone" value=phone.to_owned() />
                    <button class="button quiet" type="submit" data-once>{tr!(lang, member.resend)}</button>
                </form>
                <a class="button quiet" href=other>{tr!(lang, member.other_phone)}</a>
            </div>
        </div>
    }
}
