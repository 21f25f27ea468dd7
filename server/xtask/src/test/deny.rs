//! What we depend on: its licences, where it comes from, what comes twice, and
//! what is known to be wrong with it. `cargo deny` looks, by `server/deny.toml`.
//! Advisories are looked up in a copy of RustSec's database where the machine has
//! one, and else it is said that they were not: it is not fetched.

use crate::Result;
use crate::proc::{cargo, run};
use std::env;
use std::path::PathBuf;

/// Names the folder in which `cargo deny fetch` keeps databases, if it is not cargo's own.
const DATABASES: &str = "ZAIJIA_ADVISORY_DBS";

/// Fails with what is not allowed. A line for the end of the run says so where
/// advisories were not looked at.
pub fn check(closing: &mut Vec<String>) -> Result {
    // Also what only other systems need is looked at.
    run(&mut cargo(&["fetch", "--locked"]))?;
    let mut deny = cargo(&["deny", "--all-features", "--offline", "--locked", "--config", "server/deny.toml"]);
    deny.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if databases().is_some() {
        deny.arg("advisories");
    } else {
        let line = format!(
            "Advisories were NOT looked at: no copy of their database is on this machine. `cargo deny fetch` gets one \
             from GitHub; or name the folder of one by {DATABASES}."
        );
        println!("{line}");
        closing.push(line);
    }
    run(&mut deny)
}

/// The folder with a copy of RustSec's database, if there is one.
fn databases() -> Option<PathBuf> {
    let cargos = || Some(PathBuf::from(env::var_os("CARGO_HOME")?));
    let homes = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    let usual = || Some(cargos().or_else(homes)?.join("advisory-dbs"));
    let folder = env::var_os(DATABASES).map(PathBuf::from).or_else(usual)?;
    let mut inside = std::fs::read_dir(&folder).ok()?.flatten();
    inside.any(|entry| entry.path().join("crates").is_dir()).then_some(folder)
}
