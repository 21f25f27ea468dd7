//! The live stream: open pages hear of stock and orders within a second of
//! the commit that changed them.
//!
//! One task hears of all commits. For the pools that a commit touched it
//! computes each watched SKU once (commits within a few hundredths of a second
//! together) and leaves the new state with the streams that watch it. A stream
//! has no queue: it keeps the newest state of each SKU until the browser took
//! it, so a slow reader costs a bounded amount and never reads old news. The
//! first event is the full state, computed by the same task, so that nothing
//! is lost or overtaken in between.

use crate::Server;
use crate::guard::refusal;
use app::api::cx::Visitor;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::ids::{MemberId, PoolId, SkuId, StoreId};
use domain::view::LiveState;
use domain::{Code, UserError};
use futures::Stream;
use futures::stream::unfold;
use service::Shop;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::conn::Touched;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, mpsc, watch};

/// SKUs that one stream can watch.
const MOST_SKUS: usize = 200;
/// Streams at a time.
const MOST_STREAMS: usize = 5_000;
/// Commits within this time are answered together.
const GATHER: Duration = Duration::from_millis(40);
/// A comment at this pace keeps proxies from closing a quiet stream.
const PING: Duration = Duration::from_secs(15);

/// What a stream must tell: the newest state of each SKU, or that its order changed.
#[derive(Debug, Default)]
struct Mailbox {
    stock: Mutex<BTreeMap<SkuId, LiveState>>,
    news: Notify,
}

impl Mailbox {
    fn stock(&self) -> MutexGuard<'_, BTreeMap<SkuId, LiveState>> {
        // A map of states is whole at any moment, even if its last writer panicked.
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, states: impl IntoIterator<Item = LiveState>) {
        self.stock().extend(states.into_iter().map(|state| (state.sku.clone(), state)));
        self.news.notify_one();
    }
}

/// What a stream asks the task for.
enum Command {
    Stock { id: u64, store: StoreId, skus: Vec<SkuId>, mailbox: Arc<Mailbox> },
    Order { id: u64, code: String, mailbox: Arc<Mailbox> },
    Gone(u64),
}

/// The live stream of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    commands: mpsc::UnboundedSender<Command>,
    open: Arc<AtomicUsize>,
    next: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
}

/// Waits until the server is told to stop (or nobody is left to tell it).
pub(crate) async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Its place among the open streams; given back when the stream ends.
struct Place {
    id: u64,
    live: Live,
}

impl Drop for Place {
    fn drop(&mut self) {
        gauge(self.live.open.fetch_sub(1, Ordering::Relaxed) - 1);
        // The task is gone only when the server stops.
        let _ = self.live.commands.send(Command::Gone(self.id));
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most some thousands of streams")]
fn gauge(open: usize) {
    metrics::gauge!("zaijia_streams_open").set(open as f64);
}

impl Live {
    /// Starts the task. It ends when `stop` becomes true, and with it all streams.
    pub fn start(shop: &Shop, stop: watch::Receiver<bool>) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let hub = Hub { shop: shop.clone(), stock: HashMap::new(), orders: HashMap::new(), of: HashMap::new() };
        tokio::spawn(hub.run(receiver, stop.clone()));
        Self { commands, open: Arc::default(), next: Arc::default(), stop }
    }

    fn place(&self) -> Result<Place, UserError> {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        let place = Place { id: self.next.fetch_add(1, Ordering::Relaxed), live: self.clone() };
        if open > MOST_STREAMS {
            return Err(UserError::new(Code::Busy).with("retry_s", 30));
        }
        gauge(open);
        Ok(place)
    }
}

/// The SKUs of one store that open pages watch.
#[derive(Default)]
struct Watched {
    /// Which streams watch a SKU.
    streams: HashMap<SkuId, HashSet<u64>>,
    /// What was last told of it.
    told: HashMap<SkuId, LiveState>,
    mailboxes: HashMap<u64, Arc<Mailbox>>,
}

/// What a new stream watches, and where its states go.
type Fresh = (Vec<SkuId>, Arc<Mailbox>);

/// Where a stream is entered.
enum Entered {
    Stock(StoreId, Vec<SkuId>),
    Order(String),
}

struct Hub {
    shop: Shop,
    stock: HashMap<StoreId, Watched>,
    orders: HashMap<String, HashMap<u64, Arc<Mailbox>>>,
    of: HashMap<u64, Entered>,
}

/// What commits touched since the last look.
#[derive(Default)]
struct Gathered {
    pools: HashMap<StoreId, HashSet<PoolId>>,
    orders: HashSet<String>,
    /// The catalogue changed, or news were lost: everything that is watched.
    everything: bool,
}

impl Gathered {
    fn add(&mut self, touched: &Touched) {
        for (store, pool) in &touched.stock {
            self.pools.entry(store.clone()).or_default().insert(pool.clone());
        }
        self.orders.extend(touched.orders.iter().map(|(_, _, code)| code.clone()));
        self.everything |= touched.catalogue;
    }
}

impl Hub {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>, mut stop: watch::Receiver<bool>) {
        let mut changes = self.shop.store().changes();
        loop {
            tokio::select! {
                () = stopping(&mut stop) => return,
                command = commands.recv() => {
                    let Some(first) = command else { return };
                    let mut batch = vec![first];
                    while batch.len() < 200 && let Ok(next) = commands.try_recv() {
                        batch.push(next);
                    }
                    self.obey(batch).await;
                }
                change = changes.recv() => {
                    let mut gathered = Gathered::default();
                    match change {
                        Ok(touched) => gathered.add(&touched),
                        Err(RecvError::Lagged(_)) => gathered.everything = true,
                        Err(RecvError::Closed) => return,
                    }
                    tokio::time::sleep(GATHER).await;
                    loop {
                        match changes.try_recv() {
                            Ok(touched) => gathered.add(&touched),
                            Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => gathered.everything = true,
                            Err(_) => break,
                        }
                    }
                    self.tell(gathered).await;
                }
            }
        }
    }

    /// Enters new streams and gives them the full state, all of a store together.
    async fn obey(&mut self, batch: Vec<Command>) {
        let mut fresh: HashMap<StoreId, Vec<Fresh>> = HashMap::new();
        for command in batch {
            match command {
                Command::Stock { id, store, skus, mailbox } => {
                    let watched = self.stock.entry(store.clone()).or_default();
                    for sku in &skus {
                        watched.streams.entry(sku.clone()).or_default().insert(id);
                    }
                    watched.mailboxes.insert(id, Arc::clone(&mailbox));
                    self.of.insert(id, Entered::Stock(store.clone(), skus.clone()));
                    fresh.entry(store).or_default().push((skus, mailbox));
                }
                Command::Order { id, code, mailbox } => {
                    self.orders.entry(code.clone()).or_default().insert(id, Arc::clone(&mailbox));
                    self.of.insert(id, Entered::Order(code));
                    mailbox.news.notify_one();
                }
                Command::Gone(id) => self.forget(id),
            }
        }
        for (store, streams) in fresh {
            let skus: HashSet<SkuId> = streams.iter().flat_map(|(skus, _)| skus.iter().cloned()).collect();
            let states = self.compute(&store, skus.into_iter().collect()).await;
            let states: HashMap<&SkuId, &LiveState> = states.iter().map(|state| (&state.sku, state)).collect();
            for (skus, mailbox) in streams {
                mailbox.put(skus.iter().filter_map(|sku| states.get(sku).map(|state| (*state).clone())));
            }
        }
    }

    fn forget(&mut self, id: u64) {
        match self.of.remove(&id) {
            Some(Entered::Stock(store, skus)) => {
                let Some(watched) = self.stock.get_mut(&store) else { return };
                watched.mailboxes.remove(&id);
                for sku in skus {
                    if let Some(streams) = watched.streams.get_mut(&sku) {
                        streams.remove(&id);
                        if streams.is_empty() {
                            watched.streams.remove(&sku);
                            watched.told.remove(&sku);
                        }
                    }
                }
                if watched.mailboxes.is_empty() {
                    self.stock.remove(&store);
                }
            }
            Some(Entered::Order(code)) => {
                if let Some(streams) = self.orders.get_mut(&code) {
                    streams.remove(&id);
                    if streams.is_empty() {
                        self.orders.remove(&code);
                    }
                }
            }
            None => {}
        }
    }

    /// Computes what was touched and is watched, and tells the streams what is new.
    async fn tell(&mut self, gathered: Gathered) {
        for code in &gathered.orders {
            for mailbox in self.orders.get(code).into_iter().flat_map(HashMap::values) {
                mailbox.news.notify_one();
            }
        }
        let stores: Vec<StoreId> = if gathered.everything {
            self.stock.keys().cloned().collect()
        } else {
            gathered.pools.keys().filter(|store| self.stock.contains_key(*store)).cloned().collect()
        };
        for store in stores {
            let pools = if gathered.everything { None } else { gathered.pools.get(&store) };
            match self.watched_skus(&store, pools).await {
                Ok(skus) if skus.is_empty() => {}
                Ok(skus) => {
                    self.compute(&store, skus).await;
                }
                Err(error) => tracing::error!(%error, "the touched goods could not be found"),
            }
        }
    }

    /// The watched SKUs that are sold from `pools`; all watched ones without.
    async fn watched_skus(&self, store: &StoreId, pools: Option<&HashSet<PoolId>>) -> store::Result<Vec<SkuId>> {
        let Some(watched) = self.stock.get(store) else { return Ok(Vec::new()) };
        let Some(pools) = pools else { return Ok(watched.streams.keys().cloned().collect()) };
        let pools: Vec<&PoolId> = pools.iter().collect();
        let mut conn = self.shop.store().read().await?;
        let mut skus = Vec::new();
        for pools in pools.chunks(500) {
            let sold = store::members::skus_of_pools(&mut conn, pools).await?;
            skus.extend(sold.into_iter().map(SkuId::trusted).filter(|sku| watched.streams.contains_key(sku)));
        }
        Ok(skus)
    }

    /// Computes states and gives those that changed to who watches them.
    async fn compute(&mut self, store: &StoreId, skus: Vec<SkuId>) -> Vec<LiveState> {
        let mut states = Vec::with_capacity(skus.len());
        for skus in skus.chunks(MOST_SKUS) {
            match self.shop.live(store, skus, self.shop.now()).await {
                Ok(some) => states.extend(some),
                Err(error) => tracing::error!(%error, "live states could not be computed"),
            }
        }
        let Some(watched) = self.stock.get_mut(store) else { return states };
        let mut told: HashMap<u64, Vec<LiveState>> = HashMap::new();
        for state in &states {
            if watched.told.get(&state.sku) == Some(state) {
                continue;
            }
            watched.told.insert(state.sku.clone(), state.clone());
            for id in watched.streams.get(&state.sku).into_iter().flatten() {
                told.entry(*id).or_default().push(state.clone());
            }
        }
        for (id, states) in told {
            if let Some(mailbox) = watched.mailboxes.get(&id) {
                metrics::counter!("zaijia_stream_states_total").increment(states.len() as u64);
                mailbox.put(states);
            }
        }
        states
    }
}

/// What a page asks to watch.
#[derive(Debug, serde::Deserialize)]
pub struct StockQuery {
    /// Code of the store.
    #[serde(default)]
    store: String,
    /// SKU ids, separated by commas.
    skus: String,
}

/// `GET /live?store=…&skus=a,b`: `event: stock`, data a JSON array of states.
pub async fn stock(State(server): State<Server>, Query(query): Query<StockQuery>) -> Response {
    match open_stock(&server, &query).await {
        Ok((place, mailbox)) => {
            let stop = server.live.stop.clone();
            let events = unfold((place, mailbox, stop), |(place, mailbox, mut stop)| async move {
                loop {
                    tokio::select! {
                        biased;
                        () = stopping(&mut stop) => return None,
                        () = mailbox.news.notified() => {}
                    }
                    let states = std::mem::take(&mut *mailbox.stock());
                    let states: Vec<LiveState> = states.into_values().collect();
                    if !states.is_empty() {
                        let event = Event::default().event("stock").json_data(&states).unwrap_or_default();
                        return Some((Ok(event), (place, mailbox, stop)));
                    }
                }
            });
            answer(events)
        }
        Err(error) => refusal(error.user()),
    }
}

async fn open_stock(server: &Server, query: &StockQuery) -> service::Result<(Place, Arc<Mailbox>)> {
    let skus: HashSet<&str> = query.skus.split(',').filter(|sku| !sku.is_empty()).collect();
    if skus.is_empty() || skus.len() > MOST_SKUS {
        return Err(UserError::invalid("skus").with("max", MOST_SKUS).into());
    }
    let skus: Result<Vec<SkuId>, _> = skus.into_iter().map(SkuId::parse).collect();
    let skus = skus.map_err(|_| UserError::invalid("skus"))?;
    let store = match query.store.as_str() {
        "" => server.shop.default_store().await?,
        code => server.shop.store_by_code(code).await?.ok_or_else(|| UserError::invalid("store"))?,
    };
    let place = server.live.place()?;
    let mailbox = Arc::new(Mailbox::default());
    let command = Command::Stock { id: place.id, store, skus, mailbox: Arc::clone(&mailbox) };
    server.live.commands.send(command).map_err(|_| Code::Unavailable)?;
    Ok((place, mailbox))
}

/// `GET /live/order/{code}`: `event: order`, data `{"version":n,"state":"paid"}`; the member's own orders only.
pub async fn order(
    State(server): State<Server>,
    Path(code): Path<String>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let opened = async {
        let member = visitor.member.ok_or(Code::SignInFirst)?;
        version(&server.shop, &member, &code).await?.ok_or(Code::NotFound)?;
        let place = server.live.place()?;
        let mailbox = Arc::new(Mailbox::default());
        let command = Command::Order { id: place.id, code: code.clone(), mailbox: Arc::clone(&mailbox) };
        server.live.commands.send(command).map_err(|_| Code::Unavailable)?;
        Ok::<_, service::Error>((place, mailbox, member))
    };
    match opened.await {
        Ok((place, mailbox, member)) => {
            let watched = WatchedOrder { place, mailbox, shop: server.shop.clone(), member, code, told: None };
            answer(unfold((watched, server.live.stop.clone()), |(mut watched, mut stop)| async move {
                let event = tokio::select! {
                    biased;
                    () = stopping(&mut stop) => return None,
                    event = watched.next() => event?,
                };
                Some((Ok(event), (watched, stop)))
            }))
        }
        Err(error) => refusal(error.user()),
    }
}

struct WatchedOrder {
    /// Keeps the stream entered.
    #[expect(dead_code, reason = "held for its end")]
    place: Place,
    mailbox: Arc<Mailbox>,
    shop: Shop,
    member: MemberId,
    code: String,
    told: Option<i64>,
}

impl WatchedOrder {
    /// The next version of the order; `None` when it cannot be read any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            self.mailbox.news.notified().await;
            let (version, state) = match version(&self.shop, &self.member, &self.code).await {
                Ok(found) => found?,
                Err(error) => {
                    tracing::error!(%error, "an order's version could not be read");
                    return None;
                }
            };
            if self.told != Some(version) {
                self.told = Some(version);
                let data = serde_json::json!({ "version": version, "state": state });
                return Some(Event::default().event("order").data(data.to_string()));
            }
        }
    }
}

async fn version(shop: &Shop, member: &MemberId, code: &str) -> service::Result<Option<(i64, String)>> {
    let mut conn = shop.store().read().await?;
    Ok(store::members::order_version(&mut conn, member, code).await?)
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(PING).text("ping")).into_response();
    // Proxies such as nginx hold answers back unless told otherwise.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}
