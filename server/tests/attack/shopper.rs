//! A member who shops over HTTP, and the goods that are bought.

use crate::support::{Server, Shop, post, script};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// Something that the first store sells, with many packs on the shelf.
#[derive(Clone, Debug)]
pub struct Good {
    /// Code of the store.
    pub store: String,
    /// Id of the SKU.
    pub sku: String,
    /// Code of its pool.
    pub pool: String,
    /// Base units in a pack.
    pub pack_size: i64,
}

/// Such goods of the demo, each from a pool of its own, without an age limit.
pub async fn goods(shop: &Shop) -> Vec<Good> {
    let store = shop.store().await;
    let sql = "SELECT s.code, MIN(k.id), p.code, MIN(k.pack_size) FROM stock t
               JOIN store s ON s.id = t.store_id JOIN sku k ON k.pool_id = t.pool_id JOIN pool p ON p.id = t.pool_id
               WHERE t.on_hand - t.safety > 30 * k.pack_size AND t.counted_until IS NULL AND k.active
               AND k.age_limit IS NULL AND s.code = 'wensan' GROUP BY s.code, p.code HAVING COUNT(*) = 1
               ORDER BY p.code LIMIT 5";
    let rows: Vec<(String, String, String, i64)> = store.read().await.unwrap().all(sql, &[]).await.unwrap();
    store.close().await;
    let good = |(store, sku, pool, pack_size)| Good { store, sku, pool, pack_size };
    rows.into_iter().map(good).collect()
}

/// A member with a browser.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// Keeps the cookies; asks as a script does.
    pub client: Client,
    /// Addresses of the servers, which the browser finds by turns.
    pub servers: Vec<String>,
    /// The session's cookie, once signed in.
    pub cookie: String,
}

impl Shopper {
    /// Somebody who has not signed in.
    pub fn guest(servers: &[Server]) -> Self {
        Self {
            client: script(),
            servers: servers.iter().map(|server| server.url.clone()).collect(),
            cookie: String::new(),
        }
    }

    /// Signs in by phone and code.
    pub async fn sign_in(servers: &[Server], phone: &str) -> Self {
        let mut shopper = Self::guest(servers);
        assert_eq!(shopper.say("account/request_code", &[("phone", phone)]).await, "ok");
        let code = shopper.code(phone).await;
        let answer = post(&shopper.client, shopper.at(0, "/api/account/sign_in"), &[("code", &code)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookies = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let session =
            cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.starts_with("zaijia_session="));
        shopper.cookie = session.unwrap().to_owned();
        assert_eq!(shopper.say("settings/store", &[("store", "wensan")]).await, "ok");
        shopper
    }

    /// The code that was sent to a phone.
    pub async fn code(&self, phone: &str) -> String {
        // It is sent after the answer.
        let mut page = String::new();
        for _ in 0..100 {
            page = self.page(&format!("/sandbox/messages?phone={phone}")).await;
            let shown = page.split("data-code").nth(1).unwrap_or_default();
            if let Some(code) = shown.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6) {
                return code.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no code for {phone}: {page}")
    }

    /// The address of a path at one of the servers.
    pub fn at(&self, no: usize, path: &str) -> String {
        format!("{}{path}", self.servers[no % self.servers.len()])
    }

    /// A page as it is shown without JavaScript.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.client.get(self.at(0, path)).header("accept", "text/html").send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// Calls a server function at a server.
    pub async fn call(&self, no: usize, function: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = post(&self.client, self.at(no, &format!("/api/{function}")), fields).await;
        let status = answer.status();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// What became of a call: `ok`, or the code of the refusal.
    pub async fn say(&self, function: &str, fields: &[(&str, &str)]) -> String {
        self.say_at(0, function, fields).await
    }

    /// The same at a server.
    pub async fn say_at(&self, no: usize, function: &str, fields: &[(&str, &str)]) -> String {
        let (status, answer) = self.call(no, function, fields).await;
        if status.is_success() {
            return "ok".to_owned();
        }
        answer["code"].as_str().map_or_else(|| format!("{status}: {answer}"), str::to_owned)
    }

    /// Puts packs into the basket.
    pub async fn add(&self, good: &Good, packs: i64) {
        assert_eq!(self.say("basket/add", &[("sku", &good.sku), ("packs", &packs.to_string())]).await, "ok");
    }

    /// Saves an address near the store; its id.
    pub async fn address(&self) -> String {
        let fields = [
            ("name", "王小明"),
            ("phone", "13800000001"),
            ("area", "文三路"),
            ("detail", "1 幢 101 室"),
            ("lat", "30.2770"),
            ("lon", "120.1285"),
        ];
        assert_eq!(self.say("account/address_save", &fields).await, "ok");
        let page = self.page("/me/addresses").await;
        let id =
            page.split("/me/addresses/").skip(1).map(|rest| rest.split('"').next().unwrap()).find(|id| *id != "new");
        id.unwrap_or_else(|| panic!("no address: {page}")).to_owned()
    }

    /// The form of the checkout page for pick-up, without a coupon.
    pub async fn form(&self) -> Form {
        self.form_of("pickup").await
    }

    /// The same for this kind of order.
    pub async fn form_of(&self, kind: &str) -> Form {
        let path = format!("/checkout?kind={kind}&coupon=none");
        let mut page = self.page(&path).await;
        // A server opens the slots soon after its start.
        for _ in 0..100 {
            if slot(&page).is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            page = self.page(&path).await;
        }
        Form {
            key: value(&page, "idempotency_key").unwrap_or_else(|| panic!("no form: {page}")),
            payable: value(&page, "payable").unwrap(),
            slot: slot(&page).unwrap_or_else(|| panic!("no slot: {page}")),
        }
    }

    /// Places an order of these goods; its code.
    pub async fn order(&self, good: &Good, packs: i64) -> String {
        self.add(good, packs).await;
        let form = self.form().await;
        let (status, code) = self.place(0, &form, &[]).await;
        assert_eq!(status, StatusCode::OK, "{code}");
        code.as_str().unwrap().to_owned()
    }

    /// Sends the form of the checkout page, with some fields changed.
    pub async fn place(&self, no: usize, form: &Form, changes: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut fields: Vec<(&str, &str)> = vec![
            ("idempotency_key", form.key.as_str()),
            ("kind", "pickup"),
            ("slot", &form.slot),
            ("coupon", "none"),
            ("substitution_default", "refund"),
            ("note", ""),
            ("payable", &form.payable),
        ];
        fields.retain(|(name, _)| changes.iter().all(|(other, _)| other != name));
        fields.extend_from_slice(changes);
        self.call(no, "checkout/place", &fields).await
    }

    /// Goes to pay an order; the number of the payment at the channel.
    pub async fn go_to_pay(&self, no: usize, code: &str) -> Result<String, Value> {
        let (status, answer) = self.call(no, "orders/pay", &[("code", code)]).await;
        let trade_no = answer.as_str().and_then(|url| url.strip_prefix("/sandbox/pay/"));
        if status.is_success() { Ok(trade_no.unwrap().to_owned()) } else { Err(answer) }
    }

    /// Pays an order at the channel, and waits until the shop has heard of it.
    pub async fn pay(&self, code: &str) {
        let trade_no = self.go_to_pay(0, code).await.unwrap();
        assert_eq!(self.say("sandbox/act", &[("trade_no", &trade_no), ("act", "pay")]).await, "ok");
        // The page that a member comes back to has the shop ask the channel.
        self.page(&format!("/pay/{code}")).await;
    }
}

/// What the checkout page shows.
#[derive(Clone, Debug)]
pub struct Form {
    /// Key of the request.
    pub key: String,
    /// To be paid, in fen.
    pub payable: String,
    /// A slot that is open.
    pub slot: String,
}

/// The value of a field of a page.
fn value(page: &str, name: &str) -> Option<String> {
    let field = page.split("<input").find(|input| input.contains(&format!("name=\"{name}\"")))?;
    Some(field.split("value=\"").nth(1)?.split('"').next()?.to_owned())
}

/// The last slot that is open: it does not close while the test runs.
fn slot(page: &str) -> Option<String> {
    let inputs = page.split("<input").skip(1).map(|input| input.split('>').next().unwrap_or_default());
    let open = inputs.filter(|input| input.contains("name=\"slot\"") && !input.contains("disabled"));
    Some(open.last()?.split("value=\"").nth(1)?.split('"').next()?.to_owned())
}
