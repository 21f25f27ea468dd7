//! The hub: one task that hears of all commits, this process's and others',
//! and computes what is watched and touched, once for all who watch it.

use super::rounds::Shared;
use super::topic::{Key, Topic, Topics};
use domain::ids::{PoolId, SkuId, StoreId};
use futures::FutureExt;
use service::Shop;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use store::conn::Touched;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// SKUs that are computed together.
const TOGETHER: usize = 200;
/// Commits within this time are answered together.
const GATHER: Duration = Duration::from_millis(40);
/// Goods that are watched are computed anew after this time, touched or not.
const MINUTE: Duration = Duration::from_mins(1);
/// What could not be computed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// What commits touched since the last look.
#[derive(Default)]
struct Gathered {
    pools: HashMap<StoreId, HashSet<PoolId>>,
    /// More is known of all the stock of these: all their goods that are watched.
    stores: HashSet<StoreId>,
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
        self.stores.extend(touched.stores.iter().cloned());
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

    /// The topics of goods that are watched and were touched.
    fn touched(&self, topics: &Topics, gathered: &Gathered) -> Vec<Arc<Topic>> {
        if gathered.catalogue || self.known.is_empty() {
            return topics.stock();
        }
        let mut touched = Vec::new();
        if !gathered.stores.is_empty() {
            let is_touched = |key: &Key| matches!(key, Key::Stock(store, _) if gathered.stores.contains(store));
            touched.extend(topics.stock().into_iter().filter(|topic| is_touched(&topic.key)));
        }
        for (store, pools) in gathered.pools.iter().filter(|(store, _)| !gathered.stores.contains(*store)) {
            for sku in pools.iter().filter_map(|pool| self.skus.get(pool)).flatten() {
                touched.extend(topics.get(&Key::Stock(store.clone(), sku.clone())));
            }
        }
        touched
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

    /// Runs until the server stops; then all streams end. A panic is a defect,
    /// after which everything that is watched is computed anew.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while AssertUnwindSafe(self.rounds(&mut stop)).catch_unwind().await.is_err() {
            tracing::error!("the hub of the live stream panicked");
            tokio::time::sleep(AGAIN).await;
            self.pools = Pools::default();
            let all = self.shared.topics().all();
            self.shared.ask(all);
        }
        self.shared.stop();
    }

    async fn rounds(&mut self, stop: &mut watch::Receiver<bool>) {
        let mut changes = self.shop.store().changes();
        let mut minute = tokio::time::interval_at(Instant::now() + MINUTE, MINUTE);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = super::stopping(stop) => break,
                // A level is worth less as it grows older, though nobody touches it.
                _ = minute.tick() => {
                    let goods = self.shared.topics().stock();
                    self.compute(goods).await;
                }
                () = self.shared.asked() => {
                    let fresh = self.shared.take_fresh();
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
    }

    /// The topics that are watched and were touched.
    fn touched(&mut self, gathered: &Gathered) -> Vec<Arc<Topic>> {
        let topics = self.shared.topics();
        if gathered.catalogue || gathered.everything || self.pools.known.len() > 4 * topics.len() + 10_000 {
            // Goods may be sold from other pools now; they are learnt anew.
            self.pools = Pools::default();
        }
        if gathered.everything {
            return topics.all();
        }
        let mut touched: Vec<Arc<Topic>> =
            gathered.orders.iter().filter_map(|code| topics.get(&Key::Order(code.clone()))).collect();
        touched.extend(self.pools.touched(&topics, gathered));
        touched
    }

    /// A round: computes the states of topics, then wakes those who watch what is new.
    async fn compute(&mut self, topics: Vec<Arc<Topic>>) {
        let shared = Arc::clone(&self.shared);
        let mut round = shared.begin_round();
        let mut stock: HashMap<StoreId, Vec<(SkuId, Arc<Topic>)>> = HashMap::new();
        let mut orders = Vec::new();
        for topic in topics {
            match &topic.key {
                Key::Stock(store, sku) => stock.entry(store.clone()).or_default().push((sku.clone(), topic)),
                Key::Order(_) => orders.push(topic),
            }
        }
        for (store, topics) in stock {
            for part in topics.chunks(TOGETHER) {
                match self.states(&store, part).await {
                    Ok(states) => part.iter().zip(states).for_each(|((_, topic), state)| round.tell(topic, state)),
                    Err(error) => self.again(&error, part.iter().map(|(_, topic)| topic)),
                }
            }
        }
        for part in orders.chunks(store::live::MOST) {
            match self.versions(part).await {
                Ok(states) => part.iter().zip(states).for_each(|(topic, state)| round.tell(topic, state)),
                Err(error) => self.again(&error, part.iter()),
            }
        }
        metrics::counter!("zaijia_stream_states_total").increment(round.publish() as u64);
    }

    /// Has topics computed a little later, since it failed now.
    fn again<'a>(&self, error: &service::Error, topics: impl Iterator<Item = &'a Arc<Topic>>) {
        tracing::error!(%error, "live states could not be computed");
        let topics: Vec<Arc<Topic>> = topics.cloned().collect();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            shared.ask(topics);
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
    use super::super::interleavings::explored;
    use super::*;
    use futures::task::AtomicWaker;

    #[test]
    fn all_goods_of_a_store_that_was_touched_as_a_whole_are_computed() {
        explored(1, || {
            let shared = Shared::new();
            let key = |store: &str, sku: &str| Key::Stock(StoreId::trusted(store), SkuId::trusted(sku));
            let keys = vec![key("s", "a"), key("s", "b"), key("t", "a"), key("t", "b"), Key::Order("o".to_owned())];
            let _watched = shared.topics().join(keys, &Arc::new(AtomicWaker::new()));
            let mut pools = Pools::default();
            for sku in ["a", "b"] {
                pools.known.insert(SkuId::trusted(sku));
                pools.skus.insert(PoolId::trusted(sku), vec![SkuId::trusted(sku)]);
            }
            let sold = |store: &str| vec![(StoreId::trusted(store), PoolId::trusted("a"))];
            let found = |touched: Touched| {
                let mut gathered = Gathered::default();
                gathered.add(&touched);
                let topics = pools.touched(&shared.topics(), &gathered);
                let mut names: Vec<String> = topics.iter().map(|topic| format!("{:?}", topic.key)).collect();
                names.sort_unstable();
                names
            };
            let names = |keys: &[Key]| keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>();
            let of_pool = found(Touched { stock: sold("s"), ..Touched::default() });
            assert_eq!(of_pool, names(&[key("s", "a")]));
            let stores = vec![StoreId::trusted("s")];
            let of_store = found(Touched { stock: sold("s"), stores: stores.clone(), ..Touched::default() });
            assert_eq!(of_store, names(&[key("s", "a"), key("s", "b")]), "each once");
            let of_both = found(Touched { stock: sold("t"), stores, ..Touched::default() });
            assert_eq!(of_both, names(&[key("s", "a"), key("s", "b"), key("t", "a")]));
        });
    }
}
