//! `/`: banners, category entries, what is cheap today, what was bought before,
//! what sells most here.

use super::live::{Live, skus};
use super::load::loaded;
use super::words::coupon_rule;
use crate::api::catalogue;
use domain::view::{BannerView, CategoryNode, HomePage as Home, OfferLine};
use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use ui::components::{Empty, GoodsGrid, Icon, Picture, Section};
use ui::text::lang;
use ui::tr;

/// Cards whose picture is in the first screen of a phone.
const EAGER: usize = 3;

/// The first page.
#[component]
pub fn HomePage() -> impl IntoView {
    loaded(async move { Ok(page(catalogue::home().await?)) })
}

fn page(home: Home) -> impl IntoView + use<> {
    let lang = lang();
    let shown = skus(home.deals.iter().chain(&home.bought).chain(&home.popular));
    let empty = shown.is_empty();
    let bought = home.bought;
    view! {
        <Title text="" />
        <Meta name="description" content=tr!(lang, words.shop_tagline) />
        <h1 class="visually-hidden">{tr!(lang, words.shop)}" · "{tr!(lang, words.shop_tagline)}</h1>
        <Banners banners=home.banners />
        <ul class="promise" role="list">
            <li><Icon name="check" size=16 />{tr!(lang, catalogue.promise_1)}</li>
            <li><Icon name="check" size=16 />{tr!(lang, catalogue.promise_2)}</li>
            <li><Icon name="check" size=16 />{tr!(lang, catalogue.promise_3)}</li>
        </ul>
        <ShopWide offers=home.offers />
        <Entries categories=home.categories />
        {(!home.deals.is_empty()).then(|| view! {
            <Section title=tr!(lang, catalogue.deals) id="deals" more="/deals" class="deals">
                <GoodsGrid cards=home.deals back="/" layout="rail" eager=EAGER />
            </Section>
        })}
        {(!bought.is_empty()).then(|| view! {
            <Section title=tr!(lang, catalogue.bought) id="bought">
                <GoodsGrid cards=bought back="/" layout="rail" />
            </Section>
        })}
        {(!home.popular.is_empty()).then(|| view! {
            <Section title=tr!(lang, catalogue.popular) id="popular">
                <GoodsGrid cards=home.popular back="/" />
            </Section>
        })}
        {empty.then(|| view! {
            <Empty icon="store" title=tr!(lang, catalogue.home_empty) text=tr!(lang, catalogue.home_empty_text)
                href="/stores" action=tr!(lang, site.stores_title) />
        })}
        <Live skus=shown />
    }
}

/// Offers that hold for everything: one line, not a label on every card.
#[component]
fn ShopWide(offers: Vec<OfferLine>) -> impl IntoView {
    let lang = lang();
    (!offers.is_empty()).then(|| {
        view! {
            <p class="shop-wide">
                <span class="tag bad">{tr!(lang, marks.spend_save)}</span>
                <span>{tr!(lang, catalogue.shop_wide)}</span>
                {offers.into_iter().map(|offer| {
                    let rule = offer.threshold.zip(offer.off).map(|(from, off)| coupon_rule(lang, from, off));
                    view! { <strong>{rule.unwrap_or(offer.name)}</strong> }
                }).collect_view()}
            </p>
        }
    })
}

#[component]
fn Banners(banners: Vec<BannerView>) -> impl IntoView {
    let lang = lang();
    (!banners.is_empty()).then(|| {
        view! {
            <ul class="banners" role="list" aria-label=tr!(lang, catalogue.banners)>
                {banners.into_iter().enumerate().map(|(i, banner)| view! {
                    <li>
                        <a class="banner" href=banner.link>
                            <span>
                                <span class="banner-title">{banner.title}</span>
                                <span class="banner-text">{banner.text}</span>
                            </span>
                            <Picture name=banner.picture eager={i == 0} />
                        </a>
                    </li>
                }).collect_view()}
            </ul>
        }
    })
}

#[component]
fn Entries(categories: Vec<CategoryNode>) -> impl IntoView {
    let lang = lang();
    (!categories.is_empty()).then(|| {
        view! {
            <nav aria-label=tr!(lang, catalogue.entries)>
                <ul class="entries" role="list">
                    {categories.into_iter().map(|category| view! {
                        <li>
                            <a href=format!("/c/{}", category.code)>
                                <span class="entry-picture"><Picture name=category.picture size=44 eager=true /></span>
                                {category.name}
                            </a>
                        </li>
                    }).collect_view()}
                </ul>
            </nav>
        }
    })
}
