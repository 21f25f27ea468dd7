//! What can be watched: a SKU in a store, or an order. A topic holds its newest
//! event, ready to be sent, once for all who watch it.

use super::sync::{Mutex, lock};
use bytes::Bytes;
use domain::ids::{SkuId, StoreId};
use futures::task::AtomicWaker;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Names a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A SKU in a store.
    Stock(StoreId, SkuId),
    /// An order, by its code.
    Order(String),
}

impl Key {
    /// Name of its events.
    pub(super) const fn event(&self) -> &'static str {
        match self {
            Self::Stock(..) => "stock",
            Self::Order(_) => "order",
        }
    }

    /// Its events carry a list of states, so that several go together.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Stock(..))
    }
}

/// The newest state of a topic.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The round in which it was computed.
    pub(super) version: u64,
    /// The state as JSON; empty where there is nothing to tell.
    pub(super) json: Bytes,
    /// The event that tells this state alone.
    pub(super) event: Bytes,
}

/// A topic, shared by all who watch it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) key: Key,
    pub(super) told: Mutex<Option<Told>>,
    watchers: Mutex<Vec<Weak<AtomicWaker>>>,
}

impl Topic {
    fn new(key: Key) -> Self {
        Self { key, told: Mutex::default(), watchers: Mutex::default() }
    }

    /// Takes a new state; false if it is the one that was told already.
    pub(super) fn tell(&self, version: u64, epoch: &str, json: Vec<u8>) -> bool {
        let mut told = lock(&self.told);
        if told.as_ref().is_some_and(|told| told.json == json) {
            return false;
        }
        let event = if json.is_empty() { Bytes::new() } else { event(&self.key, epoch, version, &[&json]) };
        *told = Some(Told { version, json: json.into(), event });
        true
    }

    /// Wakes all who watch it. How many.
    pub(super) fn wake(&self) -> usize {
        let mut woken = 0;
        lock(&self.watchers).retain(|watcher| {
            let Some(watcher) = watcher.upgrade() else { return false };
            watcher.wake();
            woken += 1;
            true
        });
        woken
    }
}

/// An event in the form of the wire, of one state or several.
pub(super) fn event(key: &Key, epoch: &str, version: u64, states: &[&[u8]]) -> Bytes {
    let mut out = format!("id: {epoch}-{version}\nevent: {}\ndata: ", key.event()).into_bytes();
    out.reserve(states.iter().map(|state| state.len() + 1).sum::<usize>() + 4);
    if key.is_list() {
        out.push(b'[');
    }
    for (n, state) in states.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(state);
    }
    if key.is_list() {
        out.push(b']');
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[derive(Debug)]
struct Entry {
    topic: Arc<Topic>,
    /// Streams that watch it.
    live: usize,
}

/// All topics that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<Key, Entry>);

impl Topics {
    /// Enters a stream for these topics; those that nobody watched before come second.
    pub(super) fn join(&mut self, keys: Vec<Key>, watcher: &Arc<AtomicWaker>) -> (Box<[Arc<Topic>]>, Vec<Arc<Topic>>) {
        let mut fresh = Vec::new();
        let topics = keys.into_iter().map(|key| {
            let entry = self.0.entry(key).or_insert_with_key(|key| {
                let topic = Arc::new(Topic::new(key.clone()));
                fresh.push(Arc::clone(&topic));
                Entry { topic, live: 0 }
            });
            entry.live += 1;
            let mut watchers = lock(&entry.topic.watchers);
            // Those that went away are swept when they are as many as those that are there.
            if watchers.len() >= 2 * entry.live + 16 {
                watchers.retain(|watcher| watcher.strong_count() > 0);
            }
            watchers.push(Arc::downgrade(watcher));
            drop(watchers);
            Arc::clone(&entry.topic)
        });
        (topics.collect(), fresh)
    }

    /// A stream ended.
    pub(super) fn leave(&mut self, topics: &[Arc<Topic>]) {
        for topic in topics {
            if let Some(entry) = self.0.get_mut(&topic.key) {
                entry.live -= 1;
                if entry.live == 0 {
                    self.0.remove(&topic.key);
                }
            }
        }
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
    }

    /// The topic of this name, if somebody watches it.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Topic>> {
        self.0.get(key).map(|entry| Arc::clone(&entry.topic))
    }

    /// All topics.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.0.values().map(|entry| Arc::clone(&entry.topic)).collect()
    }

    /// The topics of goods.
    pub(super) fn stock(&self) -> Vec<Arc<Topic>> {
        self.all().into_iter().filter(|topic| matches!(topic.key, Key::Stock(..))).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::interleavings::explored;
    use super::*;

    fn key(sku: &str) -> Key {
        Key::Stock(StoreId::trusted("s"), SkuId::trusted(sku))
    }

    #[test]
    fn a_topic_lives_as_long_as_somebody_watches() {
        explored(1, || {
            let mut topics = Topics::default();
            let (one, other) = (Arc::new(AtomicWaker::new()), Arc::new(AtomicWaker::new()));
            let (mine, fresh) = topics.join(vec![key("a"), key("b")], &one);
            assert_eq!(fresh.len(), 2);
            let (theirs, fresh) = topics.join(vec![key("a")], &other);
            assert!(fresh.is_empty());
            topics.leave(&mine);
            assert!(topics.get(&key("a")).is_some() && topics.get(&key("b")).is_none());
            drop(one);
            assert_eq!(theirs[0].wake(), 1, "the one that went away is swept");
            topics.leave(&theirs);
            assert_eq!(topics.len(), 0);
        });
    }

    #[test]
    fn the_same_state_is_told_once() {
        explored(1, || {
            let topic = Topic::new(key("a"));
            assert!(topic.tell(1, "e", b"{}".to_vec()));
            assert!(!topic.tell(2, "e", b"{}".to_vec()));
            assert!(topic.tell(3, "e", b"{\"x\":1}".to_vec()));
            let told = lock(&topic.told).clone().expect("told");
            assert_eq!(told.event, "id: e-3\nevent: stock\ndata: [{\"x\":1}]\n\n");
        });
    }

    #[test]
    fn an_orders_event_is_no_list() {
        let order = Key::Order("8F3K".to_owned());
        assert_eq!(event(&order, "e", 7, &[b"{}"]), "id: e-7\nevent: order\ndata: {}\n\n");
    }
}
