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

/// Libraries that give up on some broken files by a panic, which the shop
/// catches and answers: `service::import`'s reader of workbooks.
const GIVE_UP: [&str; 3] = ["/calamine-", "/quick-xml-", "/zip-"];

/// Any other panic is a finding, caught or not, wherever it happens: libFuzzer's
/// hook ends the process.
fn let_libraries_give_up() {
    let finding = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or("", |place| place.file());
        if !GIVE_UP.iter().any(|library| place.contains(library)) {
            finding(panic);
        }
    }));
}

libfuzzer_sys::fuzz_target!(init: let_libraries_give_up(), |data: &[u8]| {
    (TARGET.run)(data);
});
