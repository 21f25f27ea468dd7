//! Set-up: installs what is missing and says nothing about what is there.
//! Debian packages are installed only as root; else the sentence names them.

use crate::proc::{cargo, command, output, run};
use crate::{Error, Result, paths};
use std::fs;
use std::path::PathBuf;

/// What the command at hand needs beyond a build.
#[derive(Clone, Copy, Default)]
pub struct Need {
    /// Chromium with Chinese fonts
    pub browser: bool,
    /// The test runner, the PostgreSQL binaries, what makes a server's clock jump,
    /// and what makes certificates
    pub tests: bool,
}

/// Installs what is missing for a build, and for what `need` names.
pub fn setup(need: Need) -> Result {
    wasm_target()?;
    npm_packages()?;
    if need.tests {
        cargo_tool("cargo-nextest")?;
        cargo_tool("cargo-deny")?;
        if cluster::bin().is_none() {
            apt_install(&["postgresql"])?;
        }
        if !has_faketime()? {
            apt_install(&["faketime"])?;
        }
        if paths::which("openssl").is_none() {
            apt_install(&["openssl"])?;
        }
    }
    if need.browser {
        let font = fs::exists("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")?;
        if paths::which("chromium").is_none() || !font {
            apt_install(&["chromium", "fonts-noto-cjk"])?;
        }
    }
    Ok(())
}

/// libfaketime, where Debian keeps it: the faults need it.
fn has_faketime() -> Result<bool> {
    for entry in fs::read_dir("/usr/lib")? {
        if entry?.path().join("faketime/libfaketimeMT.so.1").is_file() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// rust-toolchain.toml names the target, but a machine may have switched
/// automatic installs off.
fn wasm_target() -> Result {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sysroot = output(&mut command("rustc", &["--print", "sysroot"]))?;
    let lib = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib");
    if lib.is_dir() {
        return Ok(());
    }
    if paths::which("rustup").is_none() {
        return Err(format!("install the Rust target {TARGET}: {} is missing", lib.display()).into());
    }
    run(&mut command("rustup", &["target", "add", TARGET]))
}

/// A tool of cargo's, compiled from the registry.
fn cargo_tool(name: &str) -> Result {
    if paths::which(name).is_some() {
        return Ok(());
    }
    run(&mut cargo(&["install", "--locked", name]))
}

/// npm brings the browser tests and the pictures of the demo goods.
fn npm_packages() -> Result {
    let end2end = paths::end2end();
    let changed = |file: PathBuf| fs::metadata(file).and_then(|data| data.modified()).ok();
    let wanted = changed(end2end.join("package-lock.json"));
    let installed = changed(end2end.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    if paths::which("npm").is_none() {
        apt_install(&["nodejs", "npm"])?;
    }
    let mut npm = command("npm", &["ci", "--no-audit", "--no-fund"]);
    // The tests use the system's Chromium.
    run(npm.current_dir(end2end).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
}

fn apt_install(packages: &[&str]) -> Result {
    let list = packages.join(" ");
    let root = output(&mut command("id", &["-u"]))?.trim() == "0";
    if !root || paths::which("apt-get").is_none() {
        return Err(Error::from(format!("please install: {list} (Debian: apt-get install {list})")));
    }
    run(&mut command("apt-get", &["update", "-qq"]))?;
    let mut install = command("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
    run(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}
