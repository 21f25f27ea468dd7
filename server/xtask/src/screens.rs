//! `cargo xtask screens`: PNG pictures of every page, phone and desktop, light
//! and dark, of a fresh demo shop, so that anyone can look.

use crate::build::{self, Mode};
use crate::proc::{command, run};
use crate::{Result, paths, setup};
use std::path::Path;

/// Builds and photographs into `out`; Playwright opens the demo shop itself.
pub fn screens(out: &Path) -> Result {
    setup::setup(setup::Need { browser: true, tests: false })?;
    build::build(Mode::Release)?;
    let out = paths::root().join(out);
    let mut playwright = command("npx", &["playwright", "test", "--config", "screens.config.ts"]);
    playwright.current_dir(paths::end2end());
    run(playwright.env("ZAIJIA_BIN", Mode::Release.binary()).env("ZAIJIA_SCREENS", &out))?;
    println!("\nThe pictures are in {}", out.display());
    Ok(())
}
