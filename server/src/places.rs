//! How many connections, and how many live streams, may be open: in all, of one
//! visitor, of one address.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds of what may be open; 0 is without limit.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In this process.
    pub all: u32,
    /// Of one visitor, by the session.
    pub visitor: u32,
    /// Of one address.
    pub address: u32,
}

#[derive(Debug, Default)]
struct Open {
    all: u32,
    /// By a digest of who it is: nothing of a visitor is kept here.
    by: HashMap<u64, u32>,
}

/// The places of what may be open.
#[derive(Debug)]
pub(crate) struct Places {
    bounds: Bounds,
    /// The metric that tells how many are taken.
    gauge: &'static str,
    random: RandomState,
    open: Mutex<Open>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    holders: [Option<u64>; 2],
}

impl Places {
    pub(crate) fn new(bounds: Bounds, gauge: &'static str) -> Arc<Self> {
        Arc::new(Self { bounds, gauge, random: RandomState::new(), open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if one is free for this visitor at this address.
    pub(crate) fn take(self: &Arc<Self>, visitor: Option<&str>, address: &str) -> Option<Place> {
        let address = (!address.is_empty()).then_some(address);
        let holders = [
            visitor.map(|visitor| (self.random.hash_one(("visitor", visitor)), self.bounds.visitor)),
            address.map(|address| (self.random.hash_one(("address", address)), self.bounds.address)),
        ];
        let mut open = self.open();
        let is_full = |count: u32, bound: u32| bound > 0 && count >= bound;
        let held = |key: &u64| open.by.get(key).copied().unwrap_or(0);
        if is_full(open.all, self.bounds.all) || holders.iter().flatten().any(|(key, bound)| is_full(held(key), *bound))
        {
            return None;
        }
        open.all += 1;
        for (key, _) in holders.iter().flatten() {
            *open.by.entry(*key).or_default() += 1;
        }
        metrics::gauge!(self.gauge).set(f64::from(open.all));
        Some(Place { places: Arc::clone(self), holders: holders.map(|holder| holder.map(|(key, _)| key)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        open.all -= 1;
        for key in self.holders.iter().flatten() {
            if let Some(count) = open.by.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    open.by.remove(key);
                }
            }
        }
        metrics::gauge!(self.places.gauge).set(f64::from(open.all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Places::new(Bounds { all: 3, visitor: 1, address: 2 }, "zaijia_places");
        let first = places.take(Some("a"), "x").expect("free");
        assert!(places.take(Some("a"), "y").is_none(), "one a visitor");
        let _second = places.take(Some("b"), "x").expect("free");
        assert!(places.take(None, "x").is_none(), "two an address");
        let third = places.take(None, "y").expect("free");
        assert!(places.take(None, "z").is_none(), "three in all");
        drop((first, third));
        assert!(places.take(Some("a"), "x").is_some());
        assert!(places.open().by.len() <= 2, "who is gone is forgotten");
    }
}
