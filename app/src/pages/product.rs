//! `/p/:code`: one product: what it is, what it costs, whether it is there, and
//! what shall happen if it is not.

use super::facts::{Facts, Offers, as_of};
use super::list::breadcrumb;
use super::live::{Live, skus};
use super::load::loaded;
use super::missing::IfMissing;
use crate::api::catalogue;
use crate::api::cx::{cx, visit};
use crate::shell::{here, query_value};
use domain::Millis;
use domain::view::{ProductPage as Product, Variant};
use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::hooks::use_params_map;
use ui::components::{Back, GoodsGrid, Icon, Note, Picture, Price, Quantity, Section, Sheet, StateBadge};
use ui::format::badge;
use ui::text::{self, lang};
use ui::tr;

/// A product's page.
#[component]
pub fn ProductPage() -> impl IntoView {
    let code = use_params_map().with_untracked(|params| params.get("code").unwrap_or_default());
    loaded(async move {
        let product = catalogue::product(&code).await?;
        let now = cx().await?.visit.now;
        Ok(page(product, now))
    })
}

fn page(product: Product, now: Millis) -> impl IntoView + use<> {
    let lang = lang();
    let visitor = visit();
    let back = here(&visitor);
    let card = product.card.clone();
    let mut live = skus([&card]);
    live.extend(skus(&product.similar));
    live.extend(skus(product.substitution.candidates.iter().map(|candidate| &candidate.card)));
    live.extend(product.variants.iter().map(|variant| variant.sku.to_string()));
    let added = query_value(&visitor.path, "added") == "1";
    let similar = product.similar.clone();
    view! {
        <Title text=card.name.clone() />
        <Meta name="description" content=product.description.clone() />
        {breadcrumb(lang, &product.path, true)}
        <div class="product" data-product=card.name.clone() data-state=text::state_code(&card.live.state)>
            <div class="product-picture"><Picture name=card.picture.clone() size=240 eager=true /></div>
            <div class="product-lead">
                {added.then(|| view! {
                    <Note kind="good">{tr!(lang, catalogue.added_note)}" "<a href="/basket">{tr!(lang, catalogue.see_basket)}</a></Note>
                })}
                <Lead product=product.clone() now=now />
                <Buy product=product.clone() back=back.clone() count=visitor.basket_count />
                <Offers offers=product.offers.clone() now=now />
                <Missing product=product.clone() back=back.clone() />
                <Facts product=product.clone() />
            </div>
        </div>
        {(!similar.is_empty()).then(|| view! {
            <Section title=tr!(lang, catalogue.similar) id="similar" class="product-similar">
                <GoodsGrid cards=similar back=back.clone() layout="rail" />
            </Section>
        })}
        {(product.variants.len() > 1).then(|| view! { <Options variants=product.variants.clone() /> })}
        <Live skus=live />
    }
}

/// Name, price, state.
#[component]
fn Lead(product: Product, now: Millis) -> impl IntoView {
    let lang = lang();
    let card = product.card;
    let current = product.variants.iter().find(|variant| variant.current).map(|variant| variant.option.clone());
    let store = visit().store_name;
    view! {
        <div class="stack-small">
            <h1 class="product-name">{card.name.clone()}</h1>
            {(!card.labels.is_empty()).then(|| view! {
                <ul class="labels">{card.labels.iter().map(|label| view! { <li>{label.clone()}</li> }).collect_view()}</ul>
            })}
            <Price price=card.price.clone() size="l" />
            <p class="product-stock">
                <StateBadge live=card.live.clone() />
                <span class="muted small">{as_of(lang, &store, product.counted, product.as_of, now)}</span>
                <a class="small" href="/about">{tr!(lang, catalogue.what_it_means)}</a>
            </p>
            {(product.variants.len() > 1).then(|| view! {
                <a class="option" href="#options">
                    <span>{tr!(lang, catalogue.choose_option)}</span>
                    <span class="cluster muted">{current.map(|name| tr!(lang, catalogue.chosen_option, name = name))}<Icon name="forward" size=16 /></span>
                </a>
            })}
            {product.age_limit.map(|age| view! { <Note kind="warn">{tr!(lang, catalogue.age, age = age)}</Note> })}
            {product.by_weight.then(|| view! { <Note>{tr!(lang, catalogue.by_weight)}</Note> })}
        </div>
    }
}

/// Quantity and the two decisions; a bar at the bottom of a phone.
#[component]
fn Buy(product: Product, back: String, count: i64) -> impl IntoView {
    let lang = lang();
    let card = product.card;
    let sku = card.sku.to_string();
    let gone = card.live.max.0 <= 0;
    let after = format!("{back}{}added=1", if back.contains('?') { '&' } else { '?' });
    let shown = if count > 0 { badge(count) } else { String::new() };
    view! {
        <form id="add" class="buy" method="post" action="/api/basket/add" data-add>
            <input type="hidden" name="sku" value=sku.clone() />
            <div class="buy-quantity">
                <span class="strong">{tr!(lang, catalogue.quantity)}</span>
                <span data-live-max=sku.clone()>
                    <Quantity value=1 max=card.live.max.0.max(1) label=tr!(lang, words.quantity_of, name = &card.name) />
                </span>
                {(card.in_basket.0 > 0).then(|| view! {
                    <span class="muted small">{tr!(lang, catalogue.in_basket, n = card.in_basket.0)}</span>
                })}
            </div>
            <div class="bar product-bar">
                <a class="bar-icon" href="/"><Icon name="home" size=22 />{tr!(lang, words.home)}</a>
                <a class="bar-icon" href="/basket">
                    <Icon name="basket" size=22 />{tr!(lang, words.basket)}
                    <span class="badge" data-basket-count=count.to_string() aria-hidden="true">{shown}</span>
                </a>
                <div class="bar-end">
                    <button class="button accent" type="submit" name="back" value=after disabled=gone data-live-add=sku.clone()>
                        {tr!(lang, catalogue.add)}
                    </button>
                    <button class="button primary" type="submit" name="back" value="/checkout" disabled=gone data-live-add=sku.clone() data-plain>
                        {tr!(lang, catalogue.buy)}
                    </button>
                </div>
            </div>
        </form>
    }
}

/// "If missing": remembered for this product's line in the basket.
#[component]
fn Missing(product: Product, back: String) -> impl IntoView {
    let lang = lang();
    let card = product.card;
    let chosen = text::choice(lang, &product.substitution.choice);
    view! {
        <details class="card missing-card">
            <summary class="spread">
                <span class="strong">{tr!(lang, catalogue.if_missing)}</span>
                <span class="cluster muted">{chosen}<Icon name="down" size=18 /></span>
            </summary>
            <form class="form" method="post" action="/api/basket/substitution">
                <input type="hidden" name="sku" value=card.sku.to_string() />
                <Back to=back />
                <IfMissing substitution=product.substitution product=card.name choice_name="choice" rank_name="rank" />
                <div class="spread">
                    <p class="hint">{tr!(lang, catalogue.choice_note)}</p>
                    <button class="button small" type="submit">{tr!(lang, catalogue.save_choice)}</button>
                </div>
            </form>
        </details>
    }
}

/// The SKU sheet: the variants of the product.
#[component]
fn Options(variants: Vec<Variant>) -> impl IntoView {
    let lang = lang();
    view! {
        <Sheet id="options" title=tr!(lang, catalogue.choose_option)>
            <ul class="options" role="list">
                {variants.into_iter().map(|variant| view! {
                    <li>
                        <a class="option" href=format!("/p/{}", variant.code) aria-current=variant.current.then_some("true")>
                            <span class="stack-small"><span class="strong">{variant.option}</span><StateBadge live=variant.live /></span>
                            <Price price=variant.price unit=false />
                        </a>
                    </li>
                }).collect_view()}
            </ul>
        </Sheet>
    }
}
