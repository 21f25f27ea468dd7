//! What one process commits is heard of by another, on both databases.

#![expect(clippy::unwrap_used, reason = "a test")]

use domain::ids::{MemberId, OrderId, PoolId, StoreId};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use std::time::Duration;
use store::conn::Kind;
use store::testing::TestStore;
use store::{Changes, Conn, Error, Lane, Store};

/// Generous: a noisy machine is no defect.
const IN_TIME: Duration = Duration::from_secs(20);

async fn touch(store: &Store, lane: &str, pools: &[&str]) {
    let input: Vec<PoolId> = pools.iter().map(|pool| PoolId::trusted(*pool)).collect();
    store
        .write(Lane::Store(lane), input, |conn: &mut Conn, pools| {
            Box::pin(async move {
                for pool in pools {
                    conn.touch_stock(&StoreId::trusted("s1"), pool);
                }
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
}

/// Listens until all of these pools were named (or everything was); what was named.
async fn hear(changes: &mut Changes, wanted: &[&str]) -> BTreeSet<String> {
    let mut heard = BTreeSet::new();
    let all = async {
        while !wanted.iter().all(|pool| heard.contains(*pool)) {
            let touched = changes.recv().await.unwrap();
            heard.extend(touched.stock.iter().map(|(_, pool)| pool.as_str().to_owned()));
            heard.extend(touched.stores.iter().map(|store| store.as_str().to_owned()));
            if touched.everything {
                heard.insert("everything".to_owned());
                return;
            }
        }
    };
    tokio::time::timeout(IN_TIME, all).await.expect("in time");
    heard
}

async fn second(store: &TestStore) -> Store {
    Store::open(&store.config).await.unwrap()
}

/// Puts so many rows of news down in one transaction, so that nobody sees some of them
/// before the others, nor before what else is done in it.
async fn put_news(conn: &mut Conn, rows: u32) -> store::Result<u64> {
    let (first, now) = match conn.kind() {
        Kind::Sqlite => ("(SELECT COALESCE(MAX(seq), 0) + 1 FROM news)", "CAST(unixepoch('subsec') * 1000 AS BIGINT)"),
        Kind::Postgres => {
            ("CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)", "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)")
        }
    };
    let sql = format!(
        "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < {rows})
         INSERT INTO news (seq, origin, touched, at) SELECT {first} + n, 'by hand', '{{}}', {now} FROM c"
    );
    conn.exec(AssertSqlSafe(sql), &[]).await
}

store::on_both! {
    async fn another_process_is_heard(store: TestStore) {
        store.listen().await.unwrap();
        let mut changes = store.changes();
        let other = second(&store).await;
        touch(&other, "s1", &["a", "b", "a"]).await;
        assert_eq!(hear(&mut changes, &["a", "b"]).await.len(), 2);
        // A command that ends at once is heard, too.
        other
            .write(Lane::Background, (), |conn: &mut Conn, ()| {
                Box::pin(async move {
                    conn.touch_order(&MemberId::trusted("m"), &OrderId::trusted("o"), "8F3K-2M9Q");
                    conn.touch_catalogue();
                    conn.touch_store(&StoreId::trusted("s2"));
                    Ok::<_, Error>(())
                })
            })
            .await
            .unwrap();
        other.close().await;
        let told = tokio::time::timeout(IN_TIME, changes.recv()).await.unwrap().unwrap();
        assert_eq!(told.orders[0].2, "8F3K-2M9Q");
        assert_eq!(told.stores, [StoreId::trusted("s2")]);
        assert!(told.catalogue && !told.everything);
        store.close().await;
    }

    async fn what_is_undone_is_not_told(store: TestStore) {
        store.listen().await.unwrap();
        let mut changes = store.changes();
        let other = second(&store).await;
        let undone = other
            .write(Lane::Store("s1"), (), |conn: &mut Conn, ()| {
                Box::pin(async move {
                    conn.touch_stock(&StoreId::trusted("s1"), &PoolId::trusted("undone"));
                    conn.touch_store(&StoreId::trusted("undone"));
                    Err::<(), _>(Error::Busy)
                })
            })
            .await;
        assert!(undone.is_err());
        touch(&other, "s1", &["done"]).await;
        assert!(!hear(&mut changes, &["done"]).await.contains("undone"));
        other.close().await;
        store.close().await;
    }

    async fn own_commits_are_told_once(store: TestStore) {
        store.listen().await.unwrap();
        let mut changes = store.changes();
        touch(&store, "s1", &["mine"]).await;
        let other = second(&store).await;
        touch(&other, "s1", &["theirs"]).await;
        let mut times = 0;
        loop {
            let told = tokio::time::timeout(IN_TIME, changes.recv()).await.unwrap().unwrap();
            times += told.stock.iter().filter(|(_, pool)| pool.as_str() == "mine").count();
            if told.stock.iter().any(|(_, pool)| pool.as_str() == "theirs") {
                break;
            }
        }
        assert_eq!(times, 1);
        other.close().await;
        store.close().await;
    }

    async fn old_news_go_and_later_ones_stay(store: TestStore) {
        let other = second(&store).await;
        touch(&other, "s1", &["a"]).await;
        store
            .write(Lane::Background, (), |conn: &mut Conn, ()| {
                Box::pin(async move { conn.exec("UPDATE news SET at = 0", &[]).await })
            })
            .await
            .unwrap();
        touch(&other, "s1", &["b"]).await;
        assert_eq!(store.trim_news().await.unwrap(), 1, "the old row only");
        assert_eq!(store.trim_news().await.unwrap(), 0);
        other.close().await;
        store.close().await;
    }

    async fn who_missed_news_that_are_gone_looks_at_everything(store: TestStore) {
        store.listen().await.unwrap();
        let mut changes = store.changes();
        let other = second(&store).await;
        // News come, grow old and go before the listener can look.
        let gone: store::Result<u64> = other
            .write(Lane::Background, (), |conn: &mut Conn, ()| {
                Box::pin(async move {
                    put_news(conn, 2).await?;
                    conn.exec("UPDATE news SET at = 0 WHERE seq = (SELECT MIN(seq) FROM news)", &[]).await?;
                    store::news::trim(conn).await
                })
            })
            .await;
        assert_eq!(gone.unwrap(), 1, "the old row only");
        assert!(hear(&mut changes, &["never"]).await.contains("everything"));
        other.close().await;
        store.close().await;
    }

    async fn of_more_news_than_can_be_read_everything_may_have_changed(store: TestStore) {
        store.listen().await.unwrap();
        let mut changes = store.changes();
        let other = second(&store).await;
        // Many more than that: the numbers of other tests' transactions may fall among theirs.
        let put: store::Result<u64> = other
            .write(Lane::Background, (), |conn: &mut Conn, ()| Box::pin(async move { put_news(conn, 5_000).await }))
            .await;
        assert_eq!(put.unwrap(), 5_000);
        assert!(hear(&mut changes, &["never"]).await.contains("everything"));
        other.close().await;
        store.close().await;
    }
}

/// Lanes and servers commit in another order than transactions begin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_when_many_commit_at_once() {
    let Some(store) = store::testing::postgres().await else { return };
    store.listen().await.unwrap();
    let mut changes = store.changes();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(second(&store).await);
    }
    let names: Vec<String> = (0..300).map(|n| format!("p{n}")).collect();
    let writing = names.iter().enumerate().map(|(n, name)| {
        let (server, lane) = (servers[n % servers.len()].clone(), format!("lane{n}"));
        async move { touch(&server, &lane, &[name]).await }
    });
    futures::future::join_all(writing).await;
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(hear(&mut changes, &wanted).await.len(), names.len());
    for server in servers {
        server.close().await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_loses_no_news() {
    let Some(store) = store::testing::postgres().await else { return };
    store.listen().await.unwrap();
    let mut changes = store.changes();
    let other = second(&store).await;
    let mut conn = other.read().await.unwrap();
    // The last statement of a waiting bell's connection is its LISTEN.
    let schema = store.config.schema.clone().unwrap();
    let (oid,): (String,) =
        conn.one("SELECT CAST(oid AS TEXT) FROM pg_namespace WHERE nspname = $1", store::vals![&schema]).await.unwrap();
    let sql = "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE query LIKE 'LISTEN%' AND query LIKE '%zaijia_' || $1 || '%' AND pid <> pg_backend_pid()) k";
    assert_eq!(conn.int(sql, store::vals![&oid]).await.unwrap(), 1, "the bell's connection was cut");
    drop(conn);
    touch(&other, "s1", &["meanwhile"]).await;
    hear(&mut changes, &["meanwhile"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    touch(&other, "s1", &["later"]).await;
    hear(&mut changes, &["later"]).await;
    other.close().await;
    store.close().await;
}
