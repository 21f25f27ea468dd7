//! `/stores`: choose the store whose shelves one looks at.

use super::load::loaded;
use crate::api::catalogue;
use crate::api::cx::{safe_back, visit};
use crate::islands::{Locate, LocateTexts};
use crate::shell::query_value;
use domain::Fen;
use domain::view::{Lang, StoreCard};
use leptos::prelude::*;
use ui::components::{Back, Icon, PageHead};
use ui::format::{distance, yuan_short};
use ui::text::lang;
use ui::tr;

/// The stores, nearest first if a position came with the address.
#[component]
pub fn StoresPage() -> impl IntoView {
    let path = visit().path;
    let back = query_value(&path, "back");
    let back = if back.is_empty() { "/".to_owned() } else { safe_back(&back).to_owned() };
    let near = degrees_e6(&query_value(&path, "lat"), 90).zip(degrees_e6(&query_value(&path, "lon"), 180));
    loaded(async move { Ok(page(catalogue::stores(near).await?, back)) })
}

/// Millionths of a degree, within ± `most` degrees.
fn degrees_e6(text: &str, most: i64) -> Option<i64> {
    let degrees: f64 = text.parse().ok()?;
    let e6 = (degrees * 1e6).round();
    #[expect(clippy::cast_possible_truncation, reason = "held within ± 180 degrees first")]
    #[expect(clippy::cast_precision_loss, reason = "90 or 180")]
    (e6.abs() <= most as f64 * 1e6).then_some(e6 as i64)
}

fn page(stores: Vec<StoreCard>, back: String) -> impl IntoView + use<> {
    let lang = lang();
    let texts = LocateTexts {
        find: tr!(lang, site.locate).to_owned(),
        looking: tr!(lang, site.locating).to_owned(),
        denied: tr!(lang, site.locate_denied).to_owned(),
    };
    view! {
        <PageHead title=tr!(lang, site.stores_title) back=back.clone() />
        <div class="stack">
            <p class="muted">{tr!(lang, site.stores_text)}</p>
            <Locate texts=texts back=back.clone() />
            <ul class="stores" role="list">
                {stores.into_iter().map(|store| view! { <li><Store store=store back=back.clone() /></li> }).collect_view()}
            </ul>
        </div>
    }
}

#[component]
fn Store(store: StoreCard, back: String) -> impl IntoView {
    let lang = lang();
    view! {
        <article class="card store" data-chosen=store.chosen>
            <div class="spread">
                <h2>{store.name.clone()}</h2>
                {if store.open_now {
                    view! { <span class="tag good">{tr!(lang, site.open_now)}</span> }
                } else {
                    view! { <span class="tag">{tr!(lang, site.closed_now)}</span> }
                }}
            </div>
            <div class="store-facts">
                <p><Icon name="pin" size=18 />{store.address.clone()}{store.distance_m.map(|m| format!(" · {}", tr!(lang, site.distance, distance = distance(m))))}</p>
                <p><Icon name="clock" size=18 />{tr!(lang, site.hours, hours = &store.hours)}</p>
                <p><Icon name="truck" size=18 />{fee(lang, store.delivery_fee, store.free_delivery_above)}</p>
                {(!store.phone.is_empty()).then(|| view! {
                    <p><Icon name="phone" size=18 /><a href=format!("tel:{}", store.phone)>{store.phone.clone()}</a></p>
                })}
            </div>
            {if store.chosen {
                view! { <p class="good-text strong cluster"><Icon name="check" size=18 />{tr!(lang, site.chosen_store)}</p> }.into_any()
            } else {
                view! {
                    <form method="post" action="/api/settings/store">
                        <input type="hidden" name="store" value=store.code.clone() />
                        <Back to=back />
                        <button class="button wide" type="submit" aria-label=tr!(lang, site.choose_named, name = &store.name)>{tr!(lang, site.choose_store)}</button>
                    </form>
                }.into_any()
            }}
        </article>
    }
}

fn fee(lang: Lang, fee: Fen, free_above: Option<Fen>) -> String {
    match free_above {
        _ if fee == Fen::ZERO => tr!(lang, site.fee_free).to_owned(),
        Some(above) => tr!(lang, site.fee_free_above, fee = yuan_short(fee), above = yuan_short(above)),
        None => tr!(lang, site.fee, fee = yuan_short(fee)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_taken_within_the_globe() {
        assert_eq!(degrees_e6("31.23", 90), Some(31_230_000));
        assert_eq!(degrees_e6("-121.4737", 180), Some(-121_473_700));
        assert_eq!(degrees_e6("91", 90), None);
        assert_eq!(degrees_e6("NaN", 90), None);
        assert_eq!(degrees_e6("", 90), None);
    }
}
