//! An order's lines with their shares of the discounts, and its refunds with
//! the calculation of each line: gross − shares = refund.

use super::words;
use domain::view::{OrderLineView, OrderView, RefundView};
use leptos::prelude::*;
use ui::components::{Choice, Icon, Money, Picture};
use ui::format::yuan;
use ui::text::{self, CHOICES, lang};
use ui::tr;

/// The lines.
#[component]
pub fn Lines(
    /// The order.
    order: OrderView,
) -> impl IntoView {
    let lang = lang();
    let code = order.code.clone();
    view! {
        <section class="card section" aria-labelledby="lines-h">
            <h2 id="lines-h">{tr!(lang, orders.lines)}</h2>
            <ul class="rows" role="list">
                {order.lines.into_iter().map(|line| view! { <Line line=line code=code.clone() /> }).collect_view()}
            </ul>
        </section>
    }
}

#[component]
fn Line(line: OrderLineView, code: String) -> impl IntoView {
    let lang = lang();
    let href = format!("/p/{}", line.sku_code);
    let picture = href.clone();
    let id = format!("line-{}", line.no);
    view! {
        <li class="line order-line" id=id>
            <a class="row-picture" href=picture tabindex="-1" aria-hidden="true"><Picture name=line.picture.clone() size=56 /></a>
            <div class="line-main">
                <div class="line-top"><a class="line-name" href=href>{line.name.clone()}</a><span class="num">"× "{line.qty.0}</span></div>
                <div class="line-foot">
                    <span class="muted small">{yuan(line.unit_price)}" "{tr!(lang, basket.each)}</span>
                    <Money amount=line.total size="s" />
                </div>
                {(line.short.0 > 0).then(|| view! {
                    <p class="cluster"><span class="tag warn">{tr!(lang, orders.short_n, n = line.short.0)}</span>
                        {line.refunded.is_positive().then(|| view! { <span class="small">{tr!(lang, orders.line_refunded)}" "{yuan(line.refunded)}</span> })}</p>
                })}
                {(!line.shares.is_empty()).then(|| view! { <Shares line=line.clone() /> })}
                {if line.choice_open {
                    view! { <ChoiceForm line=line code=code /> }.into_any()
                } else {
                    view! { <p class="muted small">{choice_text(&line)}</p> }.into_any()
                }}
            </div>
        </li>
    }
}

/// `缺货时：指定商品（A、B）`.
fn choice_text(line: &OrderLineView) -> String {
    let lang = lang();
    let mut choice = text::choice(lang, &line.choice);
    if line.choice == "chosen" && !line.chosen.is_empty() {
        choice = format!("{choice} ({})", line.chosen.join(" → "));
    }
    tr!(lang, checkout.if_missing, choice = choice)
}

/// The line's part of every discount.
#[component]
fn Shares(line: OrderLineView) -> impl IntoView {
    let lang = lang();
    view! {
        <details class="choice-details">
            <summary>{tr!(lang, orders.shares)}<Icon name="down" size=14 /></summary>
            <dl class="sums small">
                <div><dt>{tr!(lang, orders.gross)}</dt><dd>{yuan(line.gross)}</dd></div>
                {line.shares.iter().map(|share| view! {
                    <div><dt>{words::step_line(lang, share)}</dt><dd>"−"{yuan(share.amount)}</dd></div>
                }).collect_view()}
                <div class="strong"><dt>{tr!(lang, orders.line_paid)}</dt><dd>{yuan(line.total)}</dd></div>
            </dl>
        </details>
    }
}

/// What shall happen if it is missing, as long as that can be changed.
#[component]
fn ChoiceForm(line: OrderLineView, code: String) -> impl IntoView {
    let lang = lang();
    let summary = choice_text(&line);
    let current = line.choice.clone();
    // Other substitutes are chosen in the basket; here the choice itself changes.
    let choices = CHOICES.into_iter().filter(move |code| *code != "chosen");
    view! {
        <details class="choice-details">
            <summary><Icon name="swap" size=16 />{summary}<Icon name="down" size=14 /></summary>
            <form class="form" method="post" action="/api/orders/line_choice" data-enhance>
                <input type="hidden" name="code" value=code />
                <input type="hidden" name="no" value=line.no />
                <fieldset class="choices">
                    <legend class="visually-hidden">{tr!(lang, basket.if_missing_of, name = &line.name)}</legend>
                    {choices.map(|code| view! {
                        <Choice name="choice" value=code checked={current == code} label=text::choice(lang, code) hint=text::choice_hint(lang, code) />
                    }).collect_view()}
                </fieldset>
                <div class="form-actions"><button class="button small" type="submit">{tr!(lang, orders.change_choice)}</button></div>
            </form>
        </details>
    }
}

/// The refunds, each with its calculation.
#[component]
pub fn Refunds(
    /// The refunds.
    refunds: Vec<RefundView>,
) -> impl IntoView {
    let lang = lang();
    (!refunds.is_empty()).then(|| view! {
        <section class="card section" aria-labelledby="refunds-h">
            <h2 id="refunds-h">{tr!(lang, orders.refunds)}</h2>
            <ul class="rows" role="list">{refunds.into_iter().map(|refund| view! { <Refund refund=refund /> }).collect_view()}</ul>
        </section>
    })
}

#[component]
fn Refund(refund: RefundView) -> impl IntoView {
    let lang = lang();
    let tone = match refund.state.as_str() {
        "done" => "good",
        "failed" => "bad",
        _ => "warn",
    };
    view! {
        <li class="refund stack-small">
            <p class="spread"><span class="strong">{words::refund_reason(lang, &refund.reason)}</span><span class=format!("tag {tone}")>{words::refund_state(lang, &refund.state)}</span></p>
            <dl class="sums small">
                {refund.lines.iter().map(|line| view! {
                    <div>
                        <dt>{line.name.clone()}" × "{line.qty.0}</dt>
                        <dd class="num">{tr!(lang, orders.refund_formula, gross = yuan(line.gross), shares = yuan(line.shares), amount = yuan(line.amount))}</dd>
                    </div>
                }).collect_view()}
                {refund.delivery.is_positive().then(|| view! { <div><dt>{tr!(lang, orders.refund_delivery)}</dt><dd>{yuan(refund.delivery)}</dd></div> })}
                <div class="total"><dt>{tr!(lang, orders.refund_total)}</dt><dd><Money amount=refund.amount size="s" /></dd></div>
            </dl>
            <p class="muted small">{refund.at_text.clone()}</p>
        </li>
    }
}
