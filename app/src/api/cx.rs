//! Who looks, and with what: the context of every page and server function.
//!
//! The server's middleware puts a [`Visitor`] (language, theme, store, member,
//! basket) into the request's extensions before a page is rendered or a server
//! function runs; the shop itself is a Leptos context. [`visit`] is for the
//! shell, [`cx`] for whoever calls a use case, [`member_cx`] where somebody
//! must have signed in.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use domain::Code;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::time::DAY_MS;
use domain::view::Lang;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use service::{Shop, Visit};
use tower_sessions::Session;
use ui::AppError;

/// The session's entries.
pub mod key {
    /// The member who signed in.
    pub const MEMBER: &str = "member";
    /// The guest's basket.
    pub const BASKET: &str = "basket";
    /// Day on which the session was last prolonged.
    pub const DAY: &str = "day";
    /// Day on which the member signed in.
    pub const SINCE: &str = "since";
}

/// Colours of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// As the device is set.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The value in the cookie and in `data-theme`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the cookie; anything else is as the device is set.
    pub fn parse(text: &str) -> Self {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == text).unwrap_or_default()
    }
}

/// Who looks: what the shell needs to draw itself. Made once for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Language, from the cookie `lang`, else from `Accept-Language`, else Chinese.
    pub lang: Lang,
    /// Colours, from the cookie `theme`.
    pub theme: Theme,
    /// The chosen store.
    pub store: StoreId,
    /// Its code.
    pub store_code: String,
    /// Its name in the visitor's language.
    pub store_name: String,
    /// Was the store chosen, rather than assumed?
    pub store_chosen: bool,
    /// Who is signed in.
    pub member: Option<MemberId>,
    /// The basket, if there is one yet: the member's or the guest's.
    pub basket: Option<BasketId>,
    /// Packs in the basket (counted for pages alone).
    pub basket_count: i64,
    /// Path and query of the page.
    pub path: String,
    /// Did the database not say who it is? Then nothing can be said but that.
    pub unreachable: bool,
}

impl Default for Visitor {
    /// Somebody who is nobody yet, for the list of routes at start.
    fn default() -> Self {
        Self {
            lang: Lang::default(),
            theme: Theme::default(),
            store: StoreId::trusted("-"),
            store_code: String::new(),
            store_name: String::new(),
            store_chosen: false,
            member: None,
            basket: None,
            basket_count: 0,
            path: "/".to_owned(),
            unreachable: false,
        }
    }
}

/// Who looks at this request. A default visitor outside of one.
pub fn visit() -> Visitor {
    use_context::<Parts>().and_then(|parts| parts.extensions.get::<Visitor>().cloned()).unwrap_or_default()
}

/// What a server function or a page calls a use case with.
#[derive(Clone, Debug)]
pub struct Cx {
    /// The shop.
    pub shop: Shop,
    /// The visitor's session; nothing is stored before something is put in.
    pub session: Session,
    /// Who looks, where and when.
    pub visit: Visit,
    /// Path and query of the request.
    pub path: String,
}

impl Cx {
    /// The member. Only after [`member_cx`] is it certain that there is one.
    ///
    /// # Errors
    /// `sign_in_first` for a guest.
    pub fn member(&self) -> Result<&MemberId, AppError> {
        self.visit.member.as_ref().ok_or_else(|| refuse(Code::SignInFirst))
    }

    /// Key by which tries of this visitor are counted: the session's, or nothing for a new one.
    pub fn session_key(&self) -> String {
        self.session.id().map(|id| id.to_string()).unwrap_or_default()
    }

    /// The visitor's address as the connection (or the trusted proxy before it) told.
    pub fn address(&self) -> String {
        use_context::<Parts>()
            .and_then(|parts| parts.extensions.get::<ClientAddress>().map(|address| address.0.clone()))
            .unwrap_or_default()
    }

    /// Makes the session the member's, under a new id, and takes the guest's basket over.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn sign_in(&self, member: &MemberId) -> Result<(), AppError> {
        let guest: Option<String> = self.session.get(key::BASKET).await.map_err(session_failed)?;
        // First of all: what fails here leaves the guest with the session and its basket. What
        // fails below loses nothing: the goods are the member's by then, who signs in again.
        if let Some(guest) = guest {
            let guest = BasketId::trusted(guest);
            self.shop.adopt_basket(&guest, member, self.visit.now).await.map_err(fail)?;
        }
        self.session.cycle_id().await.map_err(session_failed)?;
        self.session.remove::<String>(key::BASKET).await.map_err(session_failed)?;
        self.session.insert(key::MEMBER, member.as_str()).await.map_err(session_failed)?;
        let today = self.visit.now.0.div_euclid(DAY_MS);
        self.session.insert(key::SINCE, today).await.map_err(session_failed)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn sign_out(&self) -> Result<(), AppError> {
        self.session.flush().await.map_err(session_failed)
    }

    /// Keeps what was typed until the page is shown again; `form` names it.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn keep_input<T: serde::Serialize + Sync>(&self, form: &str, input: &T) -> Result<(), AppError> {
        self.session.insert(&format!("form.{form}"), input).await.map_err(session_failed)
    }

    /// What was kept of the form `form`, without forgetting it.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn kept_input<T: serde::de::DeserializeOwned>(&self, form: &str) -> Result<Option<T>, AppError> {
        self.session.get(&format!("form.{form}")).await.map_err(session_failed)
    }

    /// What was typed in the form `form` when it was refused, once.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn take_input<T: serde::de::DeserializeOwned>(&self, form: &str) -> Result<Option<T>, AppError> {
        let key = format!("form.{form}");
        // Only a session that has it is written to.
        match self.session.get_value(&key).await.map_err(session_failed)? {
            None => Ok(None),
            Some(_) => self.session.remove(&key).await.map_err(session_failed),
        }
    }
}

/// The visitor's address, put into the request by the server.
#[derive(Clone, Debug, Default)]
pub struct ClientAddress(pub String);

/// The context of anyone. A guest who changes the basket gets one, kept in the session.
///
/// # Errors
/// `unavailable` if the database did not say who looks; internal ones.
pub async fn cx() -> Result<Cx, AppError> {
    let missing = |what: &str| {
        tracing::error!(what, "the request has no context");
        AppError::new(Code::Internal)
    };
    let parts = use_context::<Parts>().ok_or_else(|| missing("parts"))?;
    let shop = use_context::<Shop>().ok_or_else(|| missing("shop"))?;
    let session = parts.extensions.get::<Session>().cloned().ok_or_else(|| missing("session"))?;
    let visitor = parts.extensions.get::<Visitor>().cloned().ok_or_else(|| missing("visitor"))?;
    if visitor.unreachable {
        return Err(refuse(Code::Unavailable));
    }
    let basket = match visitor.basket {
        Some(basket) => basket,
        None if changes_basket(&parts) => {
            let basket = service::members::new_basket();
            session.insert(key::BASKET, basket.as_str()).await.map_err(session_failed)?;
            basket
        }
        // Nobody's basket: it has no lines.
        None => BasketId::trusted("-"),
    };
    let now = shop.now();
    let visit = Visit { store: visitor.store, lang: visitor.lang, member: visitor.member, basket, now };
    Ok(Cx { shop, session, visit, path: visitor.path })
}

/// The context of a member.
///
/// # Errors
/// `sign_in_first` for a guest.
pub async fn member_cx() -> Result<Cx, AppError> {
    let cx = cx().await?;
    cx.member()?;
    Ok(cx)
}

fn changes_basket(parts: &Parts) -> bool {
    parts.method == Method::POST && parts.uri.path().starts_with("/api/basket/")
}

/// An error for the visitor: with its status, its sentence, and an entry in the
/// log (under a reference that the visitor sees) if it is an internal one.
#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
pub fn fail(error: service::Error) -> AppError {
    let mut shown = AppError::from(error.user());
    if error.is_internal() {
        let reference = service::members::reference();
        tracing::error!(%reference, error = %chain(&error), "a request failed");
        shown.reference = Some(reference);
    }
    answer(shown)
}

/// A refusal with its status and its sentence.
pub fn refuse(error: impl Into<AppError>) -> AppError {
    answer(error.into())
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn session_failed(error: tower_sessions::session::Error) -> AppError {
    fail(service::Error::Internal(chain(&error)))
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn answer(error: AppError) -> AppError {
    let parts = use_context::<Parts>();
    if let Some(response) = use_context::<ResponseOptions>()
        && !parts.as_ref().is_some_and(is_plain_form)
        && let Ok(status) = StatusCode::from_u16(error.code.status())
    {
        response.set_status(status);
    }
    let lang = parts.and_then(|parts| parts.extensions.get::<Visitor>().map(|visitor| visitor.lang));
    error.localized(lang.unwrap_or_default())
}

/// Was a form sent without JavaScript? Then the answer is a redirect, whose status must stay.
pub fn is_plain_form(parts: &Parts) -> bool {
    let html = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    parts.method == Method::POST && html.is_some_and(|accept| accept.contains("text/html"))
}

/// A path of this shop to go back to: anything else leads home.
pub fn safe_back(back: &str) -> &str {
    // Browsers leave tabs and line ends out: "/\t/x" leads where "//x" does.
    let odd = |c: char| c == '\\' || c.is_control();
    let plain = back.starts_with('/') && !back.starts_with("//") && !back.contains(odd);
    if plain && back.len() <= 300 { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_shop_are_gone_back_to() {
        assert_eq!(safe_back("/basket?x=1"), "/basket?x=1");
        for bad in
            ["", "basket", "//evil.example", "https://evil.example", "/\\evil", "/a\nb", "/\t/evil.example", "/\u{7f}"]
        {
            assert_eq!(safe_back(bad), "/", "{bad}");
        }
    }

    #[test]
    fn an_unknown_theme_is_the_devices() {
        assert_eq!(Theme::parse("dark"), Theme::Dark);
        assert_eq!(Theme::parse("pink"), Theme::Auto);
    }
}
