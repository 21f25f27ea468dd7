//! Many requests at the same moment, on PostgreSQL by turns at two servers:
//! tabs that buy, pay, call off and guess. The books are right after each.

use crate::shopper::{Good, Shopper, goods};
use crate::support::{self, Server, Shop, script};
use futures::future::join_all;
use serde_json::json;
use store::conn::Kind;

/// Serves the shop: by one process on SQLite, by two on PostgreSQL.
async fn serve(shop: &Shop) -> Vec<Server> {
    let store = shop.store().await;
    let kind = store.kind();
    store.close().await;
    let env = [("ZAIJIA_VISITOR_PER_SECOND", "0")];
    (0..if kind == Kind::Sqlite { 1 } else { 2 }).map(|_| shop.serve_with(&env)).collect()
}

/// Asks one number of the database.
async fn number(shop: &Shop, sql: &'static str) -> i64 {
    let store = shop.store().await;
    let number = store.read().await.unwrap().int(sql, &[]).await.unwrap();
    store.close().await;
    number
}

/// Says at a till that so many packs are on the shelf, above what is kept back.
async fn count(shop: &Shop, server: &Server, good: &Good, packs: i64) {
    let store = shop.store().await;
    let sql = "SELECT t.safety FROM stock t JOIN store s ON s.id = t.store_id JOIN pool p ON p.id = t.pool_id
               WHERE s.code = $1 AND p.code = $2";
    let keys = [store::Val::from(good.store.as_str()), store::Val::from(good.pool.as_str())];
    let (safety,): (i64,) = store.read().await.unwrap().one(sql, &keys).await.unwrap();
    store.close().await;
    let token = shop.say(&["token", "add", "tills", "--role", "feed"]);
    let units = packs * good.pack_size + safety;
    let row = json!({ "pool": good.pool, "quantity": units, "at": jiff::Timestamp::now().to_string() });
    let body = json!({ "store": good.store, "key": "count", "rows": [row] });
    let sent = script().post(server.at("/api/v1/feed/snapshots")).bearer_auth(token).json(&body).send().await.unwrap();
    assert!(sent.status().is_success());
}

/// How many packs of a good can be bought.
async fn left(server: &Server, good: &Good) -> i64 {
    let path = format!("/live?store={}&skus={}", good.store, good.sku);
    let (mut stream, mut text) = (reqwest::get(server.at(&path)).await.unwrap(), String::new());
    loop {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        if let Some(states) = data.and_then(|data| serde_json::from_str::<serde_json::Value>(data).ok()) {
            return states[0]["max"].as_i64().unwrap();
        }
    }
}

crate::on_both! {
    async fn members_with_many_tabs_buy_what_is_there_and_no_more(shop) {
        let servers = serve(&shop).await;
        let good = goods(&shop).await.swap_remove(0);
        let mut shoppers = Vec::new();
        for n in 0..6 {
            let shopper = Shopper::sign_in(&servers, &format!("1380000100{n}")).await;
            shopper.add(&good, 1).await;
            let form = shopper.form().await;
            shoppers.push((shopper, form));
        }
        // More packs than buyers are on the page, fewer on the shelf.
        count(&shop, &servers[0], &good, 4).await;
        let there = left(&servers[0], &good).await;
        assert!((1..=8).contains(&there), "{there}");
        // Each has three tabs: two order at once under keys of their own, one puts in more meanwhile.
        let tries = shoppers.iter().flat_map(|(shopper, form)| (0..3).map(move |tab| (shopper.clone(), form.clone(), tab)));
        let tries = tries.enumerate().map(|(no, (shopper, form, tab))| {
            let good = good.clone();
            tokio::spawn(async move {
                if tab == 2 {
                    shopper.say_at(no, "basket/add", &[("sku", &good.sku), ("packs", "1")]).await;
                    return false;
                }
                let key = format!("{}-{tab}", form.key);
                let (status, answer) = shopper.place(no, &form, &[("idempotency_key", &key)]).await;
                assert!(!status.is_server_error(), "{answer}");
                status.is_success()
            })
        });
        let sold: i64 = join_all(tries).await.into_iter().map(|sold| i64::from(sold.unwrap())).sum();
        assert!(sold <= there, "{sold} of {there}");
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM orders").await, sold);
        // What was ordered is what the page said: one pack for one price each.
        assert_eq!(number(&shop, "SELECT CAST(SUM(qty) AS BIGINT) FROM order_line").await, sold);
        assert_eq!(number(&shop, "SELECT COUNT(DISTINCT total) FROM orders").await, i64::from(sold > 0));
        assert_eq!(left(&servers[0], &good).await, there - sold);
        drop(servers);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }

    async fn a_form_with_a_typed_address_that_is_sent_twice_is_one_order(shop) {
        let servers = serve(&shop).await;
        let good = goods(&shop).await.swap_remove(0);
        let shopper = Shopper::sign_in(&servers, "13800005000").await;
        shopper.add(&good, 2).await;
        let form = shopper.form_of("delivery").await;
        let typed = [
            ("kind", "delivery"),
            ("address", "new"),
            ("name", "王小明"),
            ("phone", "13800000001"),
            ("area", "文三路"),
            ("detail", "1 幢 101 室"),
            ("lat", "30.2770"),
            ("lon", "120.1285"),
        ];
        // A double click, and taps of somebody who hears no answer, at whichever server.
        let tries = (0..6).map(|no| {
            let (shopper, form) = (shopper.clone(), form.clone());
            tokio::spawn(async move { shopper.place(no, &form, &typed).await })
        });
        let mut said: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
        // And once more, later.
        said.push(shopper.place(0, &form, &typed).await);
        let all_one = said.iter().all(|(status, code)| status.is_success() && *code == said[0].1);
        assert!(all_one, "{said:?}");
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM address").await, 1);
        // Another address under its key is another request.
        let mut other = typed;
        other[5].1 = "1 幢 102 室";
        let (_, answer) = shopper.place(0, &form, &other).await;
        assert_eq!(answer["code"], "key_reused", "{answer}");
        drop(servers);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }

    async fn paying_calling_off_and_reporting_short_at_once_gives_back_what_was_paid(shop) {
        let servers = serve(&shop).await;
        let good = goods(&shop).await.swap_remove(1);
        let shopper = Shopper::sign_in(&servers, "13800002000").await;
        let paid = shopper.order(&good, 3).await;
        shopper.pay(&paid).await;
        let unpaid = shopper.order(&good, 2).await;
        let trade_no = shopper.go_to_pay(0, &unpaid).await.unwrap();
        let tries = (0..12).map(|no| {
            let (shopper, paid, unpaid, trade_no) = (shopper.clone(), paid.clone(), unpaid.clone(), trade_no.clone());
            tokio::spawn(async move {
                let said = match no % 4 {
                    0 => shopper.say_at(no / 4, "orders/cancel", &[("code", &paid)]).await,
                    1 => shopper.say_at(no / 4, "orders/cancel", &[("code", &unpaid)]).await,
                    2 => shopper.say_at(no / 4, "sandbox/act", &[("trade_no", &trade_no), ("act", "pay")]).await,
                    _ => shopper.say_at(no / 4, "orders/pay", &[("code", &unpaid)]).await,
                };
                (no % 4, said)
            })
        });
        let shorts = (0..2).map(|_| {
            let run = shop.start(&["short", &paid, "1", "2"]);
            tokio::task::spawn_blocking(move || run.wait_with_output().unwrap().status.success())
        });
        let (said, short) = tokio::join!(join_all(tries), join_all(shorts));
        let said: Vec<(usize, String)> = said.into_iter().map(Result::unwrap).collect();
        assert!(said.iter().all(|(_, said)| said == "ok" || said == "order_state"), "{said:?}");
        let times = |what: usize| said.iter().filter(|(no, said)| *no == what && said == "ok").count();
        assert!(times(0) == 3 && times(1) == 3, "whoever comes later is told the same: {said:?}");
        assert!(times(2) <= 1, "paid once: {said:?}");
        // The paid one may have been called off because all of it was reported short.
        let shorts = short.into_iter().map(|done| usize::from(done.unwrap())).sum::<usize>();
        let called_off = number(&shop, "SELECT COUNT(*) FROM order_event WHERE kind = 'cancelled'").await;
        assert!((1..=2).contains(&called_off) && (called_off == 2 || shorts == 2), "each of them once");
        // Whatever was paid comes back: the servers' jobs see to it.
        let done = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting'";
        for _ in 0..300 {
            if number(&shop, done).await == 0 && number(&shop, "SELECT COUNT(*) FROM sandbox_callback WHERE state = 'waiting'").await == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let kept = "SELECT CAST(SUM(amount - refunded) AS BIGINT) FROM sandbox_trade WHERE state = 'paid'";
        assert_eq!(number(&shop, kept).await, 0);
        assert_eq!(number(&shop, "SELECT CAST(SUM(paid - refunded) AS BIGINT) FROM orders").await, 0);
        assert_eq!(number(&shop, "SELECT CAST(SUM(reserved) AS BIGINT) FROM stock").await, 0);
        drop(servers);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }

    async fn a_shortage_whose_answer_was_lost_is_reported_again_by_its_key(shop) {
        let servers = serve(&shop).await;
        let good = goods(&shop).await.swap_remove(1);
        let shopper = Shopper::sign_in(&servers, "13800002001").await;
        let paid = shopper.order(&good, 4).await;
        shopper.pay(&paid).await;
        let first = shop.run(&["short", &paid, "1", "2"]);
        let errors = String::from_utf8_lossy(&first.stderr);
        assert!(first.status.success(), "{errors}");
        let key = errors.split("--key ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        let again = shop.say(&["short", &paid, "1", "2", "--key", key]);
        assert_eq!(again, String::from_utf8_lossy(&first.stdout).trim());
        let other = shop.run(&["short", &paid, "1", "1", "--key", key]);
        assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("key_reused"));
        assert_eq!(number(&shop, "SELECT CAST(SUM(short_qty) AS BIGINT) FROM order_line").await, 2);
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM refund").await, 1);
        drop(servers);
        assert_eq!(shop.say(&["check"]), "the books are right");
    }

    async fn codes_are_not_guessed_faster_by_many_connections(shop) {
        let servers = serve(&shop).await;
        let guesser = Shopper::guest(&servers);
        assert_eq!(guesser.say("account/request_code", &[("phone", "13800003000")]).await, "ok");
        let code = guesser.code("13800003000").await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        let tries = (0..24).map(|no| {
            let guesser = guesser.clone();
            tokio::spawn(async move { guesser.say_at(no, "account/sign_in", &[("code", wrong)]).await })
        });
        let said: Vec<String> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
        assert!(said.iter().all(|said| said == "bad_code"), "{said:?}");
        assert_eq!(guesser.say("account/sign_in", &[("code", &code)]).await, "bad_code", "its five tries are spent");
        // Another code is not sent at once, in whichever tab it is asked for.
        let tries = (0..8).map(|no| {
            let guesser = Shopper::guest(&servers);
            tokio::spawn(async move { guesser.say_at(no, "account/request_code", &[("phone", "13800003000")]).await })
        });
        assert!(join_all(tries).await.into_iter().all(|said| said.unwrap() == "too_many"));
    }

    async fn a_stranger_keeps_nobody_from_signing_in(shop) {
        let servers = serve(&shop).await;
        let owner = Shopper::guest(&servers);
        assert_eq!(owner.say("account/request_code", &[("phone", "13800003001")]).await, "ok");
        let code = owner.code("13800003001").await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        // Strangers, each in a session of his own, ask for the same phone and guess.
        let tries = (0..8).map(|no| {
            let stranger = Shopper::guest(&servers);
            tokio::spawn(async move {
                let asked = stranger.say_at(no, "account/request_code", &[("phone", "13800003001")]).await;
                assert_eq!(asked, "too_many");
                for _ in 0..6 {
                    assert_eq!(stranger.say_at(no, "account/sign_in", &[("code", wrong)]).await, "bad_code");
                }
            })
        });
        for tried in join_all(tries).await {
            tried.unwrap();
        }
        assert_eq!(owner.say("account/sign_in", &[("code", &code)]).await, "ok");
    }

    async fn a_lost_device_is_signed_out_from_another(shop) {
        let servers = serve(&shop).await;
        let lost = Shopper::sign_in(&servers, "13800004001").await;
        let ask = |shopper: &Shopper, cookie: String| {
            let request = script().post(shopper.at(1, "/api/account/name")).header("cookie", cookie);
            let (name, kind, body) = support::form(&[("name", "x")]);
            async move { request.header(name, kind).body(body).send().await.unwrap().status().as_u16() }
        };
        assert_eq!(ask(&lost, lost.cookie.clone()).await, 200);
        assert_eq!(shop.say(&["member", "sign-out", "13800004001"]), "1 sessions ended");
        assert_eq!(ask(&lost, lost.cookie.clone()).await, 401);
        // By the member, with a code of a minute later: the time between two is not waited for here.
        let exec = "DELETE FROM rate";
        let store = shop.store().await;
        store.write(store::Lane::Background, (), move |conn, ()| Box::pin(async move { conn.exec(exec, &[]).await })).await.unwrap();
        let one = Shopper::sign_in(&servers, "13800004001").await;
        store.write(store::Lane::Background, (), move |conn, ()| Box::pin(async move { conn.exec(exec, &[]).await })).await.unwrap();
        store.close().await;
        let two = Shopper::sign_in(&servers, "13800004001").await;
        assert_eq!(two.say("account/sign_out", &[("everywhere", "true")]).await, "ok");
        assert_eq!((ask(&one, one.cookie.clone()).await, ask(&two, two.cookie.clone()).await), (401, 401));
    }

    async fn a_session_that_was_ended_stays_ended(shop) {
        let servers = serve(&shop).await;
        let shopper = Shopper::sign_in(&servers, "13800004000").await;
        assert_eq!(shopper.say("account/name", &[("name", "王")]).await, "ok");
        let cookie = shopper.cookie.clone();
        let thief = script();
        let ask = |thief: reqwest::Client, no: usize| {
            // Writes to the session: what is refused is kept there.
            let (url, cookie) = (shopper.at(no, "/api/account/address_save"), cookie.clone());
            async move {
                let (name, kind, body) = support::form(&[("name", "x")]);
                thief.post(url).header("cookie", cookie).header(name, kind).body(body).send().await.unwrap().status()
            }
        };
        assert_eq!(ask(thief.clone(), 0).await, reqwest::StatusCode::UNPROCESSABLE_ENTITY, "the cookie is good");
        let before = number(&shop, "SELECT COUNT(*) FROM session WHERE member_id IS NOT NULL").await;
        assert_eq!(before, 1);
        let asking = (0..16).map(|no| tokio::spawn(ask(thief.clone(), no)));
        let (said, _) = tokio::join!(shopper.say("account/sign_out", &[]), join_all(asking));
        assert_eq!(said, "ok");
        assert_eq!(ask(thief, 0).await, reqwest::StatusCode::UNAUTHORIZED);
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM session WHERE member_id IS NOT NULL").await, 0);
    }
}
