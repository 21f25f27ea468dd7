//! What was committed outlives a power cut: commits wait for the disk. Tests that kill a
//! process cannot see it, since the system writes what a dead process handed to it.

use store::{Error, Lane};

#[tokio::test]
async fn a_commit_of_sqlite_waits_for_the_disk() {
    let store = store::testing::sqlite().await;
    let unit = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            let synchronous = conn.int("PRAGMA synchronous", &[]).await?;
            let (journal,): (String,) = conn.one("PRAGMA journal_mode", &[]).await?;
            Ok::<_, Error>((synchronous, journal))
        })
    });
    // 2 is FULL: in WAL mode a commit is in the log, and the log on the disk, before it is answered.
    assert_eq!(unit.await.expect("settings"), (2, "wal".to_owned()));
}

/// The PostgreSQL of the tests need not wait; but the shop must not be who tells it so.
#[tokio::test]
async fn a_commit_of_postgresql_waits_as_the_server_was_told() {
    let Some(store) = store::testing::postgres().await else { return };
    let unit = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            let sql = "SELECT source FROM pg_settings WHERE name = 'synchronous_commit'";
            let (source,): (String,) = conn.one(sql, &[]).await?;
            Ok::<_, Error>(source)
        })
    });
    let source = unit.await.expect("a setting");
    assert!(!["client", "session", "database", "user"].contains(&source.as_str()), "set by {source}");
}
