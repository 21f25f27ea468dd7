//! `cargo xtask run`: the newcomer's command. It sets up, builds, fills an
//! empty database with the demo supermarket, serves, and says so.

use crate::build::{self, Mode};
use crate::proc::{Server, command, run as run_command};
use crate::{Result, RunArgs, paths, setup};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Sets up, builds and serves the demo shop until a signal ends it.
pub fn run(args: &RunArgs) -> Result {
    setup::setup(setup::Need::default())?;
    build::build(Mode::Release)?;
    let shop = Shop::new(&Mode::Release.binary(), args.database_url.as_deref(), "zaijia")?;
    shop.prepare(args.fresh, &["--demo"])?;
    shop.serve(args.addr)
}

/// A built binary and the database that it works on.
pub struct Shop {
    binary: String,
    database_url: String,
}

impl Shop {
    /// With the URL given, else with the SQLite file `data/NAME.sqlite`.
    pub fn new(binary: &Path, database_url: Option<&str>, name: &str) -> Result<Self> {
        let binary = binary.to_str().ok_or("the binary's path is not UTF-8")?.to_owned();
        let database_url = match database_url {
            Some(url) => url.to_owned(),
            None => format!("sqlite://{}", paths::root().join("data").join(format!("{name}.sqlite")).display()),
        };
        Ok(Self { binary, database_url })
    }

    /// A command of the shop.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.binary, args);
        command.args(["--database-url", &self.database_url]);
        command
    }

    /// Makes the database if there is none, and fills it by `import`. A
    /// PostgreSQL is always migrated and imported into: both change nothing
    /// the second time.
    pub fn prepare(&self, fresh: bool, import: &[&str]) -> Result {
        if let Some(file) = self.database_url.strip_prefix("sqlite://").map(Path::new) {
            if fresh {
                for end in ["", "-wal", "-shm"] {
                    remove(&format!("{}{end}", file.display()))?;
                }
            }
            if let Some(folder) = file.parent() {
                fs::create_dir_all(paths::root().join(folder))?;
            }
            if paths::root().join(file).exists() {
                return run_command(&mut self.command(&["migrate"]));
            }
        } else if fresh {
            return Err("--fresh deletes SQLite files only; make a new database instead".into());
        }
        let filled = run_command(&mut self.command(&["migrate"])).and_then(|()| {
            let args: Vec<&str> = ["import"].iter().chain(import).copied().collect();
            run_command(&mut self.command(&args))
        });
        if filled.is_err() {
            // Half a shop must not be taken for a whole one by the next run.
            if let Some(file) = self.database_url.strip_prefix("sqlite://") {
                let _ = remove(file);
            }
        }
        filled
    }

    /// Starts the server; ready when this returns.
    pub fn start(&self, addr: SocketAddr) -> Result<Server> {
        Server::start(&mut self.command(&["serve", "--addr", &addr.to_string()]), addr)
    }

    /// Serves until a signal ends it.
    pub fn serve(&self, addr: SocketAddr) -> Result {
        let server = self.start(addr)?;
        println!("\nZaijia is open on http://{addr} (Ctrl-C ends it)");
        server.wait()
    }
}

fn remove(file: &str) -> Result {
    match fs::remove_file(paths::root().join(file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
