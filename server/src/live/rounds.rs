//! What streams and the hub share: the topics, and the rounds in which states
//! become visible. Nothing here waits for the database, so that `interleavings`
//! can try it in every order of events.

use super::stream;
use super::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, lock};
use super::topic::{Key, Topic, Topics};
use crate::places::Place;
use futures::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;

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
            self.ask(fresh);
        }
        let seen = last_event_id.and_then(|id| self.round(id));
        stream::Live::new(Arc::clone(self), waker, topics, seen, place)
    }

    pub(super) fn leave(&self, topics: &[Arc<Topic>]) {
        lock(&self.topics).leave(topics);
    }

    /// All that is watched.
    pub(super) fn topics(&self) -> MutexGuard<'_, Topics> {
        lock(&self.topics)
    }

    /// Topics whose state nobody computed yet; they are given out once.
    pub(super) fn take_fresh(&self) -> Vec<Arc<Topic>> {
        std::mem::take(&mut *lock(&self.fresh))
    }

    /// Has topics computed that nobody touched.
    pub(super) fn ask(&self, topics: Vec<Arc<Topic>>) {
        lock(&self.fresh).extend(topics);
        self.asked.notify_one();
    }

    /// Waits until topics are to be computed.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Begins a round. Only the hub does, one at a time.
    pub(super) fn begin_round(&self) -> Round<'_> {
        Round { shared: self, version: self.published() + 1, new: Vec::new() }
    }

    /// All streams end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for topic in lock(&self.topics).all() {
            topic.wake();
        }
    }
}

/// A round under way: states go into their topics, and are seen once it is published.
pub(super) struct Round<'a> {
    shared: &'a Shared,
    version: u64,
    new: Vec<Arc<Topic>>,
}

impl Round<'_> {
    /// Puts a state into its topic.
    pub(super) fn tell(&mut self, topic: &Arc<Topic>, state: Vec<u8>) {
        if topic.tell(self.version, self.shared.epoch(), state) {
            self.new.push(Arc::clone(topic));
        }
    }

    /// Publishes the round, if there is anything new, and wakes who watches it. How many.
    pub(super) fn publish(mut self) -> usize {
        self.publish_new()
    }

    fn publish_new(&mut self) -> usize {
        let new = std::mem::take(&mut self.new);
        if new.is_empty() {
            return 0;
        }
        self.shared.published.store(self.version, Ordering::Release);
        new.iter().map(|topic| topic.wake()).sum()
    }
}

/// What a round put into topics before it broke off is as true.
impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.publish_new();
    }
}

#[cfg(test)]
mod tests {
    use super::super::interleavings::explored;
    use super::*;
    use domain::ids::{SkuId, StoreId};

    #[test]
    fn what_a_round_told_before_it_broke_off_is_seen() {
        explored(1, || {
            let shared = Shared::new();
            let key = Key::Stock(StoreId::trusted("s"), SkuId::trusted("a"));
            let (topics, _) = shared.topics().join(vec![key], &Arc::new(AtomicWaker::new()));
            let mut round = shared.begin_round();
            round.tell(&topics[0], b"{}".to_vec());
            drop(round);
            assert_eq!(shared.published(), 1);
            // The next one finds nothing new, and hides nothing.
            let mut round = shared.begin_round();
            round.tell(&topics[0], b"{}".to_vec());
            assert_eq!((round.publish(), shared.published()), (0, 1));
        });
    }
}
