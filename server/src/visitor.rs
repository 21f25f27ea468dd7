//! Who looks: the middleware that puts a [`Visitor`] into each request, from
//! its cookies and its session.

use crate::Server;
use app::api::cx::{ClientAddress, Theme, Visitor, key};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::time::DAY_MS;
use domain::view::Lang;
use service::{Shop, Visit};
use std::net::SocketAddr;
use tower_sessions::Session;

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"'))
}

/// The visitor's language: the cookie, else the first known one of `Accept-Language`, else Chinese.
pub fn language(headers: &HeaderMap) -> Lang {
    let chosen = cookie(headers, "lang").and_then(Lang::parse);
    let accepted = || {
        let header = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut tags: Vec<(u32, Lang)> = header
            .split(',')
            .filter_map(|part| {
                let (tag, q) = part.trim().split_once(";q=").unwrap_or((part.trim(), "1"));
                let q = q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
                let weight = (q * 1000.0) as u32;
                (weight > 0).then_some((weight, Lang::parse(tag)?))
            })
            .collect();
        // Stable: of two with the same weight the first one wins.
        tags.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        tags.first().map(|(_, lang)| *lang)
    };
    chosen.or_else(accepted).unwrap_or_default()
}

/// The visitor's address: of the connection, or told by the one proxy that is believed.
pub fn address(request: &Request, behind_proxy: bool) -> String {
    let forwarded = || {
        let line = request.headers().get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        let last = line.rsplit(',').next()?.trim();
        last.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
    };
    let own = || request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    behind_proxy.then(forwarded).flatten().or_else(own).unwrap_or_default()
}

/// Puts the visitor into the request.
pub async fn identify(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let client = ClientAddress(address(&request, server.config.behind_proxy));
    let session = request.extensions().get::<Session>().cloned();
    let page =
        request.method() == Method::GET && !["/api/", "/live"].iter().any(|p| request.uri().path().starts_with(p));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let known = match &session {
        Some(session) => Known::of(session, &server.shop).await,
        None => Known::default(),
    };
    let visitor = visitor(&server.shop, request.headers(), known, path, page).await;
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// What the session knows.
#[derive(Debug, Default)]
struct Known {
    member: Option<MemberId>,
    basket: Option<BasketId>,
}

impl Known {
    async fn of(session: &Session, shop: &Shop) -> Self {
        match Self::read(session, shop).await {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(%error, "a session could not be read");
                Self::default()
            }
        }
    }

    async fn read(session: &Session, shop: &Shop) -> Result<Self, tower_sessions::session::Error> {
        let member: Option<String> = session.get(key::MEMBER).await?;
        let basket: Option<String> = session.get(key::BASKET).await?;
        if member.is_some() {
            // Written once a day: so a session that is used lives on.
            let today = shop.now().0.div_euclid(DAY_MS);
            if session.get::<i64>(key::DAY).await? != Some(today) {
                session.insert(key::DAY, today).await?;
            }
        }
        let basket = member.clone().or(basket).map(BasketId::trusted);
        Ok(Self { member: member.map(MemberId::trusted), basket })
    }
}

async fn visitor(shop: &Shop, headers: &HeaderMap, known: Known, path: String, page: bool) -> Visitor {
    let lang = language(headers);
    let theme = cookie(headers, "theme").map(Theme::parse).unwrap_or_default();
    let (store, store_chosen) = match chosen_store(shop, headers, known.member.as_ref()).await {
        Ok(store) => store,
        Err(error) => {
            // A shop without stores, or without a database: pages say so by themselves.
            tracing::warn!(%error, "no store could be chosen");
            (StoreId::trusted("-"), false)
        }
    };
    let mut visitor = Visitor {
        lang,
        theme,
        store,
        store_chosen,
        member: known.member,
        basket: known.basket,
        path,
        ..Visitor::default()
    };
    if page && let Err(error) = fill_for_page(shop, &mut visitor).await {
        tracing::warn!(%error, "the page's frame could not be filled");
    }
    visitor
}

async fn chosen_store(shop: &Shop, headers: &HeaderMap, member: Option<&MemberId>) -> service::Result<(StoreId, bool)> {
    if let Some(code) = cookie(headers, "store")
        && let Some(store) = shop.store_by_code(code).await?
    {
        return Ok((store, true));
    }
    if let Some(member) = member
        && let Some(store) = shop.home_store(member).await?
    {
        return Ok((store, true));
    }
    Ok((shop.default_store().await?, false))
}

async fn fill_for_page(shop: &Shop, visitor: &mut Visitor) -> service::Result<()> {
    let now = shop.now();
    let stores = shop.stores(visitor.lang, Some(&visitor.store), None, now).await?;
    if let Some(store) = stores.into_iter().find(|store| store.id == visitor.store) {
        visitor.store_code = store.code;
        visitor.store_name = store.name;
    }
    if let Some(basket) = visitor.basket.clone() {
        let member = visitor.member.clone();
        let visit = Visit { store: visitor.store.clone(), lang: visitor.lang, member, basket, now };
        visitor.basket_count = shop.basket_count(&visit).await?.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_cookie_wins_over_the_browsers_language() {
        let both = headers(&[("cookie", "a=b; lang=en"), ("accept-language", "zh-CN,zh;q=0.9")]);
        assert_eq!(language(&both), Lang::En);
    }

    #[test]
    fn the_best_known_language_is_taken() {
        assert_eq!(language(&headers(&[("accept-language", "fr,en-GB;q=0.5,zh;q=0.4")])), Lang::En);
        assert_eq!(language(&headers(&[("accept-language", "en;q=0.2, zh-CN;q=0.8")])), Lang::Zh);
        assert_eq!(language(&headers(&[("accept-language", "fr")])), Lang::Zh);
        assert_eq!(language(&headers(&[("accept-language", "en;q=0")])), Lang::Zh);
    }
}
