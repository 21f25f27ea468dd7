//! Properties of the rules, each over 256 generated cases. The seed is fixed, so
//! that a run today and a run tomorrow test the same cases.

mod order;
mod pricing;
mod refund;
mod shares;
mod stock;
mod substitution;

use proptest::test_runner::{Config, RngSeed};

/// The configuration of every property here.
fn config() -> Config {
    Config { cases: 256, failure_persistence: None, rng_seed: RngSeed::Fixed(0x5A61_696A_6961), ..Config::default() }
}
