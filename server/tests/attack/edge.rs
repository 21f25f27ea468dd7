//! Hostile clients: what answers say to browsers, where redirects lead, how
//! messages are bounded, and who is slow, large, or comes too often.

use crate::access::server_of;
use crate::shopper::{Shopper, goods};
use crate::support::{On, Server, Shop, browser, form, post, script};
use reqwest::{StatusCode, header};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Generous: a noisy machine is no defect. Less than what the server waits by default.
const IN_TIME: Duration = Duration::from_secs(25);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that the server says until it closes the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        // A reset ends a connection, too.
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..n]);
        }
    };
    tokio::time::timeout(IN_TIME, read).await.expect("the server closes the connection");
    String::from_utf8_lossy(&all).into_owned()
}

/// What the server answers to these bytes.
async fn say(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server).await;
    stream.write_all(bytes).await.unwrap();
    to_the_end(&mut stream).await
}

/// The status lines in what a server said.
fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)).collect()
}

async fn demo() -> Shop {
    Shop::demo(On::Sqlite).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_tells_browsers_what_they_must_not_do() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_PUBLIC_URL", "https://shop.example")]);
    let paths = [
        "/",
        "/p/DF001",
        "/no/such/page",
        "/api/catalogue/suggest?text=x",
        "/api/no/such",
        "/api/v1/why",
        "/live",
        "/healthz",
        "/readyz",
        "/metrics",
        "/swagger/",
        "/openapi.json",
        "/sign-in",
        "/me",
    ];
    for path in paths {
        let answer = browser().get(server.at(path)).send().await.unwrap();
        let text = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let policy = text("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}: {policy}");
        assert!(policy.contains("object-src 'none'") || policy.contains("default-src 'none'"), "{path}: {policy}");
        assert_eq!(text("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(text("referrer-policy"), "same-origin", "{path}");
        assert_eq!(text("strict-transport-security"), "max-age=31536000; includeSubDomains", "{path}");
        assert_eq!(text("access-control-allow-origin"), "", "{path}: no other site reads answers");
        assert_eq!(text("server"), "", "{path}: says nothing of itself");
        let kind = text("content-type");
        let length = text("content-length");
        assert!(length == "0" || !kind.is_empty() || answer.status().is_redirection(), "{path} says what it is");
        assert!(!kind.starts_with("text/") || kind.contains("charset=utf-8"), "{path}: {kind}");
        let html = kind.starts_with("text/html") && !path.starts_with("/swagger");
        assert!(
            !html || ((policy.contains("'nonce-") || policy.contains("'sha256-")) && !policy.contains("unsafe-inline")),
            "{path}: {policy}"
        );
    }
    // What is a member's is kept by no cache.
    for path in ["/me", "/orders", "/basket", "/checkout", "/sign-in", "/api/catalogue/suggest?text=x"] {
        let answer = browser().get(server.at(path)).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_copy_of_a_members_page_stays_in_the_browser() {
    let shop = demo().await;
    let servers = [shop.serve()];
    let member = Shopper::sign_in(&servers, "13800007001").await;
    let kept = async |client: &reqwest::Client, path: &str| {
        let answer = client.get(servers[0].at(path)).header(header::ACCEPT, "text/html").send().await.unwrap();
        answer.headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned()
    };
    for path in ["/", "/p/DF001", "/settings"] {
        assert_eq!(kept(&member.client, path).await, "no-store", "{path}");
        assert_eq!(kept(&browser(), path).await, "private, no-cache", "{path} for a guest");
    }
    // The same for all who see it at these prices.
    assert_eq!(kept(&member.client, "/c/dairy").await, "private, no-cache");
}

/// An answer to a browser: its status, whether it is a page, and its text.
async fn shown(request: reqwest::RequestBuilder) -> (u16, bool, String) {
    let answer = request.header("accept-language", "en").send().await.unwrap();
    let kind = answer.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
    let (status, html) = (answer.status().as_u16(), kind == "text/html; charset=utf-8");
    assert!(status < 400 || !html || answer.headers()[header::CACHE_CONTROL] == "no-store", "{answer:?}");
    (status, html, answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_shown_a_page_whatever_goes_wrong() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_REQUEST_S", "2")]);
    let (name, kind, body) = form(&[("lang", "en")]);
    let (_, _, large) = form(&[("lang", &"x".repeat(100_000))]);
    let sent = |body: String| browser().post(server.at("/api/settings/lang")).header(&name, kind).body(body);
    for (request, status, words) in [
        (browser().get(server.at("/p/%00")), 422, "Please check what you entered."),
        (browser().get(server.at("/api/no/such")), 404, "There is no such thing here."),
        (browser().get(server.at("/api/basket/add")), 405, "There is no such thing here."),
        (sent(body).header("sec-fetch-site", "cross-site"), 403, "You are not allowed to do this."),
        (sent(large), 413, "Too large: at most 64 KiB."),
    ] {
        let (said, html, text) = shown(request).await;
        assert!(said == status && html && text.contains(words), "{status}: {said} {text}");
        assert!(text.contains("lang=\"en\"") && text.contains("href=\"/\""), "{text}");
    }
    // What comes too late: the head says more than is sent.
    let late = "POST /api/settings/lang HTTP/1.1\r\nhost: x\r\naccept: text/html\r\naccept-language: en\r\n\
                referer: http://x/settings\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 100\r\n\r\nlang=en";
    let said = say(&server, late.as_bytes()).await;
    assert!(statuses(&said) == ["503"] && said.contains("The shop cannot be reached just now."), "{said}");
    assert!(said.contains("href=\"/settings\""), "back to the page of the form: {said}");
    // No body where none is asked for; and scripts and tills get what they read.
    let (status, html, text) = shown(browser().head(server.at("/p/%00"))).await;
    assert_eq!((status, html, text.as_str()), (422, true, ""));
    for request in [script().get(server.at("/api/no/such")), browser().get(server.at("/api/v1/why"))] {
        let (_, html, text) = shown(request).await;
        assert!(!html && text.starts_with("{\"code\":"), "{text}");
    }
    let few = shop.serve_with(&[("ZAIJIA_ADDRESS_PER_SECOND", "1")]);
    let mut limited = None;
    for _ in 0..20 {
        let (status, html, text) = shown(browser().get(few.at("/about"))).await;
        if status == 429 {
            limited = Some((html, text));
            break;
        }
    }
    let (html, text) = limited.expect("a refusal");
    assert!(html && text.contains("Too many tries.") && text.contains("href=\"/about\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_form_is_answered_by_a_page_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let parts = server_of(folder.path()).await;
    let store = parts.shop.store().clone();
    let router = server::router::router(parts);
    store.close().await;
    let (_, kind, body) = form(&[("lang", "en")]);
    let request = axum::http::Request::post("/api/settings/lang").header("content-type", kind);
    let request = request.header("accept", "text/html").body(axum::body::Body::from(body)).unwrap();
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = axum::body::to_bytes(answer.into_body(), 64 * 1024).await.unwrap();
    assert!(std::str::from_utf8(&page).unwrap().contains("lang=\"zh-CN\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_are_this_hosts_alone_and_are_sent_by_https_alone() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_PUBLIC_URL", "https://shop.example")]);
    let mut cookies = Vec::new();
    for (function, fields) in [
        ("account/request_code", [("phone", "13800007000")]),
        ("settings/lang", [("lang", "en")]),
        ("settings/theme", [("theme", "dark")]),
        ("settings/store", [("store", "xingguang")]),
    ] {
        let answer = post(&script(), server.at(&format!("/api/{function}")), &fields).await;
        cookies.extend(answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().to_owned()));
    }
    assert_eq!(cookies.len(), 4, "{cookies:?}");
    for cookie in &cookies {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for word in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(word), "{word}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    // They are read again; a cookie of the same name that any host may have set is not.
    let own: Vec<&str> = cookies.iter().filter_map(|cookie| cookie.split(';').next()).collect();
    let page = script().get(server.at("/settings")).header("accept", "text/html");
    let page = page.header("cookie", format!("lang=zh-CN; theme=light; {}", own.join("; ")));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("lang=\"en\"") && page.contains("data-theme=\"dark\"") && page.contains("Xingguang"));
    let session = own.iter().find(|pair| pair.starts_with("__Host-zaijia_session=")).unwrap();
    let asked = script().get(server.at("/sign-in?step=code")).header("accept", "text/html");
    let asked = |cookie: String| asked.try_clone().unwrap().header("cookie", cookie);
    let known = asked((*session).to_owned()).send().await.unwrap().text().await.unwrap();
    assert!(known.contains("138****7000"), "the session is read");
    let planted = asked(session.replace("__Host-", "")).send().await.unwrap().text().await.unwrap();
    assert!(!planted.contains("138****7000"), "by its own name alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_back_leads_to_another_site() {
    let shop = demo().await;
    let server = shop.serve();
    let (name, kind, _) = form(&[]);
    for back in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "\t//evil.example/",
        "/\r\nset-cookie: a=b",
        "/\n/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "\u{2028}/x",
        " //evil.example",
    ] {
        let answer = post(&browser(), server.at("/api/settings/theme"), &[("theme", "dark"), ("back", back)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{back:?}");
        assert_eq!(answer.headers()["location"], "/", "{back:?}");
        assert!(answer.headers().get("a").is_none());
        // Nor does a page that carries it on.
        let page = browser().get(server.at("/sign-in")).query(&[("back", back)]).send().await.unwrap();
        let page = page.text().await.unwrap();
        for attribute in ["href=\"", "action=\""] {
            let targets = page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
            for target in targets {
                let elsewhere = ["//", "/\\", "/\t", "http:", "https:", "javascript:", "data:"];
                assert!(!elsewhere.iter().any(|start| target.starts_with(start)), "{back:?}: {target}");
            }
        }
    }
    // A refused form goes back to the page that it came from, of this shop only.
    for (referer, to) in
        [("https://evil.example/x", "/"), ("//evil.example/x", "/"), (&*server.at("/basket"), &*server.at("/basket?"))]
    {
        let (_, _, body) = form(&[("lang", "xx")]);
        let refused = browser().post(server.at("/api/settings/lang")).header(header::REFERER, referer);
        let refused = refused.header(&name, kind).body(body).send().await.unwrap();
        let location = refused.headers()["location"].to_str().unwrap();
        assert!(refused.status().is_redirection() && !location.contains("evil"), "{referer}: {location}");
        assert!(location.starts_with(to) && !location.starts_with("//"), "{referer}: {location}");
    }
    // A guest who is led to sign in comes back to a path.
    let answer = browser()
        .post(server.at("/api/account/name"))
        .header(header::REFERER, format!("{}//evil.example/", server.url));
    let answer = answer.header(&name, kind).body("name=x").send().await.unwrap();
    let to = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(to.starts_with("/sign-in?back="), "{to}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_the_callers_fault_and_letters_lead_back() {
    let shop = demo().await;
    let server = shop.serve();
    let unread = post(&script(), server.at("/api/basket/add"), &[("sku", "x"), ("packs", "many")]).await;
    assert_eq!(unread.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let error: serde_json::Value = unread.json().await.unwrap();
    assert!(error["code"] == "invalid" && error["message"].is_string(), "{error}");
    let back = post(&browser(), server.at("/api/settings/lang"), &[("lang", "en"), ("back", "/c/奶?q=é")]).await;
    assert_eq!(back.headers()["location"], "/c/%E5%A5%B6?q=%C3%A9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_ends_where_it_says_and_nothing_is_smuggled_behind_it() {
    let shop = demo().await;
    let server = shop.serve();
    let head = "POST /api/settings/lang HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\
                content-type: application/x-www-form-urlencoded\r\n";
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    // Both lengths: the chunks count. What follows them is the next request, whatever the length says.
    let body = format!("7\r\nlang=en\r\n0\r\n\r\nGET /about HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n{hidden}");
    let both = format!("{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{body}", body.len());
    let said = say(&server, both.as_bytes()).await;
    assert!(statuses(&said).len() <= 2 && !said.contains("\r\n\r\nok\n"), "{said}");
    // The other order, two lengths, lengths that are none, encodings that are none, chunks that are none.
    for lines in [
        "content-length: 7\r\ncontent-length: 70\r\n",
        "content-length: 7, 70\r\n",
        "content-length: +7\r\n",
        "content-length: 0x7\r\n",
        "content-length: -1\r\n",
        "content-length: 18446744073709551617\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 7\r\n x: y\r\n",
        "x\0y: z\r\n",
    ] {
        let said = say(&server, format!("{head}{lines}\r\nlang=en{hidden}").as_bytes()).await;
        assert_eq!(statuses(&said), ["400"], "{lines:?}: {said}");
    }
    for chunks in [
        "-7\r\nlang=en\r\n0\r\n\r\n",
        "7;\n\r\nlang=en\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nlang=en",
        "7\r\nlang=enX0\r\n\r\n",
    ] {
        let text = format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}{hidden}");
        let said = say(&server, text.as_bytes()).await;
        assert!(!said.contains("\r\n\r\nok\n"), "{chunks:?}: {said}");
        assert!(statuses(&said).len() <= 1 && !said.starts_with("HTTP/1.1 2"), "{chunks:?}: {said}");
    }
    let old = "POST /api/settings/lang HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n7\r\nlang=en\r\n0\r\n\r\n";
    assert_eq!(statuses(&say(&server, old.as_bytes()).await), ["400"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_or_no_request_is_refused() {
    let shop = demo().await;
    let server = shop.serve();
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n");
    let long = "x".repeat(200_000);
    let many = "h: x\r\n".repeat(200);
    let tries: [(String, &[&str]); 8] = [
        (get("/", &format!("cookie: {long}\r\n")), &["431"]),
        (get(&format!("/search?q={long}"), ""), &["414", "431"]),
        (get("/", &many), &["431"]),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &["400", "505"]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &["400", "505", "none"]),
        ("CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(), &["404", "405"]),
        (get("http://evil.example/", "").replace("GET", "DELETE"), &["404", "405"]),
    ];
    for (request, allowed) in tries {
        let said = say(&server, request.as_bytes()).await;
        let status = statuses(&said).first().copied().unwrap_or("none");
        assert!(allowed.contains(&status), "{status} for {}", request.chars().take(60).collect::<String>());
    }
    // Files are looked up in a table: no path leads out of it.
    for path in [
        "/../../etc/passwd",
        "/pkg/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/pkg/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/.git/config",
        "/site.json",
        "/pkg/",
    ] {
        let said = say(&server, get(path, "").as_bytes()).await;
        assert_eq!(statuses(&said), ["404"], "{path}");
        assert!(!said.contains("root:"), "{path}");
    }
    // A host that is not ours is not repeated.
    let said = say(
        &server,
        get("/", "x-forwarded-host: evil.example\r\n").replace("host: x\r\n", "host: evil.example\r\n").as_bytes(),
    )
    .await;
    assert!(statuses(&said) == ["200"] && !said.contains("evil.example"));
    // A request's id is a word for the log, or our own.
    let said = say(&server, get("/healthz", "x-request-id: a\" status=200 level=ERROR\r\n").as_bytes()).await;
    assert!(!said.contains("level=ERROR"), "{said}");

    let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
    let feed = |body: String| {
        let request = script().post(server.at("/api/v1/feed/sales")).bearer_auth(&token);
        request.header("content-type", "application/json").body(body).send()
    };
    // Told before all of it was sent, or cut off while it is sent.
    let large = feed("x".repeat(9 * 1024 * 1024)).await;
    assert!(large.is_err() || large.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
    for body in [
        "[".repeat(100_000),
        "{\"key\":\"a\",\"store\":\"wensan\",\"rows\":[],\"role\":\"x\"}".to_owned(),
        "\u{feff}{}".to_owned(),
        String::new(),
    ] {
        let answer = feed(body).await.unwrap();
        assert!(answer.status().is_client_error(), "{answer:?}");
    }
    let row = r#"{"sku":"DF001","quantity":9223372036854775807,"at":"2026-11-22T10:15:00+08:00"}"#;
    let answer = feed(format!(r#"{{"key":"large","store":"wensan","rows":[{row}]}}"#)).await.unwrap();
    assert!(!answer.status().is_server_error(), "{answer:?}");
    let rows = vec![r#"{"sku":"DF001","quantity":1,"at":"2026-11-22T10:15:00+08:00"}"#; 10_001].join(",");
    let answer = feed(format!(r#"{{"key":"many","store":"wensan","rows":[{rows}]}}"#)).await.unwrap();
    assert!(answer.status().is_client_error(), "{answer:?}");
    drop(server);
    assert_eq!(shop.say(&["check"]), "the books are right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_token_or_is_no_channel_sends_no_large_body() {
    let shop = demo().await;
    let server = shop.serve();
    // Who waits for the rest of a body says nothing for longer than this test waits.
    let begun = async |path: &str, lines: &str, body: &str| {
        let mut stream = connect(&server).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n{lines}\r\n{body}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = [0; 12];
        tokio::time::timeout(IN_TIME, stream.read_exact(&mut said)).await.expect("an answer").unwrap();
        String::from_utf8_lossy(&said).into_owned()
    };
    let kind = "content-type: application/json\r\n";
    let wrong = "content-type: application/json\r\nauthorization: Bearer zj_0000\r\n";
    for lines in [kind, wrong] {
        assert_eq!(begun("/api/v1/feed/sales", lines, "").await, "HTTP/1.1 401", "{lines}");
    }
    let large = "x".repeat(16 * 1024 + 1);
    assert_eq!(begun("/api/pay/sandbox/callback", "", large.as_str()).await, "HTTP/1.1 413");
    let answer = script().post(server.at("/api/pay/sandbox/callback")).body(large).send().await.unwrap();
    let error: serde_json::Value = answer.json().await.unwrap();
    assert!(error["code"] == "too_large" && error["params"]["max"] == "16384", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_stream_is_of_goods_that_are_there_and_ends_when_its_client_talks() {
    let shop = demo().await;
    let server = shop.serve();
    let good = goods(&shop).await.swap_remove(0);
    let live = |skus: &str| format!("/live?store={}&skus={skus}", good.store);
    let none = script().get(server.at(&live("made-up-1,made-up-2"))).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let mut stream = connect(&server).await;
    let path = live(&format!("made-up-1,{}", good.sku));
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let (mut said, mut piece) = (String::new(), [0; 4096]);
    let first = async {
        while !said.contains("event: stock") {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0, "{said}");
            said.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    };
    tokio::time::timeout(IN_TIME, first).await.expect("the state of what is there");
    stream.write_all(b"x").await.unwrap();
    to_the_end(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_holds_nothing_for_long() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_HEAD_S", "2"), ("ZAIJIA_REQUEST_S", "2"), ("ZAIJIA_STALL_S", "2")]);
    // A head, byte by byte: each byte buys no time.
    let head = async {
        let mut stream = connect(&server).await;
        let (mut reader, mut writer) = stream.split();
        let mut end = [0; 256];
        let drip = async {
            for byte in "GET / HTTP/1.1\r\nx: ".bytes().chain(std::iter::repeat(b'x')) {
                if writer.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = drip => {}
            _ = reader.read(&mut end) => {}
        }
    };
    tokio::time::timeout(IN_TIME, head).await.expect("the connection is closed");
    // A connection that says nothing at all.
    let mut silent = connect(&server).await;
    to_the_end(&mut silent).await;
    // A body, byte by byte.
    let body = async {
        let mut stream = connect(&server).await;
        let head = "POST /api/settings/lang HTTP/1.1\r\nhost: x\r\naccept: application/json\r\ncontent-length: 1000\r\n\
                    content-type: application/x-www-form-urlencoded\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut said = [0; 256];
        let drip = async {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = drip => String::new(),
            read = reader.read(&mut said) => String::from_utf8_lossy(&said[..read.unwrap_or(0)]).into_owned(),
        }
    };
    let said = tokio::time::timeout(IN_TIME, body).await.expect("an answer");
    assert!(said.is_empty() || statuses(&said) == ["503"], "{said}");
    // A reader who never reads: what is sent stands still, and is given up.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let asking = async { while deaf.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} };
    tokio::time::timeout(IN_TIME, asking).await.expect("the connection is given up");
    assert_eq!(script().get(server.at("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_takes_no_more_connections_than_its_share() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_CONNECTIONS_PER_ADDRESS", "4"), ("ZAIJIA_HEAD_S", "20")]);
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server).await;
        // Answered, so it has its place.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 200");
        open.push(stream);
    }
    let mut late = connect(&server).await;
    let refused = to_the_end(&mut late).await;
    assert!(statuses(&refused) == ["503"] && refused.contains("retry-after"), "{refused}");
    // A place that is given back is free again.
    open.pop();
    let free = async {
        loop {
            let mut stream = connect(&server).await;
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            if to_the_end(&mut stream).await.starts_with("HTTP/1.1 200") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(IN_TIME, free).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_address_or_session_gains_no_requests() {
    let shop = demo().await;
    let server = shop.serve_with(&[("ZAIJIA_ADDRESS_PER_SECOND", "2")]);
    let mut limited = 0;
    for n in 0..20 {
        let request = script().get(server.at("/about")).header("x-forwarded-for", format!("10.0.0.{n}"));
        let answer = request.header("cookie", format!("zaijia_session=made-up-{n}")).send().await.unwrap();
        limited += usize::from(answer.status() == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(limited > 0, "without a proxy nobody's word for an address is taken");
    // Behind a proxy its own word counts, which is the last one: not what the client put before it.
    let proxied = shop.serve_with(&[("ZAIJIA_ADDRESS_PER_SECOND", "2"), ("ZAIJIA_BEHIND_PROXY", "true")]);
    let mut limited = 0;
    for n in 0..20 {
        let request = script().get(proxied.at("/about")).header("x-forwarded-for", format!("10.0.0.{n}, 192.0.2.7"));
        limited += usize::from(request.send().await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(limited > 0);
    let other = script().get(proxied.at("/about")).header("x-forwarded-for", "192.0.2.8").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}
