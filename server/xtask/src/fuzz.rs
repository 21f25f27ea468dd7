//! `cargo xtask fuzz`: libFuzzer on the targets of the crate `fuzz`, each for a
//! while. The compiler that the shop is built with suffices: LLVM's own pass
//! adds the coverage counters, in every crate, so the build has a folder of its
//! own.

use crate::proc::{cargo, command, run};
use crate::{Error, Result, paths};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// What is passed to LLVM: count edges, and show comparisons to the fuzzer.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// No input may take longer.
const TIMEOUT_S: u32 = 20;
/// Nor may the whole process need more.
const MEMORY_MB: u32 = 2048;
/// The longest input.
const LONGEST: u32 = 8192;

/// What to throw at, and for how long.
#[derive(Args)]
pub struct FuzzArgs {
    /// A folder of `server/fuzz/seeds`; all of them, one after another, if none is named
    target: Option<String>,
    /// Seconds for each target; 0 only tries what is known: the seeds and what was kept
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only build: prints the binary's path
    #[arg(long)]
    build: bool,
    /// After `--`: passed to libFuzzer, such as `-jobs=2`, or a file to try again
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds, and throws.
pub fn fuzz(args: &FuzzArgs) -> Result {
    let known = targets()?;
    if let Some(name) = args.target.as_ref().filter(|name| !known.contains(name)) {
        return Err(format!("no target {name}; there are {}", known.join(", ")).into());
    }
    let binary = build()?;
    if args.build {
        println!("{}", binary.display());
        return Ok(());
    }
    for name in args.target.as_ref().map_or(known, |name| vec![name.clone()]) {
        throw(&binary, &name, args)?;
    }
    Ok(())
}

fn seeds() -> PathBuf {
    paths::root().join("server/fuzz/seeds")
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in fs::read_dir(seeds())? {
        names.extend(folder?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// The binary with counters. A target is named, so that build scripts and
/// macros, which run here and now, are compiled without.
fn build() -> Result<PathBuf> {
    let host = host()?;
    let folder = paths::target().join("fuzz");
    let mut build = cargo(&["build", "-p", "fuzz", "--features", "libfuzzer", "--profile", "fuzz", "--target", &host]);
    run(build.arg("--target-dir").arg(&folder).env("RUSTFLAGS", COVERAGE.join(" ")))?;
    Ok(folder.join(host).join("fuzz/zaijia-fuzz"))
}

fn host() -> Result<String> {
    let version = crate::proc::output(&mut command("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::from("rustc does not say what it runs on"))
}

/// What libFuzzer found interesting is kept in the target folder, and so is an
/// input that broke a rule.
fn throw(binary: &Path, name: &str, args: &FuzzArgs) -> Result {
    let kept = paths::target().join("fuzz/corpus").join(name);
    let broken = paths::target().join("fuzz/broken").join(name);
    fs::create_dir_all(&kept)?;
    fs::create_dir_all(&broken)?;
    let mut fuzzer = command(binary.to_str().ok_or("the binary's path is not UTF-8")?, &[]);
    fuzzer.env("ZAIJIA_FUZZ_TARGET", name);
    // The shop's files in memory, where the machine has such a folder: a commit
    // then waits for no disk.
    if std::env::var_os("TMPDIR").is_none() && Path::new("/dev/shm").is_dir() {
        fuzzer.env("TMPDIR", "/dev/shm");
    }
    if args.seconds == 0 {
        fuzzer.arg("-runs=0");
    } else {
        fuzzer.arg(format!("-max_total_time={}", args.seconds));
    }
    fuzzer.args([
        format!("-timeout={TIMEOUT_S}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-malloc_limit_mb={MEMORY_MB}"),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/", broken.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    run(fuzzer.args(&args.rest).arg(&kept).arg(seeds().join(name)))
}
