//! The shop under attack, over HTTP: who may call what, many at once, hostile
//! clients, hostile texts. `server/SECURITY.md` says which rule each test holds.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod edge;
mod owner;
mod parallel;
mod shopper;
mod stored;

/// The tests that `server/SECURITY.md` names: words in backticks that are made as tests' names are.
#[test]
fn every_test_that_the_security_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let is_name = |word: &&str| {
        word.matches('_').count() >= 3
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let metrics = |word: &&str| word.starts_with("zaijia_");
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_name).filter(|word| !metrics(word)).collect();
    assert!(named.len() > 50, "{named:?}");
    let mut sources = String::new();
    let mut folders = vec![root.to_owned(), root.join("../app")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let gone: Vec<&str> = named.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(gone.is_empty(), "named, but not there: {gone:?}");
}
