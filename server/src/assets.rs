//! Styles, scripts, WASM, pictures and public files: read once at start, from
//! the binary itself or from a folder, each with its copies that were
//! compressed beforehand. File names under `/pkg/` carry a hash of the content,
//! so browsers may keep them for ever.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::collections::HashMap;
use std::path::Path;

/// Files in the binary.
#[cfg(feature = "embed")]
#[derive(rust_embed::RustEmbed)]
#[folder = "$ZAIJIA_SITE"]
struct Embedded;

/// Names the content, so that a changed site is embedded anew.
#[cfg(feature = "embed")]
const EMBEDDED_HASH: Option<&str> = option_env!("ZAIJIA_SITE_HASH");

#[derive(Debug, Default)]
struct Asset {
    plain: Option<Bytes>,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    etag: Option<HeaderValue>,
}

/// All files that a browser can ask for, by path.
#[derive(Debug, Default)]
pub struct Assets {
    files: HashMap<String, Asset>,
    hash: Option<String>,
}

#[derive(serde::Deserialize)]
struct SiteList {
    hash: String,
}

impl Assets {
    /// Reads the files of `folder`; without one those in the binary, else those of `target/site`.
    ///
    /// # Errors
    /// If a given folder cannot be read.
    pub fn load(folder: Option<&Path>) -> std::io::Result<Self> {
        let mut assets = Self::default();
        if let Some(folder) = folder {
            assets.add_folder(folder, "")?;
        } else if !assets.add_embedded() {
            let usual = Path::new("target/site");
            if usual.is_dir() {
                assets.add_folder(usual, "")?;
            }
        }
        let list = assets.files.remove("/site.json").and_then(|list| list.plain);
        assets.hash = list.and_then(|list| serde_json::from_slice::<SiteList>(&list).ok()).map(|list| list.hash);
        Ok(assets)
    }

    #[cfg(feature = "embed")]
    fn add_embedded(&mut self) -> bool {
        tracing::debug!(hash = EMBEDDED_HASH, "the site is in the binary");
        for path in <Embedded as rust_embed::RustEmbed>::iter() {
            if let Some(file) = <Embedded as rust_embed::RustEmbed>::get(&path) {
                let bytes = match file.data {
                    std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                    std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
                };
                self.add(&format!("/{path}"), bytes);
            }
        }
        true
    }

    #[cfg(not(feature = "embed"))]
    #[expect(clippy::unused_self, reason = "the other variant fills the table")]
    fn add_embedded(&self) -> bool {
        false
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.add_folder(&entry.path(), &path)?;
            } else {
                self.add(&path, Bytes::from(std::fs::read(entry.path())?));
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, bytes: Bytes) {
        if let Some(of) = path.strip_suffix(".br") {
            self.files.entry(of.to_owned()).or_default().brotli = Some(bytes);
        } else if let Some(of) = path.strip_suffix(".gz") {
            self.files.entry(of.to_owned()).or_default().gzip = Some(bytes);
        } else {
            let asset = self.files.entry(path.to_owned()).or_default();
            asset.etag = HeaderValue::from_str(&format!("\"{}\"", etag(&bytes))).ok();
            asset.plain = Some(bytes);
        }
    }

    /// Name of the script and style files, without their endings: `zaijia.<hash>`.
    pub fn output_name(&self) -> String {
        self.hash.as_ref().map_or_else(|| "zaijia".to_owned(), |hash| format!("zaijia.{hash}"))
    }

    /// Are there no files at all?
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The answer to a request for a file, if there is one at this path.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let asset = self.files.get(path)?;
        let plain = asset.plain.as_ref()?;
        let (body, encoding) = match (&asset.brotli, &asset.gzip) {
            (Some(brotli), _) if accepts(headers, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts(headers, "gzip") => (gzip, Some("gzip")),
            _ => (plain, None),
        };
        let known = asset.etag.as_ref().is_some_and(|etag| names(headers, etag));
        let mut response =
            Response::new(if known || method == Method::HEAD { Body::empty() } else { Body::from(body.clone()) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let out = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| out.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, content_type(path));
        set(header::CACHE_CONTROL, cache_control(path));
        if asset.brotli.is_some() || asset.gzip.is_some() {
            set(header::VARY, "accept-encoding");
        }
        if let Some(encoding) = encoding {
            set(header::CONTENT_ENCODING, encoding);
        }
        if path == "/sw.js" {
            set(HeaderName::from_static("service-worker-allowed"), "/");
        }
        if let Some(etag) = &asset.etag {
            out.insert(header::ETAG, etag.clone());
        }
        if !known {
            out.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Some(response)
    }
}

/// Does the client take this encoding (with a weight above 0)?
pub fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

/// Does the client have the content with this tag already?
pub fn names(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes())
}

fn etag(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn cache_control(path: &str) -> &'static str {
    if path.starts_with("/pkg/") {
        "public, max-age=31536000, immutable"
    } else if path.starts_with("/pic/") || path.starts_with("/icons/") {
        "public, max-age=604800"
    } else {
        "public, no-cache"
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> (tempfile::TempDir, Assets) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("pkg")).expect("pkg");
        for (name, text) in
            [("site.json", "{\"hash\":\"abc\"}"), ("pkg/zaijia.abc.js", "plain"), ("pkg/zaijia.abc.js.br", "small")]
        {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let assets = Assets::load(Some(folder.path())).expect("the site");
        (folder, assets)
    }

    #[test]
    fn the_compressed_copy_goes_to_who_takes_it() {
        let (_folder, assets) = site();
        assert_eq!(assets.output_name(), "zaijia.abc");
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        let answer = assets.answer(&Method::GET, "/pkg/zaijia.abc.js", &headers).expect("the script");
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br;q=0"));
        let answer = assets.answer(&Method::GET, "/pkg/zaijia.abc.js", &headers).expect("the script");
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let (_folder, assets) = site();
        let first = assets.answer(&Method::GET, "/pkg/zaijia.abc.js", &HeaderMap::new()).expect("the script");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let again = assets.answer(&Method::GET, "/pkg/zaijia.abc.js", &headers).expect("the script");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn what_is_no_file_is_no_answer() {
        let (_folder, assets) = site();
        for path in ["/", "/site.json", "/pkg/../site.json", "/pkg/zaijia.abc.js.br"] {
            assert!(assets.answer(&Method::GET, path, &HeaderMap::new()).is_none(), "{path}");
        }
        assert!(assets.answer(&Method::POST, "/pkg/zaijia.abc.js", &HeaderMap::new()).is_none());
    }
}
