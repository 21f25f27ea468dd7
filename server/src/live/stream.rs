//! One open stream: which topics it watches, and up to which round it was told.
//! It has no queue. When its connection takes more, it
//! reads the newest states straight from its topics; what changed twice in
//! between is sent once.

use super::rounds::Shared;
use super::sync::lock;
use super::topic::{Topic, event};
use crate::places::Place;
use bytes::Bytes;
use futures::Stream;
use futures::task::AtomicWaker;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// A comment at this pace keeps proxies from closing a quiet stream.
const PING: Duration = Duration::from_secs(15);
/// When a stream breaks, its browser comes back after so many milliseconds: a
/// time of its own, so that the browsers of a server that ended do not come at once.
const RETRY_MS: std::ops::Range<u32> = 500..5_000;

/// The body of a live answer.
pub(crate) struct Live {
    shared: Arc<Shared>,
    waker: Arc<AtomicWaker>,
    topics: Box<[Arc<Topic>]>,
    /// Told up to this round; `None` until the full state was sent.
    seen: Option<u64>,
    greeted: bool,
    ended: bool,
    ping: Interval,
    /// Given back at the end.
    _place: Place,
}

impl Live {
    pub(super) fn new(
        shared: Arc<Shared>,
        waker: Arc<AtomicWaker>,
        topics: Box<[Arc<Topic>]>,
        seen: Option<u64>,
        place: Place,
    ) -> Self {
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { shared, waker, topics, seen, greeted: false, ended: false, ping, _place: place }
    }

    /// What is new since it was last told, as one event.
    fn news(&mut self) -> Option<Bytes> {
        // Read before the topics are: whatever these rounds changed is seen below.
        let published = self.shared.published();
        if self.seen == Some(published) {
            return None;
        }
        let mut found = Vec::new();
        for topic in &self.topics {
            let told = lock(&topic.told);
            // The first event is the full state; a round that is under way wakes this stream at its end.
            let Some(told) = told.as_ref().filter(|told| told.version <= published) else {
                self.seen?;
                continue;
            };
            if self.seen.is_none_or(|seen| told.version > seen) && !told.json.is_empty() {
                found.push(told.clone());
            }
        }
        self.seen = Some(published);
        match found.as_slice() {
            [] => None,
            [one] => Some(one.event.clone()),
            many => {
                let states: Vec<&[u8]> = many.iter().map(|told| told.json.as_ref()).collect();
                Some(event(&self.topics[0].key, self.shared.epoch(), published, &states))
            }
        }
    }
}

impl Stream for Live {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.greeted {
            self.greeted = true;
            return Poll::Ready(Some(Ok(retry())));
        }
        // Before the looks, so that what comes in between wakes it.
        self.waker.register(cx.waker());
        if self.shared.is_stopping() {
            self.ended = true;
            return Poll::Ready(Some(Ok(retry())));
        }
        if let Some(event) = self.news() {
            self.ping.reset();
            return Poll::Ready(Some(Ok(event)));
        }
        if self.ping.poll_tick(cx).is_ready() {
            return Poll::Ready(Some(Ok(Bytes::from_static(b": ping\n\n"))));
        }
        Poll::Pending
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.leave(&self.topics);
    }
}

fn retry() -> Bytes {
    format!("retry: {}\n\n", rand::random_range(RETRY_MS)).into()
}
