//! Several servers on one PostgreSQL, commands beside a server, and a server
//! that winds down.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use support::{On, Server, Shop, script};

/// Generous: a noisy machine is no defect.
const IN_TIME: Duration = Duration::from_secs(30);

/// Code of a store, code and id of a SKU, code of its pool, pack size.
type Good = (String, String, String, String, i64);

/// A SKU of the demo with more than 20 packs on the shelf.
async fn good(shop: &Shop) -> Good {
    let store = shop.store().await;
    let sql = "SELECT s.code, k.code, k.id, p.code, k.pack_size FROM stock t
               JOIN store s ON s.id = t.store_id JOIN sku k ON k.pool_id = t.pool_id JOIN pool p ON p.id = t.pool_id
               WHERE t.on_hand - t.safety > 20 * k.pack_size AND t.counted_until IS NULL AND k.active
               ORDER BY s.sort, s.code, k.code LIMIT 1";
    let good = store.read().await.unwrap().one(sql, &[]).await.unwrap();
    store.close().await;
    good
}

/// Says at a till of this server that so many packs are on the shelf.
async fn count(server: &Server, token: &str, good: &Good, key: &str, packs: i64) {
    let now = jiff::Timestamp::now().to_string();
    let row = json!({ "pool": good.3, "quantity": packs * good.4, "at": now });
    let body = json!({ "store": good.0, "key": key, "rows": [row] });
    let answer =
        script().post(server.at("/api/v1/feed/snapshots")).bearer_auth(token).json(&body).send().await.unwrap();
    let status = answer.status();
    assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
}

/// An open page.
struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    async fn open(server: &Server, good: &Good) -> Self {
        let path = format!("/live?store={}&skus={}", good.0, good.2);
        let response = reqwest::Client::new().get(server.at(&path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, buffer: String::new() }
    }

    /// Reads on until the SKU can be bought so many times.
    async fn until_max(&mut self, packs: i64) {
        let all = async {
            loop {
                while let Some(at) = self.buffer.find("\n\n") {
                    let event: String = self.buffer.drain(..at + 2).collect();
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let Some(data) = data else { continue };
                    let states: Value = serde_json::from_str(data).unwrap();
                    if states[0]["max"] == packs {
                        return;
                    }
                }
                let piece = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(IN_TIME, all).await.expect("in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_one_server_hears_of_the_other_and_of_what_a_lost_connection_missed() {
    let Some(shop) = Shop::demo(On::Postgres).await else { return };
    let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
    let (one, other) = (shop.serve(), shop.serve());
    let good = good(&shop).await;
    let mut events = Events::open(&other, &good).await;
    count(&one, &token, &good, "sold-out", 0).await;
    events.until_max(0).await;
    // The connections by which servers hear of each other are cut.
    let store = shop.store().await;
    let mut conn = store.read().await.unwrap();
    let sql = "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE query LIKE 'LISTEN%' AND query LIKE '%zaijia_' || (SELECT CAST(oid AS TEXT) FROM pg_namespace
               WHERE nspname = current_schema()) || '%' AND pid <> pg_backend_pid()) cut";
    assert_eq!(conn.int(sql, &[]).await.unwrap(), 2);
    drop(conn);
    store.close().await;
    count(&one, &token, &good, "back", 40).await;
    let mut again = Events::open(&one, &good).await;
    let max = tokio::time::timeout(IN_TIME, async {
        loop {
            let piece = again.response.chunk().await.unwrap().expect("the stream goes on");
            again.buffer.push_str(std::str::from_utf8(&piece).unwrap());
            let data = again.buffer.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data
                && let Ok(states) = serde_json::from_str::<Value>(data)
            {
                return states[0]["max"].as_i64().unwrap();
            }
        }
    });
    let max = max.await.expect("in time");
    assert!(max > 0);
    events.until_max(max).await;
    drop((one, other));
    assert_eq!(shop.say(&["check"]), "the books are right");
}

on_both! {
    async fn an_open_page_hears_of_a_command(shop) {
        let server = shop.serve();
        let good = good(&shop).await;
        let mut events = Events::open(&server, &good).await;
        let folder = shop.path("stock");
        std::fs::create_dir(&folder).unwrap();
        let now = jiff::Timestamp::now();
        let csv = format!("store,pool,on_hand,as_of,kind\n{},{},0,{now},snapshot\n", good.0, good.3);
        std::fs::write(folder.join("stock.csv"), csv).unwrap();
        shop.say(&["import", folder.to_str().unwrap(), "--strict"]);
        events.until_max(0).await;
    }

    async fn who_finds_no_place_is_told_when_to_come_back(shop) {
        let server = shop.serve_with(&[("ZAIJIA_STREAMS", "1")]);
        let good = good(&shop).await;
        let mut events = Events::open(&server, &good).await;
        assert!(events.response.chunk().await.unwrap().is_some());
        let path = format!("/live?store={}&skus={}", good.0, good.2);
        let refused = reqwest::get(server.at(&path)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        drop(events);
        // The place is free once the server saw the connection go.
        let free = async {
            while reqwest::get(server.at(&path)).await.unwrap().status() != StatusCode::OK {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(IN_TIME, free).await.expect("in time");
    }

    async fn a_server_that_winds_down_says_so_and_still_answers(shop) {
        let server = shop.serve_with(&[("ZAIJIA_DRAIN_S", "4")]);
        let (ready, page) = (server.at("/readyz"), server.at("/healthz"));
        assert_eq!(reqwest::get(&ready).await.unwrap().status(), StatusCode::OK);
        let ended = tokio::task::spawn_blocking(move || server.stop());
        let told = async {
            while reqwest::get(&ready).await.unwrap().status() != StatusCode::SERVICE_UNAVAILABLE {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(IN_TIME, told).await.expect("in time");
        let answer = reqwest::get(&page).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["connection"], "close");
        assert!(ended.await.unwrap() < IN_TIME);
    }
}
