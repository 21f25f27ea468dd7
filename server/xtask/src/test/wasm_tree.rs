//! Proof that nothing of the server is in the browser: the dependency tree of
//! the WASM entry holds no crate that talks to a database, a socket or a core
//! of ours that does. What runs only while compiling does not count.

use crate::proc::{cargo, output};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// Whole names, and beginnings of names that end in `*`.
const FORBIDDEN: [&str; 22] = [
    "argon2",
    "aws-lc-*",
    "axum*",
    "hyper*",
    "jieba-rs",
    "leptos_axum",
    "libsqlite3-sys",
    "metrics*",
    "mimalloc",
    "mio",
    "moka",
    "reqwest",
    "ring",
    "rustls*",
    "server",
    "service",
    "socket2",
    "sqlx*",
    "store",
    "tokio*",
    "tower*",
    "tracing-subscriber",
];

/// Fails with the names of the server's crates that the WASM links.
pub fn check() -> Result {
    let args = ["tree", "-p", "hydrate", "--target", "wasm32-unknown-unknown", "--prefix", "none"];
    let mut tree = cargo(&args);
    tree.args(["--edges", "normal,no-proc-macro", "--format", "{p}"]);
    let tree = output(&mut tree)?;
    let found = forbidden(&tree);
    if found.is_empty() {
        println!("{} crates, none of the server's", names(&tree).len());
        return Ok(());
    }
    let list = found.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::from(format!("the WASM links what belongs to the server: {list} (see `cargo tree -p hydrate -i NAME`)")))
}

fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

fn forbidden(tree: &str) -> BTreeSet<&str> {
    let is_forbidden = |name: &&str| {
        FORBIDDEN.iter().any(|rule| match rule.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == rule,
        })
    };
    names(tree).into_iter().filter(is_forbidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_server_are_found() {
        let tree = "hydrate v0.1.0 (/app/hydrate)\nleptos v0.8.23\nstore v0.1.0 (/server/store)\nsqlx-core v0.9.0 (*)\nserver_fn v0.8.0\n";
        assert_eq!(forbidden(tree).into_iter().collect::<Vec<_>>(), ["sqlx-core", "store"]);
    }
}
