//! The bare limit: what the database takes of the very rows that an order
//! leaves behind, when nothing is read, decided or answered.

use crate::Result;
use crate::orders::per_second;
use crate::shop::Shop;
use domain::Millis;
use domain::ids::{OrderId, StoreId};
use std::sync::Arc;
use std::time::Instant;
use store::conn::rows_of;
use store::orders::{NewEventRow, OrderLineRow, OrderRow, ShareRow};
use store::payments::{CallbackLog, PaymentRow};
use store::{Conn, Lane, Val};

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
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..BATCHES {
            let work = store.write(Lane::Background, Arc::clone(&sample), |conn, sample| {
                Box::pin(async move {
                    for _ in 0..BATCH {
                        write(conn, sample).await?;
                    }
                    Ok::<(), store::Error>(())
                })
            });
            work.await?;
        }
        rates.push(per_second(BATCH * BATCHES, began.elapsed().as_secs_f64()));
    }
    store.close().await;
    Ok(rates)
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

/// The rows of one order under new ids: order, lines, shares, movements, two
/// entries of the timeline, payment, callback.
async fn write(conn: &mut Conn, sample: &Sample) -> store::Result<()> {
    let id = store::new_id();
    let store = sample.order.store();
    let row = OrderRow { id: id.clone(), code: id.clone(), idempotency_key: id.clone(), ..sample.order.clone() };
    store::orders::insert(conn, std::slice::from_ref(&row)).await?;
    store::orders::insert_lines(conn, &[(&row, &sample.lines)]).await?;
    store::orders::insert_shares(conn, &[(&row, &sample.shares)]).await?;
    movements(conn, &store, &id, sample).await?;
    let now = Millis(sample.order.placed_at);
    for kind in ["placed", "paid"] {
        let (store, order) = (row.store_id.as_str(), id.as_str());
        let event = NewEventRow { store, order, at: now, kind, actor: "member", detail: "[]".to_owned() };
        store::orders::add_events(conn, &[event]).await?;
    }
    let payment = PaymentRow { id: id.clone(), order_id: id.clone(), trade_no: id.clone(), ..sample.payment.clone() };
    store::payments::insert(conn, std::slice::from_ref(&payment)).await?;
    let log = CallbackLog { channel: "sandbox", verdict: "confirmed", trade_no: &id, body: "{}", at: now };
    store::payments::log_callbacks(conn, &[log]).await?;
    Ok(())
}

async fn movements(conn: &mut Conn, store: &StoreId, order: &str, sample: &Sample) -> store::Result<()> {
    let sql = format!(
        "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key) \
         {}",
        rows_of(1, sample.lines.len(), 9)
    );
    let vals: Vec<Val<'_>> = sample
        .lines
        .iter()
        .flat_map(|line| {
            [
                Val::from(store),
                Val::from(&line.pool_id),
                Val::from("reservation"),
                Val::from(0_i64),
                Val::from(0_i64),
                Val::from(sample.order.placed_at),
                Val::from(sample.order.placed_at),
                Val::from(order),
                Val::Owned(format!("bare:{order}:{}", line.line_no)),
            ]
        })
        .collect();
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(())
}
