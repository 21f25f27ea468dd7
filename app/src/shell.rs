//! The document around every page: head, header with store and search, tabs,
//! main, footer, and the places for messages.

use crate::api::cx::{Theme, Visitor, visit};
use crate::islands::{AddTexts, AddToBasket, SearchBox, SearchTexts, SubmitOnce};
use domain::view::Lang;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};
use ui::components::{Flash, Icon};
use ui::error::FormError;
use ui::{AppError, format, tr};

/// A pointer that rests on a link fetches the page behind it: pages to read, nothing that acts.
const PREFETCH: &str = r#"{"prefetch":[{"where":{"or":[{"href_matches":"/p/*"},{"href_matches":"/c/*"},{"href_matches":"/c"},{"href_matches":"/deals"}]},"eagerness":"moderate"}]}"#;

/// The HTML document. `App` is rendered into its body.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let visitor = visit();
    let lang = visitor.lang;
    let theme = (visitor.theme != Theme::Auto).then(|| visitor.theme.as_str());
    let scheme = match visitor.theme {
        Theme::Auto => "light dark",
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    view! {
        <!DOCTYPE html>
        <html lang=lang.tag() data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
                <meta name="color-scheme" content=scheme />
                <meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)" />
                <meta name="theme-color" content="#181f1a" media="(prefers-color-scheme: dark)" />
                <meta name="format-detection" content="telephone=no" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="apple-touch-icon" href="/icons/180.png" />
                <link rel="manifest" href="/manifest.webmanifest" />
                <HashedStylesheet options=options.clone() id="style" />
                <AutoReload options=options.clone() />
                <HydrationScripts options islands=true />
                <script src="/app.js" defer nonce=use_nonce()></script>
                <script type="speculationrules" nonce=use_nonce() inner_html=PREFETCH></script>
                <MetaTags />
            </head>
            <body>
                <crate::App />
            </body>
        </html>
    }
}

/// What the pages find as contexts: the visitor, the language, the error of the
/// form just sent.
pub(crate) fn provide_contexts(visitor: &Visitor) {
    provide_context(visitor.clone());
    provide_context::<Lang>(visitor.lang);
    provide_context(FormError(error_of(&visitor.path)));
}

/// The error that a plain form came back with: `?__path=…&__err=…`. A form
/// refused twice comes back with both; the last one counts.
fn error_of(path: &str) -> Option<AppError> {
    let query = path.split_once('?')?.1;
    let value = query.split('&').filter_map(|pair| pair.strip_prefix("__err=")).next_back()?;
    AppError::from_query(&value.replace("%3D", "=").replace("%3d", "="))
}

/// The path and query of the page, without the error of a form.
pub fn here(visitor: &Visitor) -> String {
    let Some((path, query)) = visitor.path.split_once('?') else { return visitor.path.clone() };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !["__err=", "__path=", "added="].iter().any(|own| pair.starts_with(own)))
        .collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Skip link, header, `children` in main, footer, places for messages.
#[component]
pub(crate) fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let visitor = visit();
    let lang = visitor.lang;
    view! {
        <a class="skip" href="#main">{tr!(lang, words.skip)}</a>
        <Header visitor=visitor.clone() />
        <main id="main" class="main" tabindex="-1">
            <Flash />
            {children()}
        </main>
        <Footer lang=lang />
        <div id="live" class="visually-hidden" role="status" aria-live="polite"></div>
        <div id="toasts" class="toasts" role="status" aria-live="polite"></div>
        <SubmitOnce />
        <AddToBasket texts=AddTexts {
            added: tr!(lang, site.added).to_owned(),
            undo: tr!(lang, words.undo).to_owned(),
            undone: tr!(lang, site.undone).to_owned(),
            failed: tr!(lang, errors.unavailable).to_owned(),
        } />
    }
}

#[component]
fn Header(visitor: Visitor) -> impl IntoView {
    let lang = visitor.lang;
    let path = here(&visitor);
    let store_label = tr!(lang, site.store_label, name = &visitor.store_name);
    view! {
        <header class="header">
            <div class="header-inner">
                <a class="brand" href="/" aria-label=tr!(lang, site.to_home)><Logo />{tr!(lang, words.shop)}</a>
                <a class="store-chooser" href=format!("/stores?back={}", encode(&path)) aria-label=store_label>
                    <Icon name="pin" size=16 /><span>{visitor.store_name.clone()}</span><Icon name="down" size=14 />
                </a>
                <a class="icon-button header-end" href="/settings" aria-label=tr!(lang, words.settings)><Icon name="settings" size=20 /></a>
                <div class="header-search">
                    <SearchBox value=query_value(&visitor.path, "q") texts=search_texts(lang) />
                </div>
                <Tabs lang=lang path=path count=visitor.basket_count />
            </div>
        </header>
    }
}

#[component]
fn Tabs(lang: Lang, path: String, count: i64) -> impl IntoView {
    let tab = |href: &'static str, icon: &'static str, label: &'static str, here: bool| {
        view! { <a href=href aria-current=here.then_some("page")><Icon name=icon />{label}</a> }
    };
    let path = path.split('?').next().unwrap_or("/").to_owned();
    let under = |roots: &[&str]| roots.iter().any(|root| path == *root || path.starts_with(&format!("{root}/")));
    let basket = under(&["/basket", "/checkout"]);
    let badge = if count > 0 { format::badge(count) } else { String::new() };
    view! {
        <nav class="tabs" aria-label=tr!(lang, words.main_menu)>
            {tab("/", "home", tr!(lang, words.home), path == "/")}
            {tab("/c", "categories", tr!(lang, words.categories), under(&["/c"]))}
            <a href="/basket" aria-current=basket.then_some("page")>
                <Icon name="basket" />{tr!(lang, words.basket)}
                <span class="badge" data-basket-count=count.to_string() aria-hidden="true">{badge}</span>
                <span class="visually-hidden" data-basket-words=tr!(lang, words.pieces, n = "{n}")>{(count > 0).then(|| tr!(lang, words.pieces, n = count))}</span>
            </a>
            {tab("/me", "me", tr!(lang, words.me), under(&["/me", "/orders", "/sign-in"]))}
        </nav>
    }
}

#[component]
fn Footer(lang: Lang) -> impl IntoView {
    view! {
        <footer class="footer">
            <ul role="list">
                <li><a href="/about">{tr!(lang, words.about)}</a></li>
                <li><a href="/stores">{tr!(lang, site.stores)}</a></li>
                <li><a href="/settings">{tr!(lang, site.language_and_theme)}</a></li>
            </ul>
            <p>{tr!(lang, words.shop)}" · "{tr!(lang, words.shop_tagline)}</p>
        </footer>
    }
}

/// The shop's mark: a leaf on a shelf.
#[component]
fn Logo() -> impl IntoView {
    view! {
        <svg viewBox="0 0 64 64" width="28" height="28" aria-hidden="true" focusable="false">
            <rect width="64" height="64" rx="15" fill="#08783a" />
            <path d="M14 47.500h36M14 47.500v5M50 47.500v5" stroke="#fff" stroke-width="4" stroke-linecap="round" fill="none" />
            <path d="M32 44c-10-4-13-12-11-24 10 1 15 6 15.500 15 1.500-4 5-6.500 10.500-7-.500 9-5 15-15 16Z" fill="#d9f7c8" />
            <path d="M32 44c-1-8-4-14-7-18" stroke="#08783a" stroke-width="2.500" stroke-linecap="round" fill="none" />
        </svg>
    }
}

fn search_texts(lang: Lang) -> SearchTexts {
    SearchTexts {
        label: tr!(lang, site.search_label).to_owned(),
        placeholder: tr!(lang, site.search_placeholder).to_owned(),
        button: tr!(lang, words.search).to_owned(),
        suggestions: tr!(lang, site.suggestions).to_owned(),
        recent: tr!(lang, site.recent).to_owned(),
    }
}

/// The decoded value of `name` in the query of `path`; empty if it is not there.
pub(crate) fn query_value(path: &str, name: &str) -> String {
    path.split_once('?')
        .and_then(|(_, query)| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name))
        .map(|(_, value)| decode(value))
        .unwrap_or_default()
}

/// Percent-encodes a value for a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out
}

/// Reads a percent-encoded value; `+` is a space. What is not UTF-8, or a NUL, is replaced.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                // A NUL can be written in odd ways, such as `%+0`, and PostgreSQL takes it in no text.
                out.push(u8::from_str_radix(&hex, 16).ok().filter(|byte| *byte != 0).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_written() {
        let path = format!("/search?q={}&page=2", encode("牛奶 & 蛋"));
        assert_eq!(query_value(&path, "q"), "牛奶 & 蛋");
        assert_eq!(query_value("/search?q=a+b", "q"), "a b");
        assert_eq!(query_value("/search?x=%", "x"), "?");
        assert_eq!(query_value("/search?x=%00%+0%0", "x"), "???");
        assert_eq!(query_value("/", "q"), "");
    }

    #[test]
    fn a_page_is_come_back_to_without_the_error_of_its_form() {
        let visitor = |path: &str| Visitor { path: path.to_owned(), ..Visitor::default() };
        assert_eq!(here(&visitor("/p/x?__path=%2Fapi&__err=abc")), "/p/x");
        assert_eq!(here(&visitor("/search?q=a&added=1")), "/search?q=a");
        assert_eq!(here(&visitor("/basket")), "/basket");
    }
}
