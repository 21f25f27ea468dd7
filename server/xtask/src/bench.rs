//! `cargo xtask bench`: measurements, as text for people or one JSON object a
//! line (bench, case, metric, unit, value).

use crate::build::{self, Mode, site::Site};
use crate::{Error, Result, setup};
use clap::Subcommand;
use serde_json::{Value, json};

/// What the storefront may weigh: WASM and JavaScript together, brotli.
const STOREFRONT_LIMIT_BYTES: usize = 150 * 1024;

/// What is measured.
#[derive(Subcommand)]
pub enum Bench {
    /// What the browser loads, raw and as brotli
    Size {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Measures and prints.
pub fn bench(bench: &Bench) -> Result {
    setup::setup(setup::Need::default())?;
    match bench {
        Bench::Size { json } => print_size(&build::site(Mode::Release)?, *json),
    }
    Ok(())
}

/// Fails if the storefront weighs more than it may; prints what it weighs.
pub fn check_size() -> Result {
    let site = build::site_again(Mode::Release)?;
    print_size(&site, false);
    let total = br(&site, ".js") + br(&site, ".wasm");
    if total > STOREFRONT_LIMIT_BYTES {
        return Err(Error::from(format!(
            "the storefront's WASM and JavaScript weigh {total} bytes (brotli), more than {STOREFRONT_LIMIT_BYTES}"
        )));
    }
    println!("{total} of {STOREFRONT_LIMIT_BYTES} bytes");
    Ok(())
}

/// The sum of the files under `pkg/` that end so.
fn sum(site: &Site, end: &str, weight: fn(&build::site::File) -> usize) -> usize {
    site.files.iter().filter(|file| file.path.starts_with("pkg/") && file.path.ends_with(end)).map(weight).sum()
}

fn raw(site: &Site, end: &str) -> usize {
    sum(site, end, |file| file.bytes)
}

fn br(site: &Site, end: &str) -> usize {
    sum(site, end, |file| file.br.unwrap_or(file.bytes))
}

fn print_size(site: &Site, as_json: bool) {
    let mut cases: Vec<(&str, &str, usize)> = Vec::new();
    for (case, end) in [("storefront js", ".js"), ("storefront wasm", ".wasm"), ("storefront css", ".css")] {
        cases.push((case, "raw", raw(site, end)));
        cases.push((case, "br", br(site, end)));
    }
    cases.push(("storefront wasm+js", "br", br(site, ".wasm") + br(site, ".js")));
    for (case, metric, value) in cases {
        if as_json {
            println!("{}", line("size", case, metric, "bytes", &json!(value)));
        } else {
            println!("{case:<20} {metric:<4} {value:>8} bytes");
        }
    }
}

fn line(bench: &str, case: &str, metric: &str, unit: &str, value: &Value) -> Value {
    json!({ "bench": bench, "case": case, "metric": metric, "unit": unit, "value": value })
}
