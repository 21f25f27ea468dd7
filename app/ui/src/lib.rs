//! What both faces of the shop share: components, texts, formatting, errors
//! and the live stream.
//!
//! | module | side | holds |
//! | --- | --- | --- |
//! | [`error`] | both | [`AppError`], what a server function fails with |
//! | [`format`] | both | money, quantities and times as people read them |
//! | [`live`] | both | the live stream as signals (does nothing on the server) |
//! | `text` | server | the language of the request, `tr!`, words for codes |
//! | `components` | server | price, state badge, cards, fields, empty states |
//!
//! Pages are rendered by the server, so texts and components are compiled with
//! the feature `ssr` only; islands get the few texts they need by props.

#![recursion_limit = "256"]

pub mod error;
pub mod format;
pub mod live;

#[cfg(feature = "ssr")]
#[expect(clippy::needless_pass_by_value, reason = "components take their props by value: `view!` makes them so")]
pub mod components;
#[cfg(feature = "ssr")]
pub mod text;

#[cfg(feature = "ssr")]
include!(concat!(env!("OUT_DIR"), "/i18n.rs"));

pub use error::AppError;

/// For the macro [`tr!`] alone.
#[cfg(feature = "ssr")]
#[doc(hidden)]
pub mod __private {
    pub use leptos_i18n;
}

/// A text in the reader's language: `tr!(lang, basket.empty)`, or with values
/// `tr!(lang, words.only_left, n = 3)`. `&'static str` without values, `String`
/// with them. The texts are in `locales/<language>/<area>.json`; a key or a
/// value that does not exist fails the build.
#[cfg(feature = "ssr")]
#[macro_export]
macro_rules! tr {
    ($lang:expr, $($key:tt)*) => {{
        #[allow(unused_imports, reason = "the generated code names the crate")]
        use $crate::__private::leptos_i18n;
        $crate::__private::leptos_i18n::td_string!($crate::text::locale($lang), $($key)*)
    }};
}
