//! Who looks: the middleware that puts a [`Visitor`] into each request, from
//! its cookies and its session.

use crate::Server;
use crate::guard::refusal;
use app::api::cx::{ClientAddress, Theme, Visitor, key};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::Code;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::time::DAY_MS;
use domain::view::Lang;
use service::{Shop, Visit};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use tower_sessions::Session;
use ui::AppError;

/// Days after which a member signs in again, however often the session is used.
const MOST_DAYS: i64 = 180;

/// The value of a cookie; the one that this host alone can have set, `__Host-…`, comes first.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = || {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
    };
    let own = pairs().find(|(key, _)| key.strip_prefix("__Host-") == Some(name));
    own.or_else(|| pairs().find(|(key, _)| *key == name)).map(|(_, value)| value.trim_matches('"'))
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

/// The visitor's address, as it is counted: of the connection, or told by the one proxy that is believed.
pub fn address(request: &Request, behind_proxy: bool) -> String {
    let forwarded = || forwarded(request.headers());
    let own = || request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    behind_proxy.then(forwarded).flatten().or_else(own).map(counted).unwrap_or_default()
}

/// The last address in `X-Forwarded-For`, which the proxy itself wrote; some write the port as well.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = line.rsplit(',').next()?.trim();
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// What an address is counted as: of IPv6 the network of /64, of which one customer has all addresses.
pub fn counted(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
    }
}

/// Puts the visitor into the request.
pub async fn identify(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let client = ClientAddress(address(&request, server.config.behind_proxy));
    let session = request.extensions().get::<Session>().cloned();
    let page =
        request.method() == Method::GET && !["/api/", "/live"].iter().any(|p| request.uri().path().starts_with(p));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let visitor = match visitor(&server.shop, session.as_ref(), request.headers(), path, page).await {
        Ok(visitor) => visitor,
        Err(visitor) if page => visitor,
        // Nobody is told to sign in who has, or that there is no such thing where there is.
        Err(visitor) => return refusal(AppError::new(Code::Unavailable).localized(visitor.lang)),
    };
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
    async fn read(session: &Session, shop: &Shop) -> Result<Self, tower_sessions::session::Error> {
        let member: Option<String> = session.get(key::MEMBER).await?;
        let basket: Option<String> = session.get(key::BASKET).await?;
        if member.is_some() {
            let today = shop.now().0.div_euclid(DAY_MS);
            let since: Option<i64> = session.get(key::SINCE).await?;
            if since.is_some_and(|since| today - since > MOST_DAYS) {
                session.flush().await?;
                return Ok(Self::default());
            }
            // Written once a day: so a session that is used lives on.
            if session.get::<i64>(key::DAY).await? != Some(today) {
                session.insert(key::DAY, today).await?;
                session.insert(key::SINCE, since.unwrap_or(today)).await?;
            }
        }
        let basket = member.clone().or(basket).map(BasketId::trusted);
        Ok(Self { member: member.map(MemberId::trusted), basket })
    }
}

/// The visitor, or, if the database did not say who it is, one who is told so.
async fn visitor(
    shop: &Shop,
    session: Option<&Session>,
    headers: &HeaderMap,
    path: String,
    page: bool,
) -> Result<Visitor, Visitor> {
    let lang = language(headers);
    let theme = cookie(headers, "theme").map(Theme::parse).unwrap_or_default();
    let mut visitor = Visitor { lang, theme, path, ..Visitor::default() };
    match recognise(shop, session, headers, &mut visitor).await {
        Ok(()) => {}
        Err(error) => {
            tracing::error!(error = %error, "a visitor could not be recognised");
            return Err(Visitor { unreachable: true, ..visitor });
        }
    }
    if page && let Err(error) = fill_for_page(shop, &mut visitor).await {
        tracing::warn!(%error, "the page's frame could not be filled");
    }
    Ok(visitor)
}

/// Session and store of a visitor.
async fn recognise(
    shop: &Shop,
    session: Option<&Session>,
    headers: &HeaderMap,
    visitor: &mut Visitor,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let known = match session {
        Some(session) => Known::read(session, shop).await?,
        None => Known::default(),
    };
    (visitor.member, visitor.basket) = (known.member, known.basket);
    match chosen_store(shop, headers, visitor.member.as_ref()).await {
        Ok((store, chosen)) => (visitor.store, visitor.store_chosen) = (store, chosen),
        // A shop without stores: pages say so by themselves.
        Err(error) if error.user().code == Code::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
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
    (visitor.store_code, visitor.store_name) = shop.store_name(&visitor.store, visitor.lang).await?;
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
    use crate::session;
    use axum::http::HeaderValue;
    use domain::Millis;
    use service::Settings;
    use service::ports::{Ports, SimClock, SystemRandom};
    use service::sandbox::{SandboxChannel, SandboxMessenger};
    use std::sync::Arc;
    use std::time::SystemTime;
    use store::testing::TestStore;

    /// A shop whose clock begins at the present: that is when sessions begin for their layer.
    async fn shop() -> (TestStore, Shop, Arc<SimClock>) {
        let store = store::testing::sqlite().await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        let clock = Arc::new(SimClock::new(Millis(i64::try_from(now).expect("before the year 292 million"))));
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            channel: Arc::new(SandboxChannel::new(store.clone(), &[1; 32], clock.clone())),
            messenger: Arc::new(SandboxMessenger::new(store.clone(), clock.clone())),
        };
        let shop = Shop::new(store.clone(), ports, Settings::default());
        (store, shop, clock)
    }

    async fn member_of(shop: &Shop, session: &Session) -> Option<MemberId> {
        Known::read(session, shop).await.expect("a session").member
    }

    #[tokio::test]
    async fn a_session_ends_after_30_days_without_a_visit() {
        let (_store, shop, clock) = shop().await;
        let first = session::open(&shop, None);
        first.insert(key::MEMBER, "m1").await.expect("signed in");
        first.save().await.expect("saved");
        let again = || session::open(&shop, first.id());
        clock.advance(30 * DAY_MS - 60_000);
        assert_eq!(member_of(&shop, &again()).await, Some(MemberId::trusted("m1")));
        clock.advance(120_000);
        assert_eq!(member_of(&shop, &again()).await, None);
    }

    #[tokio::test]
    async fn a_member_signs_in_again_after_180_days_however_often_the_session_is_used() {
        let (_store, shop, clock) = shop().await;
        let session = session::open(&shop, None);
        session.insert(key::MEMBER, "m1").await.expect("signed in");
        for _ in 0..=180 {
            assert_eq!(member_of(&shop, &session).await, Some(MemberId::trusted("m1")));
            clock.advance(DAY_MS);
        }
        assert_eq!(member_of(&shop, &session).await, None);
        assert!(session.is_empty().await, "nothing of it is kept");
    }

    #[tokio::test]
    async fn who_is_signed_in_can_read_while_nothing_can_be_written() {
        let (store, shop, clock) = shop().await;
        let first = session::open(&shop, None);
        first.insert(key::MEMBER, "m1").await.expect("signed in");
        first.save().await.expect("saved");
        let full = "CREATE TRIGGER no_room BEFORE UPDATE ON session BEGIN SELECT RAISE(ABORT, 'full'); END";
        let written = store
            .write(store::Lane::Background, full, |conn, full| Box::pin(async move { conn.exec(*full, &[]).await }));
        written.await.expect("from now on");
        clock.advance(DAY_MS);
        let again = session::open(&shop, first.id());
        assert_eq!(member_of(&shop, &again).await, Some(MemberId::trusted("m1")));
        assert!(again.is_modified(), "it would be prolonged");
        again.save().await.expect("that it was not is no failure");
        again.insert("form.address", "typed").await.expect("kept");
        assert!(again.save().await.is_err(), "what else is lost is said");
    }

    #[tokio::test]
    async fn who_is_not_recognised_is_told_to_come_back_and_not_to_sign_in() {
        let (store, shop, _clock) = shop().await;
        let session = session::open(&shop, None);
        session.insert(key::MEMBER, "m1").await.expect("signed in");
        session.save().await.expect("saved");
        store.close().await;
        let again = session::open(&shop, session.id());
        let visitor = visitor(&shop, Some(&again), &HeaderMap::new(), "/orders".to_owned(), false).await;
        assert!(visitor.expect_err("no database").unreachable);
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_address_is_that_of_one_customer() {
        let counted = |address: &str| counted(address.parse().expect("an address"));
        assert_eq!(counted("192.0.2.7"), "192.0.2.7");
        assert_eq!(counted("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(counted("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_ne!(counted("2001:db8:1:3::1"), "2001:db8:1:2::/64");
    }

    #[test]
    fn the_proxys_own_word_is_taken_with_or_without_a_port() {
        let last = |line| forwarded(&headers(&[("x-forwarded-for", line)])).map(counted);
        assert_eq!(last("10.0.0.1, 192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(last("10.0.0.1, 192.0.2.7:5678").as_deref(), Some("192.0.2.7"));
        assert_eq!(last("[2001:db8::1]:80").as_deref(), Some("2001:db8::/64"));
        assert_eq!(last("2001:db8::1").as_deref(), Some("2001:db8::/64"));
        assert_eq!(last("192.0.2.7, unknown"), None);
    }

    #[test]
    fn the_cookie_wins_over_the_browsers_language() {
        let both = headers(&[("cookie", "a=b; lang=en"), ("accept-language", "zh-CN,zh;q=0.9")]);
        assert_eq!(language(&both), Lang::En);
    }

    #[test]
    fn a_cookie_of_this_host_alone_comes_first() {
        let two = headers(&[("cookie", "store=planted; __Host-store=own; x__Host-store=no")]);
        assert_eq!(cookie(&two, "store"), Some("own"));
        assert_eq!(cookie(&headers(&[("cookie", "store=\"plain\"")]), "store"), Some("plain"));
        assert_eq!(cookie(&two, "lang"), None);
    }

    #[test]
    fn the_best_known_language_is_taken() {
        assert_eq!(language(&headers(&[("accept-language", "fr,en-GB;q=0.5,zh;q=0.4")])), Lang::En);
        assert_eq!(language(&headers(&[("accept-language", "en;q=0.2, zh-CN;q=0.8")])), Lang::Zh);
        assert_eq!(language(&headers(&[("accept-language", "fr")])), Lang::Zh);
        assert_eq!(language(&headers(&[("accept-language", "en;q=0")])), Lang::Zh);
    }
}
