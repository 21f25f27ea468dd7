//! The shop over HTTP: a real process, a real database, a client that knows
//! only what is sent.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use reqwest::StatusCode;
use support::{browser, post, script};

const PHONE: &str = "13800001234";

/// The code on its way to a phone.
async fn code(shop: &support::Shop, phone: &str) -> String {
    let store = shop.store().await;
    for _ in 0..50 {
        let delivered = store::sandbox::message(&mut store.read().await.unwrap(), phone).await.unwrap();
        if let Some(code) = delivered {
            store.close().await;
            return code;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no code was delivered to {phone}");
}

on_both! {
    async fn pages_answer_with_status_headers_and_language(shop) {
        let server = shop.serve();
        let client = browser();
        for path in ["/healthz", "/readyz"] {
            assert_eq!(client.get(server.at(path)).send().await.unwrap().status(), StatusCode::OK, "{path}");
        }
        let home = client.get(server.at("/")).header("accept-language", "en").send().await.unwrap();
        assert_eq!(home.status(), StatusCode::OK);
        let headers = home.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self' 'sha256-") && !policy.contains("nonce"), "a page for all: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        assert!(headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("set-cookie"), "a page that changes nothing stores nothing");
        let html = home.text().await.unwrap();
        assert!(html.contains("lang=\"en\""));
        assert!(!html.contains("nonce"));
        let own = client.get(server.at("/settings")).send().await.unwrap();
        let policy = own.headers()["content-security-policy"].to_str().unwrap();
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
        assert!(own.text().await.unwrap().contains(&format!("nonce=\"{nonce}\"")), "scripts carry the policy's nonce");
        let chinese = client.get(server.at("/")).send().await.unwrap().text().await.unwrap();
        assert!(chinese.contains("lang=\"zh-CN\""));

        let missing = client.get(server.at("/no/such/page")).send().await.unwrap();
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        assert!(missing.text().await.unwrap().contains("<html"));
        let unknown = client.get(server.at("/p/no-such-product")).send().await.unwrap();
        assert_eq!(unknown.status(), StatusCode::NOT_FOUND);

        let metrics = client.get(server.at("/metrics")).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("zaijia_http_requests_total"), "{metrics}");
        let spec: serde_json::Value = client.get(server.at("/openapi.json")).send().await.unwrap().json().await.unwrap();
        assert!(spec["paths"]["/api/v1/feed/{told}"].is_object());
        assert_eq!(client.get(server.at("/swagger/")).send().await.unwrap().status(), StatusCode::OK);
    }

    async fn a_member_signs_in_by_phone_and_code(shop) {
        let server = shop.serve();
        let client = browser();
        // A guest is led to the sign-in page, a script is told.
        let refused = post(&client, server.at("/api/account/name"), &[("name", "王")]).await;
        assert_eq!(refused.status(), StatusCode::SEE_OTHER);
        assert!(refused.headers()["location"].to_str().unwrap().starts_with("/sign-in?back="));
        let refused = post(&script(), server.at("/api/account/name"), &[("name", "王")]).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let error: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(error["code"], "sign_in_first");

        let asked = post(&client, server.at("/api/account/request_code"), &[("phone", PHONE)]).await;
        assert_eq!(asked.status(), StatusCode::SEE_OTHER);
        let cookie = asked.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("zaijia_session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        // Not twice within a minute, whoever asks.
        let again = post(&script(), server.at("/api/account/request_code"), &[("phone", PHONE)]).await;
        assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS);

        let code = code(&shop, PHONE).await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        let failed = post(&client, server.at("/api/account/sign_in"), &[("code", wrong)]).await;
        assert!(failed.headers()["location"].to_str().unwrap().contains("__err="), "{failed:?}");
        let done = post(&client, server.at("/api/account/sign_in"), &[("code", &code), ("back", "/me")]).await;
        assert_eq!((done.status(), done.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/me"));
        let me = client.get(server.at("/me")).send().await.unwrap();
        assert_eq!(me.headers()["cache-control"], "no-store");
        let html = me.text().await.unwrap();
        assert!(html.contains("138****1234") && !html.contains(PHONE), "the phone is masked");

        // A code works once.
        let other = browser();
        let used = post(&other, server.at("/api/account/sign_in"), &[("code", &code)]).await;
        assert!(used.headers()["location"].to_str().unwrap().contains("__err="));
    }

    async fn five_wrong_codes_end_a_code(shop) {
        let server = shop.serve();
        let client = script();
        assert!(post(&client, server.at("/api/account/request_code"), &[("phone", PHONE)]).await.status().is_success());
        let code = code(&shop, PHONE).await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        for _ in 0..5 {
            let failed = post(&client, server.at("/api/account/sign_in"), &[("code", wrong)]).await;
            assert_eq!(failed.status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
        let late = post(&client, server.at("/api/account/sign_in"), &[("code", &code)]).await;
        assert_eq!(late.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_failure_while_signing_in_loses_no_basket(shop) {
        let server = shop.serve();
        let client = script();
        let store = shop.store().await;
        let sql = "SELECT MIN(k.id) FROM sku k JOIN stock t ON t.pool_id = k.pool_id JOIN store s ON s.id = t.store_id
                   WHERE s.code = 'wensan' AND k.active AND k.age_limit IS NULL AND t.counted_until IS NULL
                   AND t.on_hand - t.safety > 30 * k.pack_size";
        let (sku,): (String,) = store.read().await.unwrap().one(sql, &[]).await.unwrap();
        let say = async |function: &str, fields: &[(&str, &str)]| {
            post(&client, server.at(&format!("/api/{function}")), fields).await.status()
        };
        assert_eq!(say("settings/store", &[("store", "wensan")]).await, StatusCode::OK);
        assert_eq!(say("basket/add", &[("sku", &sku), ("packs", "2")]).await, StatusCode::OK);
        assert_eq!(say("account/request_code", &[("phone", PHONE)]).await, StatusCode::OK);
        let code = code(&shop, PHONE).await;
        // What the baskets need to be joined is away for a moment.
        let change = async |sql: &'static str| {
            let work = store.write(store::Lane::Background, (), move |conn, ()| {
                Box::pin(async move { conn.exec(sql, &[]).await })
            });
            work.await.unwrap();
        };
        change("ALTER TABLE substitution_choice RENAME TO away").await;
        assert_eq!(say("account/sign_in", &[("code", &code)]).await, StatusCode::INTERNAL_SERVER_ERROR);
        change("ALTER TABLE away RENAME TO substitution_choice").await;
        let basket = client.get(server.at("/basket")).header("accept", "text/html").send().await.unwrap();
        assert!(basket.text().await.unwrap().contains(&sku), "the guest has it still");
        store.close().await;
    }

    async fn who_has_a_code_finds_the_way_to_its_field(shop) {
        let server = shop.serve();
        let client = browser();
        let page = async |url: String| client.get(url).send().await.unwrap().text().await.unwrap();
        let ask = async |phone: &str| {
            let (name, kind, body) = support::form(&[("phone", phone), ("back", "/orders")]);
            let request = client.post(server.at("/api/account/request_code")).header(name, kind).body(body);
            let answer = request.header("referer", server.at("/sign-in?back=/orders")).send().await.unwrap();
            answer.headers()["location"].to_str().unwrap().to_owned()
        };
        let first = page(server.at("/sign-in?back=/orders")).await;
        assert!(first.contains("name=\"phone\"") && !first.contains("step=code"));
        assert!(ask(PHONE).await.ends_with("step=code"));
        assert!(page(server.at("/sign-in?back=/orders")).await.contains("step=code"), "a link");
        // Asked for once more too soon: the sentence, and the field of the code that was sent.
        let again = ask(PHONE).await;
        let again = if again.starts_with('/') { server.at(&again) } else { again };
        assert!(again.contains("__err="), "{again}");
        let again = page(again).await;
        assert!(again.contains("id=\"flash\"") && again.contains("name=\"code\""), "{again}");
        // What is no phone is shown again, as much of it as anybody types, and has no code.
        ask("1380000123x").await;
        let typed = page(server.at("/sign-in?back=/orders")).await;
        assert!(typed.contains("1380000123x") && !typed.contains("step=code"));
        ask(&"1".repeat(50_000)).await;
        let store = shop.store().await;
        let sql = "SELECT CAST(MAX(LENGTH(data)) AS BIGINT) FROM session";
        let size = store.read().await.unwrap().int(sql, &[]).await.unwrap();
        assert!(size < 300, "{size} characters of a session");
        store.close().await;
    }

    async fn other_sites_and_unknown_functions_are_refused(shop) {
        let server = shop.serve();
        let (name, kind, body) = support::form(&[("lang", "en")]);
        let cross = script().post(server.at("/api/settings/lang")).header("sec-fetch-site", "cross-site");
        let cross = cross.header(&name, kind).body(body.clone()).send().await.unwrap();
        assert_eq!(cross.status(), StatusCode::FORBIDDEN);
        let own = script().post(server.at("/api/settings/lang")).header("sec-fetch-site", "same-origin");
        assert_eq!(own.header(&name, kind).body(body).send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(post(&script(), server.at("/api/no/such"), &[]).await.status(), StatusCode::NOT_FOUND);
        let large = "x".repeat(100_000);
        assert_eq!(post(&script(), server.at("/api/settings/lang"), &[("lang", &large)]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn one_visitor_cannot_ask_without_end() {
    let shop = support::Shop::demo(support::On::Sqlite).await.unwrap();
    let server = shop.serve_with(&[("ZAIJIA_ADDRESS_PER_SECOND", "2")]);
    let client = browser();
    let refused = async |path: &str| {
        for _ in 0..30 {
            let answer = client.get(server.at(path)).send().await.unwrap();
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                return Some(answer);
            }
        }
        None
    };
    assert!(refused("/about").await.expect("a refusal").headers().contains_key("retry-after"));
    assert!(refused("/metrics").await.is_some(), "they are long");
    // Health is asked without end.
    assert_eq!(client.get(server.at("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}
