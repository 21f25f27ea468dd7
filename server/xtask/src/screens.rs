//! `cargo xtask screens`: PNG pictures of every page, phone and desktop, light
//! and dark, of a fresh demo shop, so that anyone can look.

use crate::build::{self, Mode};
use crate::proc::{command, free_port, run};
use crate::run::Shop;
use crate::{Result, paths, setup};
use std::fs;
use std::path::Path;

/// Builds, opens a demo shop of its own and photographs it into `out`.
pub fn screens(out: &Path) -> Result {
    setup::setup(setup::Need {
        browser: true,
        tests: false,
    })?;
    build::build(Mode::Release)?;
    let folder = paths::target().join("screens");
    fs::create_dir_all(&folder)?;
    let url = format!("sqlite://{}", folder.join("shop.sqlite").display());
    let shop = Shop::new(&Mode::Release.binary(), Some(&url), "screens")?;
    shop.prepare(true, &["--demo"])?;
    let addr = format!("127.0.0.1:{}", free_port()?);
    let server = shop.start(&addr)?;
    let out = paths::root().join(out);
    let mut playwright = command(
        "npx",
        &["playwright", "test", "--config", "screens.config.ts"],
    );
    playwright.current_dir(paths::end2end());
    playwright
        .env("ZAIJIA_URL", format!("http://{addr}"))
        .env("ZAIJIA_SCREENS", &out);
    let taken = run(&mut playwright);
    drop(server);
    taken?;
    println!("\nThe pictures are in {}", out.display());
    Ok(())
}
