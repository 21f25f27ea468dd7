//! Builds the shop: first what the browser gets (`target/site`), then the
//! server, which in release carries those files inside.

pub mod front;
mod pictures;
pub mod site;
mod slim;
mod styles;

use crate::proc::{cargo, run};
use crate::{Result, paths};
use site::Site;
use std::path::PathBuf;
use std::process::Command;

/// How it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Quickly; the server reads the site's folder
    Dev,
    /// Small and fast; the server is one file
    Release,
}

impl Mode {
    /// Brotli's quality: 11 takes seconds, 5 next to nothing.
    fn brotli_quality(self) -> u32 {
        match self {
            Self::Dev => 5,
            Self::Release => 11,
        }
    }

    /// Cargo's folder for what this mode builds.
    pub fn profile_dir(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    /// The binary that this mode builds.
    pub fn binary(self) -> PathBuf {
        paths::binary(self.profile_dir())
    }

    /// In development views are type-erased on both sides alike, which takes
    /// the compiler much less time.
    fn flags(self, cargo: &mut Command) -> &mut Command {
        match self {
            Self::Dev => cargo.env("RUSTFLAGS", "--cfg erase_components"),
            Self::Release => cargo,
        }
    }
}

/// Builds everything.
pub fn build(mode: Mode) -> Result<Site> {
    let site = self::site(mode)?;
    server(mode, &site)?;
    Ok(site)
}

/// Builds everything in release, and the load that benches and faults put on
/// it: at once, since apart the two would have their libraries compiled twice.
pub fn build_with_load() -> Result {
    let site = site(Mode::Release)?;
    let mut cargo = server_command(Mode::Release, &site);
    run(cargo.args(["-p", "bench", "--bin", "zaijia-bench"]))
}

/// Builds what the browser gets.
pub fn site(mode: Mode) -> Result<Site> {
    let front = front::build(mode)?;
    site::assemble(&front, mode)
}

/// Rebuilds styles, pictures and public files around the WASM of the last build.
pub fn site_again(mode: Mode) -> Result<Site> {
    site::assemble(&front::bind(mode)?, mode)
}

/// Builds the server; it must know the site, since release embeds it.
pub fn server(mode: Mode, site: &Site) -> Result {
    run(&mut server_command(mode, site))
}

fn server_command(mode: Mode, site: &Site) -> Command {
    let mut cargo = cargo(&["build", "-p", "server", "--bin", "zaijia"]);
    if mode == Mode::Release {
        cargo.args(["--release", "--features", "server/embed"]);
    }
    cargo.env("ZAIJIA_SITE", paths::site()).env("ZAIJIA_SITE_HASH", &site.hash);
    mode.flags(&mut cargo);
    cargo
}
