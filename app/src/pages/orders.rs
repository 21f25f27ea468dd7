//! `/orders`: the member's orders, by how far they are.

use super::load::loaded;
use super::words;
use crate::api::cx::visit;
use crate::api::orders::orders;
use crate::shell::query_value;
use domain::view::OrderCard;
use leptos::prelude::*;
use ui::components::{Empty, Money, PageHead, Picture};
use ui::text::lang;
use ui::tr;

/// Orders on a page of the list; fewer mean that it is the last.
const PAGE: usize = 20;

/// The list of orders.
#[component]
pub fn OrdersPage() -> impl IntoView {
    let path = visit().path;
    let tab = match query_value(&path, "tab").as_str() {
        "unpaid" => "unpaid",
        "open" => "open",
        "done" => "done",
        _ => "all",
    };
    let number = query_value(&path, "page").parse().unwrap_or(1).clamp(1, 1000);
    loaded(async move { Ok(page(orders(tab, number).await?, tab, number)) })
}

fn page(orders: Vec<OrderCard>, tab: &'static str, number: u32) -> impl IntoView {
    let lang = lang();
    let more = orders.len() >= PAGE;
    let tabs = [
        ("all", tr!(lang, orders.tab_all)),
        ("unpaid", tr!(lang, orders.tab_unpaid)),
        ("open", tr!(lang, orders.tab_open)),
        ("done", tr!(lang, orders.tab_done)),
    ];
    let list = if orders.is_empty() {
        view! { <Empty icon="receipt" title=tr!(lang, orders.empty) text=tr!(lang, orders.empty_text) href="/" action=tr!(lang, orders.empty_action) /> }.into_any()
    } else {
        view! { <ul class="stack plain-list">{orders.into_iter().map(|order| view! { <li><Card order=order /></li> }).collect_view()}</ul> }.into_any()
    };
    let turn = move |to: u32| format!("/orders?tab={tab}&page={to}");
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, orders.title) back="/me" />
            <nav aria-label=tr!(lang, orders.tabs)>
                <ul class="chips" role="list">
                    {tabs.into_iter().map(|(code, label)| view! {
                        <li><a class="chip" href=format!("/orders?tab={code}") aria-current=(code == tab).then_some("page")>{label}</a></li>
                    }).collect_view()}
                </ul>
            </nav>
            {list}
            {(number > 1 || more).then(|| view! {
                <nav class="pages" aria-label=tr!(lang, orders.pages)>
                    {(number > 1).then(|| view! { <a class="button small" href=turn(number - 1) rel="prev">{tr!(lang, orders.previous)}</a> })}
                    <span class="num">{number}</span>
                    {more.then(|| view! { <a class="button small" href=turn(number + 1) rel="next">{tr!(lang, orders.next)}</a> })}
                </nav>
            })}
        </div>
    }
}

#[component]
fn Card(order: OrderCard) -> impl IntoView {
    let lang = lang();
    let href = format!("/orders/{}", order.code);
    let pay = order.state.can_pay().then(|| format!("/pay/{}", order.code));
    view! {
        <article class="card order-card" data-order=order.code.clone()>
            <div class="spread">
                <h2 class="order-code"><a href=href.clone() aria-label=format!("{} · {}", order.store, tr!(lang, orders.see, code = &order.code))>{order.store.clone()}</a></h2>
                <span class=format!("tag {}", words::state_tone(order.state))>{words::state(lang, order.state)}</span>
            </div>
            <a class="thumbs" href=href tabindex="-1" aria-hidden="true">
                {order.pictures.iter().take(5).map(|picture| view! { <span class="thumb"><Picture name=picture.clone() size=48 /></span> }).collect_view()}
            </a>
            <p class="clamp small">{order.names.join(lang.pick("、", ", "))}</p>
            <div class="spread">
                <span class="muted small">{order.placed_text.clone()}" · "<span class="num">{order.code.clone()}</span></span>
                <span class="order-sum"><span class="muted small">{tr!(lang, orders.items, n = order.count.0)}</span>" "<Money amount=order.total size="s" /></span>
            </div>
            <div class="order-actions">
                <form method="post" action="/api/orders/buy_again" data-submit-once>
                    <input type="hidden" name="code" value=order.code.clone() />
                    <button class="button small" type="submit" data-once>{tr!(lang, orders.buy_again)}</button>
                </form>
                {pay.map(|href| view! { <a class="button small primary" href=href>{tr!(lang, orders.pay)}</a> })}
            </div>
        </article>
    }
}
