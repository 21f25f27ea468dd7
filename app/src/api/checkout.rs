//! Checkout: one form. What is typed in it is kept in the session, so that a
//! refused order, another coupon or a line that ran short loses nothing.

use leptos::server;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{Cx, fail, member_cx, refuse},
    form::{go, ranked, sku_id, sku_key},
};
#[cfg(feature = "ssr")]
use domain::{
    Code, Packs, UserError,
    view::{AddressForm, CheckoutView, PlaceForm},
};
#[cfg(feature = "ssr")]
use service::checkout::CheckoutChoice;

/// The value of `address` that stands for the short form.
pub const NEW_ADDRESS: &str = "new";

/// Everything that the checkout form can send. All of it is text, as forms send it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckoutFields {
    /// Key that makes a double submit one order.
    pub idempotency_key: String,
    /// The store that the page showed.
    pub store: String,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// The chosen address, or `new` for the short form.
    pub address: String,
    /// The chosen slot.
    pub slot: String,
    /// The chosen coupon, or `none`.
    pub coupon: String,
    /// What shall happen to missing lines without a choice of their own.
    pub substitution_default: String,
    /// Note to the picker.
    pub note: String,
    /// What the page showed as payable, in fen.
    pub payable: String,
    /// `true` if the age was confirmed.
    pub age_confirmed: String,
    /// Recipient of the short form.
    pub name: String,
    /// Phone of the short form.
    pub phone: String,
    /// District and street of the short form.
    pub area: String,
    /// House and door of the short form.
    pub detail: String,
    /// Latitude, if the browser gave it.
    pub lat: String,
    /// Longitude, if the browser gave it.
    pub lon: String,
    /// Choice for missing goods by SKU.
    pub sub: BTreeMap<String, String>,
    /// Ranks of substitutes by SKU.
    pub rank: BTreeMap<String, BTreeMap<String, String>>,
}

/// The session's name of what was typed.
#[cfg(feature = "ssr")]
const FORM: &str = "checkout";

/// The checkout page for what was typed so far, or for `kind` and `coupon` of its URL.
///
/// # Errors
/// `sign_in_first`, `basket_empty`, internal ones.
#[cfg(feature = "ssr")]
pub async fn checkout(
    kind: Option<String>,
    coupon: Option<String>,
) -> Result<(CheckoutView, CheckoutFields), AppError> {
    let cx = member_cx().await?;
    let mut typed: CheckoutFields = cx.kept_input(FORM).await?.unwrap_or_default();
    // An address that a refused form came back to says what it said before that form.
    if ui::error::form_error().is_none() {
        typed.kind = kind.unwrap_or(typed.kind);
        typed.coupon = coupon.unwrap_or(typed.coupon);
    }
    let view = cx.shop.checkout(&cx.visit, choice(&typed)).await.map_err(fail)?;
    Ok((view, typed))
}

#[cfg(feature = "ssr")]
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(feature = "ssr")]
fn choice(typed: &CheckoutFields) -> CheckoutChoice {
    CheckoutChoice {
        kind: if typed.kind.is_empty() { "delivery".to_owned() } else { typed.kind.clone() },
        address: given(&typed.address).filter(|address| address != NEW_ADDRESS),
        slot: given(&typed.slot),
        coupon: given(&typed.coupon),
        substitution_default: given(&typed.substitution_default),
        note: typed.note.clone(),
    }
}

/// Places the order, and leads on to its payment.
#[server(prefix = "/api", endpoint = "checkout/place")]
pub async fn checkout_place(
    /// The form.
    #[server(flatten)]
    form: CheckoutFields,
) -> Result<String, AppError> {
    let cx = member_cx().await?;
    let mut form = form;
    match place(&cx, &mut form).await {
        Ok(code) => {
            cx.take_input::<CheckoutFields>(FORM).await?;
            go(&format!("/pay/{code}"));
            Ok(code)
        }
        Err(refused) => {
            // What is refused loses nothing.
            cx.keep_input(FORM, &form).await?;
            Err(refused)
        }
    }
}

#[cfg(feature = "ssr")]
async fn place(cx: &Cx, form: &mut CheckoutFields) -> Result<String, AppError> {
    keep_choices(cx, form).await?;
    save_new_address(cx, form).await?;
    let placed = cx.shop.place(&cx.visit, place_form(form)?).await.map_err(fail)?;
    Ok(placed.code)
}

/// Changes something on the checkout page and shows it again, with all that was
/// typed: `keep`, `kind:pickup`, `address:new`, `set:<sku>:<packs>`, `swap:<sku>:<other>:<packs>`.
#[server(prefix = "/api", endpoint = "checkout/adjust")]
pub async fn checkout_adjust(
    /// What changes.
    adjust: String,
    /// The form.
    #[server(flatten)]
    form: CheckoutFields,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    let mut form = form;
    let mut words = adjust.split(':');
    let (what, which) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match what {
        "kind" => {
            which.clone_into(&mut form.kind);
            form.slot.clear();
        }
        "address" => which.clone_into(&mut form.address),
        _ => {}
    }
    if cx.shop.basket_count(&cx.visit).await.map_err(fail)? == Packs::ZERO {
        // Ordered meanwhile, in this page or another: its form is over.
        go("/checkout");
        return Ok(());
    }
    // First of all: what is refused below shall lose nothing.
    cx.keep_input(FORM, &form).await?;
    let packs = |word: Option<&str>| word.and_then(|w| w.parse().ok()).map(Packs).ok_or_else(|| refuse(Code::Invalid));
    match what {
        "set" => cx.shop.set_qty(&cx.visit, &sku_id(which)?, packs(words.next())?).await.map_err(fail)?,
        "swap" => {
            let other = sku_id(words.next().unwrap_or_default())?;
            cx.shop.add(&cx.visit, &other, packs(words.next())?).await.map_err(fail)?;
            cx.shop.set_qty(&cx.visit, &sku_id(which)?, Packs::ZERO).await.map_err(fail)?;
        }
        _ => {}
    }
    keep_choices(&cx, &form).await?;
    go("/checkout");
    Ok(())
}

/// Writes the lines' choices for missing goods that differ from what is known.
#[cfg(feature = "ssr")]
async fn keep_choices(cx: &Cx, form: &CheckoutFields) -> Result<(), AppError> {
    if form.sub.is_empty() {
        return Ok(());
    }
    let basket = cx.shop.basket(&cx.visit).await.map_err(fail)?;
    for line in &basket.lines {
        let key = sku_key(line.card.sku.as_str());
        let Some(choice) = form.sub.get(&key) else { continue };
        let chosen = match form.rank.get(&key) {
            Some(ranks) if choice == "chosen" => ranked(ranks)?,
            _ => Vec::new(),
        };
        if *choice != line.substitution.choice || chosen != line.substitution.chosen {
            cx.shop.set_substitution(&cx.visit, &line.card.sku, choice, chosen).await.map_err(fail)?;
        }
    }
    Ok(())
}

/// Saves the short form's address and chooses it. Its id is that of the form: sent
/// again after its answer was lost, it names the same address and so the same order.
#[cfg(feature = "ssr")]
async fn save_new_address(cx: &Cx, form: &mut CheckoutFields) -> Result<(), AppError> {
    if form.kind == "pickup" || form.address != NEW_ADDRESS {
        return Ok(());
    }
    let address = AddressForm {
        id: String::new(),
        name: form.name.clone(),
        phone: form.phone.clone(),
        area: form.area.clone(),
        detail: form.detail.clone(),
        lat: form.lat.clone(),
        lon: form.lon.clone(),
        is_default: false,
    };
    let saved = cx.shop.save_typed_address(&cx.visit, &form.idempotency_key, address).await.map_err(fail)?;
    form.address = saved.to_string();
    Ok(())
}

#[cfg(feature = "ssr")]
fn place_form(form: &CheckoutFields) -> Result<PlaceForm, AppError> {
    Ok(PlaceForm {
        idempotency_key: form.idempotency_key.clone(),
        store: form.store.clone(),
        kind: form.kind.clone(),
        address: given(&form.address).filter(|address| address != NEW_ADDRESS),
        slot: given(&form.slot),
        coupon: given(&form.coupon),
        substitution_default: given(&form.substitution_default),
        note: form.note.clone(),
        payable: form.payable.parse().map_err(|_| refuse(UserError::invalid("payable")))?,
        age_confirmed: form.age_confirmed == "true",
    })
}
