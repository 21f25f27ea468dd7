//! What could stand in for goods that are missing: candidates by the rules of
//! [`domain::substitution`], the best first, with their reasons. A fixed number
//! of statements, for however many goods.

use super::cards::Viewer;
use crate::{Error, Result, Shop, Visit};
use domain::availability::sellable_packs;
use domain::ids::{CategoryId, SkuId};
use domain::substitution::{Goods, History, Measure, Ranked, allowed, rank};
use domain::view::Candidate;
use domain::{Code, Packs};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::Conn;
use store::catalogue::SkuInStore;

/// Candidates shown.
const CANDIDATES_MAX: usize = 8;
/// Neighbours that are looked at for each parent category.
const NEIGHBOURS: usize = 200;
/// Neighbours that are looked at in all.
const NEIGHBOURS_MAX: usize = 2_000;

impl Shop {
    /// What could stand in for a SKU, the best first, with the reasons; at most eight.
    ///
    /// # Errors
    /// `not_found` for an unknown SKU.
    pub async fn candidates(&self, visit: &Visit, sku: &SkuId) -> Result<Vec<Candidate>> {
        let mut conn = self.store().read().await?;
        let mut found = self.candidates_in(&mut conn, visit, std::slice::from_ref(sku)).await?;
        found.remove(sku).ok_or_else(|| Code::NotFound.into())
    }

    /// [`candidates`](Self::candidates) of several SKUs, by a connection that
    /// the caller has already; unknown ones are skipped.
    pub(crate) async fn candidates_in(
        &self,
        conn: &mut Conn,
        visit: &Visit,
        skus: &[SkuId],
    ) -> Result<HashMap<SkuId, Vec<Candidate>>> {
        let viewer = Viewer::load(self, conn, visit).await?;
        let items = store::catalogue::by_id(conn, &visit.store, skus).await?;
        ranked(conn, &viewer, &items).await
    }

    /// May each of these stand in for a SKU, whatever is in stock at the moment?
    pub(crate) async fn may_stand_in(&self, visit: &Visit, sku: &SkuId, others: &[SkuId]) -> Result<bool> {
        let mut conn = self.store().read().await?;
        let viewer = Viewer::load(self, &mut conn, visit).await?;
        let wanted: Vec<SkuId> = others.iter().chain([sku]).cloned().collect();
        let items = store::catalogue::by_id(&mut conn, &visit.store, &wanted).await?;
        let find = |id: &SkuId| items.iter().find(|item| item.sku.id == *id && item.sku.active);
        let original = goods(&viewer, find(sku).ok_or_else(|| Error::from(Code::NotFound))?);
        Ok(others.iter().all(|id| {
            let other = find(id).map(|item| Goods { sellable: Packs::MAX_IN_BASKET, ..goods(&viewer, item) });
            other.is_some_and(|other| allowed(&original, Packs(1), &other, &viewer.limits).is_ok())
        }))
    }
}

/// Where substitutes of a SKU are looked for: in its category and the neighbours below the same parent.
fn around<'a>(viewer: &'a Viewer<'_>, item: &'a SkuInStore) -> &'a CategoryId {
    let leaf = &item.sku.category;
    viewer.snapshot.path(leaf).get(1).map_or(leaf, |parent| &parent.id)
}

/// Ranked candidates of each SKU: of the same category first, then of its
/// neighbours. Five statements.
pub(super) async fn ranked(
    conn: &mut Conn,
    viewer: &Viewer<'_>,
    items: &[SkuInStore],
) -> Result<HashMap<SkuId, Vec<Candidate>>> {
    let visit = viewer.visit;
    let parents: BTreeSet<&CategoryId> = items.iter().map(|item| around(viewer, item)).collect();
    let within: BTreeSet<CategoryId> = parents.iter().flat_map(|id| viewer.snapshot.subtree(id)).collect();
    let within: Vec<CategoryId> = within.into_iter().collect();
    let limit = u32::try_from((NEIGHBOURS * parents.len()).min(NEIGHBOURS_MAX)).unwrap_or(u32::MAX);
    let near = store::catalogue::buyable_in(conn, &visit.store, &within, visit.now, limit).await?;
    let skus: Vec<SkuId> = items.iter().map(|item| item.sku.id.clone()).collect();
    let pairs = store::catalogue::accepted_pairs(conn, &skus).await?;
    let leaves: BTreeSet<CategoryId> = items.iter().map(|item| item.sku.category.clone()).collect();
    let leaves: Vec<CategoryId> = leaves.into_iter().collect();
    let bought = match &visit.member {
        Some(member) => store::catalogue::bought_times(conn, member, &leaves).await?,
        None => Vec::new(),
    };
    let bought: HashMap<SkuId, i64> = bought.into_iter().collect();
    let near: Vec<(&SkuInStore, Goods)> = near.iter().map(|other| (other, goods(viewer, other))).collect();
    let of = |item: &SkuInStore| {
        let accepted = pairs.iter().filter(|pair| pair.sku == item.sku.id);
        let accepted = accepted.map(|pair| (pair.substitute.clone(), pair.accepted)).collect();
        (item.sku.id.clone(), candidates_of(viewer, item, &near, accepted, &bought))
    };
    Ok(items.iter().map(of).collect())
}

/// The best candidates of one SKU among the neighbours.
fn candidates_of(
    viewer: &Viewer<'_>,
    item: &SkuInStore,
    near: &[(&SkuInStore, Goods)],
    accepted: BTreeMap<SkuId, i64>,
    bought: &HashMap<SkuId, i64>,
) -> Vec<Candidate> {
    let parent = around(viewer, item);
    let close = || near.iter().filter(|(_, goods)| goods.categories.contains(parent));
    // What the member bought tells only among goods of the same kind.
    let alike = close().filter(|(other, _)| other.sku.category == item.sku.category);
    let bought = alike.filter_map(|(other, _)| Some((other.sku.id.clone(), *bought.get(&other.sku.id)?))).collect();
    let goods: Vec<Goods> = close().map(|(_, goods)| goods.clone()).collect();
    let history = History { accepted, bought };
    let ranked = rank(&self::goods(viewer, item), Packs(1), &goods, &viewer.limits, &history);
    let card = |sku: &SkuId| close().find(|(other, _)| other.sku.id == *sku).map(|(other, _)| viewer.card(other));
    let candidate = |r: Ranked| Some(Candidate { card: card(&r.sku)?, reasons: r.reasons });
    ranked.into_iter().filter_map(candidate).take(CANDIDATES_MAX).collect()
}

/// A SKU as the rules of substitution look at it.
fn goods(viewer: &Viewer<'_>, item: &SkuInStore) -> Goods {
    let sku = &item.sku;
    let sellable = |stock: &store::stock::Stock| sellable_packs(&stock.level, sku.pack_size, viewer.visit.now);
    Goods {
        sku: sku.id.clone(),
        product: sku.product.clone(),
        categories: viewer.snapshot.path_ids(&sku.category),
        brand: if sku.brand_zh.is_empty() { sku.brand_en.clone() } else { sku.brand_zh.clone() },
        size: sku.size_zh.clone(),
        flavour: sku.option_zh.clone(),
        allergens: sku.allergens.iter().cloned().collect(),
        diet: sku.diet.iter().cloned().collect(),
        age_limit: sku.age_limit,
        price: viewer.price(sku).price,
        measure: sku.measure_amount.map(|amount| Measure { amount, unit: sku.measure_unit.clone() }),
        sellable: item.stock.as_ref().map_or(Packs::ZERO, sellable),
    }
}
