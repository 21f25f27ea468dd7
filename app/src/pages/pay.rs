//! `/pay/:code`: an order that waits for its payment. The page follows the
//! order's live stream; each load asks the channel, so that a lost notice does no
//! harm and without JavaScript a link asks again.

use super::load::loaded;
use super::words;
use crate::api::cx::cx;
use crate::api::form::lead_to;
use crate::api::orders::awaited_order;
use crate::islands::{Countdown, OrderLive};
use domain::Millis;
use domain::view::OrderView;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use ui::components::{Icon, Money, PageHead};
use ui::text::lang;
use ui::tr;

/// The payment's wait page.
#[component]
pub fn PayPage() -> impl IntoView {
    let code = use_params_map().read_untracked().get("code").unwrap_or_default();
    loaded(async move {
        let view = awaited_order(&code).await?;
        let now = cx().await?.visit.now;
        if view.state.is_paid() {
            lead_to(&format!("/orders/{}", view.code));
        }
        Ok(page(view, now))
    })
}

fn page(view: OrderView, now: Millis) -> impl IntoView {
    let lang = lang();
    let order_url = format!("/orders/{}", view.code);
    view! {
        <PageHead title=tr!(lang, checkout.pay_title) back=order_url.clone() />
        <OrderLive code=view.code.clone() version=view.version paid_to=order_url.clone() updated=tr!(lang, orders.updated).to_owned() failed=tr!(lang, basket.failed).to_owned() />
        <div id="pay" data-part="pay" class="narrow stack">
            <section class="card pay-card">
                <p class="pay-state"><Icon name="clock" />{words::state(lang, view.state)}</p>
                <p class="muted">{tr!(lang, checkout.pay_amount)}</p>
                <p><Money amount=view.total size="l" tone="price" /></p>
                {if view.can_pay { waiting(&view, now).into_any() } else { over(&view, order_url.clone()).into_any() }}
            </section>
            <dl class="facts card">
                <dt>{tr!(lang, checkout.order_no)}</dt><dd class="num"><a href=order_url>{view.code.clone()}</a></dd>
                <dt>{tr!(lang, orders.store)}</dt><dd>{view.store_name.clone()}</dd>
                <dt>{tr!(lang, orders.slot)}</dt><dd>{view.slot.clone()}</dd>
            </dl>
        </div>
    }
}

fn waiting(view: &OrderView, now: Millis) -> impl IntoView + use<> {
    let lang = lang();
    let code = view.code.clone();
    let refresh = format!("/pay/{code}");
    view! {
        {view.hold_until.map(|until| view! {
            <p class="pay-left">{tr!(lang, checkout.pay_left)}" "<Countdown until_ms=until.0 now_ms=now.0 done="00:00".to_owned() reload=true /></p>
        })}
        <form method="post" action="/api/orders/pay" data-submit-once>
            <input type="hidden" name="code" value=code />
            <button class="button primary wide" type="submit" data-once>{tr!(lang, checkout.pay_go)}</button>
        </form>
        <p class="muted small" data-js>{tr!(lang, checkout.pay_waiting)}</p>
        <p><a class="link" href=refresh>{tr!(lang, checkout.pay_refresh)}</a></p>
    }
}

fn over(view: &OrderView, order_url: String) -> impl IntoView + use<> {
    let lang = lang();
    view! {
        <p>{words::state_hint(lang, view.state)}</p>
        <a class="button primary wide" href=order_url>{tr!(lang, checkout.pay_order)}</a>
    }
}
