//! Words: the reader's language and the sentences for codes.
//!
//! A code that the texts do not know is shown as it is rather than hidden, so
//! that a gap is seen; the tests walk over every code of the domain.

use crate::error::AppError;
use crate::format::{distance, yuan};
use crate::i18n::Locale;
use crate::tr;
use domain::availability::State;
use domain::view::{Lang, Sort};
use domain::{Code, Fen};
use leptos::prelude::*;

/// The language of the request: a context that the shell provides.
pub fn lang() -> Lang {
    use_context().unwrap_or_default()
}

/// The language as the generated texts name it.
pub fn locale(lang: Lang) -> Locale {
    match lang {
        Lang::Zh => Locale::zh_CN,
        Lang::En => Locale::en,
    }
}

/// The sentence for an error.
pub fn sentence(lang: Lang, error: &AppError) -> String {
    let param = |name: &str| error.params.get(name).cloned().unwrap_or_default();
    let amount =
        |name: &str| error.params.get(name).and_then(|v| v.parse().ok()).map_or_else(String::new, |v| yuan(Fen(v)));
    let retry_s = || error.params.get("retry_s").cloned().unwrap_or_else(|| "60".to_owned());
    match error.code {
        Code::Internal => tr!(lang, errors.internal, reference = error.reference.as_deref().unwrap_or("–")),
        Code::NotFound => tr!(lang, errors.not_found).into(),
        Code::Invalid => tr!(lang, errors.invalid).into(),
        Code::SignInFirst => tr!(lang, errors.sign_in_first).into(),
        Code::Forbidden => tr!(lang, errors.forbidden).into(),
        Code::TooMany => tr!(lang, errors.too_many, retry_s = retry_s()),
        Code::Busy => tr!(lang, errors.busy, retry_s = retry_s()),
        Code::Unavailable => tr!(lang, errors.unavailable).into(),
        Code::BadPhone => tr!(lang, errors.bad_phone).into(),
        Code::BadCode => tr!(lang, errors.bad_code).into(),
        Code::NotEnough => tr!(lang, errors.not_enough, left = param("left")),
        Code::SoldOut => tr!(lang, errors.sold_out).into(),
        Code::NotSoldHere => tr!(lang, errors.not_sold_here).into(),
        Code::TooManyOfOne => tr!(lang, errors.too_many_of_one, max = param("max")),
        Code::BasketFull => tr!(lang, errors.basket_full, max = param("max")),
        Code::BasketEmpty => tr!(lang, errors.basket_empty).into(),
        Code::PriceChanged => tr!(lang, errors.price_changed, old = amount("old"), new = amount("new")),
        Code::StoreChanged => tr!(lang, errors.store_changed).into(),
        Code::SlotFull => tr!(lang, errors.slot_full).into(),
        Code::SlotClosed => tr!(lang, errors.slot_closed).into(),
        Code::SlotMissing => tr!(lang, errors.slot_missing).into(),
        Code::AddressMissing => tr!(lang, errors.address_missing).into(),
        Code::TooFar => {
            tr!(lang, errors.too_far, radius = distance(param("radius_m").parse().unwrap_or(0)))
        }
        Code::CouponUnusable => tr!(lang, errors.coupon_unusable).into(),
        Code::AgeUnconfirmed => tr!(lang, errors.age_unconfirmed, age = param("age")),
        Code::OrderState => tr!(lang, errors.order_state).into(),
        Code::HoldExpired => tr!(lang, errors.hold_expired).into(),
        Code::PaymentDeclined => tr!(lang, errors.payment_declined).into(),
        Code::KeyReused => tr!(lang, errors.key_reused).into(),
        Code::Unreadable => tr!(lang, errors.unreadable).into(),
        Code::BadToken => tr!(lang, errors.bad_token).into(),
        Code::TooLarge => tr!(lang, errors.too_large, max = param("max")),
        Code::TooManySubstitutes => tr!(lang, errors.too_many_substitutes).into(),
        Code::SubstituteNotAllowed => tr!(lang, errors.substitute_not_allowed).into(),
    }
}

/// An allergen's name.
pub fn allergen(lang: Lang, code: &str) -> String {
    match code {
        "gluten" => tr!(lang, marks.gluten),
        "crustacean" => tr!(lang, marks.crustacean),
        "egg" => tr!(lang, marks.egg),
        "fish" => tr!(lang, marks.fish),
        "peanut" => tr!(lang, marks.peanut),
        "soy" => tr!(lang, marks.soy),
        "milk" => tr!(lang, marks.milk),
        "nut" => tr!(lang, marks.nut),
        "celery" => tr!(lang, marks.celery),
        "mustard" => tr!(lang, marks.mustard),
        "sesame" => tr!(lang, marks.sesame),
        "sulphite" => tr!(lang, marks.sulphite),
        other => other,
    }
    .to_owned()
}

/// The codes of allergens, in the order of filters.
pub const ALLERGENS: [&str; 12] =
    ["gluten", "milk", "egg", "peanut", "nut", "soy", "fish", "crustacean", "sesame", "celery", "mustard", "sulphite"];

/// The codes of diet marks, in the order of filters.
pub const DIETS: [&str; 6] = ["vegetarian", "vegan", "halal", "organic", "low_sugar", "gluten_free"];

/// A diet mark's name.
pub fn diet(lang: Lang, code: &str) -> String {
    match code {
        "vegetarian" => tr!(lang, marks.vegetarian),
        "vegan" => tr!(lang, marks.vegan),
        "halal" => tr!(lang, marks.halal),
        "organic" => tr!(lang, marks.organic),
        "low_sugar" => tr!(lang, marks.low_sugar),
        "gluten_free" => tr!(lang, marks.gluten_free),
        other => other,
    }
    .to_owned()
}

/// How a product is kept.
pub fn storage(lang: Lang, code: &str) -> String {
    match code {
        "ambient" => tr!(lang, marks.ambient),
        "chilled" => tr!(lang, marks.chilled),
        "frozen" => tr!(lang, marks.frozen),
        other => other,
    }
    .to_owned()
}

/// The measure of a unit price: `100 ml`.
pub fn measure(lang: Lang, code: &str) -> String {
    match code {
        "100g" => tr!(lang, marks.per_100g),
        "500g" => tr!(lang, marks.per_500g),
        "kg" => tr!(lang, marks.per_kg),
        "100ml" => tr!(lang, marks.per_100ml),
        "L" | "l" => tr!(lang, marks.per_l),
        "piece" => tr!(lang, marks.per_piece),
        other => other,
    }
    .to_owned()
}

/// A substitution choice: `refund`, `best_match`, `chosen`, `ask_me`.
pub fn choice(lang: Lang, code: &str) -> String {
    match code {
        "refund" => tr!(lang, marks.refund),
        "best_match" => tr!(lang, marks.best_match),
        "chosen" => tr!(lang, marks.chosen),
        "ask_me" => tr!(lang, marks.ask_me),
        other => other,
    }
    .to_owned()
}

/// What a substitution choice means, in a line.
pub fn choice_hint(lang: Lang, code: &str) -> String {
    match code {
        "refund" => tr!(lang, marks.refund_hint),
        "best_match" => tr!(lang, marks.best_match_hint),
        "chosen" => tr!(lang, marks.chosen_hint),
        "ask_me" => tr!(lang, marks.ask_me_hint),
        _ => "",
    }
    .to_owned()
}

/// The substitution choices in the order of forms.
pub const CHOICES: [&str; 4] = ["refund", "best_match", "chosen", "ask_me"];

/// How a list is sorted.
pub fn sort(lang: Lang, sort: Sort) -> String {
    match sort {
        Sort::Relevance => tr!(lang, marks.sort_relevance),
        Sort::Sales => tr!(lang, marks.sort_sales),
        Sort::PriceUp => tr!(lang, marks.sort_price_up),
        Sort::PriceDown => tr!(lang, marks.sort_price_down),
        Sort::UnitPrice => tr!(lang, marks.sort_unit_price),
    }
    .to_owned()
}

/// `delivery` or `pickup`.
pub fn fulfilment(lang: Lang, code: &str) -> String {
    match code {
        "delivery" => tr!(lang, marks.delivery),
        "pickup" => tr!(lang, marks.pickup),
        other => other,
    }
    .to_owned()
}

/// A slot's day: today, tomorrow, or `11-24`.
pub fn day(lang: Lang, day_code: &str, day: &str) -> String {
    match day_code {
        "today" => tr!(lang, marks.today).to_owned(),
        "tomorrow" => tr!(lang, marks.tomorrow).to_owned(),
        _ => day.get(5..).unwrap_or(day).to_owned(),
    }
}

/// The word of a state: `in_stock`, `low`, `risky`, `sold_out`; styles and the
/// live stream use the same.
pub fn state_code(state: &State) -> &'static str {
    state.as_str()
}

/// A state as the page says it.
pub fn state(lang: Lang, state: &State) -> String {
    match state {
        State::InStock => tr!(lang, words.in_stock).to_owned(),
        State::Low(n) => tr!(lang, words.only_left, n = n.0),
        State::Risky => tr!(lang, words.maybe).to_owned(),
        State::SoldOut => tr!(lang, words.sold_out).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::UserError;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn texts(language: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("locales").join(language);
        let mut keys = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
            let area = entry.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let file = std::fs::read_to_string(entry.path()).expect("a text file");
            let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&file).expect("an object");
            for (key, value) in all {
                assert!(value.as_str().is_some_and(|text| !text.trim().is_empty()), "{language} {area}.{key} is empty");
                keys.insert(format!("{area}.{key}"));
            }
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_texts() {
        let (zh, en) = (texts("zh-CN"), texts("en"));
        assert_eq!(zh.symmetric_difference(&en).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn an_error_is_said_with_its_values() {
        let error = AppError::from(UserError::new(Code::NotEnough).with("left", 3));
        assert_eq!(sentence(Lang::Zh, &error), "货架上只剩 3 件。");
        assert_eq!(sentence(Lang::En, &error), "Only 3 left on the shelf.");
        let changed = AppError::from(UserError::new(Code::PriceChanged).with("old", 1280).with("new", 1300));
        assert!(sentence(Lang::En, &changed).contains("¥12.80"));
    }

    #[test]
    fn every_code_of_a_product_has_words() {
        for lang in [Lang::Zh, Lang::En] {
            assert!(ALLERGENS.iter().all(|code| allergen(lang, code) != *code));
            assert!(DIETS.iter().all(|code| diet(lang, code) != *code));
            assert!(["ambient", "chilled", "frozen"].iter().all(|code| storage(lang, code) != *code));
            assert!(CHOICES.iter().all(|code| choice(lang, code) != *code && !choice_hint(lang, code).is_empty()));
        }
    }
}
