//! Payments: opening them at the channel, what the channel says of them, and
//! money that goes back.
//!
//! Rules:
//! - A payment is confirmed only by a verified callback or a query to the
//!   channel, never by the browser. A callback that comes twice, late, out of
//!   order, with a wrong amount or a bad signature changes nothing wrongly. What
//!   the channel signed is kept in the log of callbacks; of the rest, which
//!   anybody can send, a line in the server's log is all.
//! - Money that comes after the hold ran out takes the goods again if they are
//!   still there, else it goes back by itself, with a message. So does money for
//!   a cancelled order, and a second payment for the same order.
//! - A payment that is no longer to be made is closed at the channel, also where
//!   nobody ever went to make it: from then on nobody asks about it.
//! - Nothing outside is called inside a unit of work: the outbox does it after
//!   the commit, as often as needed; the channel takes each key once.

mod confirming;
mod refunds;
mod shortages;

pub(crate) use refunds::refund_everything_in_tx;

use crate::orders::{NewEvent, add_event, move_in_tx, state_of};
use crate::ports::{Callback, Paid};
use crate::{Error, Result, Shop, Visit};
use confirming::Confirming;
use domain::ids::{OrderId, StoreId};
use domain::order::{Actor, Event, State};
use domain::time::SECOND_MS;
use domain::view::OrderView;
use domain::{Code, Fen, Millis, UserError};
use serde::{Deserialize, Serialize};
use store::orders::{self, OrderRow};
use store::payments::{self, CallbackLog, PaymentRow};
use store::{Conn, Lane, outbox, places};

/// A payment is asked about for the first time after this long without a callback.
const FIRST_POLL_MS: i64 = 10 * SECOND_MS;
/// Payments that an order can have: after so many that came to nothing, no more are opened.
const PAYMENTS: usize = 50;
/// The longest callback that is read.
pub const BODY_MAX: usize = 16 * 1024;
/// So much of a callback is kept in the log, in characters.
const LOG_MAX: usize = 2_000;

/// A payment that waits at the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PaymentPlan {
    pub trade_no: String,
    pub amount: Fen,
    /// What is paid for: the order's code.
    pub subject: String,
}

impl PaymentPlan {
    pub(crate) fn of(payment: &PaymentRow, order: &OrderRow) -> Self {
        Self { trade_no: payment.trade_no.clone(), amount: Fen(payment.amount), subject: order.code.clone() }
    }

    /// The shop's page to go back to.
    fn back(&self) -> String {
        format!("/pay/{}", self.subject)
    }
}

/// What was made of a callback or of the answer to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The payment is confirmed and its order paid.
    Confirmed,
    /// It came late; the goods were still there.
    ConfirmedLate,
    /// It was known already: nothing changed.
    Repeated,
    /// The money goes back: too late, cancelled or paid twice.
    SentBack,
    /// The amount is not the payment's: nothing changed.
    WrongAmount,
    /// There is no such payment: nothing changed.
    Unknown,
    /// The channel says that it was not paid.
    Declined,
    /// The signature is not the channel's, or what it signed is no callback: nothing was read.
    BadSignature,
}

impl Verdict {
    /// The word in the log of callbacks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::ConfirmedLate => "confirmed_late",
            Self::Repeated => "repeated",
            Self::SentBack => "sent_back",
            Self::WrongAmount => "wrong_amount",
            Self::Unknown => "unknown",
            Self::Declined => "declined",
            Self::BadSignature => "bad_signature",
        }
    }
}

/// The answer to a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackAnswer {
    /// What was made of it.
    pub verdict: Verdict,
}

impl CallbackAnswer {
    /// The HTTP status: 200 for all that was read, since sending it again would change nothing.
    pub const fn status(self) -> u16 {
        match self.verdict {
            Verdict::BadSignature => 401,
            _ => 200,
        }
    }

    /// The body of the answer.
    pub const fn body(self) -> &'static str {
        match self.verdict {
            Verdict::BadSignature => "{\"code\":\"fail\"}",
            _ => "{\"code\":\"success\"}",
        }
    }
}

/// What the channel says happened to a payment.
#[derive(Clone, Debug)]
struct News {
    trade_no: String,
    channel_no: String,
    amount: Fen,
    at: Millis,
    /// The callback's body for the log; none for an answer to a query.
    log: Option<(String, String)>,
    /// The goods are gone: send the money back instead of reviving the order.
    give_up: bool,
}

/// A new payment of an order. It is opened at the channel when the member goes to pay.
pub(crate) fn new_payment(order: &OrderRow, channel: &'static str, now: Millis) -> PaymentRow {
    PaymentRow {
        store_id: order.store_id.clone(),
        id: store::new_id(),
        order_id: order.id.clone(),
        member_id: order.member_id.clone(),
        channel: channel.to_owned(),
        // Channels take at most 32 characters.
        trade_no: store::new_id().replace('-', ""),
        amount: order.total,
        state: "created".to_owned(),
        created_at: now.0,
        poll_at: now.plus(FIRST_POLL_MS).0,
        ..PaymentRow::default()
    }
}

/// An order that costs nothing is paid as it is placed.
pub(crate) async fn paid_in_full_in_tx(conn: &mut Conn, order: &OrderRow, now: Millis) -> Result<()> {
    move_in_tx(conn, order, Event::Pay, Actor::System, now).await?;
    keep_in_tx(conn, order).await?;
    add_event(conn, order, now, NewEvent::of("paid", "system").with("amount", &0)).await
}

/// What the order took is used for good.
async fn keep_in_tx(conn: &mut Conn, order: &OrderRow) -> Result<()> {
    places::keep(conn, &[&order.id]).await?;
    let used = order.coupon_id.as_ref().map(|coupon| (&*order.member_id, coupon.as_str(), &*order.id));
    Ok(places::use_coupons(conn, used.as_slice()).await?)
}

/// Has the channel close what is still open of an order that is no longer to be paid.
pub(crate) async fn close_payments_in_tx(conn: &mut Conn, order: &OrderRow, now: Millis) -> Result<()> {
    for payment in payments::of_order(conn, &order.store(), &order.order()).await? {
        if matches!(payment.state.as_str(), "created" | "failed") {
            let plan = PaymentPlan::of(&payment, order);
            let key = format!("payment_close:{}", plan.trade_no);
            outbox::add(conn, "payment_close", &serde_json::to_string(&plan)?, &key, now).await?;
        }
    }
    Ok(())
}

/// Can the order be paid now?
fn check_payable(order: &OrderRow, now: Millis) -> Result<()> {
    if !state_of(order)?.can_pay() {
        let expired = order.state == State::Expired.as_str();
        return Err(if expired { Code::HoldExpired } else { Code::OrderState }.into());
    }
    if order.hold_until.is_none_or(|until| until <= now.0) {
        return Err(Code::HoldExpired.into());
    }
    Ok(())
}

impl Shop {
    /// The channel's page for paying an order: of the payment that is open, or of a new one.
    ///
    /// # Errors
    /// `not_found`, `order_state`, `hold_expired`; `too_many` if it was tried very often;
    /// `unavailable` if the channel cannot be reached.
    pub async fn pay(&self, visit: &Visit, code: &str) -> Result<String> {
        let order = self.own_order(visit, code).await?;
        check_payable(&order, visit.now)?;
        let open = payments::of_order(&mut self.store().read().await?, &order.store(), &order.order()).await?;
        let plan = match open.iter().find(|payment| payment.state == "created") {
            Some(payment) => PaymentPlan::of(payment, &order),
            None => self.pay_again(&order, visit.now).await?,
        };
        match self.ports().channel.open(&plan.trade_no, plan.amount, &plan.subject, &plan.back()).await {
            Ok(url) => Ok(url),
            Err(error) => {
                tracing::warn!(%error, trade_no = plan.trade_no, "a payment could not be opened");
                Err(Code::Unavailable.into())
            }
        }
    }

    /// A new payment of an order of which none is open any more.
    async fn pay_again(&self, order: &OrderRow, now: Millis) -> Result<PaymentPlan> {
        let input = (order.store(), order.order(), self.ports().channel.name(), now);
        let work = self.store().write(Lane::Store(&order.store_id), input, |conn, (store, id, channel, now)| {
            Box::pin(async move {
                let order = orders::lock(conn, store, id).await?.ok_or(Error::from(Code::NotFound))?;
                check_payable(&order, *now)?;
                let open = payments::of_order(conn, store, id).await?;
                if let Some(payment) = open.iter().find(|payment| payment.state == "created") {
                    return Ok(PaymentPlan::of(payment, &order));
                }
                if open.len() >= PAYMENTS {
                    // When the hold ends, the goods can be ordered anew.
                    let left_ms = order.hold_until.map_or(0, |until| until - now.0);
                    return Err(UserError::new(Code::TooMany).with("retry_s", left_ms / SECOND_MS + 1).into());
                }
                let payment = new_payment(&order, channel, *now);
                payments::insert(conn, std::slice::from_ref(&payment)).await?;
                Ok::<_, Error>(PaymentPlan::of(&payment, &order))
            })
        });
        work.await
    }

    /// Asks the channel about an order's open payments: what a member who comes
    /// back from its page triggers. The page itself confirms nothing.
    ///
    /// # Errors
    /// `not_found`, internal ones.
    pub async fn check_payment(&self, visit: &Visit, code: &str) -> Result<()> {
        let order = self.own_order(visit, code).await?;
        let open = payments::of_order(&mut self.store().read().await?, &order.store(), &order.order()).await?;
        for payment in open.iter().filter(|payment| payment.state == "created") {
            self.query_payment(&payment.trade_no, visit.now).await?;
        }
        Ok(())
    }

    /// An order as the page that waits for its payment shows it: while it is
    /// unpaid the channel is asked first, since its notice may be late or lost.
    ///
    /// # Errors
    /// `not_found`, internal ones; a channel that does not answer is none.
    pub async fn awaited_order(&self, visit: &Visit, code: &str) -> Result<OrderView> {
        let order = self.order(visit, code).await?;
        if order.state != State::PendingPayment {
            return Ok(order);
        }
        if let Err(error) = self.check_payment(visit, code).await {
            tracing::warn!(%error, order = order.code, "the channel did not answer a query");
        }
        self.order(visit, code).await
    }

    /// Takes a callback of a channel: verified on its raw bytes, logged with its
    /// body if the channel signed it, and answered the same however often it comes.
    ///
    /// # Errors
    /// `not_found` for an unknown channel, `too_large`; those of the database,
    /// in which case the channel has to send it again.
    pub async fn callback(
        &self,
        channel: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<CallbackAnswer> {
        let port = &self.ports().channel;
        if channel != port.name() {
            return Err(Code::NotFound.into());
        }
        if body.len() > BODY_MAX {
            return Err(UserError::new(Code::TooLarge).with("max", BODY_MAX).into());
        }
        let now = self.now();
        let text: String = String::from_utf8_lossy(body).chars().take(LOG_MAX).map(loggable).collect();
        let verdict = match port.verify(signature, timestamp, body) {
            // Anybody can send such a one: it leaves a line in the log, and no row.
            None => Verdict::BadSignature,
            Some(callback) if !is_readable(&callback) => {
                self.log_callback(port.name(), Verdict::BadSignature, "", &text, now).await?;
                Verdict::BadSignature
            }
            Some(callback) if callback.outcome == "success" => {
                let log = Some((port.name().to_owned(), text));
                let Callback { trade_no, channel_no, amount, .. } = callback;
                self.confirm(News { trade_no, channel_no, amount, at: now, log, give_up: false }).await?
            }
            Some(callback) => self.decline(port.name(), &callback, &text, now).await?,
        };
        metrics::counter!("zaijia_payment_callbacks_total", "verdict" => verdict.as_str()).increment(1);
        if !matches!(verdict, Verdict::Confirmed | Verdict::Repeated) {
            tracing::warn!(channel, verdict = verdict.as_str(), "an unusual payment callback");
        }
        Ok(CallbackAnswer { verdict })
    }

    async fn log_callback(
        &self,
        channel: &str,
        verdict: Verdict,
        trade_no: &str,
        body: &str,
        now: Millis,
    ) -> Result<()> {
        let input = (channel.to_owned(), verdict, trade_no.to_owned(), body.to_owned(), now);
        self.store()
            .write(Lane::Background, input, |conn, (channel, verdict, trade_no, body, now)| {
                Box::pin(async move {
                    let verdict = verdict.as_str();
                    Ok(payments::log_callbacks(conn, &[CallbackLog { channel, verdict, trade_no, body, at: *now }])
                        .await?)
                })
            })
            .await
    }

    /// Books that a payment was made.
    async fn confirm(&self, news: News) -> Result<Verdict> {
        let payment = payments::by_trade_no(&mut self.store().read().await?, &news.trade_no).await?;
        let Some(payment) = payment else {
            if let Some((channel, body)) = &news.log {
                self.log_callback(channel, Verdict::Unknown, &news.trade_no, body, news.at).await?;
            }
            return Ok(Verdict::Unknown);
        };
        let lane = Lane::Store(&payment.store_id);
        let first = self.store().write_together::<Confirming>(lane, news.clone()).await;
        match first {
            // What the order held went to others: in a second unit the money goes back.
            Err(Error::User(gone)) if is_gone(gone.code) => {
                let news = News { give_up: true, ..news };
                self.store().write_together::<Confirming>(lane, news).await
            }
            other => other,
        }
    }

    /// The channel says that a payment was declined.
    async fn decline(&self, channel: &str, callback: &Callback, body: &str, now: Millis) -> Result<Verdict> {
        let payment = payments::by_trade_no(&mut self.store().read().await?, &callback.trade_no).await?;
        let Some(payment) = payment else {
            self.log_callback(channel, Verdict::Unknown, &callback.trade_no, body, now).await?;
            return Ok(Verdict::Unknown);
        };
        let lane = Lane::Store(&payment.store_id);
        let input = (payment.clone(), channel.to_owned(), body.to_owned(), now);
        self.store()
            .write(lane, input, |conn, (payment, channel, body, now)| {
                Box::pin(async move {
                    let ended = payments::end(conn, &payment.trade_no, "failed").await?;
                    let verdict = if ended { Verdict::Declined } else { Verdict::Repeated };
                    let (trade_no, verdict_word) = (payment.trade_no.as_str(), verdict.as_str());
                    let log = CallbackLog { channel, verdict: verdict_word, trade_no, body, at: *now };
                    payments::log_callbacks(conn, &[log]).await?;
                    if ended {
                        let order = lock_order(conn, payment).await?;
                        add_event(conn, &order, *now, NewEvent::of("payment_declined", "channel")).await?;
                        orders::bump(conn, &order.store(), &order.order()).await?;
                        conn.touch_order(&order.member(), &order.order(), &order.code);
                    }
                    Ok::<Verdict, Error>(verdict)
                })
            })
            .await
    }

    /// Asks the channel what became of a payment and books the answer.
    pub(crate) async fn query_payment(&self, trade_no: &str, now: Millis) -> Result<()> {
        match self.ports().channel.query(trade_no).await? {
            Paid::Open => {}
            Paid::Paid { channel_no, amount } => {
                let trade_no = trade_no.to_owned();
                let verdict = self.confirm(News { trade_no, channel_no, amount, at: now, log: None, give_up: false });
                let verdict = verdict.await?;
                tracing::info!(verdict = verdict.as_str(), "a payment was found by asking the channel");
            }
            Paid::Closed => {
                let input = trade_no.to_owned();
                self.store()
                    .write(Lane::Background, input, |conn, trade_no| {
                        Box::pin(async move {
                            payments::end(conn, trade_no, "closed").await?;
                            Ok::<(), Error>(())
                        })
                    })
                    .await?;
            }
        }
        Ok(())
    }

    /// Asks about payments of which nothing was heard for a while. How many were asked about.
    ///
    /// # Errors
    /// Those of the database; a channel that does not answer is asked again later.
    pub async fn poll_payments(&self, now: Millis) -> Result<usize> {
        if !payments::polls_due(&mut self.store().read().await?, now).await? {
            return Ok(0);
        }
        let due = self
            .store()
            .write(Lane::Background, now, |conn, now| {
                Box::pin(async move { Ok::<_, Error>(payments::claim_polls(conn, *now, 100).await?) })
            })
            .await?;
        for payment in &due {
            if let Err(error) = self.query_payment(&payment.trade_no, now).await {
                tracing::warn!(%error, trade_no = payment.trade_no, "the channel did not answer a query");
            }
        }
        Ok(due.len())
    }

    /// Work of the outbox: closes a payment at the channel; one that was paid
    /// all the same is found by the query.
    pub(crate) async fn do_close(&self, payload: &str, now: Millis) -> Result<()> {
        let plan: PaymentPlan = serde_json::from_str(payload)?;
        self.ports().channel.close(&plan.trade_no).await?;
        self.query_payment(&plan.trade_no, now).await
    }
}

/// A character of a callback as the log keeps it: PostgreSQL takes no NUL.
const fn loggable(c: char) -> char {
    if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }
}

/// Are the numbers in a callback such that a payment can have them?
fn is_readable(callback: &Callback) -> bool {
    let Callback { trade_no, channel_no, .. } = callback;
    [trade_no, channel_no].iter().all(|number| !number.contains(char::is_control))
}

/// Does it say that what an expired order held is gone?
fn is_gone(code: Code) -> bool {
    matches!(code, Code::SoldOut | Code::SlotFull | Code::CouponUnusable)
}

async fn lock_order(conn: &mut Conn, payment: &PaymentRow) -> Result<OrderRow> {
    let (store, id) = (StoreId::trusted(payment.store_id.as_str()), OrderId::trusted(payment.order_id.as_str()));
    let order = orders::lock(conn, &store, &id).await?;
    order.ok_or_else(|| Error::Internal(format!("payment {} has no order", payment.id)))
}
