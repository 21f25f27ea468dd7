//! Turns `locales/<language>/<area>.json` into the module of texts. Only the
//! server's build needs it; the browser's has no texts of its own.

#[cfg(feature = "ssr")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use leptos_i18n_parser::parse_locales::{options::Config, options::ParseOptions, parse_locales};

    println!("cargo::rerun-if-changed=locales");
    let mut config =
        Config::new("zh-CN")?.add_locale("en")?.parse_options(ParseOptions::default().interpolate_display(true));
    let mut areas: Vec<String> = std::fs::read_dir("locales/zh-CN")?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    areas.sort();
    config = config.add_namespaces(areas)?;

    let parsed = parse_locales(None, config)?;
    // A text that one language lacks is a defect, not a fallback.
    for warning in parsed.diag.warnings().iter() {
        println!("cargo::warning={warning}");
    }
    for error in parsed.diag.errors().iter() {
        println!("cargo::error={error}");
    }
    let attributes = "#![allow(missing_docs, unused, clippy::all, clippy::pedantic, clippy::unwrap_used)]".parse()?;
    let code = leptos_i18n_codegen::gen_code(&parsed, None, false, Some(&attributes), false)?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("i18n.rs");
    std::fs::write(out, code.to_string())?;
    Ok(())
}

#[cfg(not(feature = "ssr"))]
fn main() {}
