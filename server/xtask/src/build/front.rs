//! The WASM of the storefront and its JavaScript glue. It is built alone and in
//! a target folder of its own, so that the features `ssr` and `hydrate` never
//! meet; wasm-bindgen runs inside this process, so that the one Cargo.lock
//! keeps it equal to the library.

use super::Mode;
use super::slim::slim;
use crate::proc::{cargo, run};
use crate::{Error, Result, paths};
use std::fs;
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// What wasm-bindgen made.
pub struct Front {
    /// The ES module that loads the WASM
    pub js: String,
    /// The WASM itself
    pub wasm: Vec<u8>,
    /// Further modules that the first one imports: path under `snippets/`, text
    pub snippets: Vec<(String, Vec<u8>)>,
}

/// Compiles the WASM and makes its glue.
pub fn build(mode: Mode) -> Result<Front> {
    let target = paths::front_target();
    let target = target.to_str().ok_or("the target folder's path is not UTF-8")?;
    let mut cargo = cargo(&["build", "-p", "hydrate", "--lib", "--target", TARGET]);
    cargo.args(["--target-dir", target, "--profile", profile(mode)]);
    run(mode.flags(&mut cargo))?;
    bind(mode)
}

/// Makes the glue for the WASM of the last build.
pub fn bind(mode: Mode) -> Result<Front> {
    let target = paths::front_target();
    let wasm = target.join(TARGET).join(profile(mode)).join("hydrate.wasm");
    let out = target.join("bindgen").join(profile(mode));
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    Bindgen::new()
        .input_path(&wasm)
        .out_name("zaijia")
        .web(true)
        .map_err(named)?
        .typescript(false)
        .keep_debug(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&out)
        .map_err(named)?;
    let mut snippets = Vec::new();
    let folder = out.join("snippets");
    if folder.is_dir() {
        read_tree(&folder, "", &mut snippets)?;
    }
    let (js, wasm) = (fs::read_to_string(out.join("zaijia.js"))?, fs::read(out.join("zaijia_bg.wasm"))?);
    let (js, wasm) = if mode == Mode::Release { slim(&js, &wasm)? } else { (js, wasm) };
    Ok(Front { js, wasm, snippets })
}

fn profile(mode: Mode) -> &'static str {
    match mode {
        Mode::Dev => "wasm-dev",
        Mode::Release => "wasm-release",
    }
}

fn named(error: impl std::fmt::Display) -> Error {
    format!("wasm-bindgen: {error:#}").into()
}

/// Every file below a folder, with its path relative to it, `/`-separated.
pub fn read_tree(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_tree(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, fs::read(entry.path())?));
        }
    }
    Ok(())
}
