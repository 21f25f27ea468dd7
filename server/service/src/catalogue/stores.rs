//! Stores to choose from.

use crate::{Error, Result, Shop, calendar};
use domain::ids::StoreId;
use domain::view::{Lang, StoreCard};
use domain::{Code, Millis};
use store::stores::StoreRecord;

/// Metres between two places on the globe (haversine).
fn distance_m(from_e6: (i64, i64), to_e6: (i64, i64)) -> i64 {
    const EARTH_RADIUS_M: f64 = 6_371_000.0;
    #[expect(clippy::cast_precision_loss, reason = "degrees in millionths are small")]
    let radians = |e6: i64| (e6 as f64 / 1e6).to_radians();
    let (lat1, lat2) = (radians(from_e6.0), radians(to_e6.0));
    let half = |d: f64| (d / 2.0).sin().powi(2);
    let a = half(lat2 - lat1) + lat1.cos() * lat2.cos() * half(radians(to_e6.1) - radians(from_e6.1));
    #[expect(clippy::cast_possible_truncation, reason = "at most half the globe")]
    let metres = (2.0 * EARTH_RADIUS_M * a.sqrt().min(1.0).asin()).round() as i64;
    metres
}

fn card(store: &StoreRecord, lang: Lang, chosen: Option<&StoreId>, near: Option<(i64, i64)>, now: Millis) -> StoreCard {
    let minute = calendar::minute_of(&calendar::zone(&store.zone), now);
    StoreCard {
        id: store.id.clone(),
        code: store.code.clone(),
        name: lang.pick(&store.name_zh, &store.name_en).to_owned(),
        address: lang.pick(&store.address_zh, &store.address_en).to_owned(),
        phone: store.phone.clone(),
        hours: format!("{}–{}", calendar::clock(store.opens_min), calendar::clock(store.closes_min)),
        open_now: (store.opens_min..store.closes_min).contains(&minute),
        distance_m: near.map(|near| distance_m(near, (store.lat_e6, store.lon_e6))),
        delivery_fee: store.delivery_fee,
        free_delivery_above: store.free_delivery_above,
        chosen: chosen == Some(&store.id),
    }
}

impl Shop {
    /// All stores: the nearest first when a position (millionths of a degree) is
    /// given, else in the shop's order.
    pub async fn stores(
        &self,
        lang: Lang,
        chosen: Option<&StoreId>,
        near_e6: Option<(i64, i64)>,
        now: Millis,
    ) -> Result<Vec<StoreCard>> {
        let snapshot = self.snapshot().await?;
        let mut cards: Vec<StoreCard> =
            snapshot.stores.iter().map(|store| card(store, lang, chosen, near_e6, now)).collect();
        cards.sort_by_key(|card| card.distance_m);
        Ok(cards)
    }

    /// A store's code and name.
    ///
    /// # Errors
    /// `not_found` for an unknown store.
    pub async fn store_name(&self, store: &StoreId, lang: Lang) -> Result<(String, String)> {
        let snapshot = self.snapshot().await?;
        let store = snapshot.store(store).ok_or_else(|| Error::from(Code::NotFound))?;
        Ok((store.code.clone(), lang.pick(&store.name_zh, &store.name_en).to_owned()))
    }

    /// How many times offers have begun or ended up to now: what they do to
    /// prices is the same as long as this is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn offers_turned(&self, now: Millis) -> Result<usize> {
        let snapshot = self.snapshot().await?;
        let turns = snapshot.offers.iter().flat_map(|record| [record.offer.starts, record.offer.ends]);
        Ok(turns.flatten().filter(|at| *at <= now).count())
    }

    /// The store that is shown to those who chose none.
    ///
    /// # Errors
    /// `not_found` if the shop has no store yet.
    pub async fn default_store(&self) -> Result<StoreId> {
        let snapshot = self.snapshot().await?;
        snapshot.stores.first().map(|store| store.id.clone()).ok_or_else(|| Error::from(Code::NotFound))
    }

    /// A store by its code.
    pub async fn store_by_code(&self, code: &str) -> Result<Option<StoreId>> {
        let snapshot = self.snapshot().await?;
        Ok(snapshot.stores.iter().find(|store| store.code == code).map(|store| store.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        // Wensan Road to Binjiang, Hangzhou: about 11 km.
        let metres = distance_m((30_276_900, 120_128_400), (30_207_100, 120_210_600));
        assert!((10_900..11_200).contains(&metres), "{metres}");
        assert_eq!(distance_m((0, 0), (0, 0)), 0);
    }
}
