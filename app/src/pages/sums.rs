//! Sums of a basket or an order: one row a step, and the offers that did not
//! apply with the reason.

use super::words;
use domain::Fen;
use domain::view::{StepLine, Totals};
use leptos::prelude::*;
use ui::components::Money;
use ui::format::yuan;
use ui::text::lang;
use ui::tr;

/// The rows from the goods to what is to be paid.
#[component]
pub fn Sums(
    /// Σ gross.
    goods: Fen,
    /// The steps in their order.
    steps: Vec<StepLine>,
    /// The delivery fee; `None` hides its row (pick-up).
    delivery: Option<Fen>,
    /// What the last row says.
    #[prop(into)]
    label: String,
    /// The last row's amount.
    total: Fen,
    /// More rows after the total.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let lang = lang();
    view! {
        <dl class="sums">
            <div><dt>{tr!(lang, basket.goods_total)}</dt><dd data-sum="goods">{yuan(goods)}</dd></div>
            {steps.iter().map(|line| view! {
                <div class="saving"><dt>{words::step_line(lang, line)}</dt><dd data-sum=line.step.clone()>"−"{yuan(line.amount)}</dd></div>
            }).collect_view()}
            {delivery.map(|fee| view! {
                <div>
                    <dt>{tr!(lang, basket.delivery_fee)}</dt>
                    <dd data-sum="delivery">{if fee.is_positive() { yuan(fee) } else { tr!(lang, words.free).to_owned() }}</dd>
                </div>
            })}
            <div class="total"><dt>{label}</dt><dd data-sum="payable"><Money amount=total tone="price" /></dd></div>
            {children.map(|children| children())}
        </dl>
    }
}

/// Offers that did not apply, each with its reason.
#[component]
pub fn Rejected(
    /// The basket's totals.
    totals: Totals,
) -> impl IntoView {
    let lang = lang();
    (!totals.rejected.is_empty()).then(|| view! {
        <details class="rejected">
            <summary>{tr!(lang, basket.rejected)}" ("{totals.rejected.len()}")"</summary>
            <ul class="rows">
                {totals.rejected.iter().map(|line| view! {
                    <li class="spread"><span>{line.name.clone()}</span><span class="muted small">{words::reason(lang, &line.reason, &line.other)}</span></li>
                }).collect_view()}
            </ul>
        </details>
    })
}
