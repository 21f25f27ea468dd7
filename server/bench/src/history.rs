//! A year of orders, written into the database of a shop that is not running:
//! members, orders picked up and paid, their lines, shares, payments, events,
//! slots and movements, as the shop would have left them; `zaijia check` is clean.

use crate::buyers::the_store;
use crate::{Result, habits};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashSet};
use store::bulk::Bulk;
use store::{Conn, Lane, Store, Val};

/// Orders written in one unit of work.
const UNIT: usize = 500;
/// Goods that orders are made of, at most.
const GOODS: i64 = 50_000;
/// How far back orders go.
const DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;

/// What is sold.
#[derive(Clone, Debug)]
struct Good {
    sku: String,
    pool: String,
    pack_size: i64,
    price: i64,
    member_price: Option<i64>,
    name_zh: String,
    name_en: String,
    picture: String,
    code: String,
}

type GoodRow = (String, String, i64, i64, Option<i64>, String, String, String, String);

/// Rows for one table after another.
#[derive(Debug, Default)]
struct Rows {
    orders: Vec<Val<'static>>,
    lines: Vec<Val<'static>>,
    shares: Vec<Val<'static>>,
    events: Vec<Val<'static>>,
    payments: Vec<Val<'static>>,
    movements: Vec<Val<'static>>,
}

const ORDERS: Bulk<'static> = Bulk {
    sql:
        "INSERT INTO orders (store_id, id, code, member_id, state, version, kind, slot_id, slot_starts_at, slot_ends_at,
        address, note, substitution_default, is_member, coupon_id, goods, discount, delivery_fee, total, paid, refunded,
        steps, pickup_code, idempotency_key, request_hash, lang, placed_at, hold_until) {rows}",
    columns: 28,
};
const LINES: Bulk<'static> = Bulk {
    sql: "INSERT INTO order_line (store_id, order_id, line_no, sku_id, pool_id, pack_size, qty, short_qty, shelf_price,
        unit_price, gross, discount, total, refunded, choice, chosen, name_zh, name_en, picture, sku_code) {rows}",
    columns: 20,
};
const SHARES: Bulk<'static> = Bulk {
    sql: "INSERT INTO line_share (store_id, order_id, line_no, step_no, step, offer_id, amount) {rows}",
    columns: 7,
};
const EVENTS: Bulk<'static> =
    Bulk { sql: "INSERT INTO order_event (store_id, order_id, seq, at, kind, actor, detail) {rows}", columns: 7 };
const PAYMENTS: Bulk<'static> = Bulk {
    sql: "INSERT INTO payment (store_id, id, order_id, member_id, channel, trade_no, channel_no, amount, state,
        created_at, confirmed_at, polls, poll_at) {rows}",
    columns: 13,
};
const MOVEMENTS: Bulk<'static> = Bulk {
    sql: "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key) {rows}",
    columns: 9,
};
const MEMBERS: Bulk<'static> = Bulk {
    sql:
        "INSERT INTO member (id, phone, name, is_member, home_store_id, substitution_default, never_brands, created_at)
        {rows}",
    columns: 8,
};
const SLOTS: Bulk<'static> = Bulk {
    sql: "INSERT INTO slot (store_id, id, kind, day, starts_at, ends_at, cutoff_at, capacity, taken) {rows}",
    columns: 9,
};
const TAKEN: Bulk<'static> = Bulk {
    sql: "WITH v (pool_id, units) AS ({rows}) UPDATE stock SET on_hand = stock.on_hand - v.units FROM v
        WHERE stock.store_id = $1 AND stock.pool_id = v.pool_id",
    columns: 2,
};

/// Writes so many orders of the shop's first store.
///
/// # Errors
/// If the database refuses, or the shop sells nothing.
pub async fn write(store: &Store, orders: usize) -> Result {
    let mut rng = StdRng::seed_from_u64(11);
    let mut conn = store.read().await?;
    let (store_id, ..) = the_store(&mut conn).await?;
    let goods = goods(&mut conn, &store_id).await?;
    drop(conn);
    if goods.is_empty() {
        return Err("the shop sells nothing".into());
    }
    let now = service::Clock::now(&service::ports::SystemClock).0;
    let members = members(store, &store_id, (orders / habits::baskets_each() as usize).max(1), now).await?;
    let mut moments: Vec<i64> = (0..orders).map(|_| habits::moment(now, DAYS, &mut rng)).collect();
    moments.sort_unstable();
    let mut taken: BTreeMap<String, i64> = BTreeMap::new();
    let mut slots: BTreeMap<i64, i64> = BTreeMap::new();
    for (chunk_no, chunk) in moments.chunks(UNIT).enumerate() {
        let mut rows = Rows::default();
        for (no, &at) in chunk.iter().enumerate() {
            let order = Order { no: chunk_no * UNIT + no, at, store: &store_id };
            *slots.entry(order.slot_day()).or_default() += 1;
            let member = habits::member(members.len(), &mut rng);
            order.add(&mut rows, (members[member].as_str(), member.is_multiple_of(2)), &goods, &mut taken, &mut rng);
        }
        put(store, rows).await?;
    }
    finish(store, &store_id, &taken, &slots).await
}

async fn goods(conn: &mut Conn, store: &str) -> Result<Vec<Good>> {
    let sql = "SELECT k.id, k.pool_id, k.pack_size, k.price, k.member_price, k.name_zh, k.name_en, k.picture, k.code
        FROM stock s CROSS JOIN sku k WHERE s.store_id = $1 AND k.pool_id = s.pool_id AND k.active
        ORDER BY s.sales DESC, s.pool_id LIMIT $2";
    let rows: Vec<GoodRow> = conn.all(sql, &[Val::from(store), Val::from(GOODS)]).await?;
    let good = |(sku, pool, pack_size, price, member_price, name_zh, name_en, picture, code): GoodRow| Good {
        sku,
        pool,
        pack_size,
        price,
        member_price,
        name_zh,
        name_en,
        picture,
        code,
    };
    Ok(rows.into_iter().map(good).collect())
}

async fn members(store: &Store, store_id: &str, count: usize, now: i64) -> Result<Vec<String>> {
    let ids: Vec<String> = (0..count).map(|_| store::new_id()).collect();
    let mut vals = Vec::with_capacity(count * MEMBERS.columns);
    for (no, id) in ids.iter().enumerate() {
        vals.extend([
            Val::Owned(id.clone()),
            Val::Owned((19_000_000_000_i64 + i64::try_from(no)?).to_string()),
            Val::from(""),
            Val::from(no % 2 == 0),
            Val::Owned(store_id.to_owned()),
            Val::from("refund"),
            Val::from("[]"),
            Val::from(now - DAYS * DAY_MS),
        ]);
    }
    unit(store, vals, |conn, vals| Box::pin(async move { conn.bulk(MEMBERS, &[], vals).await.map(|_| ()) })).await?;
    Ok(ids)
}

/// One of the orders.
struct Order<'a> {
    no: usize,
    at: i64,
    store: &'a str,
}

impl Order<'_> {
    /// It is picked up on the next day.
    fn slot_day(&self) -> i64 {
        self.at / DAY_MS + 1
    }

    fn add(
        &self,
        rows: &mut Rows,
        (member, is_member): (&str, bool),
        goods: &[Good],
        taken: &mut BTreeMap<String, i64>,
        rng: &mut StdRng,
    ) {
        let (id, code) = (store::new_id(), format!("H{:09}", self.no));
        let own = |text: &str| -> Val<'static> { Val::Owned(text.to_owned()) };
        let (mut gross, mut discount, mut seen) = (0, 0, HashSet::new());
        let mut line_no = 0;
        for _ in 0..habits::lines(rng) {
            let good = &goods[habits::rank(goods.len(), rng)];
            if !seen.insert(good.pool.as_str()) {
                continue;
            }
            line_no += 1;
            let qty = habits::packs(rng);
            let price = good.member_price.filter(|_| is_member).unwrap_or(good.price);
            let (full, off) = (good.price * qty, (good.price - price) * qty);
            gross += full;
            discount += off;
            *taken.entry(good.pool.clone()).or_default() += qty * good.pack_size;
            rows.lines.extend([own(self.store), own(&id), Val::from(line_no), own(&good.sku), own(&good.pool)]);
            rows.lines.extend([good.pack_size, qty, 0, good.price, price, full, off, full - off, 0].map(Val::from));
            rows.lines.extend([Val::from("refund"), Val::from("[]"), own(&good.name_zh), own(&good.name_en)]);
            rows.lines.extend([own(&good.picture), own(&good.code)]);
            if off > 0 {
                rows.shares.extend([own(self.store), own(&id), Val::from(line_no), Val::from(1_i64)]);
                rows.shares.extend([Val::from("member_price"), Val::from(""), Val::from(off)]);
            }
            self.moves(rows, &id, good, qty * good.pack_size);
        }
        let day = self.slot_day();
        rows.orders.extend([own(self.store), own(&id), own(&code), own(member), Val::from("completed")]);
        rows.orders.extend([Val::from(5_i64), Val::from("pickup"), Val::Owned(format!("h{day}"))]);
        rows.orders.extend([day * DAY_MS, day * DAY_MS + DAY_MS / 4].map(Val::from));
        rows.orders.extend([Val::from(""), Val::from(""), Val::from("refund"), Val::from(is_member)]);
        rows.orders.push(Val::Text(None));
        rows.orders.extend([gross, discount, 0, gross - discount, gross - discount, 0].map(Val::from));
        rows.orders.extend([Val::from("[]"), Val::Owned(format!("{:06}", rng.random_range(0..1_000_000)))]);
        rows.orders.extend([own(&code), Val::from(""), Val::from("zh-CN"), Val::from(self.at), Val::Int(None)]);
        for (seq, (kind, actor)) in (1_i64..).zip([("placed", "member"), ("paid", "channel"), ("completed", "staff")]) {
            rows.events.extend([own(self.store), own(&id), Val::from(seq), Val::from(self.at + seq * 60_000)]);
            rows.events.extend([Val::from(kind), Val::from(actor), Val::from("[]")]);
        }
        rows.payments.extend([own(self.store), Val::Owned(store::new_id()), own(&id), own(member)]);
        rows.payments.extend([Val::from("sandbox"), Val::Owned(format!("T{code}")), own(&code)]);
        rows.payments.extend([Val::from(gross - discount), Val::from("paid"), Val::from(self.at)]);
        rows.payments.extend([self.at + 60_000, 0, self.at].map(Val::from));
    }

    /// What a line held, and what was then taken off the shelf.
    fn moves(&self, rows: &mut Rows, id: &str, good: &Good, units: i64) {
        for (kind, on_hand, reserved, after) in [("reservation", 0, units, 0), ("pick", -units, -units, DAY_MS / 2)] {
            let at = self.at + after;
            rows.movements.extend([Val::Owned(self.store.to_owned()), Val::Owned(good.pool.clone())]);
            rows.movements.push(Val::from(kind));
            rows.movements.extend([on_hand, reserved, at, at].map(Val::from));
            rows.movements.extend([Val::Owned(id.to_owned()), Val::Owned(format!("{kind}:{id}:h:{}", good.pool))]);
        }
    }
}

async fn put(store: &Store, rows: Rows) -> Result {
    unit(store, rows, |conn, rows| {
        Box::pin(async move {
            conn.bulk(ORDERS, &[], &rows.orders).await?;
            conn.bulk(LINES, &[], &rows.lines).await?;
            conn.bulk(SHARES, &[], &rows.shares).await?;
            conn.bulk(EVENTS, &[], &rows.events).await?;
            conn.bulk(PAYMENTS, &[], &rows.payments).await?;
            conn.bulk(MOVEMENTS, &[], &rows.movements).await.map(|_| ())
        })
    })
    .await
}

/// The levels that are left, and the slots that were taken.
async fn finish(store: &Store, store_id: &str, taken: &BTreeMap<String, i64>, slots: &BTreeMap<i64, i64>) -> Result {
    let units = taken.iter().flat_map(|(pool, units)| [Val::Owned(pool.clone()), Val::from(*units)]).collect();
    let mut places: Vec<Val<'static>> = Vec::new();
    for (&day, &count) in slots {
        let start = day * DAY_MS;
        places.extend([Val::Owned(store_id.to_owned()), Val::Owned(format!("h{day}")), Val::from("pickup")]);
        places.extend([day, start, start + DAY_MS / 4, start, count, count].map(Val::from));
    }
    let input: (String, Vec<Val<'static>>, Vec<Val<'static>>) = (store_id.to_owned(), units, places);
    unit(store, input, |conn, (store_id, units, places)| {
        Box::pin(async move {
            conn.bulk(TAKEN, &[Val::from(store_id.as_str())], units).await?;
            conn.bulk(SLOTS, &[], places).await.map(|_| ())
        })
    })
    .await
}

async fn unit<I, F>(store: &Store, input: I, work: F) -> Result
where
    I: Send + Sync + 'static,
    F: for<'c> Fn(&'c mut Conn, &'c I) -> store::Unit<'c, (), store::Error> + Send + Sync + 'static,
{
    Ok(store.write(Lane::Background, input, work).await?)
}
