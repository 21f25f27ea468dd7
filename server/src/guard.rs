//! What is refused before a page or a server function runs, and what every
//! answer carries: cross-site requests, texts with a NUL in them, functions that
//! are not the visitor's, security headers.
//!
//! PostgreSQL takes a NUL in no text: a statement with one fails, and with it all
//! that is served together. No browser lets anybody type one. So a request that has
//! one in its address or its form is refused here, whatever it is for.

use crate::Server;
use crate::router::FORM_BYTES;
use app::api::access::{Access, access};
use app::api::cx::{Visitor, is_plain_form};
use app::encode;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use domain::view::Lang;
use domain::{Code, UserError};
use ui::AppError;

/// Paths whose callers are no browsers and prove themselves by a token or a signature.
pub(crate) const EXEMPT: [&str; 2] = ["/api/v1/", "/api/pay/"];

/// Refuses requests that another site made a browser send.
///
/// A browser says by `Sec-Fetch-Site` where a request comes from; an older one
/// by `Origin`. A client that says neither is no browser and carries no
/// visitor's cookie by itself.
pub async fn same_site(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let public_url = server.config.public_url();
    if is_same_site(request.method(), request.uri().path(), request.headers(), &public_url) {
        // A form that is refused leads back to the page that it says it came from: to one of this shop only.
        if !comes_from_here(request.headers(), &public_url) {
            request.headers_mut().remove(header::REFERER);
        }
        return next.run(request).await;
    }
    tracing::warn!(path = request.uri().path(), "a cross-site request was refused");
    refusal(Code::Forbidden)
}

fn is_same_site(method: &Method, path: &str, headers: &HeaderMap, public_url: &str) -> bool {
    if method.is_safe() || EXEMPT.iter().any(|exempt| path.starts_with(exempt)) {
        return true;
    }
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN);
    if origin == Some(public_url) {
        return true;
    }
    match (text(HeaderName::from_static("sec-fetch-site")), origin) {
        (Some("same-origin" | "none"), _) | (None, None) => true,
        (Some(_), _) => false,
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == text(header::HOST)
        }
    }
}

/// Is the page that the request came from, if it names one, a page of this shop?
pub(crate) fn comes_from_here(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(referer) = text(header::REFERER) else { return true };
    let origin = |url: &str| {
        let start = url.find("://")? + 3;
        let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
        matches!(&url[..start], "http://" | "https://").then(|| (start, end))
    };
    let Some((start, end)) = origin(referer) else { return false };
    referer[..end] == *public_url || Some(&referer[start..end]) == text(header::HOST)
}

/// No error weighs more.
const ERROR_BYTES: usize = 64 * 1024;

/// The methods that anything here answers to.
pub const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

/// Refuses other methods, and addresses with a NUL in them, before anything has to know them.
pub async fn well_formed(request: Request, next: Next) -> Response {
    if !METHODS.contains(request.method()) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD, POST")]).into_response();
    }
    let uri = request.uri();
    if path_has_nul(uri.path()) || has_nul(uri.query().unwrap_or_default().as_bytes()) {
        return refusal(Code::Invalid);
    }
    next.run(request).await
}

/// Is there a NUL in it, as it is or percent-encoded?
fn has_nul(text: &[u8]) -> bool {
    text.contains(&0) || text.windows(3).any(|three| three == b"%00")
}

/// The same of a path, of which the pages' router decodes the parts twice.
fn path_has_nul(path: &str) -> bool {
    path.contains('%') && has_nul(path.replace("%25", "%").as_bytes())
}

/// The field of a form that has a NUL in it; `form` if its name is no plain word.
fn field_with_nul(form: &[u8]) -> Option<&str> {
    let pair = form.split(|byte| *byte == b'&').find(|pair| has_nul(pair))?;
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    let plain = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    Some(std::str::from_utf8(name).ok().filter(|_| plain).unwrap_or("form"))
}

/// The request with its form read, if there is no NUL in it.
async fn without_nul(request: Request) -> Result<Request, UserError> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let (parts, form) = request.into_parts();
    let too_large = || UserError::new(Code::TooLarge).with("max", FORM_BYTES);
    let form = to_bytes(form, FORM_BYTES).await.map_err(|_| too_large())?;
    match field_with_nul(&form) {
        Some(field) => Err(UserError::invalid(field)),
        None => Ok(Request::from_parts(parts, Body::from(form))),
    }
}

/// Refuses a server function that is not listed, that is not the visitor's, or whose
/// form has a NUL in it, before any of it runs.
pub async fn authorise(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let visitor = request.extensions().get::<Visitor>();
    let lang = visitor.map(|visitor| visitor.lang).unwrap_or_default();
    let is_member = visitor.is_some_and(|visitor| visitor.member.is_some());
    match access(request.uri().path()) {
        None => return refusal(AppError::new(Code::NotFound).localized(lang)),
        Some(Access::Member) if !is_member => {
            tracing::info!(path = request.uri().path(), "refused to who has not signed in");
        }
        Some(_) => {
            return match without_nul(request).await {
                Ok(request) => understood(next.run(request).await, lang).await,
                Err(error) => refusal(AppError::from(error).localized(lang)),
            };
        }
    }
    let (parts, _) = request.into_parts();
    if is_plain_form(&parts) {
        let back = parts.headers.get(header::REFERER).and_then(|referer| referer.to_str().ok()).map_or("/", path_of);
        return Redirect::to(&format!("/sign-in?back={}", encode(back))).into_response();
    }
    refusal(AppError::new(Code::SignInFirst).localized(lang))
}

/// An answer of a server function with the status of its error. Arguments that
/// cannot be read end before the function, as a fault of the server's.
async fn understood(answer: Response, lang: Lang) -> Response {
    if answer.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, ERROR_BYTES).await.unwrap_or_default();
    match serde_json::from_slice::<AppError>(&body) {
        Ok(error) if error.code != Code::Internal => refusal(error.localized(lang)),
        _ => Response::from_parts(parts, Body::from(body)),
    }
}

/// Path and query of a URL.
pub(crate) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// An error as JSON, with its status, as the stubs in the browser read it. It goes
/// along as itself, too, for who makes a page of it (`mishap`).
pub fn refusal(error: impl Into<AppError>) -> Response {
    let error = error.into();
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Extension(error.clone()), axum::Json(error)).into_response()
}

/// The Content-Security-Policy of a page, given the sources of its inline
/// scripts and styles, each with a space before it.
pub fn policy(scripts: &str, styles: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!(
        "default-src 'self'; script-src 'self'{scripts} 'wasm-unsafe-eval'; style-src 'self'{styles}; \
         img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    ))
    .ok()
}

/// The policy of Swagger UI, which styles itself.
const SWAGGER: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The policy of the service worker, which fetches what it keeps.
const WORKER: &str = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";
/// The policy of everything that is no page.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Pages that show what is a member's own: no copy stays in the browser.
const PRIVATE: [&str; 8] = ["/me", "/orders", "/checkout", "/pay", "/basket", "/sign-in", "/sandbox", "/api"];

/// All texts are UTF-8, also those of libraries that do not say so.
fn say_charset(headers: &mut HeaderMap) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let Some(kind) = kind.filter(|kind| kind.starts_with("text/") && !kind.contains("charset")) else { return };
    // An event stream is UTF-8 by its own rule.
    if kind != "text/event-stream"
        && let Ok(kind) = HeaderValue::from_str(&format!("{kind}; charset=utf-8"))
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
}

/// Is what these headers go with a page?
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Adds what every answer carries.
pub async fn headers(State(server): State<Server>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    say_charset(response.headers_mut());
    let html = is_html(response.headers());
    let out = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        if !out.contains_key(&name) {
            out.insert(name, HeaderValue::from_static(value));
        }
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Whole paths within the shop: a plain form's error goes back to the page it came from.
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("permissions-policy"), "geolocation=(self), camera=(), microphone=(), payment=()");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    let policy = match path.as_str() {
        "/sw.js" => WORKER,
        path if path.starts_with("/swagger") => SWAGGER,
        _ => NOTHING,
    };
    set(header::CONTENT_SECURITY_POLICY, policy);
    if server.config.is_https() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    let private =
        PRIVATE.iter().any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if private {
        set(header::CACHE_CONTROL, "no-store");
    } else if html {
        set(header::CACHE_CONTROL, "private, no-cache");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_same_site(&Method::POST, "/api/basket/add", &headers.collect(), "https://shop.example")
    }

    #[test]
    fn a_form_on_another_site_is_refused() {
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(from(&[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")]));
        assert!(from(&[("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000")]));
        assert!(from(&[]));
        assert!(!from(&[("sec-fetch-site", "cross-site")]));
        assert!(!from(&[("sec-fetch-site", "same-site")]));
        assert!(!from(&[("origin", "null"), ("host", "127.0.0.1:3000")]));
        assert!(!from(&[("origin", "https://evil.example"), ("host", "127.0.0.1:3000")]));
    }

    #[test]
    fn a_nul_is_found_however_it_is_written() {
        assert!(has_nul(b"q=%00") && has_nul(b"a\0b") && !has_nul(b"q=100%2500"));
        assert!(path_has_nul("/p/%00") && path_has_nul("/p/a%2500"));
        assert!(!path_has_nul("/p/100") && !path_has_nul("/c/%E5%A5%B6") && !path_has_nul("/c/%250"));
        assert_eq!(field_with_nul(b"kind=pickup&note=a%00b"), Some("note"));
        assert_eq!(field_with_nul(b"note=&a%00b=1"), Some("form"));
        assert_eq!(field_with_nul(b"sub%5Bs1%5D=\0"), Some("form"));
        assert_eq!(field_with_nul(b"note=100%2500&x=00"), None);
        assert_eq!(field_with_nul(b""), None);
    }

    #[test]
    fn only_pages_of_the_shop_are_led_back_to() {
        let here = |referer: &'static str| {
            let headers = [(header::REFERER, referer), (header::HOST, "127.0.0.1:3000")];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            comes_from_here(&HeaderMap::from_iter(headers), "https://shop.example")
        };
        assert!(comes_from_here(&HeaderMap::new(), "https://shop.example"));
        assert!(here("https://shop.example/checkout?x=1") && here("https://shop.example"));
        assert!(here("http://127.0.0.1:3000/basket"));
        for other in [
            "https://evil.example/basket",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "javascript://127.0.0.1:3000/%0aalert(1)",
            "//evil.example/",
            "/basket",
        ] {
            assert!(!here(other), "{other}");
        }
    }

    #[test]
    fn reading_and_callbacks_are_not_asked_where_they_come_from() {
        let cross =
            HeaderMap::from_iter([(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("cross-site"))]);
        assert!(is_same_site(&Method::GET, "/", &cross, ""));
        assert!(is_same_site(&Method::POST, "/api/pay/sandbox/callback", &cross, ""));
        assert!(!is_same_site(&Method::POST, "/api/basket/add", &cross, ""));
    }

    #[test]
    fn every_server_function_says_who_may_call_it() {
        let registered: std::collections::BTreeSet<String> =
            leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path.to_owned()).collect();
        let listed: std::collections::BTreeSet<String> =
            app::api::access::ACCESS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert!(!registered.is_empty());
        assert_eq!(registered, listed);
    }

    #[test]
    fn the_way_back_is_a_path() {
        assert_eq!(path_of("http://127.0.0.1:3000/orders?x=1"), "/orders?x=1");
        assert_eq!(path_of("http://127.0.0.1:3000"), "/");
        assert_eq!(encode("/orders?x=1"), "/orders%3Fx%3D1");
    }
}
