//! Buyers who order and pay while something goes wrong. Who is refused or cut
//! off tries again with the same key, until the answer comes. Every refusal
//! must be an honest one: "come back later", never a defect and never a lie.

use super::ledger::{Ledger, Tale};
use crate::buyers::Buyer;
use crate::http::Client;
use crate::shop::Shop;
use crate::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A buyer who gets no answer for so long is a defect.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// What is waited for comes within this time.
const SOON: Duration = Duration::from_mins(1);
/// A look at how the load gets on.
const LOOK: Duration = Duration::from_millis(5);

/// The load.
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<Result>>,
}

struct Shared {
    addr: SocketAddr,
    tales: Vec<Tale>,
    /// Refusals that end a buyer's tale: the order was called off meanwhile.
    ends: &'static [&'static str],
    next: AtomicUsize,
    over: AtomicBool,
    done: AtomicUsize,
    ended: AtomicUsize,
    failed: AtomicUsize,
    last: Mutex<String>,
    /// What a client met that must not be.
    defect: Mutex<Option<String>>,
}

/// Locks a text, which is whole at any moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Saw {
    /// What was acknowledged.
    pub ledger: Ledger,
    /// Answers that were refusals or breaks, each followed by another try.
    pub failed: usize,
    /// Buyers whose order was called off.
    pub ended: usize,
}

impl Load {
    /// So many clients begin to serve these buyers, one after another.
    pub fn start(addr: SocketAddr, buyers: Vec<Buyer>, clients: usize) -> Self {
        Self::start_with(addr, buyers, clients, &[])
    }

    /// The same, where some refusals are an end.
    pub fn start_with(addr: SocketAddr, buyers: Vec<Buyer>, clients: usize, ends: &'static [&'static str]) -> Self {
        let count = AtomicUsize::default;
        let shared = Arc::new(Shared {
            addr,
            tales: buyers.into_iter().map(Tale::new).collect(),
            ends,
            next: count(),
            over: AtomicBool::new(false),
            done: count(),
            ended: count(),
            failed: count(),
            last: Mutex::default(),
            defect: Mutex::default(),
        });
        let client = |shared: Arc<Shared>| async move {
            client(&shared).await.inspect_err(|error| *lock(&shared.defect) = Some(error.to_string()))
        };
        let tasks = (0..clients).map(|_| tokio::spawn(client(Arc::clone(&shared)))).collect();
        Self { shared, tasks }
    }

    /// Waits until so many more buyers were served to the end.
    ///
    /// # Errors
    /// If that takes too long, or a client met what must not be.
    pub async fn served(&self, more: usize) -> Result {
        let before = self.count();
        self.until("nobody is served any more", || self.count() >= before + more).await
    }

    /// Waits until so many more answers were refusals or breaks.
    ///
    /// # Errors
    /// If that takes too long, or a client met what must not be.
    pub async fn refused(&self, more: usize) -> Result {
        let before = self.shared.failed.load(Ordering::Relaxed);
        self.until("nobody is refused", || self.shared.failed.load(Ordering::Relaxed) >= before + more).await
    }

    /// Buyers who were served to the end so far.
    pub fn count(&self) -> usize {
        self.shared.done.load(Ordering::Relaxed) + self.shared.ended.load(Ordering::Relaxed)
    }

    /// Waits until it is so.
    ///
    /// # Errors
    /// `else_`, if that takes too long, or a client met what must not be.
    pub async fn until(&self, else_: &str, is_so: impl Fn() -> bool) -> Result {
        let began = Instant::now();
        while !is_so() {
            if let Some(defect) = lock(&self.shared.defect).clone() {
                return Err(defect.into());
            }
            if began.elapsed() > SOON {
                return Err(format!("{else_}; the last refusal: {}", lock(&self.shared.last)).into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Nobody begins any more; who had begun gets through.
    ///
    /// # Errors
    /// If somebody does not, or met what must not be.
    pub async fn end(self) -> Result<Saw> {
        self.shared.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            tokio::time::timeout(2 * PATIENCE, task).await???;
        }
        let mut saw = Saw {
            failed: self.shared.failed.load(Ordering::Relaxed),
            ended: self.shared.ended.load(Ordering::Relaxed),
            ..Saw::default()
        };
        saw.ledger.take(&self.shared.tales);
        Ok(saw)
    }
}

impl Saw {
    /// All that was acknowledged is there, once, and the books are right.
    ///
    /// # Errors
    /// With what is not.
    pub async fn prove(&self, shop: &Shop) -> Result {
        self.ledger.prove(shop).await?;
        shop.check()
    }
}

/// Serves one buyer after another.
async fn client(shared: &Shared) -> Result {
    let mut client = None;
    while !shared.over.load(Ordering::Relaxed) {
        let Some(tale) = shared.tales.get(shared.next.fetch_add(1, Ordering::Relaxed)) else {
            return Err("the buyers ran out before the fault was over".into());
        };
        let began = Instant::now();
        while let Err(error) = once(&mut client, shared.addr, tale).await {
            let text = error.to_string();
            if shared.ends.iter().any(|end| text.contains(&format!("\"code\":\"{end}\""))) {
                shared.ended.fetch_add(1, Ordering::Relaxed);
                break;
            }
            if !is_honest(&error, &text) {
                return Err(format!("no honest answer: {text}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("no answer for {} s: {text}", PATIENCE.as_secs()).into());
            }
            *lock(&shared.last) = text;
            shared.failed.fetch_add(1, Ordering::Relaxed);
            client = None;
            tokio::time::sleep(PAUSE).await;
        }
        if tale.is_done() {
            shared.done.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// A try of a buyer, on the connection that there is or a new one.
async fn once(client: &mut Option<Client>, addr: SocketAddr, tale: &Tale) -> Result {
    let client = match client {
        Some(client) => client,
        empty => empty.insert(Client::connect(addr).await?),
    };
    tale.go_on(client).await
}

/// A break of the connection, or an answer that says to come back later.
fn is_honest(error: &Error, text: &str) -> bool {
    error.is::<hyper::Error>()
        || error.is::<std::io::Error>()
        || ["unavailable", "busy"].iter().any(|code| text.contains(&format!("\"code\":\"{code}\"")))
}
