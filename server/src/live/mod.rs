//! The live stream: open pages hear of stock and orders within a second of
//! the commit that changed them, on whichever server it happened.
//!
//! | module | holds |
//! | --- | --- |
//! | `topic` | what can be watched, with its newest state, ready to be sent |
//! | `rounds` | what the hub and the streams share, and how states become visible |
//! | `hub` | the one task: which topics were touched, their states computed once |
//! | `stream` | an open stream: its topics, and the round up to which it was told |
//!
//! **Rounds.** The hub works in rounds, numbered through. A round computes the
//! watched topics that commits touched (those within a few hundredths of a
//! second together), puts each changed state with the round's number into its
//! topic, publishes the number, and wakes who watches. A stream remembers the
//! last round of which it was told, and sends what is newer. So a stream costs
//! a few words, a state is computed and serialised once for all its watchers,
//! and a slow reader skips to the newest state: there is no queue to grow.
//!
//! **Resuming.** An event's id is the process and the round. A browser that
//! comes back with `Last-Event-ID` hears what changed since; where another
//! process sent it, or none is given, the first event is the full state.

mod hub;
#[cfg(test)]
mod interleavings;
mod rounds;
mod stream;
mod sync;
mod topic;

pub(crate) use stream::Live as Events;

use crate::Server;
use crate::guard::refusal;
use crate::places::{Bounds, Places};
use crate::session;
use crate::visitor::cookie;
use app::api::cx::{ClientAddress, Visitor};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use domain::ids::{MemberId, SkuId, StoreId};
use domain::{Code, UserError};
use futures::StreamExt;
use service::Shop;
use std::collections::HashSet;
use std::sync::Arc;
use std::task::Poll;
use sync::Mutex;
use tokio::sync::watch;
use topic::Key;

/// SKUs that one stream can watch.
const MOST_SKUS: usize = 200;
/// Who finds no place may come back after so many seconds.
const RETRY_S: u64 = 30;

/// The live stream of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<rounds::Shared>,
    places: Arc<Places>,
}

/// Waits until the server is told to stop (or nobody is left to tell it).
pub(crate) async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Live {
    /// Starts the hub. It ends when `stop` becomes true, and with it all streams.
    pub fn start(shop: &Shop, bounds: Bounds, stop: watch::Receiver<bool>) -> Self {
        let shared = rounds::Shared::new();
        tokio::spawn(hub::Hub::new(shop.clone(), Arc::clone(&shared)).run(stop));
        Self { shared, places: Places::new(bounds, "zaijia_streams_open") }
    }

    /// Opens a stream of these topics for who asks.
    fn open(&self, keys: Vec<Key>, address: &ClientAddress, headers: &HeaderMap) -> Result<Response, UserError> {
        let session = cookie(headers, session::NAME);
        let place = self.places.take(session, &address.0);
        let place = place.ok_or_else(|| UserError::new(Code::Busy).with("retry_s", RETRY_S))?;
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        Ok(answer(self.shared.open(keys, last, place)))
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

/// `GET /live?store=…&skus=a,b`: `event: stock`, data a JSON array of states; `not_found` if there is no such SKU.
pub async fn stock(
    State(server): State<Server>,
    Query(query): Query<StockQuery>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let opened = async {
        let skus = watched(&query.skus)?;
        let store = store(&server.shop, &query.store).await?;
        let skus = known(&server.shop, &skus).await?;
        let keys = skus.into_iter().map(|sku| Key::Stock(store.clone(), sku)).collect();
        Ok::<_, service::Error>(server.live.open(keys, &address, &headers)?)
    };
    opened.await.unwrap_or_else(|error| refused(&error))
}

/// The SKUs of a query, each once.
fn watched(skus: &str) -> Result<Vec<SkuId>, UserError> {
    let skus: HashSet<&str> = skus.split(',').filter(|sku| !sku.is_empty()).collect();
    if skus.is_empty() || skus.len() > MOST_SKUS {
        return Err(UserError::invalid("skus").with("max", MOST_SKUS));
    }
    let skus: Result<Vec<SkuId>, _> = skus.into_iter().map(SkuId::parse).collect();
    skus.map_err(|_| UserError::invalid("skus"))
}

/// Those of them that there are: nobody has topics made of goods that do not exist.
async fn known(shop: &Shop, skus: &[SkuId]) -> service::Result<Vec<SkuId>> {
    let known = store::live::pools_of_skus(&mut shop.store().read().await?, skus).await?;
    if known.is_empty() {
        return Err(Code::NotFound.into());
    }
    Ok(known.into_iter().map(|(sku, _)| SkuId::trusted(sku)).collect())
}

async fn store(shop: &Shop, code: &str) -> service::Result<StoreId> {
    match code {
        "" => shop.default_store().await,
        code => Ok(shop.store_by_code(code).await?.ok_or_else(|| UserError::invalid("store"))?),
    }
}

/// `GET /live/order/{code}`: `event: order`, data `{"version":n,"state":"paid"}`; the member's own orders only.
pub async fn order(
    State(server): State<Server>,
    Path(code): Path<String>,
    Extension(visitor): Extension<Visitor>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let opened = async {
        let member = visitor.member.ok_or(Code::SignInFirst)?;
        if !is_own(&server.shop, &member, &code).await? {
            return Err(Code::NotFound.into());
        }
        Ok::<_, service::Error>(server.live.open(vec![Key::Order(code)], &address, &headers)?)
    };
    opened.await.unwrap_or_else(|error| refused(&error))
}

async fn is_own(shop: &Shop, member: &MemberId, code: &str) -> service::Result<bool> {
    let mut conn = shop.store().read().await?;
    Ok(store::members::order_version(&mut conn, member, code).await?.is_some())
}

/// A refusal; who is told to come back is told when.
fn refused(error: &service::Error) -> Response {
    let error = error.user();
    let busy = error.code == Code::Busy;
    let mut response = refusal(error);
    if busy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_S));
    }
    response
}

/// With an answer: its events, for a connection that sends them by itself.
#[derive(Clone)]
pub(crate) struct Takeover(Arc<Mutex<Option<Events>>>);

impl Takeover {
    /// The events; the answer's body ends.
    pub(crate) fn take(&self) -> Option<Events> {
        sync::lock(&self.0).take()
    }
}

fn answer(events: Events) -> Response {
    let events = Arc::new(Mutex::new(Some(events)));
    let takeover = Takeover(Arc::clone(&events));
    let body = futures::stream::poll_fn(move |cx| match &mut *sync::lock(&events) {
        Some(events) => events.poll_next_unpin(cx),
        None => Poll::Ready(None),
    });
    let mut response = Response::new(Body::from_stream(body));
    response.extensions_mut().insert(takeover);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies such as nginx hold answers back unless told otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
