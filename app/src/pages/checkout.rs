//! `/checkout`: one form. Every button that changes what the page shows (kind,
//! coupon, a line that ran short) posts the whole form, so that nothing typed
//! is lost; the session keeps it.

use super::address_fields::{AddressInputs, PositionButton};
use super::live::Live;
use super::load::loaded;
use super::missing::{IfMissing, reasons};
use super::sums::{Rejected, Sums};
use super::words;
use crate::api::checkout::{CheckoutFields, NEW_ADDRESS, checkout};
use crate::api::cx::visit;
use crate::api::form::sku_key;
use crate::islands::CheckoutLive;
use crate::shell::query_value;
use domain::Code;
use domain::ids::SkuId;
use domain::view::{AddressView, BasketLine, Candidate, CheckoutView, CouponView, SlotView};
use leptos::prelude::*;
use ui::AppError;
use ui::components::{Check, Choice, Empty, Field, Icon, Money, Note, PageHead, Picture, StateBadge};
use ui::error::{field_error, form_error};
use ui::text::{self, CHOICES, lang};
use ui::tr;

/// Where every changing button of the form posts to.
const ADJUST: &str = "/api/checkout/adjust";

/// The checkout page.
#[component]
pub fn CheckoutPage() -> impl IntoView {
    let path = visit().path;
    let given = |name| Some(query_value(&path, name)).filter(|value| !value.is_empty());
    let (kind, coupon) = (given("kind"), given("coupon"));
    loaded(async move {
        let (view, typed) = checkout(kind, coupon).await?;
        Ok(page(view, typed))
    })
}

fn page(view: CheckoutView, typed: CheckoutFields) -> impl IntoView {
    let lang = lang();
    let skus: Vec<String> = view.basket.live().map(|live| live.sku.to_string()).collect();
    let body = if view.basket.lines.is_empty() && view.basket.gone.is_empty() {
        view! { <Empty icon="basket" title=tr!(lang, basket.empty) text=tr!(lang, basket.empty_text) href="/" action=tr!(lang, basket.empty_action) /> }.into_any()
    } else {
        form(view, typed).into_any()
    };
    view! {
        <PageHead title=tr!(lang, checkout.title) back="/basket" />
        <Live skus=skus />
        <CheckoutLive failed=tr!(lang, basket.failed).to_owned() />
        <PositionButton />
        <div id="checkout" data-part="checkout">{body}</div>
    }
}

fn form(view: CheckoutView, typed: CheckoutFields) -> impl IntoView {
    let lang = lang();
    let pickup = view.kind == "pickup";
    let totals = view.basket.totals.clone();
    let payable = totals.payable;
    let can_place = !view.basket.lines.is_empty() && view.basket.gone.is_empty();
    // A form that was sent from another store's page; a refused order says so itself.
    let moved = !typed.store.is_empty() && typed.store != view.store.as_str() && form_error().is_none();
    view! {
        <form class="split" method="post" action="/api/checkout/place" data-checkout>
            // Enter in a field takes the first button: it only keeps what was typed.
            <button class="visually-hidden" type="submit" tabindex="-1" name="adjust" value="keep" formaction=ADJUST formnovalidate>{tr!(lang, checkout.keep)}</button>
            <input type="hidden" name="idempotency_key" value=view.idempotency_key.clone() />
            <input type="hidden" name="store" value=view.store.to_string() />
            <input type="hidden" name="kind" value=view.kind.clone() />
            <input type="hidden" name="payable" value=payable.0 />
            <div class="split-main">
                {moved.then(|| view! { <Note kind="warn">{text::sentence(lang, &AppError::new(Code::StoreChanged))}</Note> })}
                <Short view=view.clone() />
                <section class="card" aria-labelledby="how-h">
                    <h2 id="how-h" class="visually-hidden">{tr!(lang, checkout.how)}</h2>
                    <Kinds kind=view.kind.clone() />
                    {if pickup {
                        view! { <div class="pickup-at"><p class="muted small">{tr!(lang, checkout.pickup_at)}</p><p class="strong">{view.store_name.clone()}</p><p>{view.store_address.clone()}</p></div> }.into_any()
                    } else {
                        view! { <Addresses view=view.clone() typed=typed.clone() /> }.into_any()
                    }}
                </section>
                <Slots windows=view.slots.clone() />
                <Goods view=view.clone() />
                <section class="card">
                    <Field name="note" label=tr!(lang, checkout.note) hint=tr!(lang, checkout.note_hint) value=view.note.clone() maxlength=200 required=false rows=2 />
                </section>
            </div>
            <div class="split-side">
                <Coupons coupons=view.coupons.clone() />
                <section class="card section" aria-labelledby="sum-h">
                    <h2 id="sum-h">{tr!(lang, basket.totals)}</h2>
                    <Sums goods=totals.goods steps=totals.steps.clone() delivery={(!pickup).then_some(totals.delivery)} label=tr!(lang, basket.payable) total=payable />
                    <Rejected totals=totals.clone() />
                </section>
                {view.age_limit.map(|age| view! {
                    <section class="card"><Check name="age_confirmed" checked={typed.age_confirmed == "true"} label=tr!(lang, checkout.age, age = age) /></section>
                })}
                <p class="muted small">{tr!(lang, checkout.hold, n = view.hold_min)}</p>
            </div>
            <div class="bar checkout-bar">
                <p class="bar-total"><span class="muted small">{tr!(lang, basket.payable)}</span>" "<Money amount=payable tone="price" /></p>
                <div class="bar-end"><button class="button primary" type="submit" disabled=!can_place data-once>{tr!(lang, checkout.place)}</button></div>
            </div>
        </form>
    }
}

/// Delivery or pick-up.
#[component]
fn Kinds(kind: String) -> impl IntoView {
    let lang = lang();
    view! {
        <div class="kinds" role="group" aria-labelledby="how-h">
            {[("delivery", "truck"), ("pickup", "store")].into_iter().map(|(code, icon)| view! {
                <button class="kind" type="submit" name="adjust" value=format!("kind:{code}") formaction=ADJUST formnovalidate
                    aria-pressed=if kind == code { "true" } else { "false" }>
                    <Icon name=icon size=20 />{text::fulfilment(lang, code)}
                </button>
            }).collect_view()}
        </div>
    }
}

/// What ran short since it was put in the basket, and what can be done about it.
#[component]
fn Short(view: CheckoutView) -> impl IntoView {
    let lang = lang();
    let short: Vec<BasketLine> = view.basket.lines.iter().filter(|line| line.short_to.is_some()).cloned().collect();
    let gone = view.basket.gone.clone();
    (!short.is_empty() || !gone.is_empty()).then(|| {
        view! {
            <section class="card short" role="alert" aria-labelledby="short-h">
                <h2 id="short-h"><Icon name="alert" />{tr!(lang, checkout.short_title)}</h2>
                <ul class="rows" role="list">
                    {short.into_iter().chain(gone).map(|line| view! { <ShortLine line=line /> }).collect_view()}
                </ul>
            </section>
        }
    })
}

#[component]
fn ShortLine(line: BasketLine) -> impl IntoView {
    let lang = lang();
    let left = line.short_to.map_or(0, |left| left.0);
    let sku = line.card.sku.clone();
    let text = if left > 0 {
        tr!(lang, checkout.short_text, name = &line.card.name, n = left, qty = line.qty.0)
    } else {
        tr!(lang, checkout.gone_text, name = &line.card.name)
    };
    // A substitute never brings less: it takes the place of all that was wanted.
    let wanted = line.qty.0.max(1);
    let offers: Vec<Candidate> =
        line.substitution.candidates.into_iter().filter(|c| c.card.live.max.0 >= wanted).take(3).collect();
    view! {
        <li class="stack-small short-line">
            <p>{text}</p>
            <div class="cluster">
                {(left > 0).then(|| view! {
                    <button class="button small" type="submit" name="adjust" value=format!("set:{sku}:{left}") formaction=ADJUST formnovalidate>{tr!(lang, checkout.take, n = left)}</button>
                })}
                <button class="button small" type="submit" name="adjust" value=format!("set:{sku}:0") formaction=ADJUST formnovalidate>{tr!(lang, checkout.drop)}</button>
            </div>
            {(!offers.is_empty()).then(|| view! { <p class="small muted">{tr!(lang, checkout.instead)}</p> })}
            {offers.into_iter().map(|candidate| view! { <Instead sku=sku.clone() candidate=candidate packs=wanted /> }).collect_view()}
        </li>
    }
}

#[component]
fn Instead(sku: SkuId, candidate: Candidate, packs: i64) -> impl IntoView {
    let lang = lang();
    let card = candidate.card.clone();
    view! {
        <div class="instead">
            <Picture name=card.picture.clone() size=48 />
            <span class="candidate-text"><span>{card.name.clone()}</span><span class="muted small">{reasons(lang, &candidate)}</span></span>
            <Money amount=card.price.price size="s" tone="price" />
            <button class="button small accent" type="submit" name="adjust" value=format!("swap:{sku}:{}:{packs}", card.sku) formaction=ADJUST formnovalidate
                aria-label=tr!(lang, checkout.swap_named, name = &card.name)>{tr!(lang, checkout.swap)}</button>
        </div>
    }
}

/// The member's addresses as cards, or the short form for a new one.
#[component]
fn Addresses(view: CheckoutView, typed: CheckoutFields) -> impl IntoView {
    let lang = lang();
    let none = view.addresses.is_empty();
    let error = field_error("address").map(|error| text::sentence(lang, &error));
    let described = error.is_some().then_some("address-error");
    let chosen = view.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let choice = if none || typed.address == NEW_ADDRESS {
        view! {
            <input type="hidden" name="address" value=NEW_ADDRESS />
            <div class="form">
                <AddressInputs name=typed.name.clone() phone=typed.phone.clone() area=typed.area.clone() detail=typed.detail.clone() lat=typed.lat.clone() lon=typed.lon.clone() />
            </div>
            {(!none).then(|| view! { <AddressMode value="address:" label=tr!(lang, checkout.my_addresses) /> })}
        }
        .into_any()
    } else {
        view! {
            {view.addresses.into_iter().map(|address| {
                let checked = address.id.as_str() == chosen;
                view! { <AddressCard address=address checked=checked /> }
            }).collect_view()}
            <AddressMode value="address:new" label=tr!(lang, checkout.new_address) />
        }
        .into_any()
    };
    view! {
        <fieldset class="choices" aria-describedby=described>
            <legend>{tr!(lang, checkout.address)}</legend>
            {error.map(|error| view! { <p id="address-error" class="field-error"><Icon name="alert" size=16 />{error}</p> })}
            {choice}
        </fieldset>
    }
}

/// Turns from the cards to the short form, and back.
#[component]
fn AddressMode(value: &'static str, label: &'static str) -> impl IntoView {
    view! { <div><button class="button small" type="submit" name="adjust" value=value formaction=ADJUST formnovalidate>{label}</button></div> }
}

#[component]
fn AddressCard(address: AddressView, checked: bool) -> impl IntoView {
    let lang = lang();
    view! {
        <Choice name="address" value=address.id.to_string() checked=checked label=format!("{} {}", address.area, address.detail) hint=format!("{} {}", address.name, address.phone)>
            <span class="cluster">
                {address.is_default.then(|| view! { <span class="tag good">{tr!(lang, checkout.default)}</span> })}
                {(!address.in_area).then(|| view! { <span class="tag warn">{tr!(lang, checkout.out_of_area)}</span> })}
            </span>
        </Choice>
    }
}

/// Slots by day, with what is left of each.
#[component]
fn Slots(windows: Vec<SlotView>) -> impl IntoView {
    let lang = lang();
    let error = field_error("slot").map(|error| text::sentence(lang, &error));
    let described = error.is_some().then_some("slot-error");
    let mut days: Vec<(String, Vec<SlotView>)> = Vec::new();
    for slot in windows {
        match days.last_mut() {
            Some((day, of_day)) if *day == slot.day => of_day.push(slot),
            _ => days.push((slot.day.clone(), vec![slot])),
        }
    }
    // Unfolded are the chosen day and the first with a place: what can be chosen is seen.
    let first = days.iter().find(|(_, of_day)| of_day.iter().any(|slot| slot.open)).map(|(day, _)| day.clone());
    view! {
        <section class="card" aria-labelledby="slot-h">
            <h2 id="slot-h">{tr!(lang, checkout.slot)}</h2>
            {error.map(|error| view! { <p id="slot-error" class="field-error"><Icon name="alert" size=16 />{error}</p> })}
            {days.is_empty().then(|| view! { <Note kind="warn">{tr!(lang, checkout.no_slots)}</Note> })}
            <div class="slot-days">
                {days.into_iter().map(|(day, of_day)| {
                    let open = of_day.iter().any(|slot| slot.chosen) || first.as_ref() == Some(&day);
                    view! { <Day day=day windows=of_day open=open described=described /> }
                }).collect_view()}
            </div>
        </section>
    }
}

/// The slots of one day; the other days are folded.
#[component]
fn Day(day: String, windows: Vec<SlotView>, open: bool, described: Option<&'static str>) -> impl IntoView {
    let lang = lang();
    let name = windows.first().map(|slot| text::day(lang, &slot.day_code, &day)).unwrap_or_default();
    let date = day.get(5..).filter(|date| *date != name).map(str::to_owned);
    let count = windows.iter().filter(|slot| slot.open).count();
    view! {
        <details class="slot-day" data-line=day open=open>
            <summary class="slot-day-head">
                <span>{name.clone()}{date.map(|date| view! { " "<span class="muted small">{date}</span> })}</span>
                <span class="muted small">{tr!(lang, checkout.slot_count, n = count)}</span>
                <Icon name="down" size=16 />
            </summary>
            <fieldset aria-describedby=described>
                <legend class="visually-hidden">{name}</legend>
                <div class="slots">{windows.into_iter().map(|slot| view! { <SlotTile window=slot /> }).collect_view()}</div>
            </fieldset>
        </details>
    }
}

#[component]
fn SlotTile(window: SlotView) -> impl IntoView {
    let slot = window;
    let lang = lang();
    let left = match (slot.open, slot.left) {
        (true, left) => tr!(lang, checkout.slot_left, n = left),
        (false, 0) => tr!(lang, checkout.slot_full).to_owned(),
        (false, _) => tr!(lang, checkout.slot_closed).to_owned(),
    };
    view! { <Choice name="slot" value=slot.id.to_string() checked={slot.chosen && slot.open} disabled=!slot.open label=slot.hours.clone() hint=left /> }
}

/// The goods, each with what shall happen if it is missing.
#[component]
fn Goods(view: CheckoutView) -> impl IntoView {
    let lang = lang();
    let options = CHOICES
        .into_iter()
        .filter(|code| *code != "chosen")
        .map(|code| (code.to_owned(), text::choice(lang, code)))
        .collect();
    view! {
        <section class="card section" aria-labelledby="goods-h">
            <div class="section-head"><h2 id="goods-h">{tr!(lang, checkout.goods)}</h2><span class="muted small">{tr!(lang, checkout.goods_count, n = view.basket.count.0)}</span></div>
            <ul class="rows" role="list">
                {view.basket.lines.into_iter().map(|line| view! { <Line line=line /> }).collect_view()}
            </ul>
            <ui::components::Select name="substitution_default" label=tr!(lang, checkout.default_choice) options=options value=view.substitution_default />
        </section>
    }
}

#[component]
fn Line(line: BasketLine) -> impl IntoView {
    let lang = lang();
    let card = line.card.clone();
    let sku = card.sku.to_string();
    let state = text::state_code(&card.live.state);
    view! {
        <li class="line" data-line=sku.clone() data-state=state data-wanted=line.qty.0 data-short=line.short_to.map(|_| "")>
            <span class="row-picture"><Picture name=card.picture.clone() size=56 /></span>
            <div class="line-main">
                <div class="line-top"><span class="line-name">{card.name.clone()}</span><span class="num">"× "{line.qty.0}</span></div>
                <div class="line-foot"><StateBadge live=card.live.clone() /><Money amount=line.total size="s" tone="price" /></div>
                <details class="choice-details">
                    <summary><Icon name="swap" size=16 />{tr!(lang, checkout.if_missing, choice = text::choice(lang, &line.substitution.choice))}<Icon name="down" size=14 /></summary>
                    <IfMissing substitution=line.substitution.clone() product=card.name.clone() choice_name=format!("sub[{}]", sku_key(&sku)) rank_name=format!("rank[{}]", sku_key(&sku)) />
                </details>
            </div>
        </li>
    }
}

/// Coupons: the usable ones to choose from, the others with the reason.
#[component]
fn Coupons(coupons: Vec<CouponView>) -> impl IntoView {
    let lang = lang();
    let (usable, unusable): (Vec<_>, Vec<_>) = coupons.into_iter().partition(|coupon| coupon.unusable.is_none());
    let none_chosen = !usable.iter().any(|coupon| coupon.chosen);
    let error = field_error("coupon").map(|error| text::sentence(lang, &error));
    let described = error.is_some().then_some("coupon-error");
    view! {
        <section class="card section" aria-labelledby="coupons-h">
            <h2 id="coupons-h">{tr!(lang, checkout.coupons)}</h2>
            {error.map(|error| view! { <p id="coupon-error" class="field-error"><Icon name="alert" size=16 />{error}</p> })}
            {if usable.is_empty() {
                let none = if unusable.is_empty() { tr!(lang, checkout.no_coupons) } else { tr!(lang, checkout.none_usable) };
                view! { <p class="muted">{none}</p> }.into_any()
            } else {
                view! {
                    <fieldset class="choices" data-recalculate aria-describedby=described>
                        <legend class="visually-hidden">{tr!(lang, checkout.coupons)}</legend>
                        {usable.into_iter().map(|coupon| view! {
                            <Choice name="coupon" value=coupon.id.to_string() checked=coupon.chosen label=coupon.name.clone() hint=words::coupon_rule(lang, coupon.threshold, coupon.off) />
                        }).collect_view()}
                        <Choice name="coupon" value="none" checked=none_chosen label=tr!(lang, checkout.no_coupon) />
                        <button class="button small" type="submit" name="adjust" value="keep" formaction=ADJUST formnovalidate data-nojs>{tr!(lang, checkout.recalculate)}</button>
                    </fieldset>
                }.into_any()
            }}
            {(!unusable.is_empty()).then(|| view! {
                <details class="rejected">
                    <summary>{tr!(lang, checkout.unusable, n = unusable.len())}</summary>
                    <ul class="rows">
                        {unusable.into_iter().map(|coupon| view! { <Unusable coupon=coupon /> }).collect_view()}
                    </ul>
                </details>
            })}
        </section>
    }
}

#[component]
fn Unusable(coupon: CouponView) -> impl IntoView {
    let lang = lang();
    let reason = coupon.unusable.map(|reason| words::reason(lang, &reason, "")).unwrap_or_default();
    view! {
        <li class="stack-small unusable">
            <span>{coupon.name}" · "{words::coupon_rule(lang, coupon.threshold, coupon.off)}</span>
            <span class="muted small">{reason}</span>
        </li>
    }
}
