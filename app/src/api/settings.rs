//! What a visitor sets for this browser: language, colours, store. Kept in
//! cookies, so that guests have them, too.

use leptos::server;
use ui::AppError;

#[cfg(feature = "ssr")]
use super::{
    cx::{Cx, Theme, cx, fail, refuse},
    form::{go_back, set_cookie},
};
#[cfg(feature = "ssr")]
use domain::{Code, UserError, view::Lang};

#[cfg(feature = "ssr")]
fn keep(cx: &Cx, name: &str, value: &str) {
    set_cookie(name, value, cx.shop.settings().public_url.starts_with("https:"));
}

/// Sets the language: `zh-CN` or `en`.
#[server(prefix = "/api", endpoint = "settings/lang")]
pub async fn set_lang(
    /// Language tag.
    lang: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    let lang = Lang::parse(&lang).ok_or_else(|| refuse(UserError::invalid("lang")))?;
    keep(&cx, "lang", lang.tag());
    go_back(&back, "/settings");
    Ok(())
}

/// Sets the colours: `light`, `dark` or `auto`.
#[server(prefix = "/api", endpoint = "settings/theme")]
pub async fn set_theme(
    /// Colours.
    theme: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<(), AppError> {
    let cx = cx().await?;
    keep(&cx, "theme", Theme::parse(&theme).as_str());
    go_back(&back, "/settings");
    Ok(())
}

/// Chooses the store by its code, or the nearest one by a position in degrees.
#[server(prefix = "/api", endpoint = "settings/store")]
pub async fn set_store(
    /// The store's code; empty for the nearest.
    #[server(default)]
    store: String,
    /// Latitude in degrees.
    #[server(default)]
    lat: String,
    /// Longitude in degrees.
    #[server(default)]
    lon: String,
    /// The page to come back to.
    #[server(default)]
    back: String,
) -> Result<String, AppError> {
    let cx = cx().await?;
    let code = if store.is_empty() { nearest(&cx, &lat, &lon).await? } else { store };
    cx.shop.store_by_code(&code).await.map_err(fail)?.ok_or_else(|| refuse(Code::NotFound))?;
    keep(&cx, "store", &code);
    go_back(&back, "/");
    Ok(code)
}

#[cfg(feature = "ssr")]
async fn nearest(cx: &Cx, lat: &str, lon: &str) -> Result<String, AppError> {
    let near = degrees_e6(lat, 90).zip(degrees_e6(lon, 180)).ok_or_else(|| refuse(UserError::invalid("lat")))?;
    let stores = cx.shop.stores(cx.visit.lang, None, Some(near), cx.visit.now).await.map_err(fail)?;
    stores.into_iter().next().map(|store| store.code).ok_or_else(|| refuse(Code::NotFound))
}

/// Millionths of a degree from a decimal text, within ± `most` degrees.
#[cfg(feature = "ssr")]
fn degrees_e6(text: &str, most: i64) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let e6 = whole.checked_mul(1_000_000)?.checked_add(fraction)?;
    (e6 <= most * 1_000_000).then_some(if negative { -e6 } else { e6 })
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::degrees_e6;

    #[test]
    fn a_position_is_read_to_the_millionth() {
        assert_eq!(degrees_e6("31.2304", 90), Some(31_230_400));
        assert_eq!(degrees_e6("-0.0000019", 90), Some(-1));
        assert_eq!(degrees_e6("121", 180), Some(121_000_000));
        for bad in ["", "-", "91", "1e2", "NaN", "1.2.3", "99999999999999999999"] {
            assert_eq!(degrees_e6(bad, 90), None, "{bad}");
        }
    }
}
