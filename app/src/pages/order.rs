//! `/orders/:code`: where an order stands, what it holds and costs, what went
//! back and why. It follows the order's live stream, and prints well.

use super::load::loaded;
use super::order_lines::{Lines, Refunds};
use super::sums::Sums;
use super::words;
use crate::api::cx::cx;
use crate::api::orders::order;
use crate::islands::{Countdown, OrderLive};
use domain::Millis;
use domain::view::OrderView;
use fast_qr::convert::{Builder, Shape, svg::SvgBuilder};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use ui::components::{Icon, PageHead};
use ui::format::yuan;
use ui::text::lang;
use ui::tr;

/// An order's page.
#[component]
pub fn OrderPage() -> impl IntoView {
    let code = use_params_map().read_untracked().get("code").unwrap_or_default();
    loaded(async move {
        let view = order(&code).await?;
        let now = cx().await?.visit.now;
        Ok(page(view, now))
    })
}

fn page(view: OrderView, now: Millis) -> impl IntoView {
    let lang = lang();
    view! {
        <PageHead title=tr!(lang, orders.order_title, code = &view.code) back="/orders" />
        <OrderLive code=view.code.clone() version=view.version paid_to=String::new() updated=tr!(lang, orders.updated).to_owned() failed=tr!(lang, basket.failed).to_owned() />
        <div id="order" data-part="order">
            <div class="split">
                <div class="split-main">
                    <State view=view.clone() now=now />
                    {view.pickup_code.clone().map(|code| view! { <Pickup code=code /> })}
                    <Lines order=view.clone() />
                    <Refunds refunds=view.refunds.clone() />
                </div>
                <div class="split-side">
                    <Facts view=view.clone() />
                    <Paid view=view.clone() />
                    <Timeline view=view.clone() />
                    <Actions view=view />
                </div>
            </div>
        </div>
    }
}

/// The state in big, what it means, and the payment while it is open.
#[component]
fn State(view: OrderView, now: Millis) -> impl IntoView {
    let lang = lang();
    let pay = format!("/pay/{}", view.code);
    view! {
        <section class="order-state" aria-live="polite">
            <p class="state-title" data-order-state=view.state.as_str()>{words::state(lang, view.state)}</p>
            <p>{words::state_hint(lang, view.state)}</p>
            {view.can_pay.then(|| view! {
                <div class="cluster">
                    {view.hold_until.map(|until| view! {
                        <span>{tr!(lang, checkout.pay_left)}" "<Countdown until_ms=until.0 now_ms=now.0 done="00:00".to_owned() reload=true /></span>
                    })}
                    <a class="button primary" href=pay>{tr!(lang, orders.pay)}</a>
                </div>
            })}
        </section>
    }
}

/// The pick-up code as digits and as a QR code.
#[component]
fn Pickup(code: String) -> impl IntoView {
    let lang = lang();
    let qr = fast_qr::QRBuilder::new(code.clone()).build().ok();
    // Dark on white in both schemes: scanners want it so.
    let svg = qr.map(|qr| SvgBuilder::default().shape(Shape::Square).margin(2).to_str(&qr));
    view! {
        <section class="card pickup" aria-labelledby="pickup-h">
            <h2 id="pickup-h">{tr!(lang, orders.pickup_code)}</h2>
            <p class="code-big">{code}</p>
            {svg.map(|svg| view! { <div class="qr" role="img" aria-label=tr!(lang, orders.pickup_qr) inner_html=svg></div> })}
        </section>
    }
}

#[component]
fn Facts(view: OrderView) -> impl IntoView {
    let lang = lang();
    let fact = |label: String, value: String| (!value.is_empty()).then(|| view! { <dt>{label}</dt><dd>{value}</dd> });
    view! {
        <section class="card" aria-label=tr!(lang, orders.slot)>
            <dl class="facts">
                {fact(ui::text::fulfilment(lang, &view.kind), view.slot.clone())}
                {fact(tr!(lang, orders.store).to_owned(), format!("{} · {} · {}", view.store_name, view.store_address, view.store_phone))}
                {fact(tr!(lang, orders.to).to_owned(), view.address.clone())}
                {fact(tr!(lang, orders.note).to_owned(), view.note.clone())}
                {fact(tr!(lang, orders.placed).to_owned(), view.placed_text.clone())}
            </dl>
        </section>
    }
}

/// What it cost, step by step, and what went back.
#[component]
fn Paid(view: OrderView) -> impl IntoView {
    let lang = lang();
    let label = if view.state.is_paid() || view.refunded.is_positive() {
        tr!(lang, orders.paid_total)
    } else if view.state == domain::order::State::PendingPayment {
        tr!(lang, orders.to_pay)
    } else {
        // Called off before it was paid: nothing is owed.
        tr!(lang, basket.total)
    };
    let delivery = (view.kind != "pickup").then_some(view.delivery);
    view! {
        <section class="card section" aria-labelledby="money-h">
            <h2 id="money-h">{tr!(lang, orders.money)}</h2>
            <Sums goods=view.goods steps=view.steps.clone() delivery=delivery label=label total=view.total>
                {view.refunded.is_positive().then(|| view! { <div><dt>{tr!(lang, orders.refunded_total)}</dt><dd>{yuan(view.refunded)}</dd></div> })}
            </Sums>
        </section>
    }
}

#[component]
fn Timeline(view: OrderView) -> impl IntoView {
    let lang = lang();
    view! {
        <section class="card section" aria-labelledby="timeline-h">
            <h2 id="timeline-h">{tr!(lang, orders.timeline)}</h2>
            <ol class="timeline">
                {view.timeline.iter().map(|entry| view! {
                    <li><span>{words::event(lang, entry)}</span><time class="num">{entry.at_text.clone()}" · "{words::actor(lang, &entry.actor)}</time></li>
                }).collect_view()}
            </ol>
        </section>
    }
}

/// Buy again, print, cancel (after a second question, without JavaScript too).
#[component]
fn Actions(view: OrderView) -> impl IntoView {
    let lang = lang();
    let code = view.code.clone();
    let sure = if view.state.is_paid() { tr!(lang, orders.cancel_sure) } else { tr!(lang, orders.cancel_sure_unpaid) };
    view! {
        <div class="stack-small no-print">
            <form method="post" action="/api/orders/buy_again" data-submit-once>
                <input type="hidden" name="code" value=code.clone() />
                <button class="button wide" type="submit" data-once><Icon name="basket" size=20 />{tr!(lang, orders.buy_again)}</button>
            </form>
            {view.can_cancel.then(|| view! {
                <details class="confirm">
                    <summary class="button danger wide">{tr!(lang, orders.cancel)}</summary>
                    <form class="card form" method="post" action="/api/orders/cancel" data-submit-once>
                        <input type="hidden" name="code" value=code.clone() />
                        <p>{sure}</p>
                        <button class="button danger" type="submit" data-once>{tr!(lang, orders.cancel_yes)}</button>
                    </form>
                </details>
            })}
        </div>
    }
}
