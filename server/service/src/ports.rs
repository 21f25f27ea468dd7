//! The ports: clock, chance, payment channel, messages. Each has an adapter for
//! real use and one that tests steer.

use crate::Result;
use domain::{Fen, Millis};
use futures::future::BoxFuture;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the shop needs from outside.
#[derive(Clone, Debug)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub random: Arc<dyn Random>,
    /// The payment channel.
    pub channel: Arc<dyn Channel>,
    /// Messages to members.
    pub messenger: Arc<dyn Messenger>,
}

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        Millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that a test moves.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// A clock that stands at `now`.
    pub fn new(now: Millis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves it on.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

/// Draws random numbers that nobody can guess.
pub trait Random: Debug + Send + Sync {
    /// 64 random bits.
    fn bits(&self) -> u64;
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bits(&self) -> u64 {
        rand::random()
    }
}

/// A payment channel. Called by the outbox worker after a commit, never inside a transaction.
pub trait Channel: Debug + Send + Sync {
    /// Its name, as written on payments.
    fn name(&self) -> &'static str;
    /// Opens a payment; answers where the member pays. Repeatable by `trade_no`.
    fn open<'a>(
        &'a self,
        trade_no: &'a str,
        amount: Fen,
        subject: &'a str,
        back: &'a str,
    ) -> BoxFuture<'a, Result<String>>;
    /// Closes an unpaid payment; paying it afterwards is refused. One that was never
    /// opened, of which the channel may say that there is no such, is closed as well: it
    /// is not paid when it is opened later.
    fn close<'a>(&'a self, trade_no: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Asks what became of a payment. One that the channel does not know is [`Paid::Open`]
    /// before it was closed and [`Paid::Closed`] from then on: else it is asked about for ever.
    fn query<'a>(&'a self, trade_no: &'a str) -> BoxFuture<'a, Result<Paid>>;
    /// Sends money back. Repeatable by `key`: the same key moves money once.
    fn refund<'a>(&'a self, trade_no: &'a str, key: &'a str, amount: Fen) -> BoxFuture<'a, Result<String>>;
    /// Verifies a callback on its raw bytes and reads it; `None` if the signature is not the channel's.
    fn verify(&self, signature: &str, timestamp: &str, body: &[u8]) -> Option<Callback>;
}

/// What the channel says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// Not paid yet.
    Open,
    /// Paid: the channel's number and the amount.
    Paid {
        /// The channel's own number.
        channel_no: String,
        /// What was paid.
        amount: Fen,
    },
    /// Closed without payment.
    Closed,
}

/// A verified callback of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Our number of the payment.
    pub trade_no: String,
    /// The channel's number.
    pub channel_no: String,
    /// What was paid.
    pub amount: Fen,
    /// `success`, or another outcome that confirms nothing.
    pub outcome: String,
}

/// Sends messages to members. Called by the outbox worker after a commit, never inside a transaction.
pub trait Messenger: Debug + Send + Sync {
    /// Sends a one-time code.
    fn sign_in_code<'a>(&'a self, phone: &'a str, code: &'a str) -> BoxFuture<'a, Result<()>>;
}
