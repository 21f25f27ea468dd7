//! Booking what channels confirm, for all confirmations that wait in a lane at
//! once. The usual one (the order waits for just this money) is booked by the
//! same statements for all of them; everything else is decided one by one.

use super::refunds::send_back_in_tx;
use super::{News, PaymentPlan, Verdict, close_payments_in_tx, keep_in_tx, lock_order};
use crate::orders::{NewEvent, add_event, add_events, move_in_tx, state_of};
use crate::{Error, Result};
use domain::Fen;
use domain::order::{Actor, Event, State};
use std::collections::{HashMap, HashSet};
use store::orders::{self, OrderRow};
use store::payments::{self, CallbackLog, PaymentRow};
use store::{Conn, Together, Unit, outbox, places};

/// Confirmations of payments.
pub(super) struct Confirming;

impl Together for Confirming {
    type Input = News;
    type Output = Verdict;
    type Error = Error;

    fn work<'c>(conn: &'c mut Conn, all: &'c [News]) -> Unit<'c, Vec<Result<Verdict>>, Error> {
        Box::pin(async move {
            let mut verdicts: Vec<Option<Verdict>> = book_usual(conn, all).await?;
            for (news, verdict) in all.iter().zip(&mut verdicts) {
                if verdict.is_none() {
                    *verdict = Some(book_alone(conn, news).await?);
                }
            }
            let verdicts: Vec<Verdict> = verdicts.into_iter().flatten().collect();
            let logs = all.iter().zip(&verdicts).filter_map(|(news, verdict)| {
                let (channel, body) = news.log.as_ref()?;
                Some(CallbackLog { channel, verdict: verdict.as_str(), trade_no: &news.trade_no, body, at: news.at })
            });
            payments::log_callbacks(conn, &logs.collect::<Vec<_>>()).await?;
            Ok(verdicts.into_iter().map(Ok).collect())
        })
    }
}

/// A confirmation whose order waits for just this money.
struct Usual<'a> {
    no: usize,
    news: &'a News,
    payment: &'a PaymentRow,
    order: &'a OrderRow,
}

/// Books the usual ones; a verdict for each of them.
async fn book_usual(conn: &mut Conn, all: &[News]) -> Result<Vec<Option<Verdict>>> {
    let mut verdicts = vec![None; all.len()];
    let trade_nos: Vec<&str> = all.iter().map(|news| news.trade_no.as_str()).collect();
    let rows = payments::by_trade_nos(conn, &trade_nos).await?;
    if rows.is_empty() {
        return Ok(verdicts);
    }
    let keys: HashSet<(&str, &str)> = rows.iter().map(|row| (&*row.store_id, &*row.order_id)).collect();
    let orders = orders::lock_all(conn, &keys.into_iter().collect::<Vec<_>>()).await?;
    let orders: HashMap<(&str, &str), &OrderRow> = orders.iter().map(|row| ((&*row.store_id, &*row.id), row)).collect();
    let mut taken = HashSet::new();
    let mut usual: Vec<Usual<'_>> = Vec::with_capacity(all.len());
    for (no, news) in all.iter().enumerate() {
        let Some(payment) = rows.iter().find(|row| row.trade_no == news.trade_no) else { continue };
        let Some(order) = orders.get(&(&*payment.store_id, &*payment.order_id)).copied() else { continue };
        let waits = order.state == State::PendingPayment.as_str() && news.amount == Fen(payment.amount);
        // A second payment of the same order is decided when the first is booked.
        if waits && taken.insert(&order.id) {
            usual.push(Usual { no, news, payment, order });
        }
    }
    if usual.is_empty() {
        return Ok(verdicts);
    }
    let confirmed: Vec<_> = usual.iter().map(|u| (u.payment, &*u.news.channel_no, u.news.at)).collect();
    let confirmed = payments::confirm_all(conn, &confirmed).await?;
    let (booked, repeated): (Vec<_>, Vec<_>) = usual.into_iter().partition(|u| confirmed.contains(&u.payment.id));
    for known in repeated {
        verdicts[known.no] = Some(Verdict::Repeated);
    }
    if !booked.is_empty() {
        book(conn, &booked).await?;
        metrics::counter!("zaijia_orders_paid_total").increment(booked.len() as u64);
    }
    for new in booked {
        verdicts[new.no] = Some(Verdict::Confirmed);
    }
    Ok(verdicts)
}

/// Moves orders on to paid; what they took is used for good, and their earlier
/// payments must not be made any more.
async fn book(conn: &mut Conn, booked: &[Usual<'_>]) -> Result<()> {
    let paid: Vec<_> = booked.iter().map(|u| (u.order, u.news.amount)).collect();
    if orders::set_paid(conn, &paid).await? != booked.len() as u64 {
        return Err(Error::Internal("a locked order did not wait for its payment".to_owned()));
    }
    let ids: Vec<&str> = booked.iter().map(|u| u.order.id.as_str()).collect();
    places::keep(conn, &ids).await?;
    let coupons = booked.iter().filter_map(|u| {
        let coupon = u.order.coupon_id.as_deref()?;
        Some((&*u.order.member_id, coupon, &*u.order.id))
    });
    places::use_coupons(conn, &coupons.collect::<Vec<_>>()).await?;
    let keys: Vec<(&str, &str)> = booked.iter().map(|u| (&*u.order.store_id, &*u.order.id)).collect();
    let mut closing = Vec::new();
    for open in payments::open_of_orders(conn, &keys).await? {
        let Some(of) = booked.iter().find(|u| u.order.id == open.order_id) else { continue };
        let plan = PaymentPlan::of(&open, of.order);
        closing.push(("payment_close", serde_json::to_string(&plan)?, format!("payment_close:{}", plan.trade_no)));
    }
    let now = booked.iter().map(|u| u.news.at).max().unwrap_or_default();
    outbox::add_all(conn, &closing, now).await?;
    let event = |u: &Usual<'_>| NewEvent::of("paid", "channel").with("amount", &u.news.amount.0);
    add_events(conn, booked.iter().map(|u| (u.order, u.news.at, event(u))).collect()).await?;
    for u in booked {
        conn.touch_order(&u.order.member(), &u.order.order(), &u.order.code);
    }
    Ok(())
}

async fn book_alone(conn: &mut Conn, news: &News) -> Result<Verdict> {
    let payment = payments::by_trade_no(conn, &news.trade_no).await?;
    let payment = payment.ok_or_else(|| Error::Internal(format!("payment {} vanished", news.trade_no)))?;
    let order = lock_order(conn, &payment).await?;
    book_in_tx(conn, news, &payment, &order).await
}

/// Decides by the rows of payment and order, in this unit, what the money is for.
async fn book_in_tx(conn: &mut Conn, news: &News, payment: &PaymentRow, order: &OrderRow) -> Result<Verdict> {
    let (store, id) = (order.store(), order.order());
    if news.amount != Fen(payment.amount) {
        let event = NewEvent::of("misprice", "channel").with("amount", &news.amount.0);
        add_event(conn, order, news.at, event).await?;
        orders::bump(conn, &store, &id).await?;
        conn.touch_order(&order.member(), &id, &order.code);
        return Ok(Verdict::WrongAmount);
    }
    if !payments::confirm(conn, payment, &news.channel_no, news.at).await? {
        return Ok(Verdict::Repeated);
    }
    orders::add_paid(conn, &store, &id, news.amount).await?;
    conn.touch_order(&order.member(), &id, &order.code);
    match state_of(order)? {
        State::PendingPayment => {
            move_in_tx(conn, order, Event::Pay, Actor::System, news.at).await?;
            keep_in_tx(conn, order).await?;
            // Earlier tries must not be paid any more.
            close_payments_in_tx(conn, order, news.at).await?;
            add_event(conn, order, news.at, NewEvent::of("paid", "channel").with("amount", &news.amount.0)).await?;
            metrics::counter!("zaijia_orders_paid_total").increment(1);
            Ok(Verdict::Confirmed)
        }
        State::Expired if !news.give_up => {
            move_in_tx(conn, order, Event::PayLate, Actor::System, news.at).await?;
            keep_in_tx(conn, order).await?;
            close_payments_in_tx(conn, order, news.at).await?;
            add_event(conn, order, news.at, NewEvent::of("paid_late", "channel").with("amount", &news.amount.0))
                .await?;
            Ok(Verdict::ConfirmedLate)
        }
        State::Expired | State::Cancelled => send_back_in_tx(conn, news, payment, order, "late_payment").await,
        State::Refunded if order.paid == 0 => send_back_in_tx(conn, news, payment, order, "late_payment").await,
        _ => send_back_in_tx(conn, news, payment, order, "double_payment").await,
    }
}
