//! Who may call what: every route and every server function, by everybody. A
//! route that is not listed here fails the test, and so does one that lets in
//! whom it should not.

use crate::shopper::{Shopper, goods};
use crate::support::{On, Shop, browser, form, script};
use app::api::access::{ACCESS, Access};
use reqwest::{Client, StatusCode};
use std::collections::BTreeSet;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Everybody.
    Anyone,
    /// Who has signed in; what another member's is, is not found (see `owner`).
    Member,
    /// Who has a token of one of these roles.
    Token(&'static [&'static str]),
    /// Who signs what is said.
    Signed,
}

/// Every route that is no server function: method, path, who may call it, and a
/// path that it matches.
const ROUTES: &[(&str, &str, May, &str)] = &[
    ("GET", "/", May::Anyone, "/"),
    ("GET", "/about", May::Anyone, "/about"),
    ("GET", "/api/v1/why", May::Token(&["feed", "staff"]), "/api/v1/why?store=wensan&sku=DF001"),
    ("GET", "/basket", May::Anyone, "/basket"),
    ("GET", "/c", May::Anyone, "/c"),
    ("GET", "/c/{code}", May::Anyone, "/c/dairy"),
    ("GET", "/checkout", May::Member, "/checkout"),
    ("GET", "/deals", May::Anyone, "/deals"),
    ("GET", "/healthz", May::Anyone, "/healthz"),
    ("GET", "/live", May::Anyone, "/live?skus=none"),
    ("GET", "/live/order/{code}", May::Member, "/live/order/ABCDEFGHJ"),
    ("GET", "/me", May::Anyone, "/me"),
    ("GET", "/me/addresses", May::Member, "/me/addresses"),
    ("GET", "/me/addresses/{id}", May::Member, "/me/addresses/new"),
    ("GET", "/me/coupons", May::Member, "/me/coupons"),
    ("GET", "/me/messages", May::Member, "/me/messages"),
    ("GET", "/me/substitutes", May::Member, "/me/substitutes"),
    ("GET", "/metrics", May::Token(&["metrics", "staff"]), "/metrics"),
    ("GET", "/offline", May::Anyone, "/offline"),
    ("GET", "/openapi.json", May::Anyone, "/openapi.json"),
    ("GET", "/orders", May::Member, "/orders"),
    ("GET", "/orders/{code}", May::Member, "/orders/ABCDEFGHJ"),
    ("GET", "/p/{code}", May::Anyone, "/p/DF001"),
    ("GET", "/pay/{code}", May::Member, "/pay/ABCDEFGHJ"),
    ("GET", "/readyz", May::Anyone, "/readyz"),
    ("GET", "/sandbox/messages", May::Anyone, "/sandbox/messages"),
    ("GET", "/sandbox/pay/{trade_no}", May::Anyone, "/sandbox/pay/none"),
    ("GET", "/search", May::Anyone, "/search?q=x"),
    ("GET", "/settings", May::Anyone, "/settings"),
    ("GET", "/sign-in", May::Anyone, "/sign-in"),
    ("GET", "/stores", May::Anyone, "/stores"),
    ("GET", "/swagger", May::Anyone, "/swagger"),
    ("GET", "/swagger/", May::Anyone, "/swagger/"),
    ("GET", "/swagger/{*rest}", May::Anyone, "/swagger/index.html"),
    ("POST", "/api/pay/{channel}/callback", May::Signed, "/api/pay/sandbox/callback"),
    ("POST", "/api/v1/feed/{told}", May::Token(&["feed"]), "/api/v1/feed/sales"),
];

/// The server functions that change nothing and are asked by GET.
const BY_GET: &[&str] = &["/api/catalogue/suggest"];

/// The paths that a router knows, as its debug output names them.
fn paths(router: &axum::Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split('"').skip(1).step_by(2);
    // What nothing else matches is axum's own.
    quoted.filter(|text| text.starts_with('/') && !text.contains("__private__")).map(str::to_owned).collect()
}

/// A server over a fresh database, in this process.
pub async fn server_of(folder: &std::path::Path) -> server::Server {
    let config = server::config::Config { data: folder.to_owned(), ..server::config::Config::default() };
    let config =
        server::config::Config { database: format!("sqlite://{}", folder.join("shop.sqlite").display()), ..config };
    let shop = server::commands::open(&config).await.unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let bounds = server::places::Bounds { all: 1, visitor: 1, address: 1 };
    server::Server::new(server::Parts {
        live: server::live::Live::start(&shop, bounds, stopped),
        limits: server::limits::Limits::new(0, 0),
        assets: server::assets::Assets::default(),
        ready: server::ready::Ready::new(&shop),
        config,
        shop,
        draining: std::sync::atomic::AtomicBool::new(false),
        readiness: server::operation::Readiness::default(),
        metrics: None,
        leptos: leptos::config::LeptosOptions::builder().output_name("zaijia").build(),
    })
}

#[tokio::test]
async fn every_route_is_listed_with_who_may_call_it() {
    let folder = tempfile::tempdir().unwrap();
    let known = paths(&server::router::router(server_of(folder.path()).await));
    let listed = ROUTES.iter().map(|(_, path, ..)| *path).chain(ACCESS.iter().map(|(path, _)| *path));
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    assert_eq!(known, listed, "what the router knows, and what this test lists");
}

/// Is this answer a refusal to who asked, whatever was asked for?
fn refuses(answer: &reqwest::Response) -> bool {
    let to_sign_in = answer.headers().get("location").is_some_and(|to| to.as_bytes().starts_with(b"/sign-in?back="));
    matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || to_sign_in
}

async fn ask(client: &Client, method: &str, url: &str, token: Option<&str>) -> reqwest::Response {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client.request(method.clone(), url);
    if method == reqwest::Method::POST {
        let (name, kind, body) = form(&[]);
        request = request.header(name, kind).body(body);
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    // Behind a proxy nobody is taken for this machine itself.
    let servers = [shop.serve_with(&[("ZAIJIA_BEHIND_PROXY", "true"), ("ZAIJIA_VISITOR_PER_SECOND", "0")])];
    let member = Shopper::sign_in(&servers, "13800005000").await;
    member.add(&goods(&shop).await[0], 1).await;
    let roles = ["feed", "staff", "metrics"];
    let tokens = roles.map(|role| (Some(role), shop.say(&["token", "add", role, "--role", role])));
    let gone = shop.say(&["token", "add", "gone", "--role", "staff"]);
    shop.say(&["token", "revoke", "gone"]);
    let (guest, guest_script) = (browser(), script());
    let functions = ACCESS.iter().map(|(path, access)| {
        let may = if *access == Access::Member { May::Member } else { May::Anyone };
        (if BY_GET.contains(path) { "GET" } else { "POST" }, *path, may, *path)
    });
    let all: Vec<_> = ROUTES.iter().copied().chain(functions).collect();
    for (method, route, may, path) in all {
        // Signing out would end what the others are tried with.
        if route == "/api/account/sign_out" {
            continue;
        }
        let url = servers[0].at(path);
        for client in [&guest, &guest_script] {
            let answer = ask(client, method, &url, None).await;
            assert_eq!(refuses(&answer), may != May::Anyone, "{route} for a guest: {answer:?}");
        }
        let answer = ask(&member.client, method, &url, None).await;
        assert_eq!(refuses(&answer), !matches!(may, May::Anyone | May::Member), "{route} for a member: {answer:?}");
        let strangers = [(None, gone.clone()), (None, "zj_0000".to_owned()), (None, String::new())];
        for (role, token) in tokens.clone().into_iter().chain(strangers) {
            let answer = ask(&guest_script, method, &url, Some(&token)).await;
            let lets_in = match may {
                May::Anyone => true,
                May::Token(roles) => role.is_some_and(|role| roles.contains(&role)),
                // A token is no member, and no signature.
                May::Member | May::Signed => false,
            };
            assert_eq!(!refuses(&answer), lets_in, "{route} with a token of {role:?}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_something_is_not_done_by_a_link() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve()];
    let member = Shopper::sign_in(&servers, "13800005001").await;
    for (path, _) in ACCESS.iter().filter(|(path, _)| !BY_GET.contains(path)) {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            let answer = ask(&member.client, method, &servers[0].at(path), None).await;
            let refused = matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND);
            assert!(refused, "{method} {path}: {answer:?}");
        }
    }
    assert!(member.page("/me").await.contains("138****5001"), "still signed in");
}

/// The list of routes is compared by their paths; another method at one of them is found here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_answers_to_the_method_that_is_listed_and_to_no_other() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve_with(&[("ZAIJIA_VISITOR_PER_SECOND", "0")])];
    // Whoever may do most: it is the method that is refused.
    let member = Shopper::sign_in(&servers, "13800005003").await;
    let tokens = ["feed", "staff"].map(|role| (role, shop.say(&["token", "add", role, "--role", role])));
    let routes = ROUTES.iter().map(|(method, route, may, path)| (*method, *route, *may, *path));
    let by_get = BY_GET.iter().map(|path| ("GET", *path, May::Anyone, *path));
    for (method, route, may, path) in routes.chain(by_get) {
        let token = tokens.iter().find(|(role, _)| matches!(may, May::Token(roles) if roles.contains(role)));
        let other = if method == "GET" { "POST" } else { "GET" };
        let answer = ask(&member.client, other, &servers[0].at(path), token.map(|(_, token)| token.as_str())).await;
        let refused = matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND);
        assert!(refused, "{other} {route}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_sandbox_nothing_of_it_is_there() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve_with(&[("ZAIJIA_SANDBOX", "false")])];
    let guest = Shopper::guest(&servers);
    assert_eq!(guest.say("account/request_code", &[("phone", "13800005002")]).await, "ok");
    for path in ["/sandbox/messages?phone=13800005002", "/sandbox/messages", "/sandbox/pay/none"] {
        let answer = ask(&browser(), "GET", &servers[0].at(path), None).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.text().await.unwrap().contains("data-code"));
    }
    assert_eq!(guest.say("sandbox/act", &[("trade_no", "none"), ("act", "pay")]).await, "not_found");
}
