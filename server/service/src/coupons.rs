//! The member's coupons outside of a basket: what each gives and until when.
//! Which of them a basket can use, and why not, is said at checkout.

use crate::{Result, Shop, Visit};
use crate::{calendar, local};
use domain::Millis;
use domain::pricing::Scope;
use domain::view::CouponCard;
use std::collections::BTreeSet;
use store::{offers, places, slots};

impl Shop {
    /// The coupons that the member can still use, those that run out first at the front.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn coupons(&self, visit: &Visit) -> Result<Vec<CouponCard>> {
        let member = visit.member()?;
        let mut conn = self.store().read().await?;
        let rows: Vec<_> =
            places::coupons(&mut conn, &[member], visit.now).await?.into_iter().map(|(_, row)| row).collect();
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.offer_id.as_str()).collect();
        let records = offers::by_ids(&mut conn, &ids.into_iter().collect::<Vec<_>>()).await?;
        let store = slots::store_terms(&mut conn, &visit.store).await?.unwrap_or_default();
        drop(conn);
        let zone = calendar::zone(&store.zone);
        let card = |row: &places::CouponRow| {
            let record = records.iter().find(|record| record.offer.id.as_str() == row.offer_id)?;
            let (threshold, off) = record.offer.threshold_and_off()?;
            Some(CouponCard {
                name: visit.lang.pick(&record.name_zh, &record.name_en).to_owned(),
                threshold,
                off,
                ends_text: local::day_and_time(Millis(row.expires_at), &zone, visit.lang),
                some_goods: !matches!(record.offer.scope, Scope::All),
                other_store: record.offer.store.as_ref().is_some_and(|store| *store != visit.store),
            })
        };
        Ok(rows.iter().filter_map(card).collect())
    }
}
