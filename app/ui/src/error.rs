//! What a server function fails with: the code and its parameters, as the
//! domain names them, plus a reference to the log for internal errors.
//!
//! Without JavaScript the error travels in the URL, so a sentence found there
//! is never shown: the page makes its own from the code.

use domain::{Code, UserError};
use leptos::prelude::*;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An error as a visitor meets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppError {
    /// What went wrong.
    pub code: Code,
    /// Values of the sentence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The form field that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where the log tells more (internal errors only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The sentence in the visitor's language, for islands. Made by the server
    /// for its own answer; never read from a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl AppError {
    /// An error without parameters.
    pub fn new(code: Code) -> Self {
        UserError::new(code).into()
    }

    /// An internal error: the log has more under `reference`.
    pub fn internal(reference: impl Into<String>) -> Self {
        Self { reference: Some(reference.into()), ..Self::new(Code::Internal) }
    }

    /// The same error with its sentence, for an island to show.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn localized(mut self, lang: domain::view::Lang) -> Self {
        self.message = Some(crate::text::sentence(lang, &self));
        self
    }

    /// What an island shows: the server's sentence, or `fallback` (network errors).
    pub fn shown(&self, fallback: &str) -> String {
        self.message.clone().unwrap_or_else(|| fallback.to_owned())
    }

    /// Reads the error of a plain form from the query `?__path=…&__err=…` that
    /// the server function redirected back with. Anyone can write a URL: only
    /// plain values are taken from it.
    pub fn from_query(err: &str) -> Option<Self> {
        let error = leptos::server_fn::error::ServerFnUrlError::<Self>::decode_err(err);
        // What cannot be read comes back as an internal error without a
        // reference: nobody can look that up, so nothing is shown.
        if error.code == Code::Internal && error.reference.is_none() {
            return None;
        }
        let plain =
            |text: &str| text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        Some(Self {
            params: error.params.into_iter().filter(|(_, value)| plain(value)).collect(),
            reference: error.reference.filter(|text| plain(text)),
            message: None,
            ..error
        })
    }
}

impl From<UserError> for AppError {
    fn from(error: UserError) -> Self {
        Self { code: error.code, params: error.params, field: error.field, reference: None, message: None }
    }
}

impl From<Code> for AppError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code.as_str())
    }
}

impl std::error::Error for AppError {}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            // The form lacks a field or has one of the wrong kind.
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) => Self::new(Code::Invalid),
            // The browser could not reach the shop.
            ServerFnErrorErr::Request(_) => Self::new(Code::Unavailable),
            _ => Self::new(Code::Internal),
        }
    }
}

/// The error that the last plain form came back with, if any: provided by the
/// shell as a context, shown by `Flash` and by the field that it concerns.
#[derive(Clone, Debug, Default)]
pub struct FormError(pub Option<AppError>);

/// The error of the form that was just sent, if one.
pub fn form_error() -> Option<AppError> {
    use_context::<FormError>().and_then(|error| error.0)
}

/// The error of the form that was just sent, if it concerns the field `name`.
pub fn field_error(name: &str) -> Option<AppError> {
    form_error().filter(|error| error.field.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leptos::server_fn::error::ServerFnUrlError;

    fn through_a_url(error: AppError) -> Option<AppError> {
        let url = ServerFnUrlError::new("/api/x", error).to_url("http://x/").expect("a URL");
        let (_, value) = url.query_pairs().find(|(name, _)| name == "__err")?;
        AppError::from_query(&value)
    }

    #[test]
    fn an_error_comes_back_through_a_url_without_its_sentence() {
        let error = AppError::from(UserError::new(Code::NotEnough).with("left", 3).field("packs"));
        let sent = AppError { message: Some("anything".to_owned()), ..error.clone() };
        assert_eq!(through_a_url(sent), Some(error));
    }

    #[test]
    fn free_text_in_a_url_is_not_taken() {
        let error = AppError::from(UserError::new(Code::TooManyOfOne).with("max", "9 <b>call me</b>"));
        assert_eq!(through_a_url(error).map(|error| error.params.len()), Some(0));
        assert_eq!(AppError::from_query("rubbish"), None);
    }
}
