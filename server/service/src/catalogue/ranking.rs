//! What sells most in a category of a store. It changes when goods or what they
//! sell do, and not with each order, so it is kept with the snapshot, and goes
//! with it: the commits that make one stale make the other.

use super::{Snapshot, list};
use crate::Result;
use domain::Millis;
use domain::ids::{CategoryId, StoreId};
use domain::view::{Lang, Sort};
use std::sync::{Arc, PoisonError};
use store::Conn;
use store::catalogue::Filter;

/// Goods that a ranking holds at most: as many as a list.
pub(super) const RANKED_MAX: u32 = list::LIST_MAX;
/// Rankings that are kept, of at most 16 KiB each; all are dropped for one more.
const KEPT_MAX: usize = 1_000;

/// A category's goods in a store, what sells most first, whether or not they can
/// be bought at the moment.
#[derive(Debug)]
pub(super) struct Ranking {
    /// The goods.
    pub places: Vec<Place>,
    /// Brands in Chinese, the most frequent first.
    brands_zh: Vec<String>,
    /// Brands in English.
    brands_en: Vec<String>,
}

/// A place in a ranking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The SKU's number.
    pub num: i64,
    /// Its leaf category's index in the snapshot.
    leaf: usize,
}

impl Ranking {
    /// Brands, the most frequent first.
    pub fn brands(&self, lang: Lang) -> &[String] {
        match lang {
            Lang::Zh => &self.brands_zh,
            Lang::En => &self.brands_en,
        }
    }

    /// Is there no more than this?
    pub fn is_whole(&self) -> bool {
        self.places.len() < RANKED_MAX as usize
    }
}

impl Snapshot {
    /// What sells most in a category and all below it. Two statements, if it is not kept.
    pub(super) async fn ranking(
        &self,
        conn: &mut Conn,
        store: &StoreId,
        category: &CategoryId,
        now: Millis,
    ) -> Result<Arc<Ranking>> {
        let key = (store.clone(), category.clone());
        if let Some(kept) = self.rankings().get(&key) {
            return Ok(kept.clone());
        }
        let filter = Filter { categories: Some(self.subtree(category)), sort: Sort::Sales, ..Filter::default() };
        let found = store::catalogue::find(conn, store, &filter, now, RANKED_MAX).await?.goods;
        let place =
            |slim: &store::catalogue::Slim| self.by_id.get(&slim.category).map(|&leaf| Place { num: slim.num, leaf });
        let ranking = Arc::new(Ranking {
            places: found.iter().filter_map(place).collect(),
            brands_zh: list::brands(&found, Lang::Zh),
            brands_en: list::brands(&found, Lang::En),
        });
        let mut kept = self.rankings();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, ranking.clone());
        Ok(ranking)
    }

    /// Is this the leaf category of a place?
    pub(super) fn is_leaf_of(&self, place: Place, leaf: &CategoryId) -> bool {
        self.categories[place.leaf].id == *leaf
    }

    fn rankings(&self) -> std::sync::MutexGuard<'_, super::Rankings> {
        self.rankings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
