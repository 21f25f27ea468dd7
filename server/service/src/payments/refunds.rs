//! Money that goes back: written with the books of its order, sent by the
//! outbox, each once.

use super::{News, Verdict, lock_order};
use crate::orders::{FrozenRefundLine, NewEvent, add_event};
use crate::{Error, Result, Shop};
use domain::ids::{OrderId, PaymentId, RefundId, StoreId};
use domain::refund::{LinePaid, LineSoFar, OrderSoFar, Refund, everything};
use domain::{Fen, Millis, Packs};
use serde::{Deserialize, Serialize};
use store::orders::{self, OrderLineRow, OrderRow};
use store::payments::{self, PaymentRow, RefundRow};
use store::{Conn, Lane, outbox};

/// A refund in the outbox.
#[derive(Debug, Serialize, Deserialize)]
struct RefundTask {
    store: String,
    refund: String,
}

/// An order's lines with what already came back of them.
pub(super) fn so_far(order: &OrderRow, lines: &[OrderLineRow], before: &[RefundRow]) -> OrderSoFar {
    // Money for a late or second payment was never the order's.
    let of_order = before.iter().filter(|r| matches!(r.reason.as_str(), "shortage" | "cancelled"));
    OrderSoFar {
        lines: lines
            .iter()
            .map(|line| LineSoFar {
                paid: LinePaid { qty: Packs(line.qty), gross: Fen(line.gross), total: Fen(line.total) },
                already_short: Packs(line.short_qty),
                already_refunded: Fen(line.refunded),
            })
            .collect(),
        delivery_fee: Fen(order.delivery_fee),
        delivery_refunded: Fen(of_order.map(|r| r.delivery).sum()),
    }
}

pub(super) fn frozen_lines(refund: &Refund, lines: &[OrderLineRow]) -> Vec<FrozenRefundLine> {
    let frozen = refund.lines.iter().map(|line| FrozenRefundLine {
        no: lines.get(line.line).map_or(0, |row| row.line_no),
        qty: line.units,
        gross: line.gross,
        shares: line.shares,
        amount: line.amount,
    });
    frozen.collect()
}

/// All that was paid for an order and did not come back yet goes back.
pub(crate) async fn refund_everything_in_tx(
    conn: &mut Conn,
    order: &OrderRow,
    reason: &'static str,
    now: Millis,
) -> Result<()> {
    if order.paid <= order.refunded {
        return Ok(());
    }
    let (store, id) = (order.store(), order.order());
    let lines = orders::lines(conn, &store, &id).await?;
    let before = payments::refunds_of(conn, &store, &id).await?;
    let refund = everything(&so_far(order, &lines, &before));
    orders::refund_lines(conn, &store, &id).await?;
    let frozen = frozen_lines(&refund, &lines);
    let ask = RefundAsk { reason, key: format!("{reason}:{id}"), amount: refund.total, delivery: refund.delivery_fee };
    refund_in_tx(conn, order, None, &ask, &frozen, now).await.map(|_| ())
}

/// A refund to be made.
#[derive(Debug)]
pub(super) struct RefundAsk {
    pub reason: &'static str,
    pub key: String,
    pub amount: Fen,
    pub delivery: Fen,
}

/// Writes a refund, the task to make it at the channel, and the books of the
/// order. It goes to the given payment, else to the one that has so much left.
pub(super) async fn refund_in_tx(
    conn: &mut Conn,
    order: &OrderRow,
    to: Option<&PaymentRow>,
    ask: &RefundAsk,
    lines: &[FrozenRefundLine],
    now: Millis,
) -> Result<Option<RefundId>> {
    if !ask.amount.is_positive() {
        return Ok(None);
    }
    let (store, id) = (order.store(), order.order());
    let payment = match to {
        Some(payment) => payment.clone(),
        None => payment_with_left(conn, &store, &id, ask.amount).await?,
    };
    let refund = RefundRow {
        store_id: order.store_id.clone(),
        id: store::new_id(),
        order_id: order.id.clone(),
        payment_id: payment.id,
        reason: ask.reason.to_owned(),
        state: "requested".to_owned(),
        amount: ask.amount.0,
        delivery: ask.delivery.0,
        lines: serde_json::to_string(lines)?,
        key: ask.key.clone(),
        created_at: now.0,
        ..RefundRow::default()
    };
    if !payments::insert_refund(conn, &refund).await? {
        return Ok(None);
    }
    if !orders::add_refunded(conn, &store, &id, ask.amount).await? {
        return Err(Error::Internal(format!("refund {} passes what order {} was paid", refund.key, order.id)));
    }
    let task = RefundTask { store: refund.store_id.clone(), refund: refund.id.clone() };
    outbox::add(conn, "refund", &serde_json::to_string(&task)?, &format!("refund:{}", refund.id), now).await?;
    add_event(conn, order, now, NewEvent::of("refund_requested", "system").with("amount", &ask.amount.0)).await?;
    conn.touch_order(&order.member(), &id, &order.code);
    Ok(Some(RefundId::trusted(refund.id)))
}

async fn payment_with_left(conn: &mut Conn, store: &StoreId, order: &OrderId, amount: Fen) -> Result<PaymentRow> {
    for payment in payments::made_of_order(conn, store, order).await? {
        let back = payments::refunded_to(conn, store, &PaymentId::trusted(payment.id.as_str())).await?;
        if Fen(payment.amount) - back >= amount {
            return Ok(payment);
        }
    }
    Err(Error::Internal(format!("no payment of order {order} has {amount} left")))
}

impl Shop {
    /// Work of the outbox: sends money back.
    pub(crate) async fn do_refund(&self, payload: &str, now: Millis) -> Result<()> {
        let task: RefundTask = serde_json::from_str(payload)?;
        let (store, id) = (StoreId::trusted(task.store), RefundId::trusted(task.refund));
        let mut conn = self.store().read().await?;
        let lost = || Error::Internal(format!("refund {id} or its payment is not there"));
        let refund = payments::refund(&mut conn, &store, &id).await?.ok_or_else(lost)?;
        let payment = payments::of_refund(&mut conn, &refund).await?.ok_or_else(lost)?;
        drop(conn);
        if refund.state == "done" {
            return Ok(());
        }
        let channel = &self.ports().channel;
        let number = channel.refund(&payment.trade_no, &refund.key, Fen(refund.amount)).await?;
        self.end_refund(refund, payment, "done", number, now).await
    }

    /// A refund that fails again and again: it is shown as failed, and tried on.
    pub(crate) async fn refund_hangs(&self, payload: &str, now: Millis) -> Result<()> {
        let task: RefundTask = serde_json::from_str(payload)?;
        let (store, id) = (StoreId::trusted(task.store), RefundId::trusted(task.refund));
        let mut conn = self.store().read().await?;
        let Some(refund) = payments::refund(&mut conn, &store, &id).await? else { return Ok(()) };
        let Some(payment) = payments::of_refund(&mut conn, &refund).await? else { return Ok(()) };
        drop(conn);
        self.end_refund(refund, payment, "failed", String::new(), now).await
    }

    async fn end_refund(
        &self,
        refund: RefundRow,
        payment: PaymentRow,
        state: &'static str,
        number: String,
        now: Millis,
    ) -> Result<()> {
        let store = refund.store_id.clone();
        let input = (refund, payment, state, number, now);
        self.store()
            .write(Lane::Store(&store), input, |conn, (refund, payment, state, number, now)| {
                Box::pin(async move {
                    let order = lock_order(conn, payment).await?;
                    let (store, id) = (order.store(), RefundId::trusted(refund.id.as_str()));
                    if !payments::end_refund(conn, &store, &id, state, number, *now).await? {
                        return Ok(());
                    }
                    if *state == "done" {
                        let event = NewEvent::of("refunded", "channel").with("amount", &refund.amount);
                        add_event(conn, &order, *now, event).await?;
                    }
                    orders::bump(conn, &store, &order.order()).await?;
                    conn.touch_order(&order.member(), &order.order(), &order.code);
                    Ok(())
                })
            })
            .await
    }
}

/// Money that the order cannot take goes back to where it came from, and the member is told.
pub(super) async fn send_back_in_tx(
    conn: &mut Conn,
    news: &News,
    payment: &PaymentRow,
    order: &OrderRow,
    reason: &'static str,
) -> Result<Verdict> {
    add_event(conn, order, news.at, NewEvent::of(reason, "system").with("amount", &news.amount.0)).await?;
    let ask = RefundAsk { reason, key: format!("{reason}:{}", payment.id), amount: news.amount, delivery: Fen::ZERO };
    refund_in_tx(conn, order, Some(payment), &ask, &[], news.at).await?;
    let detail = serde_json::to_string(&[("order", &order.code), ("amount", &news.amount.0.to_string())])?;
    orders::add_message(conn, &order.member(), reason, &detail, news.at).await?;
    Ok(Verdict::SentBack)
}
