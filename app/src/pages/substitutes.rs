//! `/me/substitutes`: what shall happen to missing goods without a choice of their own.

use super::load::loaded;
use crate::api::account::me;
use crate::api::cx::{refuse, visit};
use crate::shell::query_value;
use domain::Code;
use leptos::prelude::*;
use ui::components::{Choice, Note, PageHead};
use ui::text::{self, CHOICES, lang};
use ui::tr;

/// The member's default for missing goods.
#[component]
pub fn SubstitutesPage() -> impl IntoView {
    let saved = query_value(&visit().path, "saved") == "1";
    loaded(async move {
        let member = me().await?.ok_or_else(|| refuse(Code::SignInFirst))?;
        Ok(page(&member.substitution_default, saved))
    })
}

fn page(current: &str, saved: bool) -> impl IntoView + use<> {
    let lang = lang();
    let current = current.to_owned();
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.substitutes_title) back="/me" />
            {saved.then(|| view! { <div role="status"><Note kind="good">{tr!(lang, member.saved)}</Note></div> })}
            <form class="card form" method="post" action="/api/account/substitution_default" data-submit-once>
                <fieldset class="choices" aria-describedby="substitutes-text">
                    <legend>{tr!(lang, basket.if_missing)}</legend>
                    {CHOICES.into_iter().filter(|code| *code != "chosen").map(|code| view! {
                        <Choice name="choice" value=code checked={current == code} label=text::choice(lang, code) hint=text::choice_hint(lang, code) />
                    }).collect_view()}
                </fieldset>
                <p id="substitutes-text" class="muted small">{tr!(lang, member.substitutes_text)}</p>
                <button class="button primary wide" type="submit" data-once>{tr!(lang, words.save)}</button>
            </form>
        </div>
    }
}
