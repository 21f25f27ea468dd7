//! Small texts that browsers send along: where to go back to, the error of a
//! form in an address, cookies and languages.

use crate::front::leads_here;
use app::api::cx::safe_back;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::view::Lang;
use server::visitor::{cookie, language};
use ui::AppError;
use ui::text::sentence;

/// Reads the text in every way that a request's edge does.
///
/// # Panics
/// If a rule is broken: a finding.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let back = safe_back(&text);
    assert!(back.starts_with('/') && leads_here(back), "leads away: {back:?}");
    if let Some(error) = AppError::from_query(&text) {
        for lang in [Lang::Zh, Lang::En] {
            assert!(!sentence(lang, &error).contains(['<', '>', '"']), "markup in {error:?}");
        }
        assert!(error.message.is_none(), "sentences are the shop's own");
    }
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_LANGUAGE, value.clone());
    let accepted = language(&headers);
    headers.insert(header::COOKIE, value);
    if let Some(chosen) = cookie(&headers, "lang").and_then(Lang::parse) {
        assert_eq!(language(&headers), chosen, "the cookie wins");
    } else {
        assert_eq!(language(&headers), accepted);
    }
}
