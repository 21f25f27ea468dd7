//! Pages kept ready. A list, a product or the first page is the same for all
//! visitors who see it in the same store, language and colours, at the same
//! prices and with as many goods in the basket; so it is rendered once, and
//! given out until something happens that it shows.
//!
//! Nothing here grows old by guess. A page's key holds everything that it is
//! made from: the versions of the catalogue and of the store's stock, which
//! every commit that touches them counts up before it is answered, how many
//! offers have begun and ended by now, and the minute, in which ages are told.
//! A page that is asked for while it is rendered is waited for, not rendered
//! twice.
//!
//! A rendered page carries a nonce for its scripts, which nobody must see
//! twice. A page that is kept carries none: its policy names its inline scripts
//! and styles by their SHA-256. So all of it may be kept, compressed too.

use crate::Server;
use crate::assets::{accepts, names};
use crate::guard::{is_html, policy};
use app::api::cx::{Theme, Visitor};
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use bytes::Bytes;
use domain::ids::StoreId;
use domain::time::MINUTE_MS;
use domain::view::Lang;
use moka::future::Cache;
use service::Shop;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::Changes;
use tokio::sync::broadcast::error::TryRecvError;

/// What all pages may weigh together.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// A page that weighs more is not kept.
const PAGE_BYTES: usize = 1024 * 1024;
/// Nobody asks for a page of a past minute.
const KEPT: Duration = Duration::from_secs(90);
/// The longest address whose page is kept.
const ADDRESS_CHARS: usize = 300;
/// Brotli's quality: pages are compressed once for many.
const BROTLI_QUALITY: u32 = 5;

/// The pages, and how many commits touched what they show.
#[derive(Debug)]
pub struct Ready {
    pages: Cache<Key, Arc<Page>>,
    heard: Mutex<Heard>,
}

/// Counters of commits.
#[derive(Debug)]
struct Heard {
    changes: Changes,
    catalogue: u64,
    stock: HashMap<StoreId, u64>,
}

/// Everything that a page is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    address: String,
    lang: Lang,
    theme: Theme,
    store: StoreId,
    is_member: bool,
    basket_count: i64,
    catalogue: u64,
    stock: u64,
    offers: usize,
    minute: i64,
}

/// A page.
#[derive(Debug)]
struct Page {
    html: Bytes,
    brotli: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
    policy: HeaderValue,
    etag: HeaderValue,
}

/// Why a page is not kept: it goes to the one for whom it was rendered.
#[derive(Debug)]
struct NotKept(Mutex<Option<Response>>);

impl Ready {
    /// No page yet; hears of the shop's commits from now on.
    pub fn new(shop: &Shop) -> Self {
        let weigh = |_: &Key, page: &Arc<Page>| u32::try_from(page.html.len() * 3 / 2).unwrap_or(u32::MAX);
        let pages = Cache::builder().max_capacity(KEPT_BYTES).time_to_live(KEPT).weigher(weigh).build();
        let heard = Heard { changes: shop.store().changes(), catalogue: 0, stock: HashMap::new() };
        Self { pages, heard: Mutex::new(heard) }
    }

    /// The versions of the catalogue and of a store's stock.
    fn versions(&self, store: &StoreId) -> (u64, u64) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.hear();
        (heard.catalogue, heard.stock.get(store).copied().unwrap_or(0))
    }
}

impl Heard {
    fn hear(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(touched) => {
                    self.catalogue += u64::from(touched.catalogue || touched.everything);
                    let stores = touched.stock.iter().map(|(store, _)| store).chain(&touched.stores);
                    for store in stores.collect::<BTreeSet<_>>() {
                        *self.stock.entry(store.clone()).or_default() += 1;
                    }
                }
                // What was missed may have touched anything.
                Err(TryRecvError::Lagged(_)) => self.catalogue += 1,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

/// Answers with a page that is ready, or makes it so.
pub async fn ready(State(server): State<Server>, request: Request, next: Next) -> Response {
    let visitor = request.extensions().get::<Visitor>();
    let is_member = visitor.is_some_and(|visitor| visitor.member.is_some());
    let visitor = visitor.filter(|_| request.method() == Method::GET).cloned();
    let key = match visitor {
        Some(visitor) if is_shared(&visitor) => key(&server, visitor).await,
        _ => None,
    };
    let Some(key) = key else { return own(next.run(request).await, is_member) };
    let headers = request.headers().clone();
    let request = Mutex::new(Some(request));
    let render = async {
        let request = request.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(request) = request else { return Err(NotKept(Mutex::new(None))) };
        Page::of(next.clone().run(request).await).await.map_err(|response| NotKept(Mutex::new(Some(*response))))
    };
    match server.ready.pages.try_get_with(key, render).await {
        Ok(page) => page.answer(&headers),
        Err(not_kept) => {
            if let Some(response) = not_kept.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return own(response, is_member);
            }
            // Another's answer, which is not for all: this request is rendered by itself.
            let request = request.lock().unwrap_or_else(PoisonError::into_inner).take();
            match request {
                Some(request) => own(next.run(request).await, is_member),
                None => crate::guard::refusal(domain::Code::Unavailable),
            }
        }
    }
}

/// What was rendered for one visitor: no copy of a member's page stays in the browser.
fn own(mut response: Response, is_member: bool) -> Response {
    if is_member && is_html(response.headers()) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The key of the page that a visitor asks for; `None` if the database does not answer.
async fn key(server: &Server, visitor: Visitor) -> Option<Key> {
    let now = server.shop.now();
    let is_member = match &visitor.member {
        Some(member) => server.shop.has_member_prices(member, now).await.ok()?,
        None => false,
    };
    // The versions first: what is committed from here on makes another key.
    let (catalogue, stock) = server.ready.versions(&visitor.store);
    Some(Key {
        address: visitor.path,
        lang: visitor.lang,
        theme: visitor.theme,
        store: visitor.store,
        is_member,
        basket_count: visitor.basket_count,
        catalogue,
        stock,
        offers: server.shop.offers_turned(now).await.ok()?,
        minute: now.0.div_euclid(MINUTE_MS),
    })
}

/// Is the page the same for all with the same key?
fn is_shared(visitor: &Visitor) -> bool {
    let (path, query) = visitor.path.split_once('?').unwrap_or((&visitor.path, ""));
    // What a form came back with is shown once.
    let once = ["__err=", "__path=", "added="].iter().any(|own| query.split('&').any(|pair| pair.starts_with(own)));
    if once || visitor.unreachable || visitor.path.len() > ADDRESS_CHARS {
        return false;
    }
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // The first page shows what a member bought, a product what is in the basket and what was chosen for it.
    let nobodys = visitor.member.is_none() && visitor.basket.is_none();
    ["/c", "/search", "/deals"].iter().any(|root| below(root)) || (nobodys && (path == "/" || below("/p")))
}

impl Page {
    /// Takes a rendered page apart; what is not a page for all is given back.
    async fn of(response: Response) -> Result<Arc<Self>, Box<Response>> {
        let headers = response.headers();
        let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|value| value.to_str().ok());
        let nonce = policy.and_then(nonce_of).map(str::to_owned);
        let for_all =
            response.status() == StatusCode::OK && is_html(headers) && !headers.contains_key(header::SET_COOKIE);
        let Some(nonce) = nonce.filter(|_| for_all) else { return Err(Box::new(response)) };
        let (parts, body) = response.into_parts();
        let broken = || crate::guard::refusal(domain::Code::Internal);
        let body = to_bytes(body, usize::MAX).await.map_err(|error| {
            tracing::error!(%error, "a page broke off");
            Box::new(broken())
        })?;
        let whole = std::str::from_utf8(&body).ok().filter(|text| text.len() <= PAGE_BYTES);
        let kept = whole.and_then(|text| Self::without(&nonce, text));
        kept.map(Arc::new).ok_or_else(|| Box::new(Response::from_parts(parts, Body::from(body))))
    }

    fn without(nonce: &str, html: &str) -> Option<Self> {
        let html = html.replace(&format!(" nonce=\"{nonce}\""), "").replace(nonce, "");
        let policy = policy(&sources(&html, "script"), &sources(&html, "style"))?;
        let etag = HeaderValue::from_str(&format!("\"{}\"", sha256(html.as_bytes()))).ok()?;
        Some(Self { html: Bytes::from(html), brotli: OnceLock::new(), gzip: OnceLock::new(), policy, etag })
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let known = names(asked, &self.etag);
        let (body, encoding) = if accepts(asked, "br") {
            (self.brotli.get_or_init(|| brotli(&self.html)), Some("br"))
        } else if accepts(asked, "gzip") {
            (self.gzip.get_or_init(|| gzip(&self.html)), Some("gzip"))
        } else {
            (&self.html, None)
        };
        let mut response = Response::new(if known { Body::empty() } else { Body::from(body.clone()) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding, accept-language, cookie"));
        out.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        out.insert(header::ETAG, self.etag.clone());
        if let Some(encoding) = encoding.filter(|_| !known) {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }
}

/// `'nonce-…'` in a policy.
fn nonce_of(policy: &str) -> Option<&str> {
    policy.split_once("'nonce-")?.1.split_once('\'').map(|(nonce, _)| nonce)
}

/// The inline elements of this name, as sources of a policy: ` 'sha256-…'` each.
pub(crate) fn sources(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut sources = String::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((attributes, after)) = after.split_once('>') else { break };
        let Some((text, after)) = after.split_once(&close) else { break };
        rest = after;
        let own = attributes.is_empty() || attributes.starts_with(char::is_whitespace);
        if own && !text.is_empty() {
            sources.push_str(" 'sha256-");
            sources.push_str(&sha256(text.as_bytes()));
            sources.push('\'');
        }
    }
    sources
}

fn sha256(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(digest(&SHA256, bytes))
}

fn brotli(html: &[u8]) -> Bytes {
    let mut out = brotli::CompressorWriter::new(Vec::new(), 16 * 1024, BROTLI_QUALITY, 20);
    out.write_all(html).and_then(|()| out.flush()).expect("memory takes all");
    Bytes::from(out.into_inner())
}

fn gzip(html: &[u8]) -> Bytes {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(html).expect("memory takes all");
    Bytes::from(out.finish().expect("memory takes all"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{BasketId, MemberId};

    fn visitor(path: &str) -> Visitor {
        Visitor { path: path.to_owned(), ..Visitor::default() }
    }

    #[test]
    fn what_is_a_visitors_own_is_not_shared() {
        for shared in ["/", "/c", "/c/dairy?sort=price_up", "/search?q=milk", "/deals", "/p/milk-950"] {
            assert!(is_shared(&visitor(shared)), "{shared}");
        }
        for own in ["/basket", "/me", "/orders/X", "/checkout", "/sign-in", "/settings", "/coupons", "/p/x?added=1"] {
            assert!(!is_shared(&visitor(own)), "{own}");
        }
        assert!(!is_shared(&visitor("/c/dairy?page=2&__err=abc")));
        assert!(!is_shared(&visitor(&format!("/search?q={}", "x".repeat(400)))));
        let guest = |path: &str| Visitor { basket: Some(BasketId::trusted("b")), ..visitor(path) };
        let member = |path: &str| Visitor { member: Some(MemberId::trusted("m")), ..guest(path) };
        for of_a_basket in ["/", "/p/milk-950"] {
            assert!(!is_shared(&guest(of_a_basket)) && !is_shared(&member(of_a_basket)));
        }
        assert!(is_shared(&guest("/c/dairy")) && is_shared(&member("/search?q=milk")));
    }

    #[test]
    fn a_kept_page_names_its_scripts_by_what_they_say() {
        let html = "<script type=\"module\" nonce=\"N1\">go()</script><script src=\"/app.js\" nonce=\"N1\"></script>\
                    <link crossorigin=\"N1\"><style nonce=\"N1\">p{}</style><scripts>x</scripts>";
        let page = Page::without("N1", html).expect("a page");
        let text = std::str::from_utf8(&page.html).expect("text");
        assert!(!text.contains("N1") && text.contains("<link crossorigin=\"\">"), "{text}");
        let policy = page.policy.to_str().expect("a policy");
        assert!(policy.contains(&format!("script-src 'self' 'sha256-{}' ", sha256(b"go()"))), "{policy}");
        assert!(policy.contains(&format!("style-src 'self' 'sha256-{}'", sha256(b"p{}"))), "{policy}");
        assert!(!policy.contains("nonce"));
        assert_eq!(nonce_of("script-src 'self' 'nonce-abc' x"), Some("abc"));
    }

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let page = Page::without("N1", "<p>牛奶</p>").expect("a page");
        let mut asked = HeaderMap::new();
        asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        let first = page.answer(&asked);
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "br");
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let again = page.answer(&asked);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.headers().contains_key(header::CONTENT_SECURITY_POLICY), "the browser takes it from here");
    }
}
