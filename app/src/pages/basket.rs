//! `/basket`: what is in it, what it costs and why, what shall happen if
//! something is missing. Every control is a plain form; `BasketLive` answers at
//! once where there is JavaScript.

use super::live::Live;
use super::load::loaded;
use super::missing::IfMissing;
use super::sums::{Rejected, Sums};
use crate::api::basket::basket;
use crate::api::cx::visit;
use crate::islands::{BasketDraft, BasketLive, DraftLine};
use crate::shell::query_value;
use domain::view::{BasketLine, BasketView, Lang, Totals};
use leptos::prelude::*;
use ui::components::{Back, Empty, GoodsGrid, Icon, Money, Note, PageHead, Picture, StateBadge};
use ui::format::yuan;
use ui::text::{self, lang};
use ui::tr;

/// The basket's page.
#[component]
pub fn BasketPage() -> impl IntoView {
    let visitor = visit();
    let choose = query_value(&visitor.path, "choose");
    let guest = visitor.member.is_none();
    loaded(async move {
        let view = basket(Some(choose.as_str()).filter(|sku| !sku.is_empty())).await?;
        Ok(page(view, &choose, guest))
    })
}

fn page(view: BasketView, choose: &str, guest: bool) -> impl IntoView + use<> {
    let lang = lang();
    let empty = view.lines.is_empty() && view.gone.is_empty();
    let skus: Vec<String> =
        view.live().map(|live| live.sku.to_string()).chain(super::live::skus(&view.fill_up)).collect();
    let draft = view.lines.iter().map(|line| DraftLine { name: line.card.name.clone(), packs: line.qty.0 }).collect();
    let pricing = view.pricing.as_ref().map(domain::pricing::wire::encode);
    view! {
        <PageHead title=tr!(lang, basket.title) />
        <Live skus=skus />
        <BasketDraft lines=draft />
        <BasketLive failed=tr!(lang, basket.failed).to_owned() />
        <div id="basket" data-part="basket" data-pricing=pricing>
            <Undo view=view.clone() />
            {if empty {
                view! {
                    <Empty icon="basket" title=tr!(lang, basket.empty) text=tr!(lang, basket.empty_text) href="/" action=tr!(lang, basket.empty_action) />
                }.into_any()
            } else {
                full(view, choose, guest).into_any()
            }}
        </div>
    }
}

fn full(view: BasketView, choose: &str, guest: bool) -> impl IntoView + use<> {
    let lang = lang();
    let count = view.count.0;
    let can_order = !view.lines.is_empty();
    let totals = view.totals.clone();
    let hint = totals.hint.clone();
    let fill_up = view.fill_up.clone();
    view! {
        <div class="split">
            <div class="split-main">
                {can_order.then(|| view! {
                    <ul class="card rows basket-lines" role="list" aria-label=tr!(lang, basket.lines)>
                        {view.lines.iter().map(|line| view! { <Line line=line.clone() open={line.card.sku.as_str() == choose} /> }).collect_view()}
                    </ul>
                })}
                {(!view.gone.is_empty()).then(|| view! { <Gone lines=view.gone.clone() /> })}
                {hint.map(|(kind, name, missing)| view! { <Hint kind=kind name=name missing=yuan(missing) /> })}
                {(!fill_up.is_empty()).then(|| view! {
                    <section class="section" aria-labelledby="fill-up">
                        <div class="section-head"><h2 id="fill-up">{tr!(lang, basket.fill_up)}</h2></div>
                        <GoodsGrid cards=fill_up back="/basket" layout="rail" />
                    </section>
                })}
            </div>
            <div class="split-side">
                {can_order.then(|| view! { <Summary totals=totals.clone() guest=guest /> })}
            </div>
        </div>
        {can_order.then(|| view! {
            <div class="bar above-tabs basket-bar">
                <p class="bar-total"><span class="muted small">{tr!(lang, basket.total)}</span>" "<span data-sum="payable"><Money amount=totals.payable tone="price" /></span>
                    {totals.discount.is_positive().then(|| view! {
                        <span class="small price-text bar-saving">{tr!(lang, basket.discounts)}" "<span data-sum="saved">{yuan(totals.discount)}</span></span>
                    })}
                </p>
                <div class="bar-end"><a class="button primary" href="/checkout">{tr!(lang, basket.checkout_n, n = count)}</a></div>
            </div>
        })}
    }
}

/// A line that can be had: picture, name, state, price, quantity, choice, removal.
#[component]
fn Line(line: BasketLine, open: bool) -> impl IntoView {
    let lang = lang();
    let card = line.card.clone();
    let sku = card.sku.to_string();
    let href = format!("/p/{}", card.code);
    let picture = href.clone();
    view! {
        <li class="line" id=format!("line-{sku}") data-line=sku.clone() data-state=text::state_code(&card.live.state)
            data-wanted=line.qty.0 data-short=line.short_to.map(|_| "")>
            <a class="row-picture" href=picture tabindex="-1" aria-hidden="true"><Picture name=card.picture.clone() size=56 /></a>
            <div class="line-main">
                <div class="line-top">
                    <h2 class="line-name-h"><a class="line-name" href=href>{card.name.clone()}</a></h2>
                    <Remove sku=sku.clone() name=card.name.clone() />
                </div>
                <div class="cluster"><StateBadge live=card.live.clone() /><Labels labels=card.labels.clone() /></div>
                {line.short_to.map(|left| view! { <ShortOf sku=sku.clone() left=left.0 /> })}
                <div class="line-foot">
                    <span class="line-price">
                        <span class="visually-hidden">{tr!(lang, basket.line_total)}</span>
                        <span data-line-total><Money amount=line.total tone="price" /></span>
                        {(line.total < line.gross).then(|| view! {
                            <s class="price-struck"><span class="visually-hidden">{tr!(lang, words.was)}</span><span data-line-gross>{yuan(line.gross)}</span></s>
                        })}
                        {(line.qty.0 > 1).then(|| view! { <span class="muted small">{yuan(card.price.price)}" "{tr!(lang, basket.each)}</span> })}
                    </span>
                    <Stepper line=line.clone() />
                </div>
                <details class="choice-details" open=open>
                    <summary><Icon name="swap" size=16 />{tr!(lang, basket.if_missing)}" · "<strong>{text::choice(lang, &line.substitution.choice)}</strong><Icon name="down" size=14 /></summary>
                    <form class="form" method="post" action="/api/basket/substitution" data-enhance>
                        <input type="hidden" name="sku" value=sku.clone() />
                        <Back to=format!("/basket#line-{sku}") />
                        <IfMissing substitution=line.substitution.clone() product=card.name.clone() choice_name="choice" rank_name="rank" load=format!("/basket?choose={sku}#line-{sku}") />
                        <div class="form-actions"><button class="button small" type="submit">{tr!(lang, basket.save_choice)}</button></div>
                    </form>
                </details>
            </div>
        </li>
    }
}

#[component]
fn Labels(labels: Vec<String>) -> impl IntoView {
    (!labels.is_empty()).then(|| {
        view! {
            <ul class="labels">{labels.into_iter().take(2).map(|label| view! { <li>{label}</li> }).collect_view()}</ul>
        }
    })
}

/// − n +: the buttons send the number with a step; Enter sends the number.
#[component]
fn Stepper(line: BasketLine) -> impl IntoView {
    let lang = lang();
    let name = line.card.name.clone();
    let (sku, qty) = (line.card.sku.to_string(), line.qty.0);
    let most = line.card.live.max.0.max(1);
    let label = tr!(lang, words.quantity_of, name = &name);
    view! {
        <form class="inline-form" method="post" action="/api/basket/set" data-enhance data-qty>
            <input type="hidden" name="sku" value=sku.clone() />
            <Back to=format!("/basket#line-{sku}") />
            // Enter in the number takes the first button: it must add nothing.
            <button class="visually-hidden" type="submit" tabindex="-1">{tr!(lang, basket.update, name = &name)}</button>
            <span class="stepper">
                <button type="submit" name="step" value="-1" aria-label=tr!(lang, basket.less_of, name = &name) disabled={qty <= 1}><Icon name="minus" size=18 /></button>
                <input type="number" name="packs" value=qty min="0" max=domain::Packs::MAX_IN_BASKET.0 inputmode="numeric" aria-label=label required />
                <button type="submit" name="step" value="1" aria-label=tr!(lang, basket.more_of, name = &name) disabled={qty >= most}><Icon name="plus" size=18 /></button>
            </span>
        </form>
    }
}

#[component]
fn Remove(sku: String, name: String) -> impl IntoView {
    let lang = lang();
    view! {
        <form class="inline-form" method="post" action="/api/basket/remove" data-enhance>
            <input type="hidden" name="sku" value=sku />
            <Back to="/basket" />
            <button class="icon-button line-remove" type="submit" aria-label=tr!(lang, basket.remove_named, name = &name)><Icon name="trash" size=20 /></button>
        </form>
    }
}

/// Fewer are left than wanted.
#[component]
fn ShortOf(sku: String, left: i64) -> impl IntoView {
    let lang = lang();
    view! {
        <Note kind="warn">
            <form class="spread" method="post" action="/api/basket/set" data-enhance>
                <input type="hidden" name="sku" value=sku.clone() />
                <input type="hidden" name="packs" value=left />
                <Back to=format!("/basket#line-{sku}") />
                <span>{tr!(lang, basket.short, n = left)}</span>
                <button class="button small" type="submit">{tr!(lang, basket.short_fix, n = left)}</button>
            </form>
        </Note>
    }
}

/// What is no longer to be had, with a way out.
#[component]
fn Gone(lines: Vec<BasketLine>) -> impl IntoView {
    let lang = lang();
    view! {
        <section class="card section gone" aria-labelledby="gone-h">
            <h2 id="gone-h">{tr!(lang, basket.gone)}</h2>
            <p class="muted small">{tr!(lang, basket.gone_text)}</p>
            <ul class="rows" role="list">
                {lines.into_iter().map(|line| {
                    let card = line.card;
                    let href = format!("/p/{}#similar", card.code);
                    view! {
                        <li class="line" data-line=card.sku.to_string() data-state=text::state_code(&card.live.state)>
                            <span class="row-picture"><Picture name=card.picture.clone() size=56 /></span>
                            <div class="line-main">
                                <div class="line-top"><h3 class="line-name-h">{card.name.clone()}</h3><Remove sku=card.sku.to_string() name=card.name.clone() /></div>
                                <StateBadge live=card.live.clone() />
                                <a class="button small accent" href=href aria-label=tr!(lang, basket.gone_similar_named, name = &card.name)>{tr!(lang, basket.gone_similar)}</a>
                            </div>
                        </li>
                    }
                }).collect_view()}
            </ul>
        </section>
    }
}

/// How far it is to the next discount or free delivery.
#[component]
fn Hint(kind: String, name: String, missing: String) -> impl IntoView {
    let lang = lang();
    let text = if kind == "free_delivery" {
        tr!(lang, basket.hint_delivery, missing = missing)
    } else {
        tr!(lang, basket.hint, missing = missing, name = name)
    };
    view! { <Note kind="good">{text}</Note> }
}

#[component]
fn Summary(totals: Totals, guest: bool) -> impl IntoView {
    let lang = lang();
    view! {
        <section class="card section" aria-labelledby="totals-h">
            <h2 id="totals-h">{tr!(lang, basket.totals)}</h2>
            <Sums goods=totals.goods steps=totals.steps.clone() delivery=Some(totals.delivery) label=tr!(lang, basket.payable) total=totals.payable />
            <Rejected totals=totals.clone() />
            {totals.member_would_save.is_positive().then(|| member_saves(lang, &totals, guest))}
        </section>
    }
}

fn member_saves(lang: Lang, totals: &Totals, guest: bool) -> impl IntoView + use<> {
    let amount = yuan(totals.member_would_save);
    view! {
        <p class="member-saves">
            {if guest {
                view! { <a href="/sign-in?back=/basket">{tr!(lang, basket.sign_in_saves, amount = amount)}</a> }.into_any()
            } else {
                tr!(lang, basket.member_saves, amount = amount).into_any()
            }}
        </p>
    }
}

/// What was removed last, and the way back.
#[component]
fn Undo(view: BasketView) -> impl IntoView {
    let lang = lang();
    view.undo.map(|(_, packs, name)| {
        view! {
            <div class="note undo" role="status">
                <p class="note-text">{tr!(lang, basket.removed, name = name, n = packs.0)}</p>
                <form class="inline-form" method="post" action="/api/basket/undo" data-enhance>
                    <Back to="/basket" />
                    <button class="button small" type="submit">{tr!(lang, words.undo)}</button>
                </form>
            </div>
        }
    })
}
