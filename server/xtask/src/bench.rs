//! `cargo xtask bench`: measurements, as text for people or one JSON object a
//! line. What the browser loads is weighed here; everything else is measured
//! by the crate `bench`, a process of its own beside the shop's.

use crate::build::{self, Mode, site::Site};
use crate::proc::{command, run, run_keeping};
use crate::{Error, Result, paths, setup};
use clap::Args;
use cluster::{Cluster, Sync};
use serde_json::{Value, json};
use std::process::Command;

/// What the storefront may weigh: WASM and JavaScript together, brotli.
const STOREFRONT_LIMIT_BYTES: usize = 150 * 1024;

/// What to measure.
#[derive(Args)]
pub struct BenchArgs {
    /// `size` (what the browser loads), `lighthouse` (pages on a slow phone),
    /// or a bench of the crate `bench`: `orders`, `contend`, … (`help` lists them)
    name: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Use the binaries that are there
    #[arg(long)]
    no_build: bool,
    /// Passed to the bench, such as `--db sqlite --rounds 3`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Measures and prints.
pub fn bench(args: &BenchArgs) -> Result {
    let browser = args.name == "lighthouse";
    setup::setup(setup::Need { browser, tests: args.name != "size" })?;
    if args.name == "size" {
        print_size(&build::site(Mode::Release)?, args.json);
        return Ok(());
    }
    if !args.no_build {
        build::build_with_load()?;
    }
    if browser {
        let json = if args.json { &["--", "--speed", "--json"][..] } else { &["--", "--speed"] };
        return run(&mut lighthouse(json));
    }
    let json = if args.json { &["--json"][..] } else { &[] };
    let rest: Vec<&str> = json.iter().copied().chain(args.rest.iter().map(String::as_str)).collect();
    load(&args.name, &rest)
}

/// Lighthouse on the release binary; judges no speed unless told to.
pub fn lighthouse(args: &[&str]) -> Command {
    let mut npm = command("npm", &["run", "--silent", "lighthouse"]);
    npm.args(args).current_dir(paths::end2end()).env("ZAIJIA_BIN", Mode::Release.binary());
    npm
}

/// A bench of the crate `bench` on the release binary, beside a PostgreSQL.
fn beside(postgres: &Cluster, name: &str, args: &[&str]) -> Result<Command> {
    // Standard output has the figures alone.
    eprintln!("PostgreSQL on {}", postgres.url());
    let binary = paths::target().join("release/zaijia-bench");
    let mut bench = command(binary.to_str().ok_or("the binary's path is not UTF-8")?, &[name]);
    bench.args(["--postgres", &postgres.url()]).arg("--zaijia").arg(Mode::Release.binary()).args(args);
    Ok(bench)
}

/// Runs one whose commits wait for the disk.
fn load(name: &str, args: &[&str]) -> Result {
    let postgres = Cluster::start(Sync::Full)?;
    run(&mut beside(&postgres, name, args)?)
}

/// Breaks what a shop stands on, under load, and proves its books.
pub fn faults(rest: &[String]) -> Result {
    setup::setup(setup::Need { browser: false, tests: true })?;
    build::build_with_load()?;
    load("faults", &rest.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The short form for every test run; what it runs is built. A line for the end of the
/// run says what this machine did not allow.
pub fn few_faults(closing: &mut Vec<String>) -> Result {
    let postgres = Cluster::start(Sync::Off)?;
    let mut faults = beside(&postgres, "faults", &["--few", "--may-leave-out"])?;
    let (kept, answer) = run_keeping(&mut faults, |line| line.starts_with("LEFT OUT: "));
    closing.extend(kept);
    answer
}

/// Fails if the storefront weighs more than it may; prints what it weighs.
pub fn check_size() -> Result {
    let site = build::site_again(Mode::Release)?;
    print_size(&site, false);
    let total = br(&site, ".js") + br(&site, ".wasm");
    if total > STOREFRONT_LIMIT_BYTES {
        return Err(Error::from(format!(
            "the storefront's WASM and JavaScript weigh {total} bytes (brotli), more than {STOREFRONT_LIMIT_BYTES}"
        )));
    }
    println!("{total} of {STOREFRONT_LIMIT_BYTES} bytes");
    Ok(())
}

/// The sum of the files under `pkg/` that end so.
fn sum(site: &Site, end: &str, weight: fn(&build::site::File) -> usize) -> usize {
    site.files.iter().filter(|file| file.path.starts_with("pkg/") && file.path.ends_with(end)).map(weight).sum()
}

fn raw(site: &Site, end: &str) -> usize {
    sum(site, end, |file| file.bytes)
}

fn br(site: &Site, end: &str) -> usize {
    sum(site, end, |file| file.br.unwrap_or(file.bytes))
}

fn print_size(site: &Site, as_json: bool) {
    let mut cases: Vec<(&str, &str, usize)> = Vec::new();
    for (case, end) in [("storefront js", ".js"), ("storefront wasm", ".wasm"), ("storefront css", ".css")] {
        cases.push((case, "raw", raw(site, end)));
        cases.push((case, "br", br(site, end)));
    }
    cases.push(("storefront wasm+js", "br", br(site, ".wasm") + br(site, ".js")));
    for (case, metric, value) in cases {
        if as_json {
            println!("{}", line("size", case, metric, "bytes", &json!(value)));
        } else {
            println!("{case:<20} {metric:<4} {value:>8} bytes");
        }
    }
}

fn line(bench: &str, case: &str, metric: &str, unit: &str, value: &Value) -> Value {
    // Nobody asks a database for anything.
    json!({
        "bench": bench, "case": case, "db": "none", "clients": 0, "metric": metric, "unit": unit, "value": value,
    })
}
