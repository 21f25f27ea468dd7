//! What a person sees where there is no page. A refusal or a failure is answered in
//! JSON, in plain text or by nothing: too many requests, no answer in time, a defect,
//! a database that is away, a form that is too large or another site's. A browser
//! that asked for a page is shown a small one in its place, in the visitor's language
//! and colours. It needs nothing of the shop but the files that the server has.

use crate::Server;
use crate::assets::Assets;
use crate::guard::{EXEMPT, comes_from_here, is_html, path_of, policy};
use crate::ready::sources;
use crate::router::FORM_BYTES;
use crate::visitor::{cookie, language};
use app::api::cx::{Theme, safe_back};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::view::Lang;
use domain::{Code, UserError};
use ui::text::sentence;
use ui::{AppError, tr};

/// The style of a page where the shop's own is not there.
const STYLE: &str = "body{max-width:36rem;margin:15vh auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}\
                     a{margin-inline-end:1.5rem}";

/// Puts a page into the place of an error that a browser would show as it is.
pub async fn explain(State(server): State<Server>, request: Request, next: Next) -> Response {
    let asked = asks_for_page(&request).then(|| Asked::of(&request, &server.config.public_url()));
    let response = next.run(request).await;
    let status = response.status();
    match asked {
        Some(asked) if (status.is_client_error() || status.is_server_error()) && !is_html(response.headers()) => {
            asked.answer(response, &server.assets)
        }
        _ => response,
    }
}

fn asks_for_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let by_machine = EXEMPT.iter().any(|exempt| request.uri().path().starts_with(exempt));
    !by_machine && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Who asked, and how.
#[derive(Debug)]
struct Asked {
    lang: Lang,
    theme: Theme,
    head: bool,
    form: bool,
    /// The page to try again: this one, or the one that the form is on.
    again: Option<String>,
}

impl Asked {
    fn of(request: &Request, public_url: &str) -> Self {
        let headers = request.headers();
        let form = request.method() == Method::POST;
        let again = if form {
            let from = headers.get(header::REFERER).and_then(|referer| referer.to_str().ok()).map(path_of);
            from.filter(|_| comes_from_here(headers, public_url))
        } else {
            request.uri().path_and_query().map(PathAndQuery::as_str)
        };
        Self {
            lang: language(headers),
            theme: cookie(headers, "theme").map(Theme::parse).unwrap_or_default(),
            head: request.method() == Method::HEAD,
            form,
            again: again.map(|path| safe_back(path).to_owned()),
        }
    }

    /// The page, with the status and the headers of the error.
    fn answer(&self, response: Response, assets: &Assets) -> Response {
        let (mut parts, _) = response.into_parts();
        let known = parts.extensions.get::<AppError>().cloned();
        let error = known.unwrap_or_else(|| error_of(parts.status, &parts.headers));
        let html = self.page(parts.status, &error, assets);
        for of_the_body in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG] {
            parts.headers.remove(of_the_body);
        }
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(policy) = policy(&sources(&html, "script"), &sources(&html, "style")) {
            parts.headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        Response::from_parts(parts, if self.head { Body::empty() } else { Body::from(html) })
    }

    fn page(&self, status: StatusCode, error: &AppError, assets: &Assets) -> String {
        let lang = self.lang;
        let title =
            if error.code == Code::NotFound { tr!(lang, site.not_found_title) } else { tr!(lang, site.failed_title) };
        let (scheme, theme) = match self.theme {
            Theme::Auto => ("light dark", String::new()),
            own => (own.as_str(), format!(" data-theme=\"{}\"", own.as_str())),
        };
        let style = if assets.is_empty() {
            format!("<style>{STYLE}</style>")
        } else {
            format!("<link rel=\"stylesheet\" href=\"/pkg/{}.css\">", assets.output_name())
        };
        // The same request again is of use where another answer may come.
        let passes = self.form || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let again = self.again.as_deref().filter(|_| passes).map_or_else(String::new, |path| {
            format!(" <a class=\"button\" href=\"{}\">{}</a>", escaped(path), tr!(lang, site.offline_retry))
        });
        format!(
            "<!DOCTYPE html><html lang=\"{}\"{theme}><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"{scheme}\"><link rel=\"icon\" href=\"/favicon.svg\">{style}\
             <title>{title} · {}</title></head><body><main id=\"main\" class=\"main stack\"><h1>{title}</h1><p>{}</p>\
             <p class=\"cluster\"><a class=\"button primary\" href=\"/\">{}</a>{again}</p></main></body></html>",
            lang.tag(),
            tr!(lang, words.shop),
            escaped(&sentence(lang, error)),
            tr!(lang, site.go_home),
        )
    }
}

/// What an error without a code says by its status.
fn error_of(status: StatusCode, headers: &HeaderMap) -> AppError {
    let error = match status.as_u16() {
        403 => UserError::new(Code::Forbidden),
        404 | 405 => UserError::new(Code::NotFound),
        413 => UserError::new(Code::TooLarge).with("max", format!("{} KiB", FORM_BYTES / 1024)),
        429 => {
            let wait_s = headers.get(header::RETRY_AFTER).and_then(|wait_s| wait_s.to_str().ok());
            wait_s.map_or_else(|| UserError::new(Code::TooMany), |s| UserError::new(Code::TooMany).with("retry_s", s))
        }
        503 => UserError::new(Code::Unavailable),
        400..=499 => UserError::new(Code::Invalid),
        _ => UserError::new(Code::Internal),
    };
    error.into()
}

/// A text within markup or an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn asked(method: Method, uri: &str, headers: &[(&'static str, &'static str)]) -> Asked {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Asked::of(&request.body(Body::empty()).expect("a request"), "https://shop.example")
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 64 * 1024).await.expect("a body");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn an_error_is_a_page_in_the_visitors_language_that_leads_on() {
        let asked = asked(Method::GET, "/c/dairy?x=1&y=2", &[("accept-language", "en"), ("cookie", "theme=dark")]);
        let refused = (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")], axum::Json("x")).into_response();
        let page = asked.answer(refused, &Assets::default());
        assert_eq!(page.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(page.headers()[header::RETRY_AFTER], "7");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
        assert!(policy.contains("style-src 'self' 'sha256-") && !policy.contains("unsafe-inline"), "{policy}");
        let html = text(page).await;
        let again = "href=\"/c/dairy?x=1&amp;y=2\"";
        for part in ["lang=\"en\" data-theme=\"dark\"", "Please wait 7 seconds", "href=\"/\"", again] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[tokio::test]
    async fn a_form_is_led_back_to_its_page_and_nowhere_else() {
        for (referer, to) in [
            ("https://shop.example/basket?x=1&y=2", Some("href=\"/basket?x=1&amp;y=2\"")),
            ("https://evil.example/basket", None),
            ("https://shop.example//evil.example/", Some("class=\"button\" href=\"/\"")),
        ] {
            let asked = asked(Method::POST, "/api/basket/add", &[("referer", referer)]);
            let error = crate::guard::refusal(AppError::internal("R-123"));
            let html = text(asked.answer(error, &Assets::default())).await;
            assert!(html.contains("R-123") && html.contains("lang=\"zh-CN\""), "{html}");
            assert_eq!(html.matches("class=\"button\"").count(), usize::from(to.is_some()), "{html}");
            assert!(to.is_none_or(|to| html.contains(to)) && !html.contains("evil"), "{referer}: {html}");
        }
    }

    #[tokio::test]
    async fn who_asked_for_the_head_gets_no_body() {
        let asked = asked(Method::HEAD, "/p/x", &[]);
        let page = asked.answer(StatusCode::NOT_FOUND.into_response(), &Assets::default());
        assert!(is_html(page.headers()));
        assert_eq!(text(page).await, "");
    }

    #[test]
    fn a_status_says_what_it_can() {
        let code = |status: u16| error_of(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new()).code;
        assert_eq!([404, 405, 413, 429].map(code), [Code::NotFound, Code::NotFound, Code::TooLarge, Code::TooMany]);
        assert_eq!([400, 431, 500, 503].map(code), [Code::Invalid, Code::Invalid, Code::Internal, Code::Unavailable]);
    }
}
