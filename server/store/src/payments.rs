//! Payments, refunds and the log of callbacks. The sandbox channel's own books
//! are in [`sandbox`](crate::sandbox).

use crate::conn::{each_of, each_one};
use crate::{Conn, Result, Val, vals};
use domain::ids::{OrderId, PaymentId, RefundId, StoreId};
use domain::{Fen, Millis};
use std::collections::HashSet;

/// An attempt to pay an order.
///
/// States: `created` (the channel may report it any time), `failed` (declined),
/// `closed` (closed at the channel), `paid`. Money that comes in on a failed or
/// closed one still counts as paid, and goes back by itself.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct PaymentRow {
    /// The order's store.
    pub store_id: String,
    /// Which payment.
    pub id: String,
    /// The order.
    pub order_id: String,
    /// Who pays.
    pub member_id: String,
    /// The channel's name.
    pub channel: String,
    /// Our number at the channel.
    pub trade_no: String,
    /// The channel's number, once paid.
    pub channel_no: String,
    /// To pay, in fen.
    pub amount: i64,
    /// State.
    pub state: String,
    /// When it was opened.
    pub created_at: i64,
    /// When the channel confirmed it.
    pub confirmed_at: Option<i64>,
    /// How often the channel was asked.
    pub polls: i64,
    /// When the channel is asked next.
    pub poll_at: i64,
}

/// Money on its way back. States: `requested`, `done`, `failed` (given up; staff must look).
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct RefundRow {
    /// The order's store.
    pub store_id: String,
    /// Which refund.
    pub id: String,
    /// The order.
    pub order_id: String,
    /// The payment that it goes back to.
    pub payment_id: String,
    /// `shortage`, `cancelled`, `late_payment`, `double_payment`.
    pub reason: String,
    /// State.
    pub state: String,
    /// In all, in fen.
    pub amount: i64,
    /// Of it, delivery fee.
    pub delivery: i64,
    /// The calculation line by line, JSON.
    pub lines: String,
    /// Unique key: the same refund is never made twice.
    pub key: String,
    /// The channel's number, once done.
    pub channel_no: String,
    /// When it was asked for.
    pub created_at: i64,
    /// When the channel had done it.
    pub done_at: Option<i64>,
}

macro_rules! payment_columns {
    () => {
        "store_id, id, order_id, member_id, channel, trade_no, channel_no, amount, state, created_at, confirmed_at, \
         polls, poll_at"
    };
}
macro_rules! refund_columns {
    () => {
        "store_id, id, order_id, payment_id, reason, state, amount, delivery, lines, key, channel_no, created_at, \
         done_at"
    };
}

/// Writes new payments.
pub async fn insert(conn: &mut Conn, payments: &[PaymentRow]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(payments.len() * 11);
    for p in payments {
        vals.extend_from_slice(vals![
            &p.store_id,
            &p.id,
            &p.order_id,
            &p.member_id,
            &p.channel,
            &p.trade_no,
            p.amount,
            &p.state,
            p.created_at,
            p.polls,
            p.poll_at,
        ]);
    }
    let head = "INSERT INTO payment (store_id, id, order_id, member_id, channel, trade_no, amount, state, created_at, \
                polls, poll_at)";
    conn.insert(head, 11, &vals, "").await?;
    Ok(())
}

/// The payment of a number at the channel.
pub async fn by_trade_no(conn: &mut Conn, trade_no: &str) -> Result<Option<PaymentRow>> {
    let sql = concat!("SELECT ", payment_columns!(), " FROM payment WHERE trade_no = $1");
    conn.opt(sql, vals![trade_no]).await
}

/// The payments of an order, the newest hundred first.
pub async fn of_order(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<PaymentRow>> {
    let sql = concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payment WHERE store_id = $1 AND order_id = $2 ORDER BY created_at DESC, id DESC LIMIT 100"
    );
    conn.all(sql, vals![store, order]).await
}

/// The payments of an order that were made, the newest first.
pub async fn made_of_order(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<PaymentRow>> {
    let sql = concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payment WHERE store_id = $1 AND order_id = $2 AND state = 'paid' \
         ORDER BY created_at DESC, id DESC LIMIT 100"
    );
    conn.all(sql, vals![store, order]).await
}

/// The payment that a refund goes back to.
pub async fn of_refund(conn: &mut Conn, refund: &RefundRow) -> Result<Option<PaymentRow>> {
    let sql = concat!("SELECT ", payment_columns!(), " FROM payment WHERE store_id = $1 AND order_id = $2 AND id = $3");
    conn.opt(sql, vals![&refund.store_id, &refund.order_id, &refund.payment_id]).await
}

/// The payments of these numbers at the channel.
pub async fn by_trade_nos(conn: &mut Conn, trade_nos: &[&str]) -> Result<Vec<PaymentRow>> {
    let sql = format!(
        concat!("SELECT ", payment_columns!(), " FROM payment WHERE trade_no {}"),
        each_one(1, trade_nos.len())
    );
    let vals: Vec<Val<'_>> = trade_nos.iter().map(|trade_no| Val::from(*trade_no)).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// What channels confirmed: a payment, the channel's number, and when. Answers
/// the ids of those that were not known to be paid yet.
pub async fn confirm_all(conn: &mut Conn, confirmed: &[(&PaymentRow, &str, Millis)]) -> Result<HashSet<String>> {
    let sql = format!(
        "WITH v (of_store, of_order, of_id, number, at) AS ({}) UPDATE payment SET state = 'paid', \
         channel_no = v.number, confirmed_at = v.at FROM v WHERE store_id = v.of_store AND order_id = v.of_order \
         AND id = v.of_id AND state <> 'paid' RETURNING id",
        each_of(1, confirmed.len(), 5)
    );
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(confirmed.len() * 5);
    for (payment, number, at) in confirmed {
        vals.extend_from_slice(vals![&payment.store_id, &payment.order_id, &payment.id, *number, *at]);
    }
    let ids: Vec<(String,)> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// The payments of these orders, given as (store, order), that could still be made.
pub async fn open_of_orders(conn: &mut Conn, orders: &[(&str, &str)]) -> Result<Vec<PaymentRow>> {
    let sql = format!(
        concat!(
            "WITH v (of_store, of_order) AS ({}) SELECT ",
            payment_columns!(),
            " FROM v CROSS JOIN payment WHERE store_id = v.of_store AND order_id = v.of_order \
             AND state IN ('created', 'failed')"
        ),
        each_of(1, orders.len(), 2)
    );
    let vals: Vec<Val<'_>> = orders.iter().flat_map(|(store, order)| [Val::from(*store), Val::from(*order)]).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// The channel confirmed it; false if that was known already.
pub async fn confirm(conn: &mut Conn, payment: &PaymentRow, channel_no: &str, now: Millis) -> Result<bool> {
    Ok(!confirm_all(conn, &[(payment, channel_no, now)]).await?.is_empty())
}

/// An unpaid payment ended as `failed` or `closed`; false if it was not open.
pub async fn end(conn: &mut Conn, trade_no: &str, state: &str) -> Result<bool> {
    let sql = "UPDATE payment SET state = $2 WHERE trade_no = $1 AND state IN ('created', 'failed') AND state <> $2";
    Ok(conn.exec(sql, vals![trade_no, state]).await? == 1)
}

/// Takes payments that are due to be asked about, and sets their next time:
/// after 10 s, 40 s, 90 s, … up to every 5 minutes. Of several servers one gets each.
/// A time that lies further ahead was written before the clock went back.
pub async fn claim_polls(conn: &mut Conn, now: Millis, limit: i64) -> Result<Vec<PaymentRow>> {
    let sql = concat!(
        "UPDATE payment SET polls = polls + 1, \
         poll_at = $1 + CASE WHEN polls > 4 THEN 300000 ELSE 10000 * (polls + 1) * (polls + 1) END \
         WHERE (store_id, order_id, id) IN (SELECT store_id, order_id, id FROM payment WHERE state = 'created' \
         AND (poll_at <= $1 OR poll_at > $1 + 360000) ORDER BY poll_at LIMIT $2) \
         AND state = 'created' AND (poll_at <= $1 OR poll_at > $1 + 360000) RETURNING ",
        payment_columns!()
    );
    conn.all(sql, vals![now, limit]).await
}

/// Is any payment due to be asked about?
pub async fn polls_due(conn: &mut Conn, now: Millis) -> Result<bool> {
    // Two looks at the two ends of the index.
    let sql = "SELECT 1 WHERE EXISTS (SELECT 1 FROM payment WHERE state = 'created' AND poll_at <= $1) \
               OR EXISTS (SELECT 1 FROM payment WHERE state = 'created' AND poll_at > $1 + 360000)";
    let row: Option<(i32,)> = conn.opt(sql, vals![now]).await?;
    Ok(row.is_some())
}

/// Writes a refund; false if the one of this key is there already.
pub async fn insert_refund(conn: &mut Conn, r: &RefundRow) -> Result<bool> {
    let sql = "INSERT INTO refund (store_id, id, order_id, payment_id, reason, state, amount, delivery, lines, key, \
               created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (store_id, key) DO NOTHING";
    let vals = vals![
        &r.store_id,
        &r.id,
        &r.order_id,
        &r.payment_id,
        &r.reason,
        &r.state,
        r.amount,
        r.delivery,
        &r.lines,
        &r.key,
        r.created_at,
    ];
    Ok(conn.exec(sql, vals).await? == 1)
}

/// One refund.
pub async fn refund(conn: &mut Conn, store: &StoreId, refund: &RefundId) -> Result<Option<RefundRow>> {
    let sql = concat!("SELECT ", refund_columns!(), " FROM refund WHERE store_id = $1 AND id = $2");
    conn.opt(sql, vals![store, refund]).await
}

/// The refunds of an order, oldest first.
pub async fn refunds_of(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<RefundRow>> {
    let sql = concat!(
        "SELECT ",
        refund_columns!(),
        " FROM refund WHERE store_id = $1 AND order_id = $2 ORDER BY created_at, id LIMIT 200"
    );
    conn.all(sql, vals![store, order]).await
}

/// The channel has sent the money back (`done`), or failed to again and again (`failed`); false if it was so already.
pub async fn end_refund(
    conn: &mut Conn,
    store: &StoreId,
    refund: &RefundId,
    state: &str,
    channel_no: &str,
    now: Millis,
) -> Result<bool> {
    let sql = "UPDATE refund SET state = $3, channel_no = $4, done_at = $5 \
               WHERE store_id = $1 AND id = $2 AND state IN ('requested', 'failed') AND state <> $3";
    Ok(conn.exec(sql, vals![store, refund, state, channel_no, now]).await? == 1)
}

/// A callback and what was made of it.
#[derive(Clone, Debug)]
pub struct CallbackLog<'a> {
    /// Which channel.
    pub channel: &'a str,
    /// What was made of it.
    pub verdict: &'a str,
    /// Our number at the channel; empty if it was not read.
    pub trade_no: &'a str,
    /// What it said.
    pub body: &'a str,
    /// When it came.
    pub at: Millis,
}

/// Notes callbacks with what was made of them.
pub async fn log_callbacks(conn: &mut Conn, logs: &[CallbackLog<'_>]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(logs.len() * 6);
    for log in logs {
        let row = vals![crate::new_id(), log.channel, log.at, log.verdict, log.trade_no, log.body].to_vec();
        vals.extend(row);
    }
    let head = "INSERT INTO callback_log (id, channel, at, verdict, trade_no, body)";
    conn.insert(head, 6, &vals, "").await?;
    Ok(())
}

/// Removes at most `limit` callbacks that came by a time and were of no payment of ours; how many.
pub async fn delete_odd_callbacks(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM callback_log WHERE id IN (SELECT id FROM callback_log \
               WHERE verdict IN ('bad_signature', 'unknown') AND at <= $1 ORDER BY at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}

/// What was made of the callbacks of a payment, oldest first.
pub async fn verdicts(conn: &mut Conn, trade_no: &str) -> Result<Vec<String>> {
    let sql = "SELECT verdict FROM callback_log WHERE trade_no = $1 ORDER BY id LIMIT 1000";
    let rows: Vec<(String,)> = conn.all(sql, vals![trade_no]).await?;
    Ok(rows.into_iter().map(|(verdict,)| verdict).collect())
}

/// Sum of what was sent back, or is on its way, to a payment.
pub async fn refunded_to(conn: &mut Conn, store: &StoreId, payment: &PaymentId) -> Result<Fen> {
    let sql = "SELECT CAST(SUM(amount) AS BIGINT) FROM refund WHERE store_id = $1 AND payment_id = $2";
    Ok(Fen(conn.int(sql, vals![store, payment]).await?))
}
