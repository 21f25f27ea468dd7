//! Cards: a SKU with its price for this visitor and its state in this store.

use super::{Snapshot, words};
use crate::{Result, Shop, Visit};
use domain::availability::{State, Thresholds, sellable_packs, state};
use domain::ids::{SkuId, StoreId};
use domain::pricing::{self, Input, LineIn, MemberStatus, Offer, OfferKind, Scope};
use domain::substitution::Limits;
use domain::view::{LiveState, PriceTag, ProductCard};
use domain::{Millis, Packs};
use std::collections::HashMap;
use std::sync::Arc;
use store::Conn;
use store::catalogue::{SkuInStore, SkuRecord};
use store::members::MemberRow;
use store::offers::OfferRecord;

/// Labels of offers on a card at most.
const LABELS_MAX: usize = 2;

/// Everything that a visitor's cards are made from, beside the SKUs.
pub(super) struct Viewer<'a> {
    pub visit: &'a Visit,
    pub snapshot: Arc<Snapshot>,
    pub is_member: bool,
    /// What the member rules out as a substitute.
    pub limits: Limits,
    /// What shall happen to missing goods without a choice of their own.
    pub substitution_default: String,
    in_basket: HashMap<SkuId, Packs>,
    pricing: Input,
}

/// What a member never wants.
fn limits(member: &MemberRow) -> Result<Limits> {
    Ok(Limits { never_brands: serde_json::from_str(&member.never_brands)?, ..Limits::default() })
}

impl<'a> Viewer<'a> {
    /// Two statements: is the visitor a member, and what is in the basket.
    pub async fn load(shop: &Shop, conn: &mut Conn, visit: &'a Visit) -> Result<Self> {
        let snapshot = shop.snapshot_in(conn).await?;
        let member = match &visit.member {
            Some(id) => store::members::get(conn, id).await?,
            None => None,
        };
        let is_member = member.as_ref().is_some_and(|m| m.has_member_prices(visit.now));
        let limits = member.as_ref().map(limits).transpose()?.unwrap_or_default();
        let substitution_default = member.map_or_else(|| "refund".to_owned(), |m| m.substitution_default);
        let in_basket = store::catalogue::in_basket(conn, &visit.basket).await?.into_iter().collect();
        let timed = snapshot.running(&visit.store, visit.now).map(|record| &record.offer);
        let pricing = Input {
            offers: timed.filter(|offer| offer.kind() == OfferKind::Timed).cloned().collect(),
            member: MemberStatus { is_member, ..MemberStatus::default() },
            store: visit.store.clone(),
            now: visit.now,
            ..Input::default()
        };
        Ok(Self { visit, snapshot, is_member, limits, substitution_default, in_basket, pricing })
    }

    fn line(&self, sku: &SkuRecord) -> LineIn {
        LineIn {
            sku: sku.id.clone(),
            categories: self.snapshot.path_ids(&sku.category),
            qty: Packs(1),
            shelf_price: sku.price,
            member_price: sku.member_price,
            campaign: None,
        }
    }

    /// The price of a pack for this visitor: the best one of member price and timed discount.
    pub fn price(&self, sku: &SkuRecord) -> PriceTag {
        let best = pricing::best_unit_price(&self.pricing, &self.line(sku));
        let by = best.offer.as_ref().and_then(|id| self.offer(id.as_str()));
        PriceTag {
            price: best.price,
            struck: (best.price < sku.price).then_some(sku.price),
            member: sku.member_price,
            unit: sku.measure_amount.and_then(|amount| words::unit_price(best.price, amount, &sku.measure_unit)),
            until: by.and_then(|record| record.offer.ends),
            offer: by.map(|record| self.visit.lang.pick(&record.name_zh, &record.name_en).to_owned()),
        }
    }

    fn offer(&self, id: &str) -> Option<&OfferRecord> {
        self.snapshot.offers.iter().find(|record| record.offer.id.as_str() == id)
    }

    /// Offers on the whole basket that this SKU counts for, and timed discounts on it.
    pub fn offers_on(&self, sku: &SkuRecord) -> Vec<&OfferRecord> {
        let line = self.line(sku);
        let visit = self.visit;
        self.snapshot.running(&visit.store, visit.now).filter(|record| record.offer.covers(&line)).collect()
    }

    fn labels(&self, sku: &SkuRecord) -> Vec<String> {
        // What holds for every product tells nothing about this one: the first page and the basket say it once.
        let narrow = |record: &&OfferRecord| {
            record.offer.kind() == OfferKind::SpendSave && !matches!(record.offer.scope, Scope::All)
        };
        let spend = self.offers_on(sku).into_iter().filter(narrow);
        spend.take(LABELS_MAX).map(|r| self.visit.lang.pick(&r.name_zh, &r.name_en).to_owned()).collect()
    }

    /// A card.
    pub fn card(&self, item: &SkuInStore) -> ProductCard {
        let sku = &item.sku;
        ProductCard {
            sku: sku.id.clone(),
            code: sku.code.clone(),
            name: words::name(sku, self.visit.lang),
            size: words::size(sku, self.visit.lang).to_owned(),
            picture: sku.picture.clone(),
            price: self.price(sku),
            live: live(item, self.visit.now),
            labels: self.labels(sku),
            in_basket: self.in_basket.get(&sku.id).copied().unwrap_or_default(),
        }
    }

    /// Does a timed discount make the price of this SKU?
    pub fn is_deal(&self, sku: &SkuRecord) -> bool {
        pricing::best_unit_price(&self.pricing, &self.line(sku)).offer.is_some()
    }

    /// The timed discounts that run now.
    pub fn timed(&self) -> &[Offer] {
        &self.pricing.offers
    }
}

/// The state of a SKU in the store: what a page shows and the live stream sends.
/// What is off the shelf, or not kept in this store, is sold out.
pub(super) fn live(item: &SkuInStore, now: Millis) -> LiveState {
    let sku = item.sku.id.clone();
    let Some(stock) = item.stock.as_ref().filter(|_| item.sku.active) else {
        return LiveState { sku, state: State::SoldOut, max: Packs::ZERO };
    };
    let pack_size = item.sku.pack_size;
    let dms = stock.dms.for_day(stock.promo_today);
    let state = state(&stock.level, pack_size, dms, now, &Thresholds::default());
    let max = sellable_packs(&stock.level, pack_size, now).min(Packs::MAX_IN_BASKET);
    LiveState { sku, state, max }
}

/// Puts items into the order of ids; unknown ids are skipped.
pub(super) fn in_order(items: Vec<SkuInStore>, ids: &[SkuId]) -> Vec<SkuInStore> {
    let mut by_id: HashMap<SkuId, SkuInStore> = items.into_iter().map(|item| (item.sku.id.clone(), item)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}

impl Shop {
    /// Cards of SKUs in this order; unknown ones are skipped. Three statements.
    pub async fn cards(&self, visit: &Visit, skus: &[SkuId]) -> Result<Vec<ProductCard>> {
        self.cards_in(&mut self.store().read().await?, visit, skus).await
    }

    /// [`cards`](Self::cards) by a connection that the caller has already.
    pub(crate) async fn cards_in(&self, conn: &mut Conn, visit: &Visit, skus: &[SkuId]) -> Result<Vec<ProductCard>> {
        let viewer = Viewer::load(self, conn, visit).await?;
        let items = store::catalogue::by_id(conn, &visit.store, skus).await?;
        Ok(in_order(items, skus).iter().map(|item| viewer.card(item)).collect())
    }

    /// The states of SKUs in a store, in this order; unknown ones are skipped. One statement.
    pub async fn live(&self, store: &StoreId, skus: &[SkuId], now: Millis) -> Result<Vec<LiveState>> {
        let mut conn = self.store().read().await?;
        let items = store::catalogue::by_id(&mut conn, store, skus).await?;
        Ok(in_order(items, skus).iter().map(|item| live(item, now)).collect())
    }
}
