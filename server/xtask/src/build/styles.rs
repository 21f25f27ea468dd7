//! The style sheet: `style/main.css` with all that it imports, as one minified
//! file that the browsers named here understand.

use crate::{Error, Result, paths};
use lightningcss::bundler::{Bundler, FileProvider};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions};
use lightningcss::targets::{Browsers, Targets};

/// Browsers of spring 2023 and later, as lightningcss writes versions.
const BROWSERS: Browsers = Browsers {
    android: Some(version(111, 0)),
    chrome: Some(version(111, 0)),
    edge: Some(version(111, 0)),
    firefox: Some(version(113, 0)),
    ie: None,
    ios_saf: Some(version(16, 4)),
    opera: None,
    safari: Some(version(16, 4)),
    samsung: Some(version(22, 0)),
};

const fn version(major: u32, minor: u32) -> u32 {
    (major << 16) | (minor << 8)
}

/// Bundles and minifies; an error names file, line and column.
pub fn bundle() -> Result<String> {
    let entry = paths::root().join("style/main.css");
    let provider = FileProvider::new();
    let mut bundler = Bundler::new(&provider, None, ParserOptions::default());
    let mut sheet = bundler.bundle(&entry).map_err(|error| named(&error))?;
    let targets = Targets::from(BROWSERS);
    sheet.minify(MinifyOptions { targets, ..MinifyOptions::default() }).map_err(|error| named(&error))?;
    let options = PrinterOptions { minify: true, targets, ..PrinterOptions::default() };
    Ok(sheet.to_css(options).map_err(|error| named(&error))?.code)
}

fn named(error: &dyn std::fmt::Display) -> Error {
    format!("style/main.css: {error}").into()
}
