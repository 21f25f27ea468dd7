//! Where things are: the repository, the target folder, the site that is built.

use std::env;
use std::path::{Path, PathBuf};

/// The top folder of the repository, from where xtask was compiled.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Cargo's target folder, wherever the developer has put it.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// WASM is built apart, so that its features never mix with the server's.
pub fn front_target() -> PathBuf {
    target().join("front")
}

/// What the browser gets; the server reads it from here or embeds it.
pub fn site() -> PathBuf {
    env::var_os("ZAIJIA_SITE").map_or_else(|| root().join("target/site"), |dir| root().join(dir))
}

/// The browser tests and the npm packages.
pub fn end2end() -> PathBuf {
    root().join("end2end")
}

/// The server's binary of a profile folder (`debug` or `release`).
pub fn binary(profile_dir: &str) -> PathBuf {
    target().join(profile_dir).join("zaijia")
}

/// An executable on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|file| file.is_file())
}
