//! Where members have their orders brought.

use super::{fingerprint, parse_phone, text};
use crate::{Error, Result, Shop, Visit};
use domain::ids::{AddressId, MemberId, StoreId};
use domain::view::{AddressForm, AddressView};
use domain::{Code, Millis, UserError};
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
                    write_in_tx(conn, member, row, &known, *now).await
                })
            })
            .await
    }

    /// Saves the address that was typed into a form with an idempotency key: the
    /// same form sent again, at the same moment or later, is the same address. It
    /// is written once; what the member made of it since then stays.
    ///
    /// # Errors
    /// `invalid` or `bad_phone` on the field; `too_many` of them, unless it is one of them.
    pub async fn save_typed_address(&self, visit: &Visit, key: &str, form: AddressForm) -> Result<AddressId> {
        let member = visit.member()?.clone();
        let row = address_row(&AddressForm { id: String::new(), ..form })?;
        let row = AddressRow { id: typed_id(&member, key, &row)?, ..row };
        let input = (member.clone(), row, visit.now);
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (member, row, now)| {
                Box::pin(async move {
                    members::lock(conn, member).await?;
                    let known = members::addresses(conn, member).await?;
                    if known.iter().any(|address| address.id == row.id) {
                        return Ok(AddressId::trusted(row.id.as_str()));
                    }
                    write_in_tx(conn, member, row, &known, *now).await
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

/// Writes an address beside those that the member has; the only one is the usual one.
async fn write_in_tx(
    conn: &mut Conn,
    member: &MemberId,
    row: &AddressRow,
    known: &[AddressRow],
    now: Millis,
) -> Result<AddressId> {
    let was = known.iter().find(|address| address.id == row.id);
    if was.is_none() && known.len() >= ADDRESSES {
        return Err(UserError::invalid("id").with("max", ADDRESSES).into());
    }
    let only = known.iter().all(|address| address.id == row.id);
    let is_default = row.is_default || only || was.is_some_and(|was| was.is_default);
    let (lat_e6, lon_e6) =
        if was.is_some_and(|was| moved_away(was, row)) { (None, None) } else { (row.lat_e6, row.lon_e6) };
    members::save_address(conn, member, &AddressRow { is_default, lat_e6, lon_e6, ..row.clone() }, now).await?;
    Ok(AddressId::trusted(row.id.as_str()))
}

/// Does an address say another place than before, with the position of the old one?
fn moved_away(was: &AddressRow, row: &AddressRow) -> bool {
    let same_text = was.area == row.area && was.detail == row.detail;
    !same_text && (was.lat_e6, was.lon_e6) == (row.lat_e6, row.lon_e6)
}

/// The id of an address that is typed into a form with this key: made of what it
/// says, so that the same form gives the same id and another text another one.
fn typed_id(member: &MemberId, key: &str, row: &AddressRow) -> Result<String> {
    let AddressRow { name, phone, area, detail, lat_e6, lon_e6, .. } = row;
    let said = serde_json::to_string(&(member, key, name, phone, area, detail, lat_e6, lon_e6))?;
    // 128 bits, as other ids have.
    Ok(fingerprint(&said).chars().take(32).collect())
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
    let e6 = number.round_dp(6).checked_mul(rust_decimal::Decimal::from(1_000_000)).ok_or_else(wrong)?;
    let e6 = i64::try_from(e6.trunc()).map_err(|_| wrong())?;
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
    fn a_typed_address_has_the_id_of_what_was_sent() {
        let member = MemberId::trusted("m1");
        let id = |key: &str, detail: &str| {
            let [name, phone, area] = ["王小明", "13800000001", "人民大道"].map(str::to_owned);
            let form = AddressForm { name, phone, area, detail: detail.to_owned(), ..AddressForm::default() };
            let row = address_row(&form).expect("an address");
            typed_id(&member, key, &row).expect("an id")
        };
        assert_eq!(id("key-1", "200 号"), id("key-1", " 200 号"), "blanks around it are none of it");
        assert_ne!(id("key-1", "200 号"), id("key-1", "201 号"));
        assert_ne!(id("key-1", "200 号"), id("key-2", "200 号"));
        assert!(AddressId::parse(&id("key-1", "200 号")).is_ok());
    }

    #[test]
    fn degrees_become_millionths() {
        assert_eq!(degrees("lat", "31.2304567", 90).expect("a latitude"), Some(31_230_457));
        assert_eq!(degrees("lat", "", 90).expect("unknown"), None);
        assert!(degrees("lat", "91", 90).is_err());
        assert!(degrees("lat", "NaN", 90).is_err());
        // As many digits as a number holds, and one too many.
        for long in ["79228162514264337593543950335", "99999999999999999999999999999"] {
            assert!(degrees("lat", long, 90).is_err(), "{long}");
            assert!(degrees("lat", &format!("-{long}"), 90).is_err(), "-{long}");
        }
    }

    #[test]
    fn a_position_goes_with_the_text_that_it_was_told_for() {
        let known = AddressRow {
            id: "a1".to_owned(),
            name: "王小明".to_owned(),
            phone: "13800000001".to_owned(),
            area: "人民大道".to_owned(),
            detail: "200 号".to_owned(),
            lat_e6: Some(31_233_000),
            lon_e6: Some(121_474_000),
            is_default: true,
        };
        let elsewhere = AddressRow { detail: "1 号".to_owned(), ..known.clone() };
        assert!(moved_away(&known, &elsewhere));
        assert!(moved_away(&known, &AddressRow { area: "世纪大道".to_owned(), ..known.clone() }));
        assert!(!moved_away(&known, &AddressRow { lat_e6: Some(31_240_000), ..elsewhere }), "it is a new one");
        assert!(!moved_away(&known, &AddressRow { name: "李雷".to_owned(), ..known.clone() }));
    }

    #[test]
    fn metres_are_metres() {
        // People's Square to the Oriental Pearl in Shanghai: about 2.6 km.
        let metres = distance_m((31_232_500, 121_473_700), (31_239_700, 121_499_800));
        assert!((2_500..2_700).contains(&metres), "{metres}");
    }
}
