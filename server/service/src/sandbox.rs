//! The sandbox: a messenger whose messages stand on a page of its own, and a
//! payment channel. That is a channel with books of its own, signed
//! callbacks over HTTP, refunds, and a page on which a payment can go wrong in
//! every way that a real channel's can.
//!
//! A callback is signed by HMAC-SHA256 over `timestamp + "\n" + body`, in hex,
//! in the headers `x-sandbox-timestamp` and `x-sandbox-signature`.

use crate::ports::{Callback, Channel, Clock, Messenger, Paid};
use crate::{Error, Result, Shop};
use aws_lc_rs::hmac;
use domain::time::{MINUTE_MS, SECOND_MS};
use domain::view::SandboxView;
use domain::{Code, Fen, Millis, UserError};
use futures::StreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use store::sandbox::{self, CallbackRow, TradeRow};
use store::{Conn, Lane, Store, Together, Unit};

/// The channel's name, in URLs and on payments.
pub const NAME: &str = "sandbox";
/// Header of the signed time.
pub const TIMESTAMP_HEADER: &str = "x-sandbox-timestamp";
/// Header of the signature.
pub const SIGNATURE_HEADER: &str = "x-sandbox-signature";
/// What "delay" waits before it tells the shop.
pub const DELAY_MS: i64 = 20 * SECOND_MS;

/// Deliveries of a callback that are tried before the channel gives up.
const TRIES: i64 = 8;
/// A claimed callback falls due again if its server dies.
const LEASE_MS: i64 = 30 * SECOND_MS;

/// Bytes as small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// Reads hexadecimal digits back.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// The signature of a callback.
pub fn sign(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(timestamp.as_bytes());
    context.update(b"\n");
    context.update(body);
    hex(context.sign().as_ref())
}

/// What a callback says.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    trade_no: String,
    channel_no: String,
    amount: Fen,
    outcome: String,
}

/// A new number of the channel's own.
fn new_channel_no() -> String {
    format!("SB{}", store::new_id().replace('-', ""))
}

/// Opening trades, for all who wait for it in a lane at once.
struct Opening;

impl Together for Opening {
    type Input = TradeRow;
    type Output = ();
    type Error = Error;

    fn work<'c>(conn: &'c mut Conn, trades: &'c [TradeRow]) -> Unit<'c, Vec<Result<()>>, Error> {
        Box::pin(async move {
            sandbox::open(conn, trades).await?;
            Ok(trades.iter().map(|_| Ok(())).collect())
        })
    }
}

/// The channel's side that the shop talks to.
#[derive(Clone, Debug)]
pub struct SandboxChannel {
    store: Store,
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

impl SandboxChannel {
    /// A channel that keeps its books in the shop's database, in tables of its
    /// own, and signs with `key`.
    pub fn new(store: Store, key: &[u8], clock: Arc<dyn Clock>) -> Self {
        Self { store, key: hmac::Key::new(hmac::HMAC_SHA256, key), clock }
    }
}

impl Channel for SandboxChannel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open<'a>(
        &'a self,
        trade_no: &'a str,
        amount: Fen,
        subject: &'a str,
        back: &'a str,
    ) -> BoxFuture<'a, Result<String>> {
        let trade = TradeRow {
            trade_no: trade_no.to_owned(),
            channel_no: new_channel_no(),
            amount: amount.0,
            refunded: 0,
            state: "open".to_owned(),
            subject: subject.to_owned(),
            back: back.to_owned(),
            created_at: self.clock.now().0,
        };
        Box::pin(async move {
            self.store.write_together::<Opening>(Lane::Member(trade_no), trade).await?;
            Ok(format!("/sandbox/pay/{trade_no}"))
        })
    }

    fn close<'a>(&'a self, trade_no: &'a str) -> BoxFuture<'a, Result<()>> {
        let input = (trade_no.to_owned(), new_channel_no(), self.clock.now());
        Box::pin(async move {
            let work = self.store.write(Lane::Member(trade_no), input, |conn, (trade_no, channel_no, now)| {
                Box::pin(async move { Ok::<(), Error>(sandbox::close(conn, trade_no, channel_no, *now).await?) })
            });
            work.await
        })
    }

    fn query<'a>(&'a self, trade_no: &'a str) -> BoxFuture<'a, Result<Paid>> {
        Box::pin(async move {
            let trade = sandbox::trade(&mut self.store.read().await?, trade_no).await?;
            Ok(match trade {
                Some(trade) if trade.state == "paid" => {
                    Paid::Paid { channel_no: trade.channel_no, amount: Fen(trade.amount) }
                }
                Some(trade) if trade.state == "closed" => Paid::Closed,
                _ => Paid::Open,
            })
        })
    }

    fn refund<'a>(&'a self, trade_no: &'a str, key: &'a str, amount: Fen) -> BoxFuture<'a, Result<String>> {
        let number = format!("SR{}", store::new_id().replace('-', ""));
        let input = (trade_no.to_owned(), key.to_owned(), amount, number, self.clock.now());
        Box::pin(async move {
            let work = self.store.write(Lane::Member(trade_no), input, |conn, (trade_no, key, amount, number, now)| {
                Box::pin(async move {
                    let number = sandbox::refund(conn, trade_no, key, *amount, number, *now).await?;
                    number.ok_or_else(|| Error::Internal(format!("the sandbox refuses refund {key} of {trade_no}")))
                })
            });
            work.await
        })
    }

    fn verify(&self, signature: &str, timestamp: &str, body: &[u8]) -> Option<Callback> {
        let mut signed = Vec::with_capacity(timestamp.len() + 1 + body.len());
        signed.extend_from_slice(timestamp.as_bytes());
        signed.push(b'\n');
        signed.extend_from_slice(body);
        // Compares in constant time.
        hmac::verify(&self.key, &signed, &unhex(signature)?).ok()?;
        let Body { trade_no, channel_no, amount, outcome } = serde_json::from_slice(body).ok()?;
        Some(Callback { trade_no, channel_no, amount, outcome })
    }
}

/// The sandbox's messenger: what it delivers stands on the sandbox's page of
/// messages; nothing is sent and nothing is logged.
#[derive(Clone, Debug)]
pub struct SandboxMessenger {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl SandboxMessenger {
    /// A messenger that delivers into a table of its own in the shop's database.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

impl Messenger for SandboxMessenger {
    fn sign_in_code<'a>(&'a self, phone: &'a str, code: &'a str) -> BoxFuture<'a, Result<()>> {
        let input = (phone.to_owned(), code.to_owned(), self.clock.now());
        Box::pin(async move {
            let work = self.store.write(Lane::Member(phone), input, |conn, (phone, code, now)| {
                Box::pin(async move { Ok::<(), Error>(sandbox::put_message(conn, phone, code, *now).await?) })
            });
            work.await
        })
    }
}

/// What a person can do on the channel's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pay,
    Deny,
    Delay,
    Repeat,
    Lose,
    Misprice,
    Forge,
    Close,
}

impl Act {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "pay" => Self::Pay,
            "deny" => Self::Deny,
            "delay" => Self::Delay,
            "repeat" => Self::Repeat,
            "lose" => Self::Lose,
            "misprice" => Self::Misprice,
            "forge" => Self::Forge,
            "close" => Self::Close,
            _ => return None,
        })
    }

    /// The state that the trade ends in, if it ends.
    const fn ends(self) -> Option<&'static str> {
        match self {
            Self::Pay | Self::Delay | Self::Repeat | Self::Lose => Some("paid"),
            Self::Close => Some("closed"),
            Self::Deny | Self::Misprice | Self::Forge => None,
        }
    }

    /// How many callbacks it sends, and how late.
    const fn sends(self) -> (usize, i64) {
        match self {
            Self::Pay | Self::Deny | Self::Misprice | Self::Forge => (1, 0),
            Self::Delay => (1, DELAY_MS),
            Self::Repeat => (3, 0),
            Self::Lose | Self::Close => (0, 0),
        }
    }
}

/// The callbacks that an act sends.
fn callbacks(trade: &TradeRow, act: Act, key: &[u8], now: Millis) -> Result<Vec<CallbackRow>> {
    let (count, late_ms) = act.sends();
    let body = serde_json::to_string(&Body {
        trade_no: trade.trade_no.clone(),
        channel_no: trade.channel_no.clone(),
        amount: Fen(if act == Act::Misprice { trade.amount - 1 } else { trade.amount }),
        outcome: if act == Act::Deny { "declined" } else { "success" }.to_owned(),
    })?;
    let timestamp = now.to_string();
    let signature = if act == Act::Forge {
        sign(b"not the channel's key", &timestamp, body.as_bytes())
    } else {
        sign(key, &timestamp, body.as_bytes())
    };
    let row = || CallbackRow {
        id: store::new_id(),
        trade_no: trade.trade_no.clone(),
        due_at: now.plus(late_ms).0,
        body: body.clone(),
        timestamp: timestamp.clone(),
        signature: signature.clone(),
        tries: 0,
    };
    Ok((0..count).map(|_| row()).collect())
}

static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).pool_max_idle_per_host(2);
    client.no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap_or_default()
});

impl Shop {
    /// A payment as the sandbox's page shows it.
    ///
    /// # Errors
    /// `not_found`, also where the sandbox is switched off.
    pub async fn view(&self, trade_no: &str) -> Result<SandboxView> {
        if !self.settings().sandbox {
            return Err(Code::NotFound.into());
        }
        let trade = sandbox::trade(&mut self.store().read().await?, trade_no).await?;
        let trade = trade.ok_or(Error::from(Code::NotFound))?;
        Ok(SandboxView {
            trade_no: trade.trade_no,
            order_code: trade.subject,
            amount: Fen(trade.amount),
            state: trade.state,
            // A payment that was closed before anybody went to make it knows no way back.
            back: if trade.back.is_empty() { "/orders".to_owned() } else { trade.back },
        })
    }

    /// Does at the sandbox what its page offers: `pay`, `deny`, `delay` (the
    /// shop hears of it after 20 s), `repeat` (three times), `lose` (never),
    /// `misprice`, `forge`, `close`.
    ///
    /// # Errors
    /// `not_found`; `invalid` on `act`; `order_state` if the payment is paid or closed.
    pub async fn act(&self, trade_no: &str, act: &str) -> Result<()> {
        self.view(trade_no).await?;
        let act = Act::parse(act).ok_or(Error::from(UserError::invalid("act")))?;
        let input = (trade_no.to_owned(), act, self.settings().sandbox_key.clone(), self.now());
        self.store()
            .write(Lane::Member(trade_no), input, |conn, (trade_no, act, key, now)| {
                Box::pin(async move {
                    let trade = sandbox::trade(conn, trade_no).await?.ok_or(Error::from(Code::NotFound))?;
                    let moved = match act.ends() {
                        Some(state) => sandbox::end(conn, trade_no, state).await?,
                        None => trade.state == "open",
                    };
                    if !moved {
                        return Err(Code::OrderState.into());
                    }
                    for callback in callbacks(&trade, *act, key, *now)? {
                        sandbox::plan_callback(conn, &callback).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Delivers the sandbox's callbacks that are due, over HTTP to the shop's
    /// own address, or straight where it has none (an empty `public_url`). How
    /// many were taken.
    ///
    /// # Errors
    /// Those of the database; one that cannot be delivered is tried again later.
    pub async fn deliver_callbacks(&self, now: Millis) -> Result<usize> {
        if !self.settings().sandbox || !sandbox::callbacks_due(&mut self.store().read().await?, now).await? {
            return Ok(0);
        }
        let due = self
            .store()
            .write(Lane::Background, now, |conn, now| {
                Box::pin(async move { Ok::<_, Error>(sandbox::claim_callbacks(conn, *now, LEASE_MS, 100).await?) })
            })
            .await?;
        // Some at a time, so that one slow answer does not outlast the lease of the others.
        let taken = due.len();
        let delivering = futures::stream::iter(due.into_iter().map(|callback| {
            let shop = self.clone();
            async move { shop.deliver_one(callback, now).await }
        }));
        let delivered: Vec<Result<()>> = delivering.buffer_unordered(8).collect().await;
        delivered.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(taken)
    }

    async fn deliver_one(&self, callback: CallbackRow, claimed: Millis) -> Result<()> {
        if self.now().since(claimed) > LEASE_MS / 2 {
            // Too late to be sure that it is still this server's: it falls due again.
            return Ok(());
        }
        let status = self.deliver(&callback).await;
        let state = match status {
            Some(200..=299) => "done",
            // Refused for good, as the wrong signature is.
            Some(400..=499) => "refused",
            _ if callback.tries >= TRIES => "refused",
            _ => "waiting",
        };
        let due = claimed.plus((SECOND_MS << callback.tries.clamp(0, 9)).min(10 * MINUTE_MS));
        let input = (callback, state, due);
        self.store()
            .write(Lane::Background, input, |conn, (callback, state, due)| {
                Box::pin(async move {
                    match *state {
                        "waiting" => sandbox::postpone_callback(conn, callback, *due).await?,
                        state => sandbox::end_callback(conn, &callback.id, state).await?,
                    }
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// Hands one callback over; the HTTP status, if there was an answer.
    async fn deliver(&self, callback: &CallbackRow) -> Option<u16> {
        let CallbackRow { body, timestamp, signature, .. } = callback;
        if self.settings().public_url.is_empty() {
            let answer = self.callback(NAME, timestamp, signature, body.as_bytes()).await;
            return answer.ok().map(crate::payments::CallbackAnswer::status);
        }
        let url = format!("{}/api/pay/{NAME}/callback", self.settings().public_url);
        let request = HTTP
            .post(url)
            .header(TIMESTAMP_HEADER, timestamp)
            .header(SIGNATURE_HEADER, signature)
            .header("content-type", "application/json")
            .body(body.clone());
        match request.send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            Err(error) => {
                tracing::warn!(%error, "the sandbox could not deliver a callback");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_time_and_body_only() {
        let signature = sign(b"key", "100", b"{}");
        assert_eq!(signature, sign(b"key", "100", b"{}"));
        for (key, time, body) in [(&b"kez"[..], "100", &b"{}"[..]), (b"key", "101", b"{}"), (b"key", "100", b"{ }")] {
            assert_ne!(signature, sign(key, time, body));
        }
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("zz"), None);
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("奶奶"), None);
    }
}
