//! Fuzz targets: what a stranger can send, thrown at the shop. A target is a
//! plain function that panics when a rule is broken, so that libFuzzer
//! (`cargo xtask fuzz NAME`) and an ordinary test (`tests/short.rs`: the seeds
//! and some thousand mutations of them) run the same.
//!
//! | module | what is sent | what must hold |
//! | --- | --- | --- |
//! | [`texts`] | money, phones, codes, ids, policies | what is read and written again is the same |
//! | [`wire`] | a basket's pricing input | it comes back as it was; no fen is lost |
//! | [`files`] | import files: CSV, workbooks | every row is reported once; nothing else happens |
//! | [`links`] | ways back, errors in addresses, cookies, languages | nothing leads away; texts are the shop's own |
//! | [`callback`] | callbacks of the payment channel | only the channel's word, on the right amount, pays |
//! | [`requests`] | pages, server functions, the tills' API | no defect, no markup, true books |
//!
//! The first byte of an input often chooses a case; the rest is what is sent.

pub mod callback;
pub mod files;
pub mod front;
pub mod links;
pub mod requests;
pub mod texts;
pub mod wire;
pub mod world;

/// Something to throw bytes at.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its folder of seeds.
    pub name: &'static str,
    /// Panics when a rule is broken.
    pub run: fn(&[u8]),
    /// Mutations that the short form in the test run tries.
    pub short: u32,
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "texts", run: texts::run, short: 20_000 },
    Target { name: "wire", run: wire::run, short: 5_000 },
    Target { name: "import", run: files::import, short: 1_000 },
    Target { name: "workbook", run: files::workbook, short: 1_000 },
    Target { name: "callback", run: callback::run, short: 1_000 },
    Target { name: "links", run: links::run, short: 20_000 },
    Target { name: "page", run: requests::page, short: 300 },
    Target { name: "form", run: requests::form, short: 1_000 },
    Target { name: "feed", run: requests::feed, short: 500 },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
