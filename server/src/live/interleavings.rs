//! Tests of the live stream: the real topics, rounds and streams under shuttle,
//! which runs them in thousands of orders of events. Only the database is
//! played: a number for each SKU, of which a writer tells the hub.

use super::rounds::Shared;
use super::stream::Live;
use super::sync::{AtomicBool, AtomicU64, Mutex, lock};
use super::topic::Key;
use crate::places::{Bounds, Places};
use bytes::Bytes;
use domain::ids::{SkuId, StoreId};
use futures::{FutureExt, StreamExt};
use shuttle::future::block_on;
use shuttle::{rand::Rng, thread};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Orders of events that are tried.
const ORDERS: usize = 1_000;
/// Changes of each SKU.
const CHANGES: u64 = 3;
/// The SKUs.
const SKUS: [&str; 2] = ["a", "b"];

/// Runs it in so many orders of events. Those that random choice seldom comes to
/// (a thread that stands still while others go far) are sought as well.
pub(super) fn explored(orders: usize, run: impl Fn() + Send + Sync + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // For the pings of streams; no time passes.
    let _entered = runtime.enter();
    let run = Arc::new(run);
    let again = Arc::clone(&run);
    shuttle::check_random(move || run(), orders);
    if orders > 1 {
        shuttle::check_pct(move || again(), orders, 3);
    }
}

fn key(sku: &str) -> Key {
    Key::Stock(StoreId::trusted("s"), SkuId::trusted(sku))
}

fn open(shared: &Arc<Shared>, skus: &[&str], last: Option<&str>) -> Live {
    let places = Places::new(Bounds { all: 0, visitor: 0, address: 0 }, "zaijia_streams_open");
    let place = places.take(None, "").expect("without bounds");
    shared.open(skus.iter().map(|sku| key(sku)).collect(), last, place)
}

fn text(piece: &Bytes) -> String {
    String::from_utf8(piece.to_vec()).expect("text")
}

/// The next piece, if there is one at once.
fn next(stream: &mut Live) -> Option<String> {
    let piece = stream.next().now_or_never()?;
    piece.map(|piece| text(&piece.expect("no error")))
}

fn greeted(shared: &Arc<Shared>, skus: &[&str], last: Option<&str>) -> Live {
    let mut stream = open(shared, skus, last);
    assert!(next(&mut stream).is_some_and(|greeting| greeting.starts_with("retry: ")));
    stream
}

/// What the hub does in a round.
fn round(shared: &Shared, states: &[(&str, &str)]) {
    let mut round = shared.begin_round();
    for (sku, json) in states {
        if let Some(topic) = shared.topics().get(&key(sku)) {
            round.tell(&topic, json.as_bytes().to_vec());
        }
    }
    round.publish();
}

#[test]
fn a_slow_reader_gets_the_newest_state_and_has_no_queue() {
    explored(1, || {
        let shared = Shared::new();
        let mut slow = greeted(&shared, &["a"], None);
        for n in 0..1_000 {
            round(&shared, &[("a", &n.to_string())]);
        }
        let epoch = shared.epoch();
        assert_eq!(next(&mut slow), Some(format!("id: {epoch}-1000\nevent: stock\ndata: [999]\n\n")));
        assert_eq!(next(&mut slow), None);
    });
}

#[test]
fn a_stream_is_a_few_words() {
    assert!(size_of::<Live>() <= 128);
}

#[test]
fn the_first_event_is_the_full_state() {
    explored(1, || {
        let shared = Shared::new();
        let mut stream = greeted(&shared, &["a", "b"], None);
        round(&shared, &[("a", "1")]);
        assert_eq!(next(&mut stream), None, "b is not known yet");
        round(&shared, &[("b", "2")]);
        assert!(next(&mut stream).is_some_and(|event| event.contains("data: [1,2]\n")));
        round(&shared, &[("b", "3")]);
        assert!(next(&mut stream).is_some_and(|event| event.contains("data: [3]\n")));
    });
}

#[test]
fn who_comes_back_hears_what_changed_since() {
    explored(1, || {
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
    });
}

/// The played database, and what its commits touched.
struct World {
    shared: Arc<Shared>,
    levels: [AtomicU64; 2],
    touched: Mutex<Vec<usize>>,
    /// Nothing changes any more, and nobody opens a stream.
    over: AtomicBool,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            shared: Shared::new(),
            levels: [AtomicU64::new(0), AtomicU64::new(0)],
            touched: Mutex::new(Vec::new()),
            over: AtomicBool::new(false),
        })
    }

    /// A commit: the level first, the news of it afterwards.
    fn change(&self, sku: usize) {
        self.levels[sku].fetch_add(1, Ordering::SeqCst);
        lock(&self.touched).push(sku);
        self.shared.ask(Vec::new());
    }

    /// The hub: a round of what is fresh and what was touched, until all is over.
    fn hub(&self) {
        loop {
            // Asked before the looks: what comes in between is looked at next time.
            let over = self.over.load(Ordering::SeqCst);
            let mut topics = self.shared.take_fresh();
            let touched = std::mem::take(&mut *lock(&self.touched));
            topics.extend(touched.into_iter().filter_map(|sku| self.shared.topics().get(&key(SKUS[sku]))));
            if topics.is_empty() {
                if over {
                    return;
                }
                block_on(self.shared.asked());
                continue;
            }
            let mut round = self.shared.begin_round();
            for topic in topics {
                let sku = SKUS.iter().position(|sku| topic.key == key(sku)).expect("a SKU");
                round
                    .tell(&topic, format!("\"{}{}\"", SKUS[sku], self.levels[sku].load(Ordering::SeqCst)).into_bytes());
            }
            round.publish();
        }
    }
}

/// What a browser knows: of each SKU the level, and the id of the last event.
#[derive(Clone, Default)]
struct Browser {
    levels: [Option<u64>; 2],
    last: Option<String>,
}

impl Browser {
    /// Takes an event; rounds and levels never go back.
    fn hear(&mut self, event: &str) {
        let id = event.strip_prefix("id: ").and_then(|rest| rest.lines().next()).expect("an id");
        let round = |id: &str| id.rsplit('-').next().and_then(|round| round.parse::<u64>().ok()).expect("a round");
        assert!(self.last.as_deref().is_none_or(|last| round(last) <= round(id)), "rounds go on");
        let data = event.split("data: ").nth(1).expect("data");
        let states: Vec<String> = serde_json::from_str(data.trim()).expect("a list");
        for state in states {
            let sku = SKUS.iter().position(|sku| state.starts_with(sku)).expect("a SKU");
            let level = state[1..].parse().expect("a level");
            assert!(self.levels[sku].is_none_or(|known| known <= level), "{sku} goes back");
            self.levels[sku] = Some(level);
        }
        if self.last.is_none() {
            assert!(self.levels.iter().all(Option::is_some), "the first event is the full state");
        }
        self.last = Some(id.to_owned());
    }

    /// Watches until it knows these levels, or has heard so many events.
    fn watch(&mut self, world: &World, until: [u64; 2], events: usize) {
        let mut stream = open(&world.shared, &SKUS, self.last.as_deref());
        let mut heard = 0;
        while self.levels != until.map(Some) && heard < events {
            let piece = block_on(stream.next()).expect("the server goes on").expect("no error");
            let piece = text(&piece);
            if piece.starts_with("id: ") {
                self.hear(&piece);
                heard += 1;
            }
        }
    }
}

#[test]
fn nobody_misses_the_last_change_in_any_order_of_events() {
    explored(ORDERS, || {
        let world = World::new();
        let hub = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.hub())
        };
        let writer = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for _ in 0..CHANGES {
                    world.change(0);
                    world.change(1);
                }
            })
        };
        // One watches to the end; the other goes away after an event or two, comes
        // back with the id of the last one, and so on.
        let watchers: Vec<_> = [usize::MAX, 2]
            .into_iter()
            .map(|events| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    let mut browser = Browser::default();
                    while browser.levels != [Some(CHANGES); 2] {
                        let events = if events == usize::MAX {
                            events
                        } else {
                            1 + shuttle::rand::thread_rng().gen_range(0..events)
                        };
                        browser.watch(&world, [CHANGES; 2], events);
                    }
                })
            })
            .collect();
        writer.join().expect("the writer");
        // Whoever waits for something that never comes is a deadlock, which shuttle reports.
        for watcher in watchers {
            watcher.join().expect("a watcher");
        }
        world.over.store(true, Ordering::SeqCst);
        world.shared.ask(Vec::new());
        hub.join().expect("the hub");
    });
}

#[test]
fn every_stream_ends_with_the_server_in_any_order_of_events() {
    explored(ORDERS, || {
        let shared = Shared::new();
        let watchers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let mut stream = open(&shared, &["a"], None);
                    let mut last = String::new();
                    while let Some(piece) = block_on(stream.next()) {
                        last = text(&piece.expect("no error"));
                    }
                    assert!(last.starts_with("retry: "), "it is told when to come back");
                })
            })
            .collect();
        round(&shared, &[("a", "1")]);
        shared.stop();
        for watcher in watchers {
            watcher.join().expect("a watcher");
        }
    });
}
