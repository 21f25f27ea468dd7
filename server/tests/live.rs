//! The feed of the tills, the live stream, and ends of the server, gentle and not.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use support::{Server, Shop, script};

/// Generous: how soon is measured by the bench `live`.
const IN_TIME: Duration = Duration::from_secs(20);

/// A store and a SKU of the demo with more than 20 packs on the shelf: codes, SKU id, pool, pack size.
struct Good {
    store: String,
    sku: String,
    sku_id: String,
    pool: String,
    pack_size: i64,
}

async fn good(shop: &Shop) -> Good {
    let store = shop.store().await;
    let mut conn = store.read().await.unwrap();
    let row: (String, String, String, String, i64) = conn
        .one(
            "SELECT s.code, k.code, k.id, p.code, k.pack_size FROM stock t
             JOIN store s ON s.id = t.store_id JOIN sku k ON k.pool_id = t.pool_id JOIN pool p ON p.id = t.pool_id
             WHERE t.on_hand - t.safety > 20 * k.pack_size AND t.counted_until IS NULL AND k.active
             ORDER BY s.sort, s.code, k.code LIMIT 1",
            &[],
        )
        .await
        .unwrap();
    drop(conn);
    store.close().await;
    Good { store: row.0, sku: row.1, sku_id: row.2, pool: row.3, pack_size: row.4 }
}

async fn on_hand(shop: &Shop, good: &Good) -> i64 {
    let store = shop.store().await;
    let mut conn = store.read().await.unwrap();
    let sql = "SELECT on_hand FROM stock t JOIN store s ON s.id = t.store_id JOIN pool p ON p.id = t.pool_id
               WHERE s.code = $1 AND p.code = $2";
    let level = conn.int(sql, &[(&good.store).into(), (&good.pool).into()]).await.unwrap();
    drop(conn);
    store.close().await;
    level
}

fn sale(good: &Good, key: &str, packs: i64) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({ "store": good.store, "key": key, "rows": [{ "sku": good.sku, "at": now, "quantity": packs }] })
}

async fn feed(server: &Server, token: &str, what: &str, body: &Value) -> reqwest::Response {
    script().post(server.at(&format!("/api/v1/feed/{what}"))).bearer_auth(token).json(body).send().await.unwrap()
}

/// Reads an event stream piece by piece.
struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    async fn open(server: &Server, path: &str) -> Self {
        let client = reqwest::Client::new();
        let response = client.get(server.at(path)).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, buffer: String::new() }
    }

    /// Data of the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(at) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..at + 2).collect();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
            let piece = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

on_both! {
    async fn a_page_that_is_kept_shows_what_was_just_sold(shop) {
        let good = good(&shop).await;
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let server = shop.serve();
        let page = async |tag: Option<&str>| {
            let asked = script().get(server.at(&format!("/p/{}", good.sku)));
            let asked = asked.header("cookie", format!("store={}", good.store)).header("accept", "text/html");
            let answer = tag.into_iter().fold(asked, |asked, tag| asked.header("if-none-match", tag)).send().await.unwrap();
            let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
            (answer.status(), tag, answer.text().await.unwrap())
        };
        let state = |html: &str| {
            let badge = html.split(&format!("data-live-sku=\"{}\" data-state=\"", good.sku_id)).nth(1).unwrap();
            badge.split('"').next().unwrap().to_owned()
        };
        let (status, tag, html) = page(None).await;
        assert_eq!(status, StatusCode::OK);
        assert_ne!(state(&html), "sold_out");
        // Nothing happened: it is not even sent again, but for a new minute.
        let (again, same, _) = page(Some(&tag)).await;
        assert!(again == StatusCode::NOT_MODIFIED || same != tag);
        let packs = on_hand(&shop, &good).await / good.pack_size;
        let sold = feed(&server, &token, "sales", &sale(&good, "all", packs)).await;
        assert_eq!(sold.status(), StatusCode::OK);
        let (status, now, html) = page(Some(&tag)).await;
        assert_eq!((status, state(&html).as_str()), (StatusCode::OK, "sold_out"), "as soon as the till is answered");
        assert_ne!(now, tag);
    }

    async fn a_batch_is_applied_once(shop) {
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let server = shop.serve();
        let good = good(&shop).await;
        let before = on_hand(&shop, &good).await;
        let body = sale(&good, "batch-1", 2);
        assert_eq!(feed(&server, "zj_wrong", "sales", &body).await.status(), StatusCode::UNAUTHORIZED);
        let first = feed(&server, &token, "sales", &body).await;
        assert_eq!(first.status(), StatusCode::OK);
        let first: Value = first.json().await.unwrap();
        let second: Value = feed(&server, &token, "sales", &body).await.json().await.unwrap();
        assert_eq!(first, second, "the same key, the same answer");
        assert_eq!(before - on_hand(&shop, &good).await, 2 * good.pack_size);
        let reused = feed(&server, &token, "sales", &sale(&good, "batch-1", 3)).await;
        assert_eq!(reused.status(), StatusCode::CONFLICT);
        let why = script().get(server.at(&format!("/api/v1/why?store={}&sku={}", good.store, good.sku)));
        assert_eq!(why.bearer_auth(&token).send().await.unwrap().status(), StatusCode::OK);
        drop(server);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }

    async fn an_open_page_hears_of_a_sale_and_of_the_end(shop) {
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let log = shop.path("log");
        let server = shop.serve_logged(&[], &log);
        let good = good(&shop).await;
        let mut events = Events::open(&server, &format!("/live?store={}&skus={}", good.store, good.sku_id)).await;
        let first = events.next().await.unwrap();
        assert_eq!(first[0]["sku"], good.sku_id, "the full state comes first");
        // All of it is sold at the till.
        let packs = on_hand(&shop, &good).await / good.pack_size;
        assert_eq!(feed(&server, &token, "sales", &sale(&good, "all", packs)).await.status(), StatusCode::OK);
        let told = tokio::time::timeout(IN_TIME, events.next()).await.expect("in time").unwrap();
        assert_eq!(told[0]["max"], 0, "{told}");
        // A gentle end closes the stream, and gives nobody up.
        let ended = tokio::task::spawn_blocking(move || server.stop());
        assert_eq!(tokio::time::timeout(IN_TIME, events.next()).await.expect("in time"), None);
        ended.await.unwrap();
        let said = std::fs::read_to_string(log).unwrap();
        assert!(!said.contains("longer than the time to stop"), "{said}");
    }

    async fn an_open_page_hears_that_the_tills_report_again(shop) {
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let good = good(&shop).await;
        // A few of these are left, and nobody has told of them for hours.
        let store = shop.store().await;
        let mut conn = store.read().await.unwrap();
        let (few,): (String,) = conn.one("SELECT id FROM sku WHERE code = 'IC004'", &[]).await.unwrap();
        drop(conn);
        store.close().await;
        let server = shop.serve();
        let mut events = Events::open(&server, &format!("/live?store={}&skus={few}", good.store)).await;
        let first = events.next().await.unwrap();
        assert_eq!(first[0]["state"]["kind"], "risky", "{first}");
        assert_eq!(feed(&server, &token, "sales", &sale(&good, "other goods", 1)).await.status(), StatusCode::OK);
        let told = tokio::time::timeout(IN_TIME, events.next()).await.expect("in time").unwrap();
        assert_eq!(told[0]["state"]["kind"], "low", "{told}");
    }

    async fn a_killed_server_leaves_the_books_right(shop) {
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let good = good(&shop).await;
        let before = on_hand(&shop, &good).await;
        for round in 0..3 {
            let server = shop.serve();
            let (url, token) = (server.at("/api/v1/feed/sales"), token.clone());
            let bodies: Vec<Value> = (0..200).map(|n| sale(&good, &format!("kill-{round}-{n}"), 1)).collect();
            let (answers, mut answered) = tokio::sync::watch::channel(0);
            let sending = tokio::spawn(async move {
                let client = script();
                for body in bodies {
                    match client.post(&url).bearer_auth(&token).json(&body).send().await {
                        Ok(answer) if answer.status().is_success() => answers.send_modify(|n| *n += 1),
                        _ => break,
                    }
                }
            });
            // In the middle of it, some sales are answered and one is under way.
            answered.wait_for(|n| *n > 3 + 7 * round).await.unwrap();
            server.kill();
            sending.await.unwrap();
            assert_eq!(shop.say(&["check"]), "the books are right");
        }
        assert!(on_hand(&shop, &good).await < before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_shop_can_be_restored() {
    let shop = Shop::demo(support::On::Sqlite).await.unwrap();
    let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
    let server = shop.serve();
    let good = good(&shop).await;
    assert_eq!(feed(&server, &token, "sales", &sale(&good, "one", 1)).await.status(), StatusCode::OK);
    let copy = shop.path("copy.sqlite");
    shop.say(&["backup", copy.to_str().unwrap()]);
    assert_eq!(feed(&server, &token, "sales", &sale(&good, "two", 1)).await.status(), StatusCode::OK);
    let live = on_hand(&shop, &good).await;
    server.kill();
    // Restore: the copy takes the place of the file; its write-ahead log goes.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(shop.path(&format!("shop.sqlite{end}")));
    }
    std::fs::copy(&copy, shop.path("shop.sqlite")).unwrap();
    assert_eq!(shop.say(&["check"]), "the books are right");
    assert_eq!(on_hand(&shop, &good).await, live + good.pack_size, "as of the backup");
    let out = shop.path("skus.csv");
    shop.say(&["export", "skus", "--out", out.to_str().unwrap()]);
    let csv = std::fs::read(out).unwrap();
    assert!(csv.starts_with(b"\xef\xbb\xbfcode,name_zh"));
}
