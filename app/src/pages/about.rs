//! `/about`: what "in stock" means here, and what happens if it was wrong.

use domain::Packs;
use domain::availability::State;
use domain::ids::SkuId;
use domain::view::LiveState;
use leptos::prelude::*;
use ui::components::{PageHead, Section, StateBadge};
use ui::text::lang;
use ui::tr;

/// How availability works, in plain words.
#[component]
pub fn AboutPage() -> impl IntoView {
    let lang = lang();
    let states = [
        (State::InStock, tr!(lang, site.about_in_stock)),
        (State::Low(Packs(3)), tr!(lang, site.about_low)),
        (State::Risky, tr!(lang, site.about_risky)),
        (State::SoldOut, tr!(lang, site.about_sold_out)),
    ];
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, site.about_title) back="/" />
            <p>{tr!(lang, site.about_lead)}</p>
            <Section title=tr!(lang, site.about_states) id="states" class="card">
                <ul class="rows" role="list">
                    {states.into_iter().map(|(state, text)| view! {
                        <li class="about-state">
                            <StateBadge live=LiveState { sku: SkuId::trusted("example"), state, max: Packs::ZERO } />
                            <p>{text}</p>
                        </li>
                    }).collect_view()}
                </ul>
            </Section>
            <Section title=tr!(lang, site.about_how) id="how" class="card">
                <div class="stack-small">
                    <p class="formula">{tr!(lang, site.about_formula)}</p>
                    <p>{tr!(lang, site.about_feed)}</p>
                    <p>{tr!(lang, site.about_hold)}</p>
                </div>
            </Section>
            <Section title=tr!(lang, site.about_short) id="short" class="card">
                <p>{tr!(lang, site.about_short_text)}</p>
            </Section>
        </div>
    }
}
