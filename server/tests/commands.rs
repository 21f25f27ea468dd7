//! Commands beside serving: what they make, what they leave alone, and who can
//! read what they write.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use support::{On, Shop};

/// Commands that are for a shop that is there; the file is one to write.
fn looks(file: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["check"],
        vec!["backup", file],
        vec!["export", "orders", "--out", file],
        vec!["user", "list"],
        vec!["user", "disable", "anna"],
        vec!["token", "list"],
        vec!["token", "add", "tills"],
        vec!["token", "revoke", "tills"],
        vec!["member", "grant", "13800001234"],
        vec!["member", "sign-out", "13800001234"],
        vec!["short", "8F3K-2M9Q", "1", "1"],
        vec!["why", "wensan", "DF001"],
    ]
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_path_makes_no_shop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let database = format!("sqlite://{}", folder.path().join("none/shop.sqlite").display());
    for args in looks(file.to_str().unwrap()) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zaijia"));
        command.args(&args).arg("--database").arg(&database).arg("--data").arg(folder.path().join("data"));
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(!output.status.success() && said(&output).contains("no shop at "), "{args:?}: {}", said(&output));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?} made something");
    }
}

/// The newest migration that the shop's database knows.
async fn newest(shop: &Shop) -> i64 {
    let store = shop.store().await;
    let newest = store.read().await.unwrap().int("SELECT MAX(version) FROM _sqlx_migrations", &[]).await.unwrap();
    store.close().await;
    newest
}

async fn change(shop: &Shop, sql: &'static str) {
    let store = shop.store().await;
    let work =
        store.write(store::Lane::Background, (), move |conn, ()| Box::pin(async move { conn.exec(sql, &[]).await }));
    work.await.unwrap();
    store.close().await;
}

on_both! {
    async fn another_versions_schema_is_refused_and_left_as_it_is(shop) {
        let known = newest(&shop).await;
        let file = shop.path("file");
        let file = file.to_str().unwrap();
        change(&shop, "UPDATE _sqlx_migrations SET version = version + 1000
                       WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
        for args in looks(file) {
            let output = shop.run(&args);
            assert!(!output.status.success() && said(&output).contains("newer version"), "{args:?}: {}", said(&output));
        }
        change(&shop, "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
        for args in looks(file).into_iter().filter(|args| args[0] != "backup") {
            let output = shop.run(&args);
            assert!(!output.status.success() && said(&output).contains("older version"), "{args:?}: {}", said(&output));
        }
        assert!(!Path::new(file).exists());
        assert!(newest(&shop).await < known, "nobody migrated");
    }
}

#[tokio::test]
async fn the_copy_before_an_update_is_made_by_the_new_program() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    change(&shop, "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
    let older = newest(&shop).await;
    let copy = shop.path("copy.sqlite");
    shop.say(&["backup", copy.to_str().unwrap()]);
    assert!(std::fs::metadata(&copy).unwrap().len() > 100_000);
    assert_eq!(newest(&shop).await, older, "the shop is as old as before");
    // A copy is never written over.
    let again = shop.run(&["backup", copy.to_str().unwrap()]);
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_written_of_a_shop_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let mode = |name: &str| std::fs::metadata(shop.path(name)).unwrap().permissions().mode() & 0o777;
    for (table, name) in [("orders", "orders.csv"), ("stock", "stock.csv"), ("skus", "skus.csv")] {
        // The second time it is written over.
        for _ in 0..2 {
            shop.say(&["export", table, "--out", shop.path(name).to_str().unwrap()]);
        }
        assert_eq!(mode(name), 0o600, "{name}");
    }
    shop.say(&["backup", shop.path("copy.sqlite").to_str().unwrap()]);
    assert_eq!((mode("copy.sqlite"), mode("data"), mode("data/secret")), (0o600, 0o700, 0o600));
    // One that cannot be made leaves nothing that looks like one.
    let failed = shop.run(&["backup", shop.path("none/copy.sqlite").to_str().unwrap()]);
    assert!(!failed.status.success() && !shop.path("none").exists());
}
