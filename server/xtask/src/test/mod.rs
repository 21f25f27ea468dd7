//! `cargo xtask test`: everything that says whether a change is good, in the
//! order in which it says so soonest. It stops at the first step that fails,
//! and closes with the runners' own last lines and the time of each step.

mod deny;
mod wasm_tree;

use crate::proc::{cargo, command, run, run_keeping};
use crate::{Result, bench, build, paths, setup};
use build::Mode;
use clap::{Args, ValueEnum};
use cluster::{Cluster, Sync};
use std::time::{Duration, Instant};

/// What to test.
#[derive(Args)]
pub struct TestArgs {
    /// Leave out the release build and the browser
    #[arg(long)]
    quick: bool,
    /// Only this step; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Step>,
    /// After `--`: passed to the test runner of a single step (`unit`, `browser`)
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// Lints of the server's side
    Clippy,
    /// Lints of the browser's side
    ClippyWasm,
    /// No crate of the server in the WASM
    WasmTree,
    /// Licences, sources, duplicates and advisories of what we depend on
    Deny,
    /// Unit, property, database and HTTP tests, on SQLite and PostgreSQL
    Unit,
    /// Examples in the documentation
    Doc,
    /// The release build
    Build,
    /// The weight of what the browser loads
    Size,
    /// Kills, cuts and confusion under load, in short
    Faults,
    /// Browser tests
    Browser,
    /// Lighthouse on home, category, product and checkout
    Lighthouse,
}

/// In the order in which they run; the last five need the release build.
const ALL: [Step; 12] = [
    Step::Fmt,
    Step::Clippy,
    Step::ClippyWasm,
    Step::WasmTree,
    Step::Deny,
    Step::Unit,
    Step::Doc,
    Step::Build,
    Step::Size,
    Step::Faults,
    Step::Browser,
    Step::Lighthouse,
];

/// The converter of real data is a feature; it is tested like everything else.
const ALL_OF_XTASK: [&str; 2] = ["--features", "xtask/journey"];

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "format",
            Self::Clippy => "clippy",
            Self::ClippyWasm => "clippy (WASM)",
            Self::WasmTree => "WASM tree",
            Self::Deny => "dependencies",
            Self::Unit => "tests",
            Self::Doc => "doc tests",
            Self::Build => "release build",
            Self::Size => "size",
            Self::Faults => "faults",
            Self::Browser => "browser tests",
            Self::Lighthouse => "Lighthouse",
        }
    }

    fn needs_release(self) -> bool {
        matches!(self, Self::Build | Self::Size | Self::Faults | Self::Browser | Self::Lighthouse)
    }

    fn run(self, rest: &[String], closing: &mut Vec<String>) -> Result {
        match self {
            Self::Fmt => run(&mut cargo(&["fmt", "--all", "--check"])),
            Self::Clippy => run(cargo(&["clippy", "--all-targets"]).args(ALL_OF_XTASK).args(["--", "-D", "warnings"])),
            Self::ClippyWasm => clippy_wasm(),
            Self::WasmTree => wasm_tree::check(),
            Self::Deny => deny::check(closing),
            Self::Unit => unit(rest, closing),
            Self::Doc => run(&mut cargo(&["test", "--quiet", "--doc"])),
            Self::Build => build::build_with_load(),
            Self::Size => bench::check_size(),
            Self::Faults => bench::few_faults(closing),
            Self::Browser => browser(rest, closing),
            Self::Lighthouse => lighthouse(closing),
        }
    }
}

/// Runs the steps that `args` name, or all.
pub fn test(args: &TestArgs) -> Result {
    let steps = plan(args);
    let mut times = Vec::new();
    let mut closing = Vec::new();
    let mut answer = timed("set-up", &mut times, || {
        let browser = steps.contains(&Step::Browser) || steps.contains(&Step::Lighthouse);
        setup::setup(setup::Need { browser, tests: true })
    });
    for step in steps {
        answer = answer.and_then(|()| timed(step.title(), &mut times, || step.run(&args.rest, &mut closing)));
    }
    println!();
    for line in &closing {
        println!("{line}");
    }
    let list: Vec<String> = times.iter().map(|(title, time)| format!("{title} {}", seconds(*time))).collect();
    let total = seconds(times.iter().map(|(_, time)| *time).sum());
    match answer {
        Ok(()) => {
            println!("All passed in {total}: {}", list.join(", "));
            Ok(())
        }
        Err(error) => Err(format!("{error}\nFailed after {total}: {}", list.join(", ")).into()),
    }
}

fn plan(args: &TestArgs) -> Vec<Step> {
    let wanted = |step: &Step| {
        // What needs the release build brings it along.
        let implied = *step == Step::Build && args.only.iter().any(|only| only.needs_release());
        if args.only.is_empty() { !(args.quick && step.needs_release()) } else { args.only.contains(step) || implied }
    };
    ALL.into_iter().filter(wanted).collect()
}

fn timed(title: &'static str, times: &mut Vec<(&'static str, Duration)>, step: impl FnOnce() -> Result) -> Result {
    println!("\n== {title}");
    let began = Instant::now();
    let answer = step();
    let time = began.elapsed();
    times.push((title, time));
    println!("== {title}: {} in {}", if answer.is_ok() { "ok" } else { "FAILED" }, seconds(time));
    answer
}

fn seconds(time: Duration) -> String {
    if time.as_secs() < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

fn clippy_wasm() -> Result {
    let mut cargo = cargo(&["clippy", "-p", "hydrate", "--lib", "--target", "wasm32-unknown-unknown", "--target-dir"]);
    run(cargo.arg(paths::front_target()).args(["--", "-D", "warnings"]))
}

/// The store's suite runs on both databases when it is told of a PostgreSQL.
fn unit(rest: &[String], closing: &mut Vec<String>) -> Result {
    let postgres = Cluster::start(Sync::Off)?;
    let mut nextest = cargo(&["nextest", "run"]);
    if rest.is_empty() {
        nextest.args(ALL_OF_XTASK);
    }
    nextest.args(rest).env("ZAIJIA_TEST_POSTGRES", postgres.url());
    let (kept, answer) = run_keeping(&mut nextest, |line| line.trim_start().starts_with("Summary ["));
    closing.extend(kept);
    answer
}

/// Playwright starts the shop itself, from the binary that was built; one spec
/// does so on PostgreSQL.
fn browser(rest: &[String], closing: &mut Vec<String>) -> Result {
    let postgres = Cluster::start(Sync::Off)?;
    let mut playwright = command("npx", &["playwright", "test"]);
    playwright
        .args(rest)
        .current_dir(paths::end2end())
        .env("ZAIJIA_BIN", Mode::Release.binary())
        .env("ZAIJIA_TEST_POSTGRES", postgres.url());
    let (kept, answer) = run_keeping(&mut playwright, is_closing_line);
    closing.extend(kept);
    answer
}

/// Accessibility, best practices and layout shift of the pages on a phone;
/// their speed is printed, and judged by `bench lighthouse` alone.
fn lighthouse(closing: &mut Vec<String>) -> Result {
    let (kept, answer) = run_keeping(&mut bench::lighthouse(&[]), |line| line.starts_with("Lighthouse: "));
    closing.extend(kept);
    answer
}

/// Playwright's closing lines: `  12 passed (1.2m)`, `  1 failed`, …
fn is_closing_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
        && matches!(words.next(), Some("passed" | "failed" | "flaky" | "skipped" | "interrupted" | "did"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runners_closing_lines_are_kept() {
        assert!(is_closing_line("  12 passed (1.2m)") && is_closing_line("  3 did not run"));
        assert!(!is_closing_line("  ✓  12 [phone] › basket.spec.ts:3:1 › passed on"));
        assert!(!is_closing_line("Running 12 tests using 1 worker"));
    }

    #[test]
    fn a_browser_test_alone_builds_first() {
        let args = TestArgs { quick: false, only: vec![Step::Browser], rest: vec![] };
        let titles: Vec<_> = plan(&args).into_iter().map(Step::title).collect();
        assert_eq!(titles, ["release build", "browser tests"]);
        let quick = TestArgs { quick: true, only: vec![], rest: vec![] };
        assert_eq!(plan(&quick).len(), 7);
    }
}
