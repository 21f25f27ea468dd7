//! Where members have their orders brought.

use super::{parse_phone, text};
use crate::{Error, Result, Shop, Visit};
use domain::ids::{AddressId, StoreId};
use domain::view::{AddressForm, AddressView};
use domain::{Code, UserError};
use store::members::{self, AddressRow};
use store::{Conn, Lane};

/// Addresses that a member can keep.
const ADDRESSES: usize = 20;

impl Shop {
    /// The member's addresses, the usual one first.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn addresses(&self, visit: &Visit) -> Result<Vec<AddressView>> {
        let member = visit.member()?;
        let mut conn = self.store().read().await?;
        let area = Area::of(&mut conn, &visit.store).await?;
        let rows = members::addresses(&mut conn, member).await?;
        Ok(rows.into_iter().map(|row| address_view(row, area)).collect())
    }

    /// Writes an address, new (empty id) or changed. The first one is the usual one.
    ///
    /// # Errors
    /// `invalid` or `bad_phone` on the field; `not_found`; `too_many` of them.
    pub async fn save_address(&self, visit: &Visit, form: AddressForm) -> Result<AddressId> {
        let member = visit.member()?.clone();
        let row = address_row(&form)?;
        let input = (member.clone(), row, visit.now, form.id.is_empty());
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (member, row, now, is_new)| {
                Box::pin(async move {
                    members::lock(conn, member).await?;
                    let known = members::addresses(conn, member).await?;
                    if !is_new && !known.iter().any(|address| address.id == row.id) {
                        return Err(Code::NotFound.into());
                    }
                    if *is_new && known.len() >= ADDRESSES {
                        return Err(UserError::invalid("id").with("max", ADDRESSES).into());
                    }
                    let only = known.iter().all(|address| address.id == row.id);
                    let was = known.iter().any(|address| address.id == row.id && address.is_default);
                    let row = AddressRow { is_default: row.is_default || only || was, ..row.clone() };
                    members::save_address(conn, member, &row, *now).await?;
                    Ok(AddressId::trusted(row.id))
                })
            })
            .await
    }

    /// Removes an address; orders keep the one that they were placed with.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn delete_address(&self, visit: &Visit, id: &AddressId) -> Result<()> {
        let member = visit.member()?.clone();
        let input = (member.clone(), id.clone(), visit.now);
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (member, id, now)| {
                Box::pin(async move {
                    members::lock(conn, member).await?;
                    if !members::delete_address(conn, member, id).await? {
                        return Err(Code::NotFound.into());
                    }
                    // Another one becomes the usual one.
                    let left = members::addresses(conn, member).await?;
                    if let Some(first) = left.first().filter(|first| !first.is_default) {
                        let first = AddressRow { is_default: true, ..first.clone() };
                        members::save_address(conn, member, &first, *now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn address_row(form: &AddressForm) -> Result<AddressRow> {
    let name = text("name", &form.name, 1, 40)?;
    let phone = parse_phone(&form.phone)?;
    let area = text("area", &form.area, 2, 100)?;
    let detail = text("detail", &form.detail, 1, 100)?;
    let lat_e6 = degrees("lat", &form.lat, 90)?;
    let lon_e6 = degrees("lon", &form.lon, 180)?;
    let id = if form.id.is_empty() {
        store::new_id()
    } else {
        AddressId::parse(&form.id).map_err(|_| Error::from(Code::NotFound))?.to_string()
    };
    // Half a position is none.
    let (lat_e6, lon_e6) = if lat_e6.is_some() && lon_e6.is_some() { (lat_e6, lon_e6) } else { (None, None) };
    Ok(AddressRow {
        id,
        name,
        phone: phone.as_str().to_owned(),
        area,
        detail,
        lat_e6,
        lon_e6,
        is_default: form.is_default,
    })
}

/// Degrees as text to millionths of a degree; empty is unknown.
fn degrees(field: &str, value: &str, most: i64) -> Result<Option<i64>> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::from(UserError::invalid(field));
    let number: rust_decimal::Decimal = value.parse().map_err(|_| wrong())?;
    let e6 = (number.round_dp(6) * rust_decimal::Decimal::from(1_000_000)).trunc();
    let e6 = i64::try_from(e6).map_err(|_| wrong())?;
    if e6.abs() > most * 1_000_000 { Err(wrong()) } else { Ok(Some(e6)) }
}

/// A store's delivery area.
#[derive(Clone, Copy, Debug)]
struct Area {
    lat_e6: i64,
    lon_e6: i64,
    radius_m: i64,
}

impl Area {
    async fn of(conn: &mut Conn, store: &StoreId) -> Result<Option<Self>> {
        let row = store::members::delivery_area(conn, store).await?;
        Ok(row.map(|(lat_e6, lon_e6, radius_m)| Self { lat_e6, lon_e6, radius_m }))
    }

    /// Does it hold the place? A place that is not known is taken to be inside.
    fn holds(self, lat_e6: Option<i64>, lon_e6: Option<i64>) -> bool {
        let Some((lat, lon)) = lat_e6.zip(lon_e6) else { return true };
        distance_m((self.lat_e6, self.lon_e6), (lat, lon)) <= self.radius_m
    }
}

/// Metres between two places given in millionths of a degree; exact enough within a city.
pub fn distance_m(a: (i64, i64), b: (i64, i64)) -> i64 {
    const METRES_PER_E6: f64 = 0.111_195;
    #[expect(clippy::cast_precision_loss, reason = "degrees in millionths have at most nine digits")]
    let f = |n: i64| n as f64;
    let north = f(b.0 - a.0) * METRES_PER_E6;
    let east = f(b.1 - a.1) * METRES_PER_E6 * (f(a.0 + b.0) / 2e6).to_radians().cos();
    #[expect(clippy::cast_possible_truncation, reason = "at most half of the earth's circumference")]
    let metres = north.hypot(east).round() as i64;
    metres
}

fn address_view(row: AddressRow, area: Option<Area>) -> AddressView {
    AddressView {
        in_area: area.is_none_or(|area| area.holds(row.lat_e6, row.lon_e6)),
        id: AddressId::trusted(row.id),
        name: row.name,
        phone: row.phone,
        area: row.area,
        detail: row.detail,
        lat_e6: row.lat_e6,
        lon_e6: row.lon_e6,
        is_default: row.is_default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_become_millionths() {
        assert_eq!(degrees("lat", "31.2304567", 90).expect("a latitude"), Some(31_230_457));
        assert_eq!(degrees("lat", "", 90).expect("unknown"), None);
        assert!(degrees("lat", "91", 90).is_err());
        assert!(degrees("lat", "NaN", 90).is_err());
    }

    #[test]
    fn metres_are_metres() {
        // People's Square to the Oriental Pearl in Shanghai: about 2.6 km.
        let metres = distance_m((31_232_500, 121_473_700), (31_239_700, 121_499_800));
        assert!((2_500..2_700).contains(&metres), "{metres}");
    }
}
