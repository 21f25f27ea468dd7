//! The sandbox: `/sandbox/pay/:trade_no`, the page of its payment channel, and
//! `/sandbox/messages`, where the one-time codes are shown.

use super::load::loaded;
use crate::api::account::masked;
use crate::api::cx::visit;
use crate::api::sandbox::{message, payment};
use crate::shell::query_value;
use domain::view::{Lang, SandboxView};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use ui::components::{Field, Money, Note, PageHead};
use ui::text::lang;
use ui::tr;

/// The channel's page for one payment.
#[component]
pub fn SandboxPayPage() -> impl IntoView {
    let trade_no = use_params_map().read_untracked().get("trade_no").unwrap_or_default();
    let did = query_value(&visit().path, "did");
    loaded(async move { Ok(channel(payment(&trade_no).await?, &did)) })
}

fn channel(view: SandboxView, did: &str) -> impl IntoView + use<> {
    let lang = lang();
    let open = view.state == "open";
    let state = match view.state.as_str() {
        "open" => tr!(lang, sandbox.open),
        "paid" => tr!(lang, sandbox.paid),
        _ => tr!(lang, sandbox.closed),
    };
    let done = match did {
        "deny" => Some(tr!(lang, sandbox.did_deny)),
        "misprice" => Some(tr!(lang, sandbox.did_misprice)),
        "forge" => Some(tr!(lang, sandbox.did_forge)),
        _ => None,
    };
    let trade_no = view.trade_no.clone();
    view! {
        <div class="narrow stack sandbox">
            <PageHead title=tr!(lang, sandbox.title) />
            <Note kind="warn">{tr!(lang, sandbox.banner)}</Note>
            {done.map(|done| view! { <div role="status"><Note>{done}</Note></div> })}
            <section class="card pay-card">
                <p class="muted">{tr!(lang, sandbox.amount)}</p>
                <p><Money amount=view.amount size="l" /></p>
                <dl class="facts">
                    <dt>{tr!(lang, sandbox.order)}</dt><dd class="num">{view.order_code.clone()}</dd>
                    <dt>{tr!(lang, sandbox.trade_no)}</dt><dd class="num small">{view.trade_no.clone()}</dd>
                    <dt>{tr!(lang, sandbox.state)}</dt><dd>{state}</dd>
                </dl>
                {open.then(|| view! { <Act trade_no=trade_no.clone() act="pay" main=true /> })}
            </section>
            {open.then(|| view! {
                <section class="card section" aria-labelledby="switches-h">
                    <h2 id="switches-h">{tr!(lang, sandbox.switches)}</h2>
                    <ul class="rows" role="list">
                        {["deny", "delay", "repeat", "lose", "misprice", "forge"].into_iter().map(|act| view! {
                            <li class="row switch"><span>{hint(lang, act)}</span><Act trade_no=view.trade_no.clone() act=act main=false /></li>
                        }).collect_view()}
                    </ul>
                </section>
            })}
            <p><a class="button wide" href=view.back.clone()>{tr!(lang, sandbox.back)}</a></p>
        </div>
    }
}

/// A button of the channel.
#[component]
fn Act(trade_no: String, act: &'static str, main: bool) -> impl IntoView {
    let lang = lang();
    view! {
        <form method="post" action="/api/sandbox/act" data-submit-once>
            <input type="hidden" name="trade_no" value=trade_no />
            <input type="hidden" name="act" value=act />
            <button class=if main { "button primary wide" } else { "button small" } type="submit" data-once>{label(lang, act)}</button>
        </form>
    }
}

fn label(lang: Lang, act: &str) -> &'static str {
    match act {
        "deny" => tr!(lang, sandbox.deny),
        "delay" => tr!(lang, sandbox.delay),
        "repeat" => tr!(lang, sandbox.repeat),
        "lose" => tr!(lang, sandbox.lose),
        "misprice" => tr!(lang, sandbox.misprice),
        "forge" => tr!(lang, sandbox.forge),
        _ => tr!(lang, sandbox.pay),
    }
}

fn hint(lang: Lang, act: &str) -> &'static str {
    match act {
        "deny" => tr!(lang, sandbox.deny_text),
        "delay" => tr!(lang, sandbox.delay_text),
        "repeat" => tr!(lang, sandbox.repeat_text),
        "lose" => tr!(lang, sandbox.lose_text),
        "misprice" => tr!(lang, sandbox.misprice_text),
        "forge" => tr!(lang, sandbox.forge_text),
        _ => tr!(lang, sandbox.pay_text),
    }
}

/// The page where the one-time codes are shown.
#[component]
pub fn SandboxMessagesPage() -> impl IntoView {
    let phone = query_value(&visit().path, "phone");
    loaded(async move {
        let code = message(&phone).await?;
        Ok(messages(phone, code))
    })
}

fn messages(phone: String, code: Option<String>) -> impl IntoView {
    let lang = lang();
    let asked = !phone.is_empty();
    let shown = masked(&phone);
    view! {
        <div class="narrow stack sandbox">
            <PageHead title=tr!(lang, sandbox.messages) back="/sign-in?step=code" />
            <Note kind="warn">{tr!(lang, sandbox.messages_text)}</Note>
            {asked.then(|| view! {
                <section class="card" role="status">
                    {match code {
                        Some(code) => view! {
                            <p class="muted">{tr!(lang, sandbox.code_for, phone = shown)}</p>
                            <p class="code-big" data-code>{code}</p>
                        }.into_any(),
                        None => view! { <p>{tr!(lang, sandbox.no_code)}</p> }.into_any(),
                    }}
                </section>
            })}
            <form class="card form" method="get" action="/sandbox/messages">
                <Field name="phone" label=tr!(lang, member.phone) value=phone kind="tel" inputmode="tel" maxlength=20 />
                <button class="button" type="submit">{tr!(lang, sandbox.show)}</button>
            </form>
            <p><a class="link" href="/sign-in?step=code">{tr!(lang, sandbox.to_sign_in)}</a></p>
        </div>
    }
}
