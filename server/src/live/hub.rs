//! The hub: one task that hears of all commits, this process's and others',
//! and computes what is watched and touched, once for all who watch it.

use super::places::Place;
use super::stream;
use super::topic::{Key, Topic, Topics, lock};
use domain::ids::{PoolId, SkuId, StoreId};
use futures::task::AtomicWaker;
use service::Shop;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::conn::Touched;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Notify, watch};

/// SKUs that are computed together.
const TOGETHER: usize = 200;
/// Commits within this time are answered together.
const GATHER: Duration = Duration::from_millis(40);
/// What could not be computed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// What streams and the hub share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Names this process in the ids of events.
    epoch: String,
    /// The last round whose states are all in their topics.
    published: AtomicU64,
    topics: Mutex<Topics>,
    /// Topics whose state nobody computed yet.
    fresh: Mutex<Vec<Arc<Topic>>>,
    asked: Notify,
    stopping: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            epoch: format!("{:08x}", rand::random::<u32>()),
            published: AtomicU64::new(0),
            topics: Mutex::default(),
            fresh: Mutex::default(),
            asked: Notify::new(),
            stopping: AtomicBool::new(false),
        })
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The round of an event's id, if it was this process that sent it.
    fn round(&self, last_event_id: &str) -> Option<u64> {
        let (epoch, round) = last_event_id.split_once('-')?;
        let round = round.parse().ok()?;
        (epoch == self.epoch && round <= self.published()).then_some(round)
    }

    /// Opens a stream; one that was told up to `last_event_id` hears only of what changed since.
    pub(super) fn open(self: &Arc<Self>, keys: Vec<Key>, last_event_id: Option<&str>, place: Place) -> stream::Live {
        let waker = Arc::new(AtomicWaker::new());
        let (topics, fresh) = lock(&self.topics).join(keys, &waker);
        if !fresh.is_empty() {
            lock(&self.fresh).extend(fresh);
            self.asked.notify_one();
        }
        let seen = last_event_id.and_then(|id| self.round(id));
        stream::Live::new(Arc::clone(self), waker, topics, seen, place)
    }

    pub(super) fn leave(&self, topics: &[Arc<Topic>]) {
        lock(&self.topics).leave(topics);
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for topic in lock(&self.topics).all() {
            topic.wake();
        }
    }
}

/// What commits touched since the last look.
#[derive(Default)]
struct Gathered {
    pools: HashMap<StoreId, HashSet<PoolId>>,
    orders: HashSet<String>,
    /// The catalogue changed: all goods that are watched.
    catalogue: bool,
    /// News were lost: everything that is watched.
    everything: bool,
}

impl Gathered {
    fn add(&mut self, touched: &Touched) {
        for (store, pool) in &touched.stock {
            if !self.pools.get(store).is_some_and(|pools| pools.contains(pool)) {
                self.pools.entry(store.clone()).or_default().insert(pool.clone());
            }
        }
        self.orders.extend(touched.orders.iter().map(|(_, _, code)| code.clone()));
        self.catalogue |= touched.catalogue;
        self.everything |= touched.everything;
    }
}

/// Which watched SKUs are sold from a pool.
#[derive(Default)]
struct Pools {
    known: HashSet<SkuId>,
    skus: HashMap<PoolId, Vec<SkuId>>,
}

impl Pools {
    /// Learns where these SKUs are sold from.
    async fn learn(&mut self, shop: &Shop, skus: &[SkuId]) -> service::Result<()> {
        let new: Vec<SkuId> = skus.iter().filter(|sku| !self.known.contains(*sku)).cloned().collect();
        for part in new.chunks(store::live::MOST) {
            let mut conn = shop.store().read().await?;
            for (sku, pool) in store::live::pools_of_skus(&mut conn, part).await? {
                self.skus.entry(PoolId::trusted(pool)).or_default().push(SkuId::trusted(sku));
            }
            self.known.extend(part.iter().cloned());
        }
        Ok(())
    }
}

/// The task.
pub(super) struct Hub {
    shop: Shop,
    shared: Arc<Shared>,
    pools: Pools,
}

impl Hub {
    pub(super) fn new(shop: Shop, shared: Arc<Shared>) -> Self {
        Self { shop, shared, pools: Pools::default() }
    }

    /// Runs until the server stops; then all streams end.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.shop.store().changes();
        loop {
            tokio::select! {
                () = super::stopping(&mut stop) => break,
                () = self.shared.asked.notified() => {
                    let fresh = std::mem::take(&mut *lock(&self.shared.fresh));
                    self.compute(fresh).await;
                }
                change = changes.recv() => {
                    let mut gathered = Gathered::default();
                    match change {
                        Ok(touched) => gathered.add(&touched),
                        Err(RecvError::Lagged(_)) => gathered.everything = true,
                        Err(RecvError::Closed) => break,
                    }
                    tokio::time::sleep(GATHER).await;
                    loop {
                        match changes.try_recv() {
                            Ok(touched) => gathered.add(&touched),
                            Err(TryRecvError::Lagged(_)) => gathered.everything = true,
                            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                        }
                    }
                    let touched = self.touched(&gathered);
                    self.compute(touched).await;
                }
            }
        }
        self.shared.stop();
    }

    /// The topics that are watched and were touched.
    fn touched(&mut self, gathered: &Gathered) -> Vec<Arc<Topic>> {
        let topics = lock(&self.shared.topics);
        if gathered.catalogue || gathered.everything || self.pools.known.len() > 4 * topics.len() + 10_000 {
            // Goods may be sold from other pools now; they are learnt anew.
            self.pools = Pools::default();
        }
        if gathered.everything {
            return topics.all();
        }
        let mut touched: Vec<Arc<Topic>> =
            gathered.orders.iter().filter_map(|code| topics.get(&Key::Order(code.clone()))).collect();
        if gathered.catalogue || self.pools.known.is_empty() {
            touched.extend(topics.all().into_iter().filter(|topic| matches!(topic.key, Key::Stock(..))));
            return touched;
        }
        for (store, pools) in &gathered.pools {
            for sku in pools.iter().filter_map(|pool| self.pools.skus.get(pool)).flatten() {
                touched.extend(topics.get(&Key::Stock(store.clone(), sku.clone())));
            }
        }
        touched
    }

    /// A round: computes the states of topics, then wakes those who watch what is new.
    async fn compute(&mut self, topics: Vec<Arc<Topic>>) {
        let version = self.shared.published() + 1;
        let mut stock: HashMap<StoreId, Vec<(SkuId, Arc<Topic>)>> = HashMap::new();
        let mut orders = Vec::new();
        for topic in topics {
            match &topic.key {
                Key::Stock(store, sku) => stock.entry(store.clone()).or_default().push((sku.clone(), topic)),
                Key::Order(_) => orders.push(topic),
            }
        }
        let mut new = Vec::new();
        for (store, topics) in stock {
            for part in topics.chunks(TOGETHER) {
                match self.states(&store, part).await {
                    Ok(states) => new.extend(self.tell(version, part.iter().map(|(_, topic)| topic).zip(states))),
                    Err(error) => self.again(&error, part.iter().map(|(_, topic)| topic)),
                }
            }
        }
        for part in orders.chunks(store::live::MOST) {
            match self.versions(part).await {
                Ok(states) => new.extend(self.tell(version, part.iter().zip(states))),
                Err(error) => self.again(&error, part.iter()),
            }
        }
        if new.is_empty() {
            return;
        }
        self.shared.published.store(version, Ordering::Release);
        let woken: usize = new.iter().map(|topic| topic.wake()).sum();
        metrics::counter!("zaijia_stream_states_total").increment(woken as u64);
    }

    /// Puts states into their topics; those to which it is new.
    fn tell<'a>(&self, version: u64, states: impl Iterator<Item = (&'a Arc<Topic>, Vec<u8>)>) -> Vec<Arc<Topic>> {
        let told = states.filter(|(topic, state)| topic.tell(version, self.shared.epoch(), state.clone()));
        told.map(|(topic, _)| Arc::clone(topic)).collect()
    }

    /// Has topics computed a little later, since it failed now.
    fn again<'a>(&self, error: &service::Error, topics: impl Iterator<Item = &'a Arc<Topic>>) {
        tracing::error!(%error, "live states could not be computed");
        let topics: Vec<Arc<Topic>> = topics.cloned().collect();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            lock(&shared.fresh).extend(topics);
            shared.asked.notify_one();
        });
    }

    /// The states of SKUs as JSON, in their order; empty for one that is not known.
    async fn states(&mut self, store: &StoreId, topics: &[(SkuId, Arc<Topic>)]) -> service::Result<Vec<Vec<u8>>> {
        let skus: Vec<SkuId> = topics.iter().map(|(sku, _)| sku.clone()).collect();
        self.pools.learn(&self.shop, &skus).await?;
        let states = self.shop.live(store, &skus, self.shop.now()).await?;
        let mut json: HashMap<SkuId, Vec<u8>> = HashMap::with_capacity(states.len());
        for state in states {
            json.insert(state.sku.clone(), serde_json::to_vec(&state).map_err(store::Error::from)?);
        }
        Ok(skus.iter().map(|sku| json.remove(sku).unwrap_or_default()).collect())
    }

    /// Version and state of orders as JSON, in their order.
    async fn versions(&self, topics: &[Arc<Topic>]) -> service::Result<Vec<Vec<u8>>> {
        let codes = topics.iter().filter_map(|topic| match &topic.key {
            Key::Order(code) => Some(code.as_str()),
            Key::Stock(..) => None,
        });
        let codes: Vec<&str> = codes.collect();
        let found = store::live::order_versions(&mut self.shop.store().read().await?, &codes).await?;
        let found: HashMap<String, (i64, String)> =
            found.into_iter().map(|(code, version, state)| (code, (version, state))).collect();
        let json = |code: &&str| {
            let (version, state) = found.get(*code)?;
            Some(serde_json::json!({ "version": version, "state": state }).to_string().into_bytes())
        };
        Ok(codes.iter().map(|code| json(code).unwrap_or_default()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::{Bounds, Places};
    use super::*;
    use bytes::Bytes;
    use futures::{FutureExt, StreamExt};

    fn key(sku: &str) -> Key {
        Key::Stock(StoreId::trusted("s"), SkuId::trusted(sku))
    }

    fn open(shared: &Arc<Shared>, skus: &[&str], last: Option<&str>) -> stream::Live {
        let places = Places::new(Bounds { all: 0, visitor: 0, address: 0 });
        let place = places.take(None, "").expect("without bounds");
        shared.open(skus.iter().map(|sku| key(sku)).collect(), last, place)
    }

    /// What the hub does in a round.
    fn round(shared: &Shared, states: &[(&str, &str)]) {
        let version = shared.published() + 1;
        let topics: Vec<_> = states.iter().filter_map(|(sku, _)| lock(&shared.topics).get(&key(sku))).collect();
        for (topic, (_, json)) in topics.iter().zip(states) {
            topic.tell(version, shared.epoch(), json.as_bytes().to_vec());
        }
        shared.published.store(version, Ordering::Release);
        for topic in topics {
            topic.wake();
        }
    }

    /// The next piece, if there is one at once.
    fn next(stream: &mut stream::Live) -> Option<String> {
        let piece: Option<Result<Bytes, _>> = stream.next().now_or_never()?;
        piece.map(|piece| String::from_utf8(piece.expect("no error").to_vec()).expect("text"))
    }

    fn greeted(shared: &Arc<Shared>, skus: &[&str], last: Option<&str>) -> stream::Live {
        let mut stream = open(shared, skus, last);
        assert!(next(&mut stream).is_some_and(|greeting| greeting.starts_with("retry: ")));
        stream
    }

    #[tokio::test]
    async fn a_slow_reader_gets_the_newest_state_and_has_no_queue() {
        let shared = Shared::new();
        let mut slow = greeted(&shared, &["a"], None);
        for n in 0..1_000 {
            round(&shared, &[("a", &n.to_string())]);
        }
        let epoch = shared.epoch();
        assert_eq!(next(&mut slow), Some(format!("id: {epoch}-1000\nevent: stock\ndata: [999]\n\n")));
        assert_eq!(next(&mut slow), None);
        assert!(size_of::<stream::Live>() <= 128, "a stream is a few words");
    }

    #[tokio::test]
    async fn the_first_event_is_the_full_state() {
        let shared = Shared::new();
        let mut stream = greeted(&shared, &["a", "b"], None);
        round(&shared, &[("a", "1")]);
        assert_eq!(next(&mut stream), None, "b is not known yet");
        round(&shared, &[("b", "2")]);
        assert!(next(&mut stream).is_some_and(|event| event.contains("data: [1,2]\n")));
        round(&shared, &[("b", "3")]);
        assert!(next(&mut stream).is_some_and(|event| event.contains("data: [3]\n")));
    }

    #[tokio::test]
    async fn who_comes_back_hears_what_changed_since() {
        let shared = Shared::new();
        let _other = greeted(&shared, &["a", "b"], None);
        round(&shared, &[("a", "1"), ("b", "1")]);
        let last = format!("{}-1", shared.epoch());
        let mut same = greeted(&shared, &["a", "b"], Some(&last));
        assert_eq!(next(&mut same), None, "nothing changed");
        round(&shared, &[("b", "2")]);
        assert!(next(&mut same).is_some_and(|event| event.contains("data: [2]\n")));
        let mut late = greeted(&shared, &["a", "b"], Some(&last));
        assert!(next(&mut late).is_some_and(|event| event.contains("data: [2]\n")));
        for unknown in ["x-1", "", "1", &format!("{}-99", shared.epoch())] {
            let mut other = greeted(&shared, &["a", "b"], Some(unknown));
            assert!(next(&mut other).is_some_and(|event| event.contains("data: [1,2]\n")), "{unknown}");
        }
    }

    #[tokio::test]
    async fn when_the_server_stops_streams_end() {
        let shared = Shared::new();
        let mut stream = greeted(&shared, &["a"], None);
        let waiting = tokio::spawn(async move {
            let last = stream.next().await;
            (last.is_some(), stream.next().await.is_none())
        });
        tokio::task::yield_now().await;
        shared.stop();
        assert_eq!(waiting.await.expect("it ends"), (true, true));
    }
}
