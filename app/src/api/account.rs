//! The member: sign in and out, addresses, name, and the default for missing goods.

use leptos::server;
use serde::{Deserialize, Serialize};
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{cx, fail, member_cx, refuse},
    form::{go, go_back},
};
#[cfg(feature = "ssr")]
use domain::{
    UserError,
    ids::AddressId,
    phone::Phone,
    view::{AddressForm, AddressView, CouponCard, MemberView},
};
#[cfg(feature = "ssr")]
use service::members::{Asker, fingerprint, new_asker};

/// The session's name of a sign-in under way.
#[cfg(feature = "ssr")]
const SIGN_IN: &str = "signing_in";

/// So much is kept of what was typed as a phone and is none, in characters.
#[cfg(feature = "ssr")]
const TYPED_CHARS: usize = 40;

/// The session's name of an address that was refused.
#[cfg(feature = "ssr")]
const ADDRESS: &str = "address";

/// Who is signed in; `None` for a guest.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn me() -> Result<Option<MemberView>, AppError> {
    let cx = cx().await?;
    if cx.visit.member.is_none() {
        return Ok(None);
    }
    cx.shop.me(&cx.visit).await.map(Some).map_err(fail)
}

/// A sign-in under way, as the session keeps it.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SigningIn {
    /// The phone; what is none, as it was typed.
    phone: String,
    /// The name under which codes are asked for: they are good under the same name alone.
    asker: String,
}

/// What the sign-in page knows of who signs in.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug)]
pub struct Underway {
    /// What was typed as the phone, if anything.
    pub phone: Option<String>,
    /// Was a code sent to it for this session that can still be used?
    pub has_code: bool,
    /// Does the sandbox's page show the code?
    pub sandbox: bool,
}

/// How far the sign-in of this session is.
///
/// # Errors
/// Internal ones.
#[cfg(feature = "ssr")]
pub async fn signing_in() -> Result<Underway, AppError> {
    let cx = cx().await?;
    let kept: Option<SigningIn> = cx.kept_input(SIGN_IN).await?;
    let has_code = match &kept {
        Some(kept) => cx.shop.has_code(&kept.phone, &kept.asker, cx.visit.now).await.map_err(fail)?,
        None => false,
    };
    Ok(Underway { phone: kept.map(|kept| kept.phone), has_code, sandbox: cx.shop.settings().sandbox })
}

/// The member's addresses.
///
/// # Errors
/// `sign_in_first`, internal ones.
#[cfg(feature = "ssr")]
pub async fn addresses() -> Result<Vec<AddressView>, AppError> {
    let cx = member_cx().await?;
    cx.shop.addresses(&cx.visit).await.map_err(fail)
}

/// The coupons that the member can still use.
///
/// # Errors
/// `sign_in_first`, internal ones.
#[cfg(feature = "ssr")]
pub async fn coupons() -> Result<Vec<CouponCard>, AppError> {
    let cx = member_cx().await?;
    cx.shop.coupons(&cx.visit).await.map_err(fail)
}

/// What the form of an address shows: what was typed, else what is known.
///
/// # Errors
/// `sign_in_first`, `not_found`, internal ones.
#[cfg(feature = "ssr")]
pub async fn address(id: &str) -> Result<AddressFields, AppError> {
    let cx = member_cx().await?;
    let same = |typed: &AddressFields| typed.id == id || (typed.id.is_empty() && id == "new");
    if ui::error::form_error().is_some()
        && let Some(typed) = cx.kept_input::<AddressFields>(ADDRESS).await?.filter(same)
    {
        return Ok(typed);
    }
    if id == "new" {
        return Ok(AddressFields::default());
    }
    let known = cx.shop.addresses(&cx.visit).await.map_err(fail)?;
    let address = known.into_iter().find(|address| address.id.as_str() == id);
    address.map(AddressFields::from).ok_or_else(|| refuse(domain::Code::NotFound))
}

/// What the form of an address sends, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressFields {
    /// Empty for a new one.
    pub id: String,
    /// Recipient.
    pub name: String,
    /// Mobile number.
    pub phone: String,
    /// District and street.
    pub area: String,
    /// House, floor, door.
    pub detail: String,
    /// Latitude in degrees, if the browser gave it.
    pub lat: String,
    /// Longitude in degrees.
    pub lon: String,
    /// `true` to make it the usual one.
    pub is_default: String,
}

#[cfg(feature = "ssr")]
impl From<AddressView> for AddressFields {
    fn from(address: AddressView) -> Self {
        let degrees = |e6: Option<i64>| {
            e6.map(|e6| {
                format!("{}{}.{:06}", if e6 < 0 { "-" } else { "" }, e6.abs() / 1_000_000, e6.abs() % 1_000_000)
            })
            .unwrap_or_default()
        };
        Self {
            id: address.id.to_string(),
            name: address.name,
            phone: address.phone,
            area: address.area,
            detail: address.detail,
            lat: degrees(address.lat_e6),
            lon: degrees(address.lon_e6),
            is_default: if address.is_default { "true".to_owned() } else { String::new() },
        }
    }
}

#[cfg(feature = "ssr")]
impl From<AddressFields> for AddressForm {
    fn from(typed: AddressFields) -> Self {
        Self {
            id: typed.id,
            name: typed.name,
            phone: typed.phone,
            area: typed.area,
            detail: typed.detail,
            lat: typed.lat,
            lon: typed.lon,
            is_default: typed.is_default == "true",
        }
    }
}

/// A URL of the sign-in page.
#[cfg(feature = "ssr")]
fn sign_in_url(back: &str, step: &str) -> String {
    format!("/sign-in?back={}&step={step}", crate::shell::encode(super::cx::safe_back(back)))
}

/// Sends a one-time code. The answer is the same for every phone.
#[server(prefix = "/api", endpoint = "account/request_code")]
pub async fn request_code(
    /// Mobile number.
    phone: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    let mut kept: SigningIn = cx.kept_input(SIGN_IN).await?.unwrap_or_default();
    let (session, address) = (cx.session_key(), cx.address());
    if kept.asker.is_empty() {
        // Tabs of one session ask under one name.
        kept.asker = if session.is_empty() { new_asker() } else { fingerprint(&session) };
    }
    kept.phone = match Phone::parse(&phone) {
        Ok(phone) => phone.as_str().to_owned(),
        Err(_) => phone.chars().take(TYPED_CHARS).collect(),
    };
    cx.keep_input(SIGN_IN, &kept).await?;
    let asker = Asker { name: &kept.asker, session: &session, address: &address };
    cx.shop.request_code(&phone, &asker, cx.visit.now).await.map_err(fail)?;
    go(&sign_in_url(&back, "code"));
    Ok(())
}

/// Signs in with the one-time code; the guest's basket comes along.
#[server(prefix = "/api", endpoint = "account/sign_in")]
pub async fn sign_in(
    /// The code.
    code: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    let kept: Option<SigningIn> = cx.kept_input(SIGN_IN).await?;
    let kept = kept.ok_or_else(|| refuse(UserError::new(domain::Code::BadPhone).field("phone")))?;
    let (session, address) = (cx.session_key(), cx.address());
    let asker = Asker { name: &kept.asker, session: &session, address: &address };
    let member = cx.shop.sign_in(&kept.phone, &code, &asker, cx.visit.now).await.map_err(fail)?;
    cx.take_input::<SigningIn>(SIGN_IN).await?;
    cx.sign_in(&member).await?;
    go_back(&back, "/me");
    Ok(())
}

/// Signs out: here, or on every device that the member signed in with.
#[server(prefix = "/api", endpoint = "account/sign_out")]
pub async fn sign_out(
    /// `true` for every device.
    #[server(default)]
    everywhere: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    if everywhere == "true"
        && let Some(member) = &cx.visit.member
    {
        cx.shop.end_sessions(member).await.map_err(fail)?;
    }
    cx.sign_out().await?;
    go("/");
    Ok(())
}

/// Saves a new or changed address.
#[server(prefix = "/api", endpoint = "account/address_save")]
pub async fn address_save(
    /// The form.
    #[server(flatten)]
    form: AddressFields,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.keep_input(ADDRESS, &form).await?;
    cx.shop.save_address(&cx.visit, form.into()).await.map_err(fail)?;
    cx.take_input::<AddressFields>(ADDRESS).await?;
    go_back(&back, "/me/addresses");
    Ok(())
}

/// Deletes an address. Orders keep the one that they were placed with.
#[server(prefix = "/api", endpoint = "account/address_delete")]
pub async fn address_delete(
    /// The address.
    id: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    let id = AddressId::parse(&id).map_err(|_| refuse(UserError::invalid("id")))?;
    cx.shop.delete_address(&cx.visit, &id).await.map_err(fail)?;
    go("/me/addresses");
    Ok(())
}

/// Sets what shall happen to missing goods without a choice of their own.
#[server(prefix = "/api", endpoint = "account/substitution_default")]
pub async fn substitution_default(
    /// `refund`, `best_match`, `chosen` or `ask_me`.
    choice: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.shop.set_substitution_default(&cx.visit, &choice).await.map_err(fail)?;
    go("/me/substitutes?saved=1");
    Ok(())
}

/// Sets the member's name.
#[server(prefix = "/api", endpoint = "account/name")]
pub async fn set_name(
    /// The name.
    name: String,
) -> Result<(), AppError> {
    let cx = member_cx().await?;
    cx.shop.set_name(&cx.visit, &name).await.map_err(fail)?;
    go("/me");
    Ok(())
}

/// A phone as it is shown; what is no phone is shown as it was typed.
#[cfg(feature = "ssr")]
pub fn masked(phone: &str) -> String {
    Phone::parse(phone).map_or_else(|_| phone.to_owned(), |phone| phone.masked())
}
