//! The whole shop, asked over its router without a network: its answers, and
//! what every answer must hold to.

use crate::world::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use domain::Packs;
use domain::ids::{BasketId, MemberId};
use domain::view::{Lang, PlaceForm};
use futures::StreamExt;
use leptos::config::LeptosOptions;
use server::assets::Assets;
use server::config::Config;
use server::limits::Limits;
use server::live::Live;
use server::operation::Readiness;
use server::places::Bounds;
use server::ready::Ready;
use server::{Parts, Server, router};
use service::checkout::CheckoutChoice;
use service::{Error, Result, Visit};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceExt;

/// Where the shop says that it is.
pub const HERE: &str = "http://shop.test";
/// The member who is signed in.
const PHONE: &str = "13800000001";
/// The largest answer that is read.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// A shop with a router before it, a member who has signed in and ordered, and
/// a till with a token.
#[derive(Debug)]
pub struct Front {
    /// The shop.
    pub world: World,
    /// The member's cookie.
    pub cookie: String,
    /// The till's token.
    pub token: String,
    /// What stands for what in inputs: ids are others each time.
    names: Vec<(&'static str, String)>,
    router: Router,
    // Streams end when it does.
    _stop: watch::Sender<bool>,
}

/// An answer, read whole (of a stream: its beginning).
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Front {
    /// A demo shop that is open.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn new() -> Self {
        let world = World::new();
        let (stop, stopped) = watch::channel(false);
        let guard = world.runtime.enter();
        let server = server(&world, stopped);
        let router = router::router(server);
        drop(guard);
        let mut front =
            Self { world, cookie: String::new(), token: String::new(), names: Vec::new(), router, _stop: stop };
        front.cookie = front.sign_in();
        front.token = front.world.runtime.block_on(front.world.shop.add_token("till", "feed")).expect("a token");
        front.names = front.world.runtime.block_on(names(&front.world)).expect("goods and an order");
        front
    }

    /// What is sent: names such as `SKU1` stand for ids.
    pub fn resolve(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// Asks.
    ///
    /// # Panics
    /// If the answer has no end.
    pub fn ask(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))));
        let router = self.router.clone();
        self.world.runtime.block_on(async {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
            let body = if stream {
                let first = tokio::time::timeout(Duration::from_millis(200), body.into_data_stream().next()).await;
                first.ok().flatten().and_then(std::result::Result::ok).unwrap_or_default()
            } else {
                to_bytes(body, ANSWER_MAX).await.expect("a bounded answer")
            };
            Answer { status: parts.status, headers: parts.headers, body: body.into() }
        })
    }

    fn form(&self, path: &str, cookie: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::COOKIE, cookie);
        self.ask(request.body(Body::from(body.to_owned())).expect("a request"))
    }

    /// Signs the member in; the cookie.
    fn sign_in(&self) -> String {
        let asked = self.form("/api/account/request_code", "", &format!("phone={PHONE}"));
        let cookie = asked.cookie().expect("a session");
        let code = self.world.runtime.block_on(async {
            let shop = &self.world.shop;
            shop.run_due(shop.now()).await;
            store::sandbox::message(&mut shop.store().read().await?, PHONE).await
        });
        let code = code.expect("a read").expect("the code");
        let signed = self.form("/api/account/sign_in", &cookie, &format!("code={code}"));
        assert_eq!(signed.status, StatusCode::OK, "{signed:?}");
        signed.cookie().expect("the member's session")
    }
}

impl Default for Front {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    fn cookie(&self) -> Option<String> {
        let line = self.headers.get(header::SET_COOKIE)?.to_str().ok()?;
        line.split(';').next().map(str::to_owned)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What every answer holds to, whatever was asked.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&self) {
        let bad = self.status.is_server_error() && self.status != StatusCode::SERVICE_UNAVAILABLE;
        assert!(!bad, "{}: {}", self.status, self.text());
        assert!(self.headers.contains_key(header::CONTENT_SECURITY_POLICY));
        for cookie in self.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("plain text");
            let known = ["zaijia_session=", "lang=", "theme=", "store="];
            assert!(known.iter().any(|name| cookie.starts_with(name)), "{cookie}");
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        }
        if let Some(location) = self.headers.get(header::LOCATION) {
            let location = location.to_str().expect("plain text");
            assert!(leads_here(location), "leads away: {location:?}");
        }
        let html = self.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if html {
            check_html(&self.text());
        }
    }
}

/// Does a browser that follows this stay here?
///
/// # Panics
/// Never: our own address is a URL.
pub fn leads_here(location: &str) -> bool {
    let here = url::Url::parse(HERE).expect("a URL");
    here.join(location).is_ok_and(|to| to.origin() == here.origin())
}

/// Marks that inputs carry into pages never become markup: `<zjx` no element,
/// `//zjx` and `javascript:` no link's target.
fn check_html(html: &str) {
    for odd in ["<zjx", "href=\"//zjx", "href=\"http://zjx", "href=\"javascript:"] {
        assert!(!html.contains(odd), "{odd} in {}", around(html, odd));
    }
}

fn around<'a>(html: &'a str, odd: &str) -> &'a str {
    let at = html.find(odd).unwrap_or_default();
    let (from, to) = (html.floor_char_boundary(at.saturating_sub(100)), html.ceil_char_boundary(at + 100));
    &html[from..to]
}

fn server(world: &World, stopped: watch::Receiver<bool>) -> Server {
    let config = Config { public_url: Some(HERE.to_owned()), ..Config::default() };
    Server::new(Parts {
        live: Live::start(&world.shop, Bounds { all: 0, visitor: 0, address: 0 }, stopped),
        ready: Ready::new(&world.shop),
        limits: Limits::new(0, 0),
        assets: Assets::default(),
        config,
        shop: world.shop.clone(),
        draining: AtomicBool::new(false),
        readiness: Readiness::default(),
        metrics: None,
        leptos: LeptosOptions::builder().output_name("zaijia").build(),
    })
}

/// Goods, and an order that waits for its money.
async fn names(world: &World) -> Result<Vec<(&'static str, String)>> {
    let shop = &world.shop;
    let now = shop.now();
    let member = store::members::by_phone(&mut shop.store().read().await?, PHONE).await?.expect("the member");
    let member = MemberId::trusted(member.id);
    let store = shop.default_store().await?;
    let basket = BasketId::trusted(member.as_str());
    let visit = Visit { store: store.clone(), lang: Lang::En, member: Some(member), basket, now };
    let mut conn = shop.store().read().await?;
    let mut sku = async |code| store::catalogue::by_code(&mut conn, &store, code).await.map(|row| row.expect("goods"));
    let (one, two) = (sku("FA001").await?.sku.id, sku("DF001").await?.sku.id);
    drop(conn);
    shop.add(&visit, &one, Packs(1)).await?;
    let choice = CheckoutChoice { kind: "pickup".to_owned(), ..CheckoutChoice::default() };
    let page = shop.checkout(&visit, choice).await?;
    let slot = page.slots.iter().find(|slot| slot.open).map(|slot| slot.id.to_string()).unwrap_or_default();
    let form = PlaceForm {
        idempotency_key: page.idempotency_key,
        kind: "pickup".to_owned(),
        slot: Some(slot.clone()),
        payable: page.basket.totals.payable.0,
        ..PlaceForm::default()
    };
    let placed = shop.place(&visit, form).await?;
    let url = shop.pay(&visit, &placed.code).await?;
    let trade = url.rsplit('/').next().unwrap_or_default().to_owned();
    shop.add(&visit, &two, Packs(2)).await?;
    Ok::<_, Error>(vec![
        ("SKU1", one.to_string()),
        ("SKU2", two.to_string()),
        ("ORDER1", placed.code),
        ("SLOT1", slot),
        ("TRADE1", trade),
    ])
}
