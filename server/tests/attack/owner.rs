//! What is one member's is nobody else's: each function that takes an id is
//! tried by another member with the owner's, and by the owner.

use crate::shopper::{Shopper, goods};
use crate::support::{On, Shop};
use app::api::access::ACCESS;
use reqwest::StatusCode;
use std::collections::BTreeSet;

/// Server functions that take no id of anything that is somebody's: they act on
/// the session's own basket and member, or on what everybody sees.
const WITHOUT_ID: &[&str] = &[
    "/api/account/name",
    "/api/account/request_code",
    "/api/account/sign_in",
    "/api/account/sign_out",
    "/api/account/substitution_default",
    "/api/basket/add",
    "/api/basket/remove",
    "/api/basket/set",
    "/api/basket/substitution",
    "/api/basket/undo",
    "/api/catalogue/suggest",
    "/api/messages/read",
    "/api/settings/lang",
    "/api/settings/store",
    "/api/settings/theme",
    // The number is the secret: who has it stands at the channel's page.
    "/api/sandbox/act",
];

/// Those that do, each tried below.
const WITH_ID: &[&str] = &[
    "/api/account/address_delete",
    "/api/account/address_save",
    "/api/checkout/adjust",
    "/api/checkout/place",
    "/api/orders/buy_again",
    "/api/orders/cancel",
    "/api/orders/line_choice",
    "/api/orders/pay",
];

#[test]
fn every_function_is_known_to_take_an_id_or_not() {
    let known: BTreeSet<&str> = WITHOUT_ID.iter().chain(WITH_ID).copied().collect();
    let listed: BTreeSet<&str> = ACCESS.iter().map(|(path, _)| *path).collect();
    assert_eq!(known, listed);
}

/// A page's status for a member.
async fn status(shopper: &Shopper, path: &str) -> StatusCode {
    shopper.client.get(shopper.at(0, path)).header("accept", "text/html").send().await.unwrap().status()
}

/// What belongs to members in the database.
async fn rows(shop: &Shop) -> Vec<(String, i64, String)> {
    let store = shop.store().await;
    let sql = "SELECT o.state, o.version, o.address FROM orders o ORDER BY o.id";
    let mut rows: Vec<(String, i64, String)> = store.read().await.unwrap().all(sql, &[]).await.unwrap();
    let sql = "SELECT name, CAST(LENGTH(detail) AS BIGINT), id FROM address ORDER BY id";
    rows.extend(store.read().await.unwrap().all::<(String, i64, String)>(sql, &[]).await.unwrap());
    store.close().await;
    rows
}

async fn coupon_of(shop: &Shop, phone: &str) -> String {
    let store = shop.store().await;
    let sql = "SELECT c.id FROM coupon c JOIN member m ON m.id = c.member_id WHERE m.phone = $1 ORDER BY c.id LIMIT 1";
    let row: (String,) = store.read().await.unwrap().one(sql, &[store::Val::from(phone)]).await.unwrap();
    store.close().await;
    row.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_members_orders_addresses_and_coupons_are_not_there() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve()];
    let good = goods(&shop).await.swap_remove(0);
    let owner = Shopper::sign_in(&servers, "13800006000").await;
    let other = Shopper::sign_in(&servers, "13800006001").await;
    let (address, _) = (owner.address().await, other.address().await);
    let (paid, open) = (owner.order(&good, 1).await, owner.order(&good, 1).await);
    owner.pay(&paid).await;
    let coupon = coupon_of(&shop, "13800006000").await;
    other.add(&good, 1).await;
    let form = other.form().await;
    let before = rows(&shop).await;

    for path in [format!("/orders/{open}"), format!("/pay/{open}"), format!("/me/addresses/{address}")] {
        assert_eq!(status(&other, &path).await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(status(&owner, &path).await, StatusCode::OK, "{path}");
    }
    assert_eq!(status(&other, &format!("/live/order/{open}")).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&owner, &format!("/live/order/{open}")).await, StatusCode::OK);
    for path in ["/orders", "/me", "/me/messages", "/me/addresses", "/me/coupons"] {
        let page = other.page(path).await;
        for secret in [open.as_str(), &paid, &address, &coupon, "138****6000"] {
            assert!(!page.contains(secret), "{path} shows {secret}");
        }
    }

    let line: [(&str, &str); 3] = [("code", open.as_str()), ("no", "1"), ("choice", "ask_me")];
    let adjust: [(&str, &str); 3] = [("adjust", "keep"), ("address", address.as_str()), ("coupon", &coupon)];
    let changed =
        [("id", address.as_str()), ("name", "别人"), ("phone", "13800006001"), ("area", "文三路"), ("detail", "2")];
    let (of_open, of_paid, of_address) = ([("code", &*open)], [("code", &*paid)], [("id", &*address)]);
    let tries: [(&str, &[(&str, &str)]); 7] = [
        ("orders/pay", &of_open),
        ("orders/cancel", &of_open),
        ("orders/cancel", &of_paid),
        ("orders/buy_again", &of_open),
        ("orders/line_choice", &line),
        ("account/address_delete", &of_address),
        ("account/address_save", &changed),
    ];
    for (function, fields) in tries {
        assert_eq!(other.say(function, fields).await, "not_found", "{function}");
    }
    // At checkout another's address is no address, and another's coupon no coupon.
    assert_eq!(other.say("checkout/adjust", &adjust).await, "ok");
    let page = other.page("/checkout").await;
    assert!(!page.contains(&address) && !page.contains(&coupon));
    // Delivered, it costs more; that is said first.
    let (_, answer) = other.place(0, &form, &[("kind", "delivery"), ("address", &address)]).await;
    let payable = answer["params"]["new"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let delivery = [("kind", "delivery"), ("address", address.as_str()), ("payable", &payable)];
    let (_, answer) = other.place(0, &form, &delivery).await;
    assert!(["address_missing", "slot_missing"].contains(&answer["code"].as_str().unwrap()), "{answer}");
    let (_, answer) = other.place(0, &form, &[("coupon", &coupon)]).await;
    assert_eq!(answer["code"], "coupon_unusable");
    assert_eq!(rows(&shop).await, before, "nothing was changed");

    // The owner may do all of it, calling off and deleting last.
    let mut tries = tries;
    tries.sort_by_key(|(function, _)| ["orders/cancel", "account/address_delete"].contains(function));
    for (function, fields) in tries {
        assert_eq!(owner.say(function, fields).await, "ok", "{function}");
    }
    drop(servers);
    assert_eq!(shop.say(&["check"]), "the books are right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_member_used_says_nothing_of_the_order() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve()];
    let good = goods(&shop).await.swap_remove(0);
    let one = Shopper::sign_in(&servers, "13800006002").await;
    let two = Shopper::sign_in(&servers, "13800006003").await;
    one.add(&good, 1).await;
    two.add(&good, 1).await;
    let form = one.form().await;
    let (_, first) = one.place(0, &form, &[]).await;
    let (status, second) = two.place(0, &form, &[]).await;
    assert_eq!(status, StatusCode::OK, "a key is its member's own: {second}");
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_field_of_a_form_sets_what_is_not_the_members_to_set() {
    let shop = Shop::demo(On::Sqlite).await.unwrap();
    let servers = [shop.serve()];
    let good = goods(&shop).await.swap_remove(0);
    let member = Shopper::sign_in(&servers, "13800006004").await;
    member.add(&good, 2).await;
    let form = member.form().await;
    let more = [
        ("member", "another"),
        ("member_id", "another"),
        ("state", "paid"),
        ("total", "1"),
        ("unit_price", "1"),
        ("is_member", "true"),
        ("hold_until", "99999999999999"),
    ];
    let (_, answer) = member.place(0, &form, &[("payable", "1")]).await;
    assert_eq!(answer["code"], "price_changed");
    let (status, code) = member.place(0, &form, &more).await;
    assert_eq!(status, StatusCode::OK, "{code}");
    let store = shop.store().await;
    let sql = "SELECT state, total, CAST(CASE WHEN is_member THEN 1 ELSE 0 END AS BIGINT) FROM orders";
    let (state, total, is_member): (String, i64, i64) = store.read().await.unwrap().one(sql, &[]).await.unwrap();
    assert_eq!((state.as_str(), total.to_string(), is_member), ("pending_payment", form.payable.clone(), 0));
    store.close().await;
}
