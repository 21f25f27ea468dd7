//! Hostile texts: in goods and offers, in what members type, in addresses of
//! pages; in pages, exports and logs.

use crate::shopper::Shopper;
use crate::support::{self, On, Shop, browser, post, script};
use reqwest::StatusCode;
use serde_json::json;

/// Breaks out of text, attributes, titles, scripts and templates, where it is not encoded.
const TEXT: &str = "\"'></title></script><svg onload=x9()>{{7*7}}";
/// What is in a page if it was not encoded.
const LIVE: &str = "<svg onload";

/// A shop whose goods, offers, banners and stores carry hostile texts.
async fn hostile() -> Shop {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let folder = shop.path("hostile");
    std::fs::create_dir(&folder).unwrap();
    let cell = format!("\"{}\"", TEXT.replace('"', "\"\""));
    let t = cell.as_str();
    let stores = format!(
        "code,name_zh,name_en,lat,lon,address_zh,address_en,phone,zone,opens,closes,delivery_radius_m,delivery_fee,\
         free_delivery_above,safety\nbad,{t},{t},30.2,120.1,{t},{t},0571-1000 2003,Asia/Shanghai,07:30,22:00,5000,6.00,69.00,absolute 0\n"
    );
    let slots = "store,kind,weekdays,start,end,capacity,cutoff_min\nbad,pickup,1234567,00:00,23:59,99,0\n";
    let categories = format!("code,parent,name_zh,name_en,sort,picture,safety,count_holds\nbad,,{t},{t},1,milk,,\n");
    let skus = format!(
        "code,product,name_zh,name_en,option_zh,option_en,brand_zh,brand_en,barcode,category,size_zh,size_en,sold_by,\
         base_unit,pack_size,pool,price,member_price,measure_amount,measure_unit,allergens,diet,storage,age_limit,\
         counted,safety,picture,description_zh,description_en,status\n\
         BAD1,BAD1,{t},{t},{t},{t},{t},{t},,bad,{t},{t},piece,piece,1,,30.00,20.00,,,,,ambient,,0,,milk,{t},{t},on\n\
         BAD2,BAD2,=HYPERLINK(1),=HYPERLINK(1),@x,+1,-1,=1,,bad,,,piece,piece,1,,3.00,,,,,,ambient,,0,,milk,,,on\n"
    );
    let stock = "store,pool,on_hand,as_of,kind\nbad,BAD1,500,-1h,snapshot\nbad,BAD2,500,-1h,snapshot\n";
    let offers = format!(
        "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off,per_member,total,priority,excludes\n\
         BADD,timed,{t},{t},,-1d,+4d,sku:BAD1,25.00,,,,,,1,\nBADS,spend_save,{t},{t},,-1d,+4d,sku:BAD1,,,60.00,5.00,,,1,\n\
         BADC,coupon,{t},{t},,-1d,+4d,sku:BAD1,,,10.00,2.00,1,9999,0,\n"
    );
    let banners =
        format!("code,title_zh,title_en,text_zh,text_en,link,picture,sort\nbad,{t},{t},{t},{t},/c/bad,milk,1\n");
    for (name, text) in [
        ("stores", stores.as_str()),
        ("slots", slots),
        ("categories", &categories),
        ("skus", &skus),
        ("stock", stock),
        ("offers", &offers),
        ("banners", &banners),
    ] {
        std::fs::write(folder.join(format!("{name}.csv")), text).unwrap();
    }
    shop.say(&["import", folder.to_str().unwrap(), "--strict"]);
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_typed_is_shown_and_never_run() {
    let shop = hostile().await;
    let servers = [shop.serve()];
    let member = Shopper::sign_in(&servers, "13800008000").await;
    assert_eq!(member.say("settings/store", &[("store", "bad")]).await, "ok");
    assert_eq!(member.say("account/name", &[("name", &TEXT[..40])]).await, "ok");
    let address = [
        ("name", &TEXT[..40]),
        ("phone", "13800008001"),
        ("area", TEXT),
        ("detail", TEXT),
        ("lat", "30.2001"),
        ("lon", "120.1"),
    ];
    assert_eq!(member.say("account/address_save", &address).await, "ok");
    let store = shop.store().await;
    let sql = "SELECT id FROM sku WHERE code = 'BAD1'";
    let (sku,): (String,) = store.read().await.unwrap().one(sql, &[]).await.unwrap();
    store.close().await;
    assert_eq!(member.say("basket/add", &[("sku", &sku), ("packs", "3")]).await, "ok");
    let mut seen = 0;
    let mut look = async |path: &str, shows: bool| {
        let page = member.page(path).await;
        assert!(page.contains("<html") && !page.contains(LIVE), "{path} runs what was typed: {page}");
        assert!(!shows || page.contains("x9()"), "{path} does not show it: {page}");
        seen += usize::from(page.contains("x9()"));
    };
    for path in ["/", "/c/bad", "/p/BAD1", "/basket", "/checkout?kind=pickup", "/me/addresses", "/stores", "/me"] {
        look(path, true).await;
    }
    for path in ["/c", "/p/BAD2", "/deals", "/search?q=x9", "/me/coupons", "/settings"] {
        look(path, false).await;
    }
    let form = member.form().await;
    let (status, code) = member.place(0, &form, &[("note", TEXT)]).await;
    assert_eq!(status, StatusCode::OK, "{code}");
    let code = code.as_str().unwrap();
    member.go_to_pay(0, code).await.unwrap();
    for path in [format!("/orders/{code}"), format!("/pay/{code}"), "/orders".to_owned()] {
        look(&path, false).await;
    }
    assert!(seen >= 10, "pages that show it: {seen}");
    // Suggestions are JSON, which no browser takes for a page.
    let answer = member.client.get(member.at(0, "/api/catalogue/suggest?text=x9")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_an_address_is_never_run() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let server = shop.serve();
    let error = |json: &str| {
        use std::fmt::Write;
        json.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "%{byte:02X}").unwrap();
            out
        })
    };
    let params = serde_json::json!({
        "code": "not_enough", "params": { "left": TEXT, "name": TEXT, "max": TEXT }, "field": TEXT, "message": TEXT, "reference": TEXT
    });
    for (path, name) in [
        ("/search", "q"),
        ("/search", "brand"),
        ("/search", "diet"),
        ("/search", "without"),
        ("/search", "sort"),
        ("/search", "page"),
        ("/c/dairy", "brand"),
        ("/deals", "sort"),
        ("/sign-in", "back"),
        ("/sign-in", "step"),
        ("/stores", "back"),
        ("/settings", "back"),
        ("/sandbox/messages", "phone"),
        ("/basket", "choose"),
        ("/basket", "added"),
        ("/", "__path"),
        ("/", TEXT),
    ] {
        let page = browser().get(server.at(path)).query(&[(name, TEXT)]).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(!page.contains(LIVE), "{path}?{name}: {page}");
    }
    for path in ["/", "/basket", "/sign-in"] {
        let url = format!("{}?__path=%2Fapi%2Fbasket%2Fadd&__err={}", server.at(path), error(&params.to_string()));
        let page = browser().get(url).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains(LIVE) && !page.contains("x9()"), "{path}: what a link says is not repeated");
    }
    for path in ["/p/", "/c/", "/orders/", "/pay/", "/me/addresses/", "/sandbox/pay/", "/api/", "/"] {
        let url = server.at(&format!("{path}{}", error(TEXT)));
        let page = browser().get(url).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains(LIVE), "{path}");
    }
    // SQL, search syntax and patterns are text, too.
    for text in
        ["' OR 1=1 --", "\"milk\" OR *", "names : x", "milk' & !('x", "%", "_", "\\", "NEAR(a b)", "\0", "-", "牛奶*"]
    {
        let answer = browser().get(server.at("/search")).query(&[("q", text)]).send().await.unwrap();
        assert!(!answer.status().is_server_error(), "{text:?}");
        let answer = browser().get(server.at("/api/catalogue/suggest")).query(&[("text", text)]).send().await.unwrap();
        assert!(!answer.status().is_server_error(), "{text:?}");
    }
}

/// Addresses with a NUL in them, written in every way that anything reads as one.
const NULS: [&str; 22] = [
    "/p/%00",
    "/p/a%2500",
    "/c/%00",
    "/c/dairy?brand=%00",
    "/search?q=%00",
    "/search?q=%0",
    "/search?brand=%00",
    "/search?q=milk&diet=%0",
    "/search?q=milk&without=%+0",
    "/deals?brand=%+0",
    "/orders/%00",
    "/pay/%00",
    "/me/addresses/%00",
    "/basket?choose=%00",
    "/checkout?coupon=%00",
    "/checkout?coupon=%+0",
    "/sandbox/pay/%00",
    "/sandbox/pay/%2500",
    "/sandbox/messages?phone=%00",
    "/live?skus=x&store=%00",
    "/live/order/%00",
    "/api/catalogue/suggest?text=%00",
];

crate::on_both! {
    async fn a_nul_is_refused_wherever_it_comes_in(shop) {
        let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
        let servers = [shop.serve()];
        let server = &servers[0];
        let member = Shopper::sign_in(&servers, "13800008003").await;
        for path in NULS {
            let answer = member.client.get(server.at(path)).header("accept", "text/html").send().await.unwrap();
            assert!(!answer.status().is_server_error(), "{path}: {}", answer.status());
        }
        for (function, field) in [
            ("checkout/place", "note"),
            ("checkout/adjust", "adjust"),
            ("sandbox/act", "act"),
            ("orders/pay", "code"),
            ("settings/store", "store"),
            ("account/name", "name"),
            ("account/request_code", "phone"),
            ("basket/add", "sku"),
        ] {
            let (status, answer) = member.call(0, function, &[("x", ""), (field, "a\0b")]).await;
            let named = answer["code"] == "invalid" && answer["field"] == field;
            assert!(status == StatusCode::UNPROCESSABLE_ENTITY && named, "{function}: {status} {answer}");
        }
        // The tills: a key is refused, goods of such a name are not known.
        let batch = |key: &str, store: &str| {
            let row = json!({ "sku": "\0", "quantity": 1, "at": jiff::Timestamp::now().to_string() });
            let body = json!({ "store": store, "key": key, "rows": [row] });
            script().post(server.at("/api/v1/feed/sales")).bearer_auth(&token).json(&body).send()
        };
        for (key, store) in [("a\0b", "wensan"), ("a", "wen\0san")] {
            assert_eq!(batch(key, store).await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
        let answer: serde_json::Value = batch("a", "wensan").await.unwrap().json().await.unwrap();
        assert_eq!(answer["bad"][0]["error"]["code"], "not_found", "{answer}");
        let why = script().get(server.at("/api/v1/why?store=wensan&sku=%00")).bearer_auth(&token).send().await;
        assert_eq!(why.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
        // What says that it is the payment channel.
        let pay = script().post(server.at("/api/pay/sandbox/callback")).header("x-sandbox-signature", "00");
        assert_eq!(pay.body("a\0b").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        drop(servers);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_export_holds_a_formula() {
    let shop = hostile().await;
    for table in ["skus", "stock", "orders"] {
        let path = shop.path(&format!("{table}.csv"));
        shop.say(&["export", table, "--out", path.to_str().unwrap()]);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut rows = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let mut formulas = 0;
        for row in rows.records() {
            for cell in &row.unwrap() {
                let number = cell.parse::<f64>().is_ok();
                assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{table}: {cell}");
                formulas += usize::from(cell.starts_with("'="));
            }
        }
        assert_eq!(formulas > 0, table == "skus", "{table}: the hostile one is in it, as text");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_one_line_an_entry_and_no_secret() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let log = shop.path("log");
    let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
    let servers = [shop.serve_logged(&[("ZAIJIA_LOG_FILTER", "debug")], &log)];
    let member = Shopper::sign_in(&servers, "13800008002").await;
    let forged = "x\r\n2026-01-01T00:00:00Z ERROR forged";
    assert_eq!(member.say("account/name", &[("name", forged)]).await, "invalid");
    assert_eq!(member.say("account/name", &[("name", "隐姓埋名")]).await, "ok");
    member.address().await;
    for path in ["/x%0d%0a2026-01-01T00:00:00Z%20ERROR%20forged", "/search?q=%0aERROR%20forged", "/%1b%5b31mforged"] {
        browser().get(servers[0].at(path)).send().await.unwrap();
    }
    let id = browser().get(servers[0].at("/about")).header("x-request-id", "\t2026 ERROR forged").send().await.unwrap();
    assert_eq!(id.status(), StatusCode::OK);
    let wrong = post(&member.client, servers[0].at("/api/account/sign_in"), &[("code", "999999\nERROR forged")]).await;
    assert!(wrong.status().is_client_error());
    let why = member.client.get(servers[0].at("/api/v1/why?store=wensan&sku=DF001")).bearer_auth(&token).send().await;
    assert_eq!(why.unwrap().status(), StatusCode::OK);
    let pay = member.client.post(servers[0].at("/api/pay/sandbox/callback")).header("x-sandbox-signature", "00");
    assert_eq!(pay.body("{\"x\":\"\nERROR forged\"}").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    drop(servers);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("signed in") && text.contains("unusual payment callback"), "{text}");
    for line in text.lines() {
        let time = line.trim_start_matches("\u{1b}[2m").split('T').next().unwrap_or_default();
        assert!(time.parse::<jiff::civil::Date>().is_ok(), "a line that is no entry: {line}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z"), "forged: {line}");
    }
    assert!(!text.contains("\u{1b}[31mforged"));
    let session = member.cookie.split('=').nth(1).unwrap();
    let key = std::fs::read_to_string(shop.path("data/secret")).unwrap();
    for secret in [session, &token, key.trim(), "13800008002", "隐姓埋名", "王小明", "1 幢 101 室"] {
        let at = text.lines().find(|line| line.contains(secret));
        assert_eq!(at, None, "{secret} is in the log");
    }
}
