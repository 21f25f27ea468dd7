//! `/me/coupons`: the coupons that can still be used. Which of them the basket
//! at hand can use, and why not, is said at checkout.

use super::load::loaded;
use super::words::coupon_rule;
use crate::api::account::coupons;
use domain::view::CouponCard;
use leptos::prelude::*;
use ui::components::{Empty, PageHead};
use ui::format::yuan_short;
use ui::text::lang;
use ui::tr;

/// The member's coupons.
#[component]
pub fn CouponsPage() -> impl IntoView {
    loaded(async move { Ok(page(coupons().await?)) })
}

fn page(coupons: Vec<CouponCard>) -> impl IntoView {
    let lang = lang();
    let list = if coupons.is_empty() {
        view! { <Empty icon="ticket" title=tr!(lang, member.no_coupons) text=tr!(lang, member.no_coupons_text) href="/" action=tr!(lang, basket.empty_action) /> }.into_any()
    } else {
        view! {
            <ul class="stack-small plain-list" role="list">
                {coupons.into_iter().map(|coupon| view! { <Coupon coupon=coupon /> }).collect_view()}
            </ul>
            <p class="muted small">{tr!(lang, member.coupons_text)}</p>
        }
        .into_any()
    };
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.coupons) back="/me" />
            {list}
        </div>
    }
}

#[component]
fn Coupon(coupon: CouponCard) -> impl IntoView {
    let lang = lang();
    view! {
        <li class="ticket">
            <span class="ticket-off">{yuan_short(coupon.off)}</span>
            <div class="stack-small">
                <h2 class="message-title">{coupon.name}</h2>
                <p class="small">{coupon_rule(lang, coupon.threshold, coupon.off)}</p>
                <p class="cluster small">
                    <span class="muted">{tr!(lang, member.coupon_until, time = coupon.ends_text)}</span>
                    {coupon.some_goods.then(|| view! { <span class="tag">{tr!(lang, member.coupon_some_goods)}</span> })}
                    {coupon.other_store.then(|| view! { <span class="tag warn">{tr!(lang, basket.why_other_store)}</span> })}
                </p>
            </div>
        </li>
    }
}
