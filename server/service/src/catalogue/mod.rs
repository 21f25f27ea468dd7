//! What shoppers browse: stores, categories, lists, products, search.
//!
//! Stores, the category tree, offers, banners and safety policies change
//! seldom and are read by every page, so a snapshot of them is kept in memory.
//! A commit that touches them makes it stale at once. What sells most in a
//! category goes with it. SKUs, their stock and baskets are read by query, a
//! fixed number of statements a page.

mod candidates;
mod cards;
mod home;
mod list;
mod product;
mod ranking;
mod stores;
mod top;
mod words;

use crate::stock::Terms;
use crate::{Result, Shop};
use domain::Millis;
use domain::ids::{CategoryId, StoreId};
use domain::pricing::Offer;
use domain::view::{CategoryNode, Lang};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use store::catalogue::CategoryRecord;
use store::offers::{BannerRecord, OfferRecord};
use store::stores::StoreRecord;
use store::tokens::{self, Term};
use store::{Changes, Conn, Store};
use tokio::sync::broadcast::error::TryRecvError;

/// Another server of the same database is heard of at the latest after this time.
const MAX_AGE: Duration = Duration::from_secs(30);

/// The snapshot in memory, and how it learns that it is stale.
#[derive(Debug)]
pub struct Cache {
    changes: Mutex<Changes>,
    held: Mutex<Held>,
    /// Up to when run-out hand counts were told to open pages.
    pub(crate) counts_told: Mark,
}

#[derive(Debug, Default)]
struct Held {
    /// Looks that found the snapshot stale.
    stale: u64,
    /// When it was loaded, and what.
    snapshot: Option<(Instant, Arc<Snapshot>)>,
}

/// A time up to which something was done.
#[derive(Debug)]
pub(crate) struct Mark(AtomicI64);

impl Mark {
    pub(crate) fn get(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn set(&self, at: Millis) {
        self.0.store(at.0, Ordering::SeqCst);
    }
}

impl Cache {
    /// An empty cache that hears of the store's commits from now on.
    pub fn new(store: &Store) -> Self {
        let counts_told = Mark(AtomicI64::new(i64::MIN));
        Self { changes: Mutex::new(store.changes()), held: Mutex::default(), counts_told }
    }

    /// Drops the snapshot if a commit since the last look made it stale.
    fn hear(&self) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stale = false;
        loop {
            match changes.try_recv() {
                Ok(touched) => stale |= touched.catalogue,
                Err(TryRecvError::Lagged(_)) => stale = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if stale {
            let mut held = self.held();
            held.stale += 1;
            held.snapshot = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot, or for who must load it, which one that will be.
    fn fresh(&self) -> std::result::Result<Arc<Snapshot>, u64> {
        self.hear();
        let held = self.held();
        let snapshot = held.snapshot.as_ref().filter(|(at, _)| at.elapsed() < MAX_AGE);
        snapshot.map(|(_, snapshot)| snapshot.clone()).ok_or(held.stale)
    }

    /// Keeps a snapshot, unless a commit was heard of while it was loaded: it may
    /// show what was before.
    fn keep(&self, no: u64, at: Instant, snapshot: &Arc<Snapshot>) {
        let mut held = self.held();
        if held.stale == no {
            held.snapshot = Some((at, snapshot.clone()));
        }
    }
}

/// Stores, categories, offers, banners and policies at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Stores in their order.
    pub stores: Vec<StoreRecord>,
    /// Categories, siblings in their order.
    pub categories: Vec<CategoryRecord>,
    by_id: HashMap<CategoryId, usize>,
    by_code: HashMap<String, usize>,
    children: HashMap<Option<CategoryId>, Vec<usize>>,
    /// Offers that have not ended, in the order in which they are tried.
    pub offers: Vec<OfferRecord>,
    /// Banners in their order.
    pub banners: Vec<BannerRecord>,
    /// Safety policies.
    pub terms: Terms,
    rankings: Mutex<Rankings>,
    /// By which words each category is found, once somebody searches.
    words: OnceLock<Vec<String>>,
}

/// Categories that a word of a search may name, the highest first.
const NAMED_MAX: usize = 32;

/// What sells most in categories of stores, as far as it was asked for.
type Rankings = HashMap<(StoreId, CategoryId), Arc<ranking::Ranking>>;

impl Snapshot {
    async fn load(conn: &mut Conn, now: Millis) -> Result<Self> {
        let stores = store::stores::all(conn).await?;
        let categories = store::catalogue::categories(conn).await?;
        let offers = store::offers::ending_after(conn, now).await?;
        let banners = store::offers::banners(conn).await?;
        let policies = store::catalogue::all_policies(conn).await?;
        let terms = Terms::new(&categories, policies);
        let mut snapshot = Self { stores, offers, banners, terms, ..Self::default() };
        for (i, category) in categories.iter().enumerate() {
            snapshot.by_id.insert(category.id.clone(), i);
            snapshot.by_code.insert(category.code.clone(), i);
            snapshot.children.entry(category.parent.clone()).or_default().push(i);
        }
        snapshot.categories = categories;
        Ok(snapshot)
    }

    /// A store by its id.
    pub fn store(&self, id: &StoreId) -> Option<&StoreRecord> {
        self.stores.iter().find(|store| store.id == *id)
    }

    /// A category by its id.
    pub fn category(&self, id: &CategoryId) -> Option<&CategoryRecord> {
        self.by_id.get(id).map(|&i| &self.categories[i])
    }

    /// A category by its code.
    pub fn category_by_code(&self, code: &str) -> Option<&CategoryRecord> {
        self.by_code.get(code).map(|&i| &self.categories[i])
    }

    /// A category and those above it, from the leaf up to the root.
    pub fn path(&self, leaf: &CategoryId) -> Vec<&CategoryRecord> {
        let mut path = Vec::new();
        let mut at = self.category(leaf);
        while let Some(category) = at.filter(|_| path.len() < 32) {
            path.push(category);
            at = category.parent.as_ref().and_then(|id| self.category(id));
        }
        path
    }

    /// The ids of [`Self::path`].
    pub fn path_ids(&self, leaf: &CategoryId) -> Vec<CategoryId> {
        self.path(leaf).into_iter().map(|category| category.id.clone()).collect()
    }

    /// A category and everything below it.
    pub fn subtree(&self, root: &CategoryId) -> Vec<CategoryId> {
        let mut ids = vec![root.clone()];
        let mut next = 0;
        while next < ids.len() {
            let below = self.children.get(&Some(ids[next].clone())).into_iter().flatten();
            ids.extend(below.map(|&i| self.categories[i].id.clone()));
            next += 1;
        }
        ids
    }

    /// The children of a category (`None`: of the root) as a tree of so many levels.
    pub fn tree(&self, parent: Option<&CategoryId>, lang: Lang, levels: u32) -> Vec<CategoryNode> {
        let below = self.children.get(&parent.cloned()).into_iter().flatten();
        let node = |&i: &usize| {
            let category = &self.categories[i];
            let children = if levels > 1 { self.tree(Some(&category.id), lang, levels - 1) } else { Vec::new() };
            CategoryNode {
                id: category.id.clone(),
                code: category.code.clone(),
                name: lang.pick(&category.name_zh, &category.name_en).to_owned(),
                picture: category.picture.clone(),
                children,
            }
        };
        below.map(node).collect()
    }

    /// Tells terms of a search which categories they name: the highest of each branch,
    /// since what is below has its token as well.
    pub fn with_categories(&self, mut terms: Vec<Term>) -> Vec<Term> {
        let words = |c: &CategoryRecord| tokens::category_words(&[&c.name_zh, &c.name_en]);
        let words = self.words.get_or_init(|| self.categories.iter().map(words).collect());
        for term in &mut terms {
            let mut level: Vec<usize> = self.children.get(&None).cloned().unwrap_or_default();
            while !level.is_empty() && term.categories.len() < NAMED_MAX {
                let (named, others): (Vec<usize>, Vec<usize>) = level.into_iter().partition(|&i| term.hits(&words[i]));
                term.categories.extend(named.iter().map(|&i| tokens::category(&self.categories[i].code)));
                let below = |&i: &usize| self.children.get(&Some(self.categories[i].id.clone()));
                level = others.iter().filter_map(below).flatten().copied().collect();
            }
            term.categories.truncate(NAMED_MAX);
        }
        terms
    }

    /// Offers that run in a store at a time.
    pub fn running(&self, store: &StoreId, now: Millis) -> impl Iterator<Item = &OfferRecord> {
        self.offers.iter().filter(move |record| is_running(&record.offer, store, now))
    }
}

/// Does an offer run in a store at a time?
fn is_running(offer: &Offer, store: &StoreId, now: Millis) -> bool {
    offer.store.as_ref().is_none_or(|s| s == store)
        && offer.starts.is_none_or(|starts| starts <= now)
        && offer.ends.is_none_or(|ends| ends > now)
}

impl Shop {
    /// The snapshot, loaded anew if a commit made it stale.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        if let Ok(snapshot) = self.inner.catalogue.fresh() {
            return Ok(snapshot);
        }
        self.snapshot_in(&mut self.store().read().await?).await
    }

    /// The same, by a connection that the caller has already: who holds one and
    /// waits for another may wait for somebody who does the same.
    pub(crate) async fn snapshot_in(&self, conn: &mut Conn) -> Result<Arc<Snapshot>> {
        let cache = &self.inner.catalogue;
        let no = match cache.fresh() {
            Ok(snapshot) => return Ok(snapshot),
            Err(no) => no,
        };
        // What is committed while it loads is heard of by the next look, be it another's.
        let at = Instant::now();
        let snapshot = Arc::new(Snapshot::load(conn, self.now()).await?);
        cache.keep(no, at, &snapshot);
        Ok(snapshot)
    }

    pub(crate) fn catalogue_cache(&self) -> &Cache {
        &self.inner.catalogue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Lane;

    #[tokio::test]
    async fn what_was_read_before_a_commit_is_not_kept_after_it() {
        let store = store::testing::sqlite().await;
        let cache = Cache::new(&store);
        let no = cache.fresh().expect_err("nothing is held");
        let commit = store.write(Lane::Background, (), |conn, ()| {
            Box::pin(async move {
                conn.touch_catalogue();
                Ok::<(), store::Error>(())
            })
        });
        commit.await.expect("a commit");
        let later = cache.fresh().expect_err("another looks, and hears of it");
        cache.keep(no, Instant::now(), &Arc::default());
        assert!(cache.fresh().is_err(), "read before the commit");
        cache.keep(later, Instant::now(), &Arc::default());
        assert!(cache.fresh().is_ok());
    }
}
