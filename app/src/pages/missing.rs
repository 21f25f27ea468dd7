//! "If missing": the choice of what shall happen to a line whose shelf is
//! empty. The same controls in the basket, at checkout and on the order; only
//! the names of the fields differ.

use super::words;
use crate::api::form::sku_key;
use domain::view::{Candidate, Lang, SubstitutionView};
use leptos::prelude::*;
use ui::components::{Choice, Money, Picture, StateBadge};
use ui::text::{self, CHOICES, lang};
use ui::tr;

/// At most so many substitutes can be named.
const MOST: usize = 5;

/// The radios of a choice, and the candidates with their ranks.
#[component]
pub fn IfMissing(
    /// What is chosen, and who could stand in.
    substitution: SubstitutionView,
    /// The product's name, for the legend.
    #[prop(into)]
    product: String,
    /// `name` of the radios, such as `choice`.
    #[prop(into)]
    choice_name: String,
    /// `name` of the ranks; `[<sku>]` is added.
    #[prop(into)]
    rank_name: String,
    /// Where candidates can be loaded, if they are not here.
    #[prop(optional, into)]
    load: String,
) -> impl IntoView {
    let lang = lang();
    let chosen_now = substitution.choice == "chosen";
    let has_candidates = !substitution.candidates.is_empty();
    view! {
        <fieldset class="choices if-missing">
            <legend class="visually-hidden">{tr!(lang, basket.if_missing_of, name = &product)}</legend>
            {CHOICES.into_iter().map(|code| view! {
                <Choice name=choice_name.clone() value=code checked={substitution.choice == code}
                    disabled={code == "chosen" && !has_candidates && !chosen_now}
                    label=text::choice(lang, code) hint=text::choice_hint(lang, code) />
            }).collect_view()}
            {if has_candidates {
                view! { <Ranks substitution=substitution name=rank_name /> }.into_any()
            } else if load.is_empty() {
                ().into_any()
            } else {
                view! { <a class="link" href=load data-part-link>{tr!(lang, basket.choose_substitutes)}</a> }.into_any()
            }}
        </fieldset>
    }
}

/// The candidates in order, each with a menu for its rank.
#[component]
fn Ranks(substitution: SubstitutionView, name: String) -> impl IntoView {
    let lang = lang();
    let rank_of = move |candidate: &Candidate| substitution.chosen.iter().position(|sku| *sku == candidate.card.sku);
    view! {
        <div class="candidates">
            <p class="small strong">{tr!(lang, basket.substitutes)}</p>
            <ul class="rows">
                {substitution.candidates.iter().map(|candidate| view! {
                    <li class="candidate">
                        <Rank name=format!("{name}[{}]", sku_key(candidate.card.sku.as_str())) product=candidate.card.name.clone() rank=rank_of(candidate) />
                        <Picture name=candidate.card.picture.clone() size=48 />
                        <span class="candidate-text">
                            <span>{candidate.card.name.clone()}</span>
                            <span class="muted small">{reasons(lang, candidate)}</span>
                            <StateBadge live=candidate.card.live.clone() />
                        </span>
                        <Money amount=candidate.card.price.price size="s" tone="price" />
                    </li>
                }).collect_view()}
            </ul>
        </div>
    }
}

/// Why a candidate ranks where it does: `同品牌 · 单价相近`.
pub fn reasons(lang: Lang, candidate: &Candidate) -> String {
    candidate.reasons.iter().map(|reason| words::substitute_reason(lang, *reason)).collect::<Vec<_>>().join(" · ")
}

#[component]
fn Rank(name: String, product: String, rank: Option<usize>) -> impl IntoView {
    let lang = lang();
    view! {
        <select class="rank" name=name aria-label=tr!(lang, basket.rank_of, name = &product)>
            <option value="" selected=rank.is_none()>{tr!(lang, basket.rank_none)}</option>
            {(1..=MOST).map(|n| view! {
                <option value=n selected={rank == Some(n - 1)}>{tr!(lang, basket.rank_n, n = n)}</option>
            }).collect_view()}
        </select>
    }
}
