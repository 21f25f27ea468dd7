//! The terms of the promise: safety policies, mean daily sales, hand counts
//! that run out, and the answer to "why is sellable 3?".
//!
//! A pool that several SKUs are sold from (a case and its bottles) has one
//! level, hence one policy: that of the SKU with the smallest pack that is on sale.

use crate::{Error, Result, Shop, calendar};
use domain::availability::{Terms as WhyTerms, Thresholds, Why, explain};
use domain::ids::{CategoryId, PoolId, SkuId, StoreId};
use domain::pricing::{Offer, OfferKind};
use domain::safety::{CategoryPolicies, DMS_DAYS, DayUnits, Policy, Scopes, Source, dms, resolve};
use domain::time::{DAY_MS, Day};
use domain::{Code, Millis};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use store::Lane;
use store::catalogue::{CategoryRecord, PolicyRecord};
use store::goods::PoolSku;
use store::stock::{PoolTerms, SaleDay, Stock};
use store::stores::StoreRecord;

/// Rows written in one unit of work.
const UNIT_ROWS: usize = 1_000;

/// The safety policies, and the tree that they are inherited down.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    parents: HashMap<CategoryId, CategoryId>,
    /// By scope, its id and the store.
    policies: HashMap<String, HashMap<String, HashMap<String, Policy>>>,
}

impl Terms {
    pub(crate) fn new(categories: &[CategoryRecord], policies: Vec<PolicyRecord>) -> Self {
        let parent = |c: &CategoryRecord| Some((c.id.clone(), c.parent.clone()?));
        let mut terms = Self { parents: categories.iter().filter_map(parent).collect(), ..Self::default() };
        for p in policies {
            let of_scope = terms.policies.entry(p.scope).or_default();
            of_scope.entry(p.scope_id).or_default().insert(p.store, p.policy);
        }
        terms
    }

    pub(crate) async fn load(shop: &Shop) -> Result<Self> {
        let mut conn = shop.store().read().await?;
        let categories = store::catalogue::categories(&mut conn).await?;
        let policies = store::catalogue::all_policies(&mut conn).await?;
        Ok(Self::new(&categories, policies))
    }

    fn set(&self, scope: &str, scope_id: &str, store: &str) -> Option<Policy> {
        self.policies.get(scope)?.get(scope_id)?.get(store).copied()
    }

    /// The policy that holds for a SKU (or for a category, without one) in a store, and where it is set.
    pub(crate) fn policy(&self, store: &StoreId, sku: Option<&SkuId>, leaf: &CategoryId) -> (Policy, Source) {
        let mut categories = Vec::new();
        let mut at = Some(leaf);
        while let Some(id) = at.filter(|_| categories.len() < 32) {
            categories.push(CategoryPolicies {
                category: id.clone(),
                store: self.set("category", id.as_str(), store.as_str()),
                chain: self.set("category", id.as_str(), ""),
            });
            at = self.parents.get(id);
        }
        resolve(&Scopes {
            sku_in_store: sku.and_then(|sku| self.set("sku", sku.as_str(), store.as_str())),
            sku: sku.and_then(|sku| self.set("sku", sku.as_str(), "")),
            categories,
            store: self.set("store", "", store.as_str()),
            chain: self.set("chain", "", ""),
        })
    }

    /// A category and those above it.
    fn path(&self, leaf: &CategoryId) -> Vec<CategoryId> {
        let mut path = vec![leaf.clone()];
        while let Some(parent) = path.last().and_then(|id| self.parents.get(id)).filter(|_| path.len() < 32) {
            path.push(parent.clone());
        }
        path
    }
}

/// The answer to "why is sellable 3?" for a SKU in a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhySku {
    /// The store's code.
    pub store: String,
    /// The SKU's code.
    pub sku: String,
    /// The SKU's name in Chinese.
    pub name_zh: String,
    /// The SKU's name in English.
    pub name_en: String,
    /// Code of the category that set the policy, if one did.
    pub category: Option<String>,
    /// Every term with its source and its age.
    pub why: Why,
}

/// What the mean sales of a store are computed from.
struct Sales<'a> {
    zone: TimeZone,
    today: Day,
    first_day: Day,
    days: HashMap<PoolId, Vec<DayUnits>>,
    offers: Vec<&'a Offer>,
}

impl Sales<'_> {
    /// The terms of a pool whose SKUs these are.
    fn terms(&self, store: &StoreId, stock: &Stock, skus: &[PoolSku], terms: &Terms) -> PoolTerms {
        let path = skus.first().map(|sku| terms.path(&sku.category)).unwrap_or_default();
        let covers = |offer: &&&Offer| skus.iter().any(|sku| offer.scope.covers(&sku.sku, &path));
        let offers: Vec<&&Offer> = self.offers.iter().filter(covers).collect();
        // A promotion of some hours makes the whole day one, today as on the days before.
        let is_promo = |day: &Day| {
            let (starts, ends) = (self.start(*day), self.start(*day + 1));
            offers.iter().any(|o| o.starts.is_none_or(|t| t < ends) && o.ends.is_none_or(|t| t > starts))
        };
        let days_before = (self.today.0 - DMS_DAYS).max(self.first_day.0)..self.today.0;
        let promo_days: Vec<Day> = days_before.map(Day).filter(is_promo).collect();
        let days = self.days.get(&stock.pool).map(Vec::as_slice).unwrap_or_default();
        let policy = skus.first().map(|sku| terms.policy(store, Some(&sku.sku), &sku.category).0);
        PoolTerms {
            pool: stock.pool.clone(),
            policy: policy.unwrap_or(stock.policy),
            dms: dms(days, &promo_days, self.today, self.first_day),
            promo_today: is_promo(&self.today),
        }
    }

    fn start(&self, day: Day) -> Millis {
        calendar::start_of(&self.zone, day)
    }
}

impl Shop {
    /// Brings the terms of all stock up to date: the safety policy, the mean daily
    /// sales of the last 30 days, whether a promotion is on; then the places of the
    /// best sellers. Only what changed is written. Answers how many pools changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn refresh_dms(&self, now: Millis) -> Result<u64> {
        let mut conn = self.store().read().await?;
        let stores = store::stores::all(&mut conn).await?;
        let records = store::offers::ending_after(&mut conn, now.plus(-i64::from(DMS_DAYS + 1) * DAY_MS)).await?;
        let skus = store::goods::pool_skus(&mut conn).await?;
        drop(conn);
        let terms = Terms::load(self).await?;
        let offers: Vec<Offer> = records.into_iter().map(|record| record.offer).collect();
        let mut by_pool: HashMap<PoolId, Vec<PoolSku>> = HashMap::new();
        for sku in skus {
            by_pool.entry(sku.pool.clone()).or_default().push(sku);
        }
        let mut changed = 0;
        for store in &stores {
            changed += self.refresh_store(store, &terms, &offers, &by_pool, now).await?;
        }
        self.refresh_top().await?;
        Ok(changed)
    }

    async fn refresh_store(
        &self,
        store: &StoreRecord,
        terms: &Terms,
        offers: &[Offer],
        by_pool: &HashMap<PoolId, Vec<PoolSku>>,
        now: Millis,
    ) -> Result<u64> {
        let zone = calendar::zone(&store.zone);
        let today = calendar::day_of(&zone, now);
        let mut conn = self.store().read().await?;
        let stocks = store::stock::all(&mut conn, &store.id).await?;
        let first_day = store::stock::first_sale_day(&mut conn, &store.id).await?.unwrap_or(today);
        let days = store::stock::sale_days(&mut conn, &store.id, Day(today.0 - DMS_DAYS), today).await?;
        drop(conn);
        let here =
            |offer: &&Offer| offer.kind() == OfferKind::Timed && offer.store.as_ref().is_none_or(|s| *s == store.id);
        let offers = offers.iter().filter(here).collect();
        let sales = Sales { zone, today, first_day, days: by_pool_days(days), offers };
        let mut changed = Vec::new();
        for stock in &stocks {
            let skus = by_pool.get(&stock.pool).map(Vec::as_slice).unwrap_or_default();
            let new = sales.terms(&store.id, stock, skus, terms);
            if (new.policy, new.dms, new.promo_today) != (stock.policy, stock.dms, stock.promo_today) {
                changed.push(new);
            }
        }
        for part in changed.chunks(UNIT_ROWS) {
            let input = (store.id.clone(), part.to_vec());
            let write = self.store().write(Lane::Background, input, |conn, (store, rows)| {
                Box::pin(store::stock::set_terms(conn, store, rows))
            });
            write.await.map_err(|e: store::Error| Error::from(e))?;
        }
        Ok(changed.len() as u64)
    }

    /// Tells open pages of hand counts that ran out since the last call. The level
    /// itself needs no change: a count that ran out reads as 0. Answers how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn expire_counts(&self, now: Millis) -> Result<u64> {
        let told = &self.catalogue_cache().counts_told;
        let since = told.get().max(now.plus(-DAY_MS));
        let mut conn = self.store().read().await?;
        let pools = store::stock::ran_out(&mut conn, since, now).await?;
        drop(conn);
        let count = pools.len() as u64;
        if count > 0 {
            let write = self.store().write(Lane::Background, pools, |conn, pools: &Vec<(StoreId, PoolId)>| {
                Box::pin(async move {
                    for (store, pool) in pools {
                        conn.touch_stock(store, pool);
                    }
                    Ok::<_, Error>(())
                })
            });
            write.await?;
        }
        // Not before it is written: if that fails, the next call tells them.
        told.set(now);
        Ok(count)
    }

    /// Why so many of a SKU are sellable in a store.
    ///
    /// # Errors
    /// `not_found` for an unknown store or SKU, `not_sold_here` if the store does not keep it.
    pub async fn why(&self, store_code: &str, sku_code: &str, now: Millis) -> Result<WhySku> {
        let snapshot = self.snapshot().await?;
        let store = snapshot.stores.iter().find(|s| s.code == store_code).ok_or(Error::from(Code::NotFound))?;
        let mut conn = self.store().read().await?;
        let item = store::catalogue::by_code(&mut conn, &store.id, sku_code).await?;
        let item = item.ok_or(Error::from(Code::NotFound))?;
        let stock = item.stock.ok_or(Error::from(Code::NotSoldHere))?;
        let skus = store::goods::skus_of_pool(&mut conn, &stock.pool).await?;
        drop(conn);
        // The SKU that stands for the pool set the policy.
        let (sku, leaf) = skus.first().map_or((&item.sku.id, &item.sku.category), |s| (&s.sku, &s.category));
        let (policy, policy_source) = snapshot.terms.policy(&store.id, Some(sku), leaf);
        let category = match &policy_source {
            Source::CategoryInStore { category } | Source::Category { category } => snapshot.category(category),
            _ => None,
        };
        let terms = WhyTerms {
            told_by: stock.told_by,
            policy,
            policy_source: policy_source.clone(),
            pack_size: item.sku.pack_size,
            dms: stock.dms,
            promo_today: stock.promo_today,
        };
        Ok(WhySku {
            store: store.code.clone(),
            category: category.map(|c| c.code.clone()),
            why: explain(stock.level, terms, now, &Thresholds::default()),
            sku: item.sku.code,
            name_zh: item.sku.name_zh,
            name_en: item.sku.name_en,
        })
    }
}

fn by_pool_days(days: Vec<SaleDay>) -> HashMap<PoolId, Vec<DayUnits>> {
    let mut by_pool: BTreeMap<PoolId, Vec<DayUnits>> = BTreeMap::new();
    for row in days {
        by_pool.entry(row.pool).or_default().push(DayUnits { day: row.day, units: row.units, promo: row.promo });
    }
    by_pool.into_iter().collect()
}
