//! A product's page, and what could stand in for it.

use super::cards::{Viewer, live};
use super::list::{brand_of, names};
use super::words;
use crate::{Error, Result, Shop, Visit};
use domain::availability::sellable_packs;
use domain::ids::SkuId;
use domain::substitution::{Goods, History, Limits, Measure, allowed, rank};
use domain::view::{Candidate, Lang, OfferLine, ProductPage, SubstitutionView, Variant};
use domain::{Code, Packs};
use std::collections::HashMap;
use store::Conn;
use store::catalogue::SkuInStore;
use store::offers::OfferRecord;

/// Candidates shown.
const CANDIDATES_MAX: usize = 8;
/// Neighbours in the category that are looked at.
const NEIGHBOURS: u32 = 200;

impl Shop {
    /// A product's page. At most eight statements.
    ///
    /// # Errors
    /// `not_found` for an unknown code or what is off the shelf.
    pub async fn product(&self, visit: &Visit, code: &str) -> Result<ProductPage> {
        let mut conn = self.store().read().await?;
        let viewer = Viewer::load(self, &mut conn, visit).await?;
        let variants = store::catalogue::variants(&mut conn, &visit.store, code).await?;
        let item = variants.iter().find(|item| item.sku.code == code);
        let item = item.ok_or_else(|| Error::from(Code::NotFound))?.clone();
        let candidates = ranked(&mut conn, &viewer, &item).await?;
        let chosen = choice(&mut conn, &viewer, &item.sku.id).await?;
        drop(conn);
        Ok(page(&viewer, &item, &variants, candidates, chosen))
    }

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
        let mut found = HashMap::new();
        for item in store::catalogue::by_id(conn, &visit.store, skus).await? {
            found.insert(item.sku.id.clone(), ranked(conn, &viewer, &item).await?);
        }
        Ok(found)
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
            other.is_some_and(|other| allowed(&original, Packs(1), &other, &Limits::default()).is_ok())
        }))
    }
}

fn page(
    viewer: &Viewer<'_>,
    item: &SkuInStore,
    variants: &[SkuInStore],
    candidates: Vec<Candidate>,
    (choice, chosen): (String, String),
) -> ProductPage {
    let (visit, sku) = (viewer.visit, &item.sku);
    let lang = visit.lang;
    let mut path = names(&viewer.snapshot, &sku.category, lang);
    path.reverse();
    let variant = |other: &SkuInStore| Variant {
        sku: other.sku.id.clone(),
        code: other.sku.code.clone(),
        option: words::option(&other.sku, lang),
        price: viewer.price(&other.sku),
        live: live(other, visit.now),
        current: other.sku.id == sku.id,
    };
    ProductPage {
        card: viewer.card(item),
        brand: brand_of(item, lang),
        description: lang.pick(&sku.description_zh, &sku.description_en).to_owned(),
        path,
        barcode: sku.barcode.clone(),
        allergens: sku.allergens.clone(),
        diet: sku.diet.clone(),
        storage: sku.storage.clone(),
        age_limit: sku.age_limit,
        by_weight: sku.by_weight,
        counted: sku.counted,
        as_of: item.stock.as_ref().map(|stock| stock.level.as_of),
        variants: variants.iter().map(variant).collect(),
        similar: candidates.iter().map(|candidate| candidate.card.clone()).collect(),
        substitution: SubstitutionView {
            choice,
            chosen: serde_json::from_str(&chosen).unwrap_or_default(),
            candidates,
        },
        offers: viewer.offers_on(sku).into_iter().map(|record| offer_line(record, lang)).collect(),
    }
}

/// An offer as it is explained on a page.
pub(super) fn offer_line(record: &OfferRecord, lang: Lang) -> OfferLine {
    let terms = record.offer.threshold_and_off();
    OfferLine {
        name: lang.pick(&record.name_zh, &record.name_en).to_owned(),
        kind: record.offer.kind().as_str().to_owned(),
        ends: record.offer.ends.unwrap_or(store::offers::NEVER),
        threshold: terms.map(|(threshold, _)| threshold),
        off: terms.map(|(_, off)| off),
    }
}

/// What shall happen if the product is missing, and the chosen substitutes as
/// JSON: as said in the basket, else as remembered for the member, else the default.
async fn choice(conn: &mut Conn, viewer: &Viewer<'_>, sku: &SkuId) -> Result<(String, String)> {
    let lines = store::baskets::plain_lines(conn, &viewer.visit.basket).await?;
    let line = lines.into_iter().find(|line| line.sku_id == sku.as_str() && !line.choice.is_empty());
    if let Some(line) = line {
        return Ok((line.choice, line.chosen));
    }
    let remembered = match &viewer.visit.member {
        Some(member) => store::catalogue::choice(conn, member, sku).await?,
        None => None,
    };
    Ok(remembered.unwrap_or_else(|| (viewer.substitution_default.clone(), "[]".to_owned())))
}

/// Ranked candidates: of the same category first, then of its neighbours. Three statements.
async fn ranked(conn: &mut Conn, viewer: &Viewer<'_>, item: &SkuInStore) -> Result<Vec<Candidate>> {
    let visit = viewer.visit;
    let leaf = &item.sku.category;
    let around = viewer.snapshot.path(leaf).get(1).map_or(leaf, |parent| &parent.id);
    let categories = viewer.snapshot.subtree(around);
    let near = store::catalogue::buyable_in(conn, &visit.store, &categories, visit.now, NEIGHBOURS).await?;
    let accepted = store::catalogue::accepted_pairs(conn, &item.sku.id).await?;
    let bought = match &visit.member {
        Some(member) => store::catalogue::bought_times(conn, member, &item.sku.id).await?,
        None => Vec::new(),
    };
    let history = History { accepted: accepted.into_iter().collect(), bought: bought.into_iter().collect() };
    let goods: Vec<Goods> = near.iter().map(|other| goods(viewer, other)).collect();
    let ranked = rank(&self::goods(viewer, item), Packs(1), &goods, &Limits::default(), &history);
    let card = |sku: &SkuId| near.iter().find(|other| other.sku.id == *sku).map(|other| viewer.card(other));
    let candidate = |r: domain::substitution::Ranked| Some(Candidate { card: card(&r.sku)?, reasons: r.reasons });
    Ok(ranked.into_iter().filter_map(candidate).take(CANDIDATES_MAX).collect())
}

/// A SKU as the rules of substitution look at it.
fn goods(viewer: &Viewer<'_>, item: &SkuInStore) -> Goods {
    let sku = &item.sku;
    let sellable = |stock: &store::stock::Stock| sellable_packs(&stock.level, sku.pack_size, viewer.visit.now);
    Goods {
        sku: sku.id.clone(),
        product: sku.product.clone(),
        categories: viewer.snapshot.path_ids(&sku.category),
        brand: sku.brand_zh.clone(),
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
