//! The bare limit: what the database takes of the very rows that an order
//! leaves behind, when nothing is read, decided or answered. They are written as
//! the shop writes those of many orders: a statement for all rows of a kind.

use crate::Result;
use crate::orders::per_second;
use crate::shop::Shop;
use domain::Millis;
use domain::ids::{OrderId, StoreId};
use std::sync::Arc;
use std::time::Instant;
use store::orders::{NewEventRow, OrderLineRow, OrderRow, ShareRow};
use store::payments::{CallbackLog, PaymentRow};
use store::{Conn, Lane, Store, Val};

/// Orders in one transaction.
const BATCH: usize = 500;
/// Transactions a round.
const BATCHES: usize = 4;

/// The rows of an order that was placed and paid.
struct Sample {
    order: OrderRow,
    lines: Vec<OrderLineRow>,
    shares: Vec<ShareRow>,
    payment: PaymentRow,
}

/// Orders a second, a value a round.
///
/// # Errors
/// If there is no paid order to copy, or the database refuses.
pub async fn rates(shop: &Shop, rounds: usize) -> Result<Vec<f64>> {
    let store = shop.store().await?;
    let sample = Arc::new(sample(&mut store.read().await?).await?);
    // What is prepared and kept in memory at the first time shall be there.
    batch(&store, &sample).await?;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..BATCHES {
            batch(&store, &sample).await?;
        }
        rates.push(per_second(BATCH * BATCHES, began.elapsed().as_secs_f64()));
    }
    store.close().await;
    Ok(rates)
}

/// One transaction.
async fn batch(store: &Store, sample: &Arc<Sample>) -> Result {
    let work = store.write(Lane::Background, Arc::clone(sample), |conn, sample| Box::pin(write(conn, sample)));
    Ok(work.await?)
}

async fn sample(conn: &mut Conn) -> Result<Sample> {
    let sql = "SELECT store_id, order_id FROM payment WHERE state = 'paid' ORDER BY id DESC LIMIT 1";
    let (store, order): (String, String) = conn.one(sql, &[]).await?;
    let (store, order) = (StoreId::trusted(store), OrderId::trusted(order));
    let missing = "the paid order is gone";
    Ok(Sample {
        lines: store::orders::lines(conn, &store, &order).await?,
        shares: store::orders::shares(conn, &store, &order).await?,
        payment: store::payments::of_order(conn, &store, &order).await?.pop().ok_or(missing)?,
        order: store::orders::by_id(conn, &store, &order).await?.ok_or(missing)?,
    })
}

/// The rows of a batch of orders under new ids: orders, lines, shares, movements,
/// two entries of each timeline, payments, callbacks.
async fn write(conn: &mut Conn, sample: &Sample) -> store::Result<()> {
    let order = |id: String| OrderRow { id: id.clone(), code: id.clone(), idempotency_key: id, ..sample.order.clone() };
    let orders: Vec<OrderRow> = (0..BATCH).map(|_| order(store::new_id())).collect();
    store::orders::insert(conn, &orders).await?;
    let lines: Vec<_> = orders.iter().map(|order| (order, sample.lines.as_slice())).collect();
    store::orders::insert_lines(conn, &lines).await?;
    let shares: Vec<_> = orders.iter().map(|order| (order, sample.shares.as_slice())).collect();
    store::orders::insert_shares(conn, &shares).await?;
    movements(conn, &orders, &sample.lines).await?;
    let now = Millis(sample.order.placed_at);
    for kind in ["placed", "paid"] {
        let event = |order| event(order, now, kind);
        store::orders::add_events(conn, &orders.iter().map(event).collect::<Vec<_>>()).await?;
    }
    let payment = |order: &OrderRow| {
        let id = || order.id.clone();
        PaymentRow { id: id(), order_id: id(), trade_no: id(), ..sample.payment.clone() }
    };
    store::payments::insert(conn, &orders.iter().map(payment).collect::<Vec<_>>()).await?;
    store::payments::log_callbacks(conn, &orders.iter().map(|order| callback(order, now)).collect::<Vec<_>>()).await
}

fn event<'a>(order: &'a OrderRow, at: Millis, kind: &'a str) -> NewEventRow<'a> {
    let (store, order) = (order.store_id.as_str(), order.id.as_str());
    NewEventRow { store, order, at, kind, actor: "member", detail: "[]".to_owned() }
}

fn callback(order: &OrderRow, at: Millis) -> CallbackLog<'_> {
    CallbackLog { channel: "sandbox", verdict: "confirmed", trade_no: &order.id, body: "{}", at }
}

async fn movements(conn: &mut Conn, orders: &[OrderRow], lines: &[OrderLineRow]) -> store::Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::new();
    for order in orders {
        for line in lines {
            vals.extend([Val::from(&order.store_id), Val::from(&line.pool_id), Val::from("reservation")]);
            vals.extend([0, 0, order.placed_at, order.placed_at].map(Val::from));
            vals.extend([Val::from(&order.id), Val::from(format!("bare:{}:{}", order.id, line.line_no))]);
        }
    }
    let head = "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key)";
    conn.insert(head, 9, &vals, "").await?;
    Ok(())
}
