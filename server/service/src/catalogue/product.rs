//! A product's page.

use super::candidates::ranked;
use super::cards::{Viewer, live};
use super::list::{brand_of, names};
use super::words;
use crate::{Error, Result, Shop, Visit};
use domain::Code;
use domain::ids::SkuId;
use domain::view::{Candidate, Lang, OfferLine, ProductPage, SubstitutionView, Variant};
use store::Conn;
use store::catalogue::SkuInStore;
use store::offers::OfferRecord;

impl Shop {
    /// A product's page. At most ten statements.
    ///
    /// # Errors
    /// `not_found` for an unknown code or what is off the shelf.
    pub async fn product(&self, visit: &Visit, code: &str) -> Result<ProductPage> {
        let mut conn = self.store().read().await?;
        let viewer = Viewer::load(self, &mut conn, visit).await?;
        let variants = store::catalogue::variants(&mut conn, &visit.store, code).await?;
        let item = variants.iter().find(|item| item.sku.code == code);
        let item = item.ok_or_else(|| Error::from(Code::NotFound))?.clone();
        let mut candidates = ranked(&mut conn, &viewer, std::slice::from_ref(&item)).await?;
        let candidates = candidates.remove(&item.sku.id).unwrap_or_default();
        let chosen = choice(&mut conn, &viewer, &item.sku.id).await?;
        drop(conn);
        Ok(page(&viewer, &item, &variants, candidates, chosen))
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
/// JSON: as said in the basket, else as remembered, else the default.
async fn choice(conn: &mut Conn, viewer: &Viewer<'_>, sku: &SkuId) -> Result<(String, String)> {
    let said = store::catalogue::choice(conn, &viewer.visit.basket, sku).await?;
    Ok(said.unwrap_or_else(|| (viewer.substitution_default.clone(), "[]".to_owned())))
}
