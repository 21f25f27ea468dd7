//! `cargo xtask dev`: serves a development build, looks at the sources twice a
//! second, builds what a change concerns and restarts the server.

use crate::build::{self, Mode};
use crate::proc::{Server, interrupted};
use crate::run::Shop;
use crate::{Result, RunArgs, paths, setup};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Serves and rebuilds until a signal ends it.
pub fn dev(args: &RunArgs) -> Result {
    setup::setup(setup::Need::default())?;
    let mut seen = Sources::look();
    build::build(Mode::Dev)?;
    let shop = Shop::new(&Mode::Dev.binary(), args.database_url.as_deref(), "dev")?;
    shop.prepare(args.fresh, &["--demo"])?;
    let mut server = Some(start(&shop, args.addr)?);
    println!("\nZaijia is open on http://{} and watches its sources (Ctrl-C ends it)", args.addr);
    while !interrupted() {
        thread::sleep(LOOK_EVERY);
        let now = Sources::look();
        if now == seen {
            continue;
        }
        let began = Instant::now();
        let built = rebuild(&seen, &now);
        seen = now;
        // A change that does not compile leaves the old server running.
        if let Err(error) = built {
            eprintln!("xtask: {error}");
            continue;
        }
        drop(server.take());
        match start(&shop, args.addr) {
            Ok(started) => {
                server = Some(started);
                println!("reloaded after {:.1} s", began.elapsed().as_secs_f64());
            }
            Err(error) => eprintln!("xtask: {error}"),
        }
    }
    Ok(())
}

/// `ZAIJIA_DEV` lets the server tell open pages that it was restarted.
fn start(shop: &Shop, addr: SocketAddr) -> Result<Server> {
    Server::start(shop.command(&["serve", "--addr", &addr.to_string()]).env("ZAIJIA_DEV", "1"), addr)
}

/// When each part was changed last.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Sources {
    /// Compiled for both sides: pages, islands, rules
    shared: Option<SystemTime>,
    /// Compiled for the server alone
    server: Option<SystemTime>,
    /// Styles, public files, demo goods
    files: Option<SystemTime>,
}

impl Sources {
    fn look() -> Self {
        let newest = |folders: &[&str]| folders.iter().filter_map(|folder| newest(&paths::root().join(folder))).max();
        Self {
            shared: newest(&["app", "server/domain"]),
            server: newest(&["server/src", "server/store", "server/service", "server/Cargo.toml"]),
            files: newest(&["style", "public", "server/demo"]),
        }
    }
}

fn rebuild(before: &Sources, now: &Sources) -> Result {
    let site = if before.shared == now.shared { build::site_again(Mode::Dev)? } else { build::site(Mode::Dev)? };
    if before.shared == now.shared && before.server == now.server {
        return Ok(());
    }
    build::server(Mode::Dev, &site)
}

/// The youngest change in a file or below a folder; a folder's own time tells
/// of files that were removed.
fn newest(path: &Path) -> Option<SystemTime> {
    let data = fs::metadata(path).ok()?;
    let own = data.modified().ok();
    if !data.is_dir() {
        return own;
    }
    let below = fs::read_dir(path).ok()?.flatten().filter(|entry| entry.file_name() != "target");
    own.max(below.filter_map(|entry| newest(&entry.path())).max())
}
