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
    let mut refused = None;
    for _ in 0..30 {
        let answer = client.get(server.at("/about")).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    assert!(refused.expect("a refusal").headers().contains_key("retry-after"));
    // Health is asked without end.
    assert_eq!(client.get(server.at("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}
