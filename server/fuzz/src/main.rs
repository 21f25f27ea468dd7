//! The targets under libFuzzer, whose `main` this binary has. Which of them is
//! thrown at is said by the environment, so that all of them are linked once.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("ZAIJIA_FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| {
        let names = fuzz::TARGETS.map(|target| target.name).join(", ");
        panic!("ZAIJIA_FUZZ_TARGET is one of {names}")
    })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});
