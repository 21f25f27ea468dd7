//! What holds of PostgreSQL alone.

use store::{Store, vals};

#[tokio::test]
async fn who_goes_away_in_the_middle_of_a_statement_frees_the_connection() {
    let Some(test) = store::testing::postgres().await else { return };
    let mut config = test.config.clone();
    config.read_connections = 1;
    let store = Store::open(&config).await.expect("the same database");
    let long = async {
        let mut conn = store.read().await.expect("a connection");
        conn.int("SELECT CAST(1 AS BIGINT) FROM pg_sleep(25)", vals![]).await
    };
    // A visitor waits for no statement as long as PostgreSQL allows it.
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), long).await;
    assert!(waited.is_err(), "{waited:?}");
    let mut conn = store.read().await.expect("the only connection, or another in its place");
    assert_eq!(conn.int("SELECT CAST(7 AS BIGINT)", vals![]).await.expect("a number"), 7);
    drop(conn);
    store.close().await;
}

#[tokio::test]
async fn who_reads_at_leisure_is_not_ended_and_nobody_else_is_spared() {
    let Some(store) = store::testing::postgres().await else { return };
    let sql = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'";
    let mut conn = store.read_at_leisure().await.expect("a connection");
    let (limit,): (String,) = conn.one(sql, vals![]).await.expect("a setting");
    assert_eq!(limit, "0");
    drop(conn);
    for _ in 0..4 {
        let mut conn = store.read().await.expect("a connection");
        let (limit,): (String,) = conn.one(sql, vals![]).await.expect("a setting");
        assert_eq!(limit, "30000");
    }
}
