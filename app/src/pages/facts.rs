//! Parts of a product's page that inform: offers, marks, storage, and how old
//! the number of pieces is.

use super::words::coupon_rule;
use domain::Millis;
use domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use domain::view::{Lang, OfferLine, ProductPage};
use leptos::prelude::*;
use ui::components::Section;
use ui::text::{self, lang};
use ui::tr;

/// `上海店 · 3 分钟前更新`.
pub fn as_of(lang: Lang, store: &str, counted: bool, told: Option<Millis>, now: Millis) -> String {
    let age = told.map(|told| {
        let ms = now.since(told).max(0);
        match ms {
            ms if ms < MINUTE_MS => tr!(lang, catalogue.as_of_now).to_owned(),
            ms if ms < HOUR_MS => tr!(lang, catalogue.as_of_min, n = ms / MINUTE_MS),
            ms if ms < DAY_MS => tr!(lang, catalogue.as_of_h, n = ms / HOUR_MS),
            ms => tr!(lang, catalogue.as_of_d, n = ms / DAY_MS),
        }
    });
    let counted = counted.then(|| tr!(lang, catalogue.counted).to_owned());
    let parts = [Some(store.to_owned()).filter(|name| !name.is_empty()), counted, age];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// How long until an offer ends, in its largest unit.
fn left(lang: Lang, ends: Millis, now: Millis) -> String {
    let ms = ends.since(now).max(0);
    let time = match ms {
        ms if ms < HOUR_MS => tr!(lang, catalogue.ends_min, n = (ms / MINUTE_MS).max(1)),
        ms if ms < 2 * DAY_MS => tr!(lang, catalogue.ends_h, n = ms / HOUR_MS),
        ms => tr!(lang, catalogue.ends_d, n = ms / DAY_MS),
    };
    tr!(lang, catalogue.until, time = time)
}

/// The offers that apply to a product, or could.
#[component]
pub fn Offers(offers: Vec<OfferLine>, now: Millis) -> impl IntoView {
    let lang = lang();
    let kind = move |code: &str| match code {
        "timed" => tr!(lang, marks.timed),
        "spend_save" => tr!(lang, marks.spend_save),
        _ => tr!(lang, marks.coupon),
    };
    (!offers.is_empty()).then(|| view! {
        <Section title=tr!(lang, catalogue.offers) id="offers" class="card">
            <ul class="stack-small plain-list">
                {offers.into_iter().map(|offer| {
                    let rule = offer.threshold.zip(offer.off).map(|(threshold, off)| coupon_rule(lang, threshold, off));
                    view! {
                        <li class="cluster">
                            <span class="tag bad">{kind(&offer.kind)}</span>
                            <span>{offer.name}</span>
                            {rule.map(|rule| view! { <span class="muted small">{rule}</span> })}
                            <span class="muted small">{left(lang, offer.ends, now)}</span>
                        </li>
                    }
                }).collect_view()}
            </ul>
        </Section>
    })
}

/// Description, size, storage, allergens, diet marks, barcode.
#[component]
pub fn Facts(product: ProductPage) -> impl IntoView {
    let lang = lang();
    let allergens = product
        .allergens
        .iter()
        .map(|code| view! { <li class="tag warn">{text::allergen(lang, code)}</li> })
        .collect_view();
    let diet =
        product.diet.iter().map(|code| view! { <li class="tag good">{text::diet(lang, code)}</li> }).collect_view();
    let fact =
        |label: &'static str, value: String| (!value.is_empty()).then(|| view! { <dt>{label}</dt><dd>{value}</dd> });
    view! {
        <Section title=tr!(lang, catalogue.facts) id="facts" class="card">
            {(!product.description.is_empty()).then(|| view! { <p class="facts-text">{product.description.clone()}</p> })}
            <dl class="facts">
                {fact(tr!(lang, catalogue.brand), product.brand.clone())}
                {fact(tr!(lang, catalogue.size), product.card.size.clone())}
                {fact(tr!(lang, catalogue.storage), text::storage(lang, &product.storage))}
                <dt>{tr!(lang, catalogue.allergens)}</dt>
                <dd>{if product.allergens.is_empty() {
                    tr!(lang, catalogue.no_allergens).into_any()
                } else {
                    view! { <ul class="cluster plain-list">{allergens}</ul> }.into_any()
                }}</dd>
                {(!product.diet.is_empty()).then(|| view! {
                    <dt>{tr!(lang, catalogue.diet_marks)}</dt><dd><ul class="cluster plain-list">{diet}</ul></dd>
                })}
                {product.age_limit.map(|age| view! { <dt>{tr!(lang, catalogue.age_label)}</dt><dd>{tr!(lang, catalogue.age, age = age)}</dd> })}
                {fact(tr!(lang, catalogue.barcode), product.barcode.clone())}
            </dl>
        </Section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_number_is_said() {
        let now = Millis(100 * DAY_MS);
        let told = |ago: i64| Some(now.plus(-ago));
        assert_eq!(as_of(Lang::En, "Riverside", false, told(0), now), "Riverside · Updated just now");
        assert_eq!(as_of(Lang::En, "", true, told(3 * MINUTE_MS), now), "Counted by hand today · Updated 3 min ago");
        assert_eq!(as_of(Lang::Zh, "", false, told(26 * HOUR_MS), now), "1 天前更新");
        assert_eq!(as_of(Lang::Zh, "", false, None, now), "");
    }
}
