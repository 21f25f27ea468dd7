//! Members with a session, an address and a basket of five lines each, made
//! set-wise before anything is measured.

use crate::Result;
use crate::channel::Told;
use crate::http::{Answer, Client, form};
use crate::shop::{SECRET, Shop};
use domain::Millis;
use service::Clock;
use service::members::fingerprint;
use sqlx::AssertSqlSafe;
use std::net::SocketAddr;
use std::time::Duration;
use store::conn::rows_of;
use store::{Conn, Lane, Store, Val};

/// Compositions of baskets; buyers take turns.
const BASKETS: usize = 40;
/// Lines of a basket.
const LINES: usize = 5;
/// Rows in one statement.
const CHUNK: usize = 400;

/// Who will buy.
#[derive(Clone, Debug)]
pub struct Buyer {
    cookie: String,
    slot: String,
    payable: String,
    key: String,
}

/// A row for each value of the columns.
struct Rows<'a> {
    table: &'static str,
    columns: &'static str,
    values: Vec<Vec<Val<'a>>>,
}

/// Makes `count` buyers with baskets of five of the store's goods.
///
/// # Errors
/// If the database or the server refuses.
pub async fn make(shop: &Shop, addr: SocketAddr, count: usize) -> Result<Vec<Buyer>> {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let (store_id, ..) = the_store(&mut conn).await?;
    let skus = goods(&mut conn, &store_id).await?;
    drop(conn);
    let lists: Vec<Vec<String>> = (0..BASKETS).map(|no| basket(&skus, no)).collect();
    make_of(&store, addr, count, &lists).await
}

/// Makes `count` buyers with one of these baskets each, by turns.
///
/// # Errors
/// If the database or the server refuses.
pub async fn make_of(store: &Store, addr: SocketAddr, count: usize, lists: &[Vec<String>]) -> Result<Vec<Buyer>> {
    let mut conn = store.read().await?;
    let (store_id, store_code, lat, lon) = the_store(&mut conn).await?;
    let slots = slots(&mut conn, &store_id).await?;
    drop(conn);
    let now = now();
    let ids: Vec<(String, String)> = (0..count).map(|_| (store::new_id(), session_id())).collect();
    insert_all(store, &ids, lists, &store_id, (lat, lon), now).await?;
    store.close().await;
    let cookie = |session: &str| format!("zaijia_session={session}; store={store_code}; lang=zh-CN");
    let mut client = Client::connect(addr).await?;
    let mut payables = Vec::new();
    for (_, session) in ids.iter().take(lists.len()) {
        payables.push(payable(&mut client, &cookie(session)).await?);
    }
    let buyers = ids.iter().enumerate().map(|(no, (_, session))| Buyer {
        cookie: cookie(session),
        slot: slots[no % slots.len()].clone(),
        payable: payables[no % lists.len()].clone(),
        key: format!("bench-{}", store::new_id()),
    });
    Ok(buyers.collect())
}

/// Signs a member in; the cookies.
///
/// # Errors
/// If the database refuses.
pub async fn sign_in(store: &Store, member: &str) -> Result<String> {
    let mut conn = store.read().await?;
    let (_, store_code, ..) = the_store(&mut conn).await?;
    drop(conn);
    let (session, now) = (session_id(), now());
    let data = serde_json::json!({ "member": member, "day": now.0.div_euclid(86_400_000) }).to_string();
    let mut sessions = rows("session", "id, member_id, data, expires_at");
    sessions.values.push(vec![
        Val::Owned(fingerprint(&session)),
        Val::Owned(member.to_owned()),
        Val::Owned(data),
        Val::from(now.plus(86_400_000)),
    ]);
    insert(store, sessions).await?;
    Ok(format!("zaijia_session={session}; store={store_code}; lang=zh-CN"))
}

/// The first store: id, code, place.
///
/// # Errors
/// If the database refuses.
pub async fn the_store(conn: &mut Conn) -> Result<(String, String, i64, i64)> {
    Ok(conn.one("SELECT id, code, lat_e6, lon_e6 FROM store ORDER BY code LIMIT 1", &[]).await?)
}

/// SKUs that the store sells, at most one of a pool, without age limit.
pub async fn goods(conn: &mut Conn, store: &str) -> Result<Vec<String>> {
    let sql = "SELECT MIN(sku.id) FROM sku JOIN stock ON stock.pool_id = sku.pool_id AND stock.store_id = $1 \
               WHERE sku.active AND NOT sku.counted AND sku.age_limit IS NULL AND sku.price > 100 \
               GROUP BY sku.pool_id ORDER BY 1";
    let rows: Vec<(String,)> = conn.all(sql, &[Val::from(store)]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn slots(conn: &mut Conn, store: &str) -> Result<Vec<String>> {
    let sql =
        "SELECT id FROM slot WHERE store_id = $1 AND kind = 'delivery' AND cutoff_at > $2 ORDER BY starts_at DESC";
    let later = now().plus(3_600_000);
    // The server opens them soon after its start.
    for _ in 0..200 {
        let rows: Vec<(String,)> = conn.all(sql, &[Val::from(store), Val::from(later)]).await?;
        if !rows.is_empty() {
            return Ok(rows.into_iter().map(|(id,)| id).collect());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the store has no slots".into())
}

fn basket(skus: &[String], no: usize) -> Vec<String> {
    (0..LINES).map(|line| skus[(no * 7 + line * 41) % skus.len()].clone()).collect()
}

async fn insert_all(
    store: &Store,
    ids: &[(String, String)],
    lists: &[Vec<String>],
    store_id: &str,
    (lat, lon): (i64, i64),
    now: Millis,
) -> Result {
    let phone = 13_000_000_000 + i64::from(rand::random::<u32>() % 500_000_000);
    for (chunk_no, chunk) in ids.chunks(CHUNK).enumerate() {
        let first = chunk_no * CHUNK;
        let mut members =
            rows("member", "id, phone, name, home_store_id, substitution_default, never_brands, created_at");
        let mut sessions = rows("session", "id, member_id, data, expires_at");
        let mut addresses =
            rows("address", "member_id, id, name, phone, area, detail, lat_e6, lon_e6, is_default, updated_at");
        let mut baskets = rows("basket", "id, updated_at");
        let mut lines = rows("basket_line", "basket_id, sku_id, qty, added_at");
        for (no, (member, session)) in chunk.iter().enumerate() {
            let phone = (phone + i64::try_from(first + no)?).to_string();
            let m = || Val::Owned(member.clone());
            let data = serde_json::json!({ "member": member, "day": now.0.div_euclid(86_400_000) }).to_string();
            let t = |text: &'static str| Val::from(text);
            members.values.push(vec![
                m(),
                Val::Owned(phone.clone()),
                t(""),
                Val::Owned(store_id.to_owned()),
                t("refund"),
                t("[]"),
                Val::from(now),
            ]);
            sessions.values.push(vec![
                Val::Owned(fingerprint(session)),
                m(),
                Val::Owned(data),
                Val::from(now.plus(86_400_000)),
            ]);
            addresses.values.push(vec![
                m(),
                Val::from("home"),
                t("王小明"),
                Val::Owned(phone),
                t("文三路"),
                t("1 幢 101 室"),
                Val::from(lat),
                Val::from(lon),
                Val::from(true),
                Val::from(now),
            ]);
            baskets.values.push(vec![m(), Val::from(now)]);
            for sku in &lists[(first + no) % lists.len()] {
                lines.values.push(vec![m(), Val::Owned(sku.clone()), Val::from(1_i64), Val::from(now)]);
            }
        }
        for rows in [members, sessions, addresses, baskets, lines] {
            insert(store, rows).await?;
        }
    }
    Ok(())
}

fn rows<'a>(table: &'static str, columns: &'static str) -> Rows<'a> {
    Rows { table, columns, values: Vec::new() }
}

async fn insert(store: &Store, rows: Rows<'static>) -> Result {
    let work = store.write(Lane::Background, rows, |conn, Rows { table, columns, values: cells }| {
        Box::pin(async move {
            let width = columns.split(',').count();
            let sql = format!("INSERT INTO {table} ({columns}) {}", rows_of(1, cells.len(), width));
            let vals: Vec<Val<'_>> = cells.iter().flatten().cloned().collect();
            conn.exec(AssertSqlSafe(sql), &vals).await?;
            Ok::<(), store::Error>(())
        })
    });
    Ok(work.await?)
}

/// What the checkout page says is to be paid.
async fn payable(client: &mut Client, cookie: &str) -> Result<String> {
    let page = client.get("/checkout?coupon=none", cookie).await?.text();
    let field = page.split("<input").find(|input| input.contains("name=\"payable\"")).ok_or("no total at checkout")?;
    let value = field.split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
    Ok(value.ok_or("no total at checkout")?.to_owned())
}

fn session_id() -> String {
    tower_sessions::session::Id(i128::from(rand::random::<i64>()) << 64 | i128::from(rand::random::<u64>())).to_string()
}

fn now() -> Millis {
    service::ports::SystemClock.now()
}

impl Buyer {
    /// Places the order of the basket; its code, or the refusal's text.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn place(&self, client: &mut Client) -> Result<std::result::Result<String, String>> {
        let fields = form(&[
            ("idempotency_key", &self.key),
            ("kind", "delivery"),
            ("address", "home"),
            ("slot", &self.slot),
            ("coupon", "none"),
            ("payable", &self.payable),
        ]);
        let answer = client.call("/api/checkout/place", &self.cookie, &fields).await?;
        Ok(if answer.status.is_success() { Ok(answer.json_text()?) } else { Err(answer.text()) })
    }

    /// Asks for the channel's page; the number of the trade.
    ///
    /// # Errors
    /// If the shop refuses.
    pub async fn open_payment(&self, client: &mut Client, code: &str) -> Result<String> {
        let url = client.call("/api/orders/pay", &self.cookie, &form(&[("code", code)])).await?.json_text()?;
        let trade = url.rsplit('/').next().unwrap_or_default();
        Ok(trade.split('?').next().unwrap_or_default().to_owned())
    }

    /// Plays the channel: tells the shop, signed, that the trade is paid.
    ///
    /// # Errors
    /// If the shop does not take it.
    pub async fn pay(&self, client: &mut Client, trade: &str) -> Result {
        let told = Told { trade, amount: self.amount()?, outcome: "success", key: &SECRET };
        let answer = told.send(client).await?;
        if !answer.status.is_success() {
            return Err(format!("the callback was answered {}: {}", answer.status, answer.text()).into());
        }
        Ok(())
    }

    /// Does something on the channel's page, as its payer: `lose`, `delay`, ….
    ///
    /// # Errors
    /// If the channel refuses.
    pub async fn at_channel(&self, client: &mut Client, trade: &str, act: &str) -> Result {
        ok(&client.call("/api/sandbox/act", &self.cookie, &form(&[("trade_no", trade), ("act", act)])).await?)
    }

    /// Calls an order off.
    ///
    /// # Errors
    /// If the shop refuses.
    pub async fn call_off(&self, client: &mut Client, code: &str) -> Result {
        ok(&client.call("/api/orders/cancel", &self.cookie, &form(&[("code", code)])).await?)
    }

    /// What the browser sends with each request.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// What the order costs, in fen.
    ///
    /// # Errors
    /// If the checkout page said no number.
    pub fn amount(&self) -> Result<i64> {
        Ok(self.payable.parse()?)
    }

    /// The idempotency key of the order.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// From the priced basket to paid.
    ///
    /// # Errors
    /// If anything of it is refused.
    pub async fn buy(&self, client: &mut Client) -> Result {
        let code = self.place(client).await??;
        let trade = self.open_payment(client, &code).await?;
        self.pay(client, &trade).await
    }
}

/// An answer that has nothing to say but yes.
fn ok(answer: &Answer) -> Result {
    if answer.status.is_success() { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text()).into()) }
}
