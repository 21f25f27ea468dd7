//! What plain forms have in common: where they lead on to, and how their
//! fields are read.

#[cfg(feature = "ssr")]
pub use server::*;

#[cfg(feature = "ssr")]
mod server {
    use crate::api::cx::{is_plain_form, refuse, safe_back};
    use axum::http::request::Parts;
    use axum::http::{HeaderValue, StatusCode, header};
    use domain::UserError;
    use domain::ids::SkuId;
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use ui::AppError;

    /// After a plain form: on to `path`. An island's call stays where it is.
    pub fn go(path: &str) {
        if use_context::<Parts>().is_some_and(|parts| is_plain_form(&parts)) {
            lead_to(path);
        }
    }

    /// Answers with "see there" (303).
    pub fn lead_to(path: &str) {
        let location = plain(path);
        if let (Some(response), Ok(location)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(&location)) {
            response.set_status(StatusCode::SEE_OTHER);
            response.insert_header(header::LOCATION, location);
        }
    }

    /// A path as a header takes it: other letters and spaces percent-encoded, the rest as it is.
    fn plain(path: &str) -> String {
        path.bytes().fold(String::with_capacity(path.len()), |mut out, byte| {
            if byte.is_ascii_graphic() {
                out.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    }

    /// After a plain form: back to `back` if that is a path of the shop, else to `otherwise`.
    pub fn go_back(back: &str, otherwise: &str) {
        go(if back.is_empty() { otherwise } else { safe_back(back) });
    }

    /// Sets a cookie for a year, for the whole shop.
    pub fn set_cookie(name: &str, value: &str, secure: bool) {
        let (host, secure) = if secure { ("__Host-", "; Secure") } else { ("", "") };
        let cookie = format!("{host}{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly{secure}");
        if let (Some(response), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(&cookie)) {
            response.append_header(header::SET_COOKIE, value);
        }
    }

    /// A SKU's id from a form.
    ///
    /// # Errors
    /// `invalid` for a text that no SKU has.
    pub fn sku_id(text: &str) -> Result<SkuId, AppError> {
        SkuId::parse(text).map_err(|_| refuse(UserError::invalid("sku")))
    }

    /// The key by which a form's map names a SKU, such as `rank[s018f…]`: with a
    /// letter before the id, since what begins with a digit is read as a place in a list.
    pub fn sku_key(sku: &str) -> String {
        format!("s{sku}")
    }

    /// The substitutes that were given a rank, in its order: `{ssku: "1"}`. A
    /// rank given twice is decided by the SKU, so that the answer is always the same.
    ///
    /// # Errors
    /// `invalid` for a text that no SKU has.
    pub fn ranked(ranks: &BTreeMap<String, String>) -> Result<Vec<SkuId>, AppError> {
        let mut chosen: Vec<(u8, SkuId)> = Vec::new();
        for (sku, rank) in ranks {
            if let Ok(rank @ 1..=9) = rank.parse::<u8>() {
                chosen.push((rank, sku_id(sku.strip_prefix('s').unwrap_or_default())?));
            }
        }
        chosen.sort();
        Ok(chosen.into_iter().map(|(_, sku)| sku).collect())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn substitutes_come_in_the_order_of_their_ranks() {
            let ranks = [("b", "1"), ("a", "2"), ("c", ""), ("d", "x")].map(|(k, v)| (sku_key(k), v.to_owned()));
            let chosen = ranked(&BTreeMap::from(ranks)).expect("all are ids");
            assert_eq!(chosen.iter().map(SkuId::as_str).collect::<Vec<_>>(), ["b", "a"]);
        }

        #[test]
        fn a_map_by_sku_is_read_as_a_browser_sends_it() {
            let sku = "01a2015f-0646-7558-a4cb-b354d4724ffd";
            let body = format!("rank%5B{}%5D=1", sku_key(sku));
            let read: BTreeMap<String, BTreeMap<String, String>> =
                serde_qs::Config::new(5, false).deserialize_str(&body).expect("a map");
            let chosen = ranked(&read["rank"]).expect("an id");
            assert_eq!(chosen.iter().map(SkuId::as_str).collect::<Vec<_>>(), [sku]);
        }
    }
}
