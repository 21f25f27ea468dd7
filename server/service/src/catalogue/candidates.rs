//! What could stand in for goods that are missing: candidates by the rules of
//! [`domain::substitution`], the best first, with their reasons. A fixed number
//! of statements, for however many goods.

use super::cards::Viewer;
use super::ranking::Place;
use crate::{Error, Result, Shop, Visit};
use domain::availability::sellable_packs;
use domain::ids::{CategoryId, SkuId};
use domain::substitution::{Goods, History, Measure, Ranked, allowed, rank};
use domain::view::Candidate;
use domain::{Code, Millis, Packs};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::Conn;
use store::catalogue::SkuInStore;

/// Candidates shown.
const CANDIDATES_MAX: usize = 8;
/// Best sellers of its own category, and as many of the categories beside it, that
/// are looked at for a SKU in the first round; each round looks at twice as many.
const NEIGHBOURS: usize = 48;
/// Neighbours that are looked at in a round, for however many SKUs.
const NEIGHBOURS_MAX: usize = 2_000;
/// A SKU with so many neighbours that can be bought needs no further round.
const ENOUGH: usize = 2 * CANDIDATES_MAX;

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

/// Ranked candidates of each SKU, of the same category first, then of its
/// neighbours: among what sells most there, what was accepted for it before and
/// what the member bought of its kind. Four statements, and two for each parent
/// category whose ranking is not kept.
pub(super) async fn ranked(
    conn: &mut Conn,
    viewer: &Viewer<'_>,
    items: &[SkuInStore],
) -> Result<HashMap<SkuId, Vec<Candidate>>> {
    let visit = viewer.visit;
    let skus: Vec<SkuId> = items.iter().map(|item| item.sku.id.clone()).collect();
    let pairs = store::catalogue::accepted_pairs(conn, &skus).await?;
    let leaves: BTreeSet<CategoryId> = items.iter().map(|item| item.sku.category.clone()).collect();
    let leaves: Vec<CategoryId> = leaves.into_iter().collect();
    let bought = match &visit.member {
        Some(member) => store::catalogue::bought_times(conn, member, &leaves).await?,
        None => Vec::new(),
    };
    let bought: HashMap<SkuId, i64> = bought.into_iter().collect();
    let mut near = best_around(conn, viewer, items).await?;
    let known: HashSet<&SkuId> = near.iter().map(|other| &other.sku.id).collect();
    let others = pairs.iter().map(|pair| &pair.substitute).chain(bought.keys()).filter(|id| !known.contains(id));
    let others: BTreeSet<SkuId> = others.cloned().collect();
    let others: Vec<SkuId> = others.into_iter().collect();
    near.extend(
        store::catalogue::by_id(conn, &visit.store, &others).await?.into_iter().filter(|other| other.sku.active),
    );
    let near: Vec<(&SkuInStore, Goods)> = near.iter().map(|other| (other, goods(viewer, other))).collect();
    let of = |item: &SkuInStore| {
        let accepted = pairs.iter().filter(|pair| pair.sku == item.sku.id);
        let accepted = accepted.map(|pair| (pair.substitute.clone(), pair.accepted)).collect();
        (item.sku.id.clone(), candidates_of(viewer, item, &near, accepted, &bought))
    };
    Ok(items.iter().map(of).collect())
}

/// What sells most around a SKU, by the goods' numbers.
struct Around {
    /// Of its own category.
    own: Vec<i64>,
    /// Of the categories beside it.
    beside: Vec<i64>,
}

impl Around {
    async fn of(conn: &mut Conn, viewer: &Viewer<'_>, item: &SkuInStore) -> Result<Self> {
        let (snapshot, visit, leaf) = (&viewer.snapshot, viewer.visit, &item.sku.category);
        let ranking = snapshot.ranking(conn, &visit.store, around(viewer, item), visit.now).await?;
        let (mut own, beside): (Vec<Place>, Vec<Place>) =
            ranking.places.iter().partition(|place| snapshot.is_leaf_of(**place, leaf));
        if own.len() < ENOUGH && !ranking.is_whole() {
            own.clone_from(&snapshot.ranking(conn, &visit.store, leaf, visit.now).await?.places);
        }
        let nums = |places: Vec<Place>| places.into_iter().map(|place| place.num).collect();
        Ok(Self { own: nums(own), beside: nums(beside) })
    }

    fn part(&self, first: usize, count: usize) -> impl Iterator<Item = i64> {
        let part = |nums: &[i64]| nums.iter().skip(first).take(count).copied().collect::<Vec<_>>();
        part(&self.own).into_iter().chain(part(&self.beside))
    }

    fn len(&self) -> usize {
        self.own.len().max(self.beside.len())
    }
}

/// What sells most around each SKU and can be bought now: enough for a choice, or
/// all that the rankings hold. One statement if the first goods of the rankings
/// can be bought, a few where they are sold out.
async fn best_around(conn: &mut Conn, viewer: &Viewer<'_>, items: &[SkuInStore]) -> Result<Vec<SkuInStore>> {
    let visit = viewer.visit;
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(Around::of(conn, viewer, item).await?);
    }
    let mut near: Vec<SkuInStore> = Vec::new();
    let mut seen: HashSet<i64> = HashSet::new();
    let mut buyable: HashSet<i64> = HashSet::new();
    let mut waiting: Vec<&Around> = all.iter().collect();
    let (mut first, mut count) = (0, NEIGHBOURS);
    while !waiting.is_empty() {
        count = count.min(NEIGHBOURS_MAX / 2 / waiting.len()).max(1);
        let wanted = waiting.iter().flat_map(|around| around.part(first, count)).filter(|num| seen.insert(*num));
        let wanted: Vec<i64> = wanted.collect();
        let found = store::catalogue::by_num(conn, &visit.store, &wanted).await?.into_iter();
        let found = found.filter(|item| item.sku.active && sellable(item, visit.now) > Packs::ZERO);
        for item in found {
            buyable.insert(item.sku.num);
            near.push(item);
        }
        first += count;
        count *= 2;
        waiting.retain(|around| {
            first < around.len() && around.part(0, first).filter(|num| buyable.contains(num)).count() < ENOUGH
        });
    }
    Ok(near)
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
        sellable: sellable(item, viewer.visit.now),
    }
}

/// Packs that can be bought now.
fn sellable(item: &SkuInStore, now: Millis) -> Packs {
    item.stock.as_ref().map_or(Packs::ZERO, |stock| sellable_packs(&stock.level, item.sku.pack_size, now))
}
