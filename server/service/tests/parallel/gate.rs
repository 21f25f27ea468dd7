//! A gate in a lane of the writer: what comes after it waits, and is then taken
//! all at once; what was done before it is not committed until it opens.

use domain::ids::StoreId;
use futures::FutureExt;
use service::{Error, Shop};
use std::sync::Arc;
use std::time::Duration;
use store::Lane;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Generous: a noisy machine is no defect.
const IN_TIME: Duration = Duration::from_secs(30);

/// A gate; closed until [`open`](Self::open).
pub struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
    unit: JoinHandle<()>,
}

impl Gate {
    /// Puts a gate behind what waits already in the lane of a store's or member's id.
    pub async fn put(shop: &Shop, id: &str) -> Self {
        let (reached, opened) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (shop, id, before) = (shop.clone(), id.to_owned(), shop.store().waiting());
        let input = (Arc::clone(&reached), Arc::clone(&opened));
        let waits = shop.clone();
        let unit = tokio::spawn(async move {
            let work = shop.store().write(Lane::Member(&id), input, |_, (reached, opened)| {
                async move {
                    reached.add_permits(1);
                    opened.acquire().await.expect("it is never closed").forget();
                    Ok::<(), Error>(())
                }
                .boxed()
            });
            work.await.expect("the gate's unit");
        });
        let gate = Self { reached, opened, unit };
        // It has its place: in the queue, or at work already.
        until(|| waits.store().waiting() > before || gate.reached.available_permits() > 0).await;
        gate
    }

    /// Waits until all before it is done.
    pub async fn reached(&self) {
        tokio::time::timeout(IN_TIME, self.reached.acquire()).await.expect("in time").expect("open").forget();
    }

    /// Lets go on what waits behind it.
    pub async fn open(self) {
        self.opened.add_permits(1);
        self.unit.await.expect("no panic");
    }
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    let all = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(IN_TIME, all).await.expect("in time");
}

/// Starts work one after another, each when the one before stands in the shop's
/// queue; then lets all of it be served at once.
pub async fn served_at_once<T, F>(shop: &Shop, store: &StoreId, all: Vec<F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Gate::put(shop, store.as_str()).await;
    gate.reached().await;
    let mut tasks = Vec::with_capacity(all.len());
    for (no, work) in all.into_iter().enumerate() {
        tasks.push(tokio::spawn(work));
        until(|| shop.store().waiting() > no).await;
    }
    gate.open().await;
    futures::future::join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect()
}
