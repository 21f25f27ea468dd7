//! The first page.

use super::cards::{Viewer, in_order};
use super::list::deal_scope;
use crate::{Result, Shop, Visit};
use domain::ids::SkuId;
use domain::pricing::{OfferKind, Scope};
use domain::view::{BannerView, HomePage, OfferLine, ProductCard};
use std::collections::HashMap;
use store::catalogue::Filter;

/// Cards in each row of the first page.
const ROW: u32 = 12;

impl Shop {
    /// The first page: banners, categories, today's deals, what the member bought,
    /// what sells most. At most eight statements.
    pub async fn home(&self, visit: &Visit) -> Result<HomePage> {
        let mut conn = self.store().read().await?;
        let viewer = Viewer::load(self, &mut conn, visit).await?;
        let among = deal_scope(&viewer.snapshot, viewer.timed());
        let deals: Vec<SkuId> = if among.0.is_empty() && among.1.is_empty() {
            Vec::new()
        } else {
            let filter = Filter { among: Some(among), in_stock: true, ..Filter::default() };
            let found = store::catalogue::find(&mut conn, &visit.store, &filter, visit.now, ROW * 2).await?.goods;
            found.into_iter().map(|slim| slim.id).collect()
        };
        let bought = match &visit.member {
            Some(member) => store::catalogue::bought(&mut conn, member, ROW).await?,
            None => Vec::new(),
        };
        let popular = store::catalogue::popular(&mut conn, &visit.store, visit.now, ROW * 2).await?;
        let all: Vec<SkuId> = [&deals[..], &bought, &popular].concat();
        let items = store::catalogue::by_id(&mut conn, &visit.store, &all).await?;
        drop(conn);
        let items = in_order(items, &all);
        let is_deal: HashMap<&SkuId, bool> =
            items.iter().map(|item| (&item.sku.id, viewer.is_deal(&item.sku))).collect();
        let cards: HashMap<&SkuId, ProductCard> = items
            .iter()
            .filter(|item| item.sku.active && item.stock.is_some())
            .map(|item| (&item.sku.id, viewer.card(item)))
            .collect();
        let row = |ids: &[SkuId], keep: &dyn Fn(&SkuId) -> bool| -> Vec<ProductCard> {
            let kept = ids.iter().filter(|id| keep(id)).filter_map(|id| cards.get(id).cloned());
            kept.take(ROW as usize).collect()
        };
        Ok(HomePage {
            banners: banners(&viewer),
            offers: shop_wide(&viewer),
            categories: viewer.snapshot.tree(None, visit.lang, 1),
            deals: row(&deals, &|id| is_deal.get(id).copied().unwrap_or(false)),
            bought: row(&bought, &|_| true),
            popular: row(&popular, &|id| !deals.contains(id)),
        })
    }
}

/// Spend-and-save offers on everything: said once here, not on every card.
fn shop_wide(viewer: &Viewer<'_>) -> Vec<OfferLine> {
    let visit = viewer.visit;
    let running = viewer.snapshot.running(&visit.store, visit.now);
    let wide = running.filter(|record| record.offer.kind() == OfferKind::SpendSave);
    wide.filter(|record| matches!(record.offer.scope, Scope::All))
        .map(|record| super::product::offer_line(record, visit.lang))
        .collect()
}

fn banners(viewer: &Viewer<'_>) -> Vec<BannerView> {
    let lang = viewer.visit.lang;
    let view = |banner: &store::offers::BannerRecord| BannerView {
        title: lang.pick(&banner.title_zh, &banner.title_en).to_owned(),
        text: lang.pick(&banner.text_zh, &banner.text_en).to_owned(),
        link: banner.link.clone(),
        picture: banner.picture.clone(),
    };
    viewer.snapshot.banners.iter().map(view).collect()
}
