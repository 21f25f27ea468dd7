//! `cargo xtask`: what developers run. It sets up what is missing, builds the
//! shop (WASM, styles, pictures, server), runs it, tests it, measures it and
//! fills it with data. Everything is Rust; no shell scripts beside it.

mod bench;
mod build;
mod dev;
mod fuzz;
mod journey;
mod paths;
mod proc;
mod run;
mod screens;
mod setup;
mod test;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Errors end the command; they are read by a developer, so text is enough.
type Error = Box<dyn std::error::Error + Send + Sync>;
/// What every step answers.
type Result<T = ()> = std::result::Result<T, Error>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What developers of Zaijia run")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing: WASM target, test runner, npm packages
    Setup {
        /// Also what the browser tests need: Chromium and fonts
        #[arg(long)]
        browser: bool,
    },
    /// Build WASM, styles, pictures and the server
    Build {
        /// Fast builds, files not inside the binary
        #[arg(long, conflicts_with = "release")]
        dev: bool,
        /// The default: small WASM, optimised server, everything in one binary
        #[arg(long)]
        release: bool,
    },
    /// Set up, build, fill an empty database with demo goods, and serve
    Run(RunArgs),
    /// Serve a development build and rebuild it on change
    Dev(RunArgs),
    /// Set up and run every check and test
    Test(test::TestArgs),
    /// Measure; one JSON object a line with --json
    Bench(bench::BenchArgs),
    /// Kill, cut and confuse the shop under load, and prove its books
    Faults {
        /// Passed on, such as `--kills 50 --seed 7`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Throw odd inputs at what a stranger can send
    Fuzz(fuzz::FuzzArgs),
    /// Turn a public grocery data set into a shop, and serve it
    Journey(JourneyArgs),
    /// Take pictures of every page, phone and desktop, light and dark
    Screens {
        /// Where the PNG files go
        #[arg(long, default_value = "end2end/screens")]
        out: PathBuf,
    },
}

/// Where and with which database the shop is served.
#[derive(Args, Clone)]
pub struct RunArgs {
    /// Throw the local database away first
    #[arg(long)]
    fresh: bool,
    /// `sqlite://path` or `postgres://…`; a file in data/ by default
    #[arg(long)]
    database_url: Option<String>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
}

/// What `journey` reads and writes.
#[derive(Args)]
pub struct JourneyArgs {
    /// Take only the last N lines of the tills
    #[arg(long)]
    rows: Option<usize>,
    /// Where the import files go
    #[arg(long, default_value = "target/journey/import")]
    out: PathBuf,
    /// Only write the import files: no import, no server
    #[arg(long)]
    no_run: bool,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
}

fn main() -> ExitCode {
    let answer = proc::install_signal_handler().and_then(|()| dispatch(Cli::parse().command));
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result {
    match command {
        Command::Setup { browser } => setup::setup(setup::Need { browser, tests: true }),
        Command::Build { dev, release: _ } => {
            setup::setup(setup::Need::default())?;
            build::build(if dev { build::Mode::Dev } else { build::Mode::Release }).map(|_| ())
        }
        Command::Run(args) => run::run(&args),
        Command::Dev(args) => dev::dev(&args),
        Command::Test(args) => test::test(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Faults { rest } => bench::faults(&rest),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Journey(args) => journey::journey(&args),
        Command::Screens { out } => screens::screens(&out),
    }
}
