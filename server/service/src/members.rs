//! Members: sign-in by phone and one-time code, their page, their addresses.
//! Staff accounts and API tokens.
//!
//! Rules held here:
//! - a code has 6 digits, lives 5 minutes and bears 5 wrong tries; 60 seconds
//!   lie between two of them;
//! - the answers are the same whether the phone is known or not;
//! - sends and tries are counted by phone, session and address;
//! - a code is stored as a keyed digest; only in the sandbox its digits stand
//!   beside it, for the page that stands in for the text message;
//! - a phone is shown masked, and a look at it by staff is logged.

use crate::{Error, Result, Shop, Visit};
use aws_lc_rs::{digest, hmac};
use domain::ids::{AddressId, BasketId, MemberId, StoreId};
use domain::phone::Phone;
use domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use domain::view::{AddressForm, AddressView, MemberView};
use domain::{Code, Millis, UserError};
use store::members::{self, AddressRow, CodeRow, MemberRow, StaffRow, TokenRow};
use store::{Conn, Lane};

/// A code lives this long.
const CODE_MS: i64 = 5 * MINUTE_MS;
/// Wrong tries that a code bears.
const CODE_TRIES: i64 = 5;
/// Time between two codes for one phone.
const RESEND_MS: i64 = 60 * SECOND_MS;
/// Codes sent in an hour to a phone, for a session, for an address. Phones share addresses.
const SENDS: [(&str, i64); 3] = [("code_phone", 10), ("code_session", 10), ("code_address", 120)];
/// Tries to sign in with a phone in an hour.
const SIGN_INS: i64 = 30;
/// Addresses that a member can keep.
const ADDRESSES: usize = 20;
/// Sign-ins and their counters share a lane, so that counters never wait for each other crosswise.
const SIGN_IN_LANE: Lane<'static> = Lane::Member("sign-in");

/// What a unit decided: counters stay written even where the answer is a refusal.
type Decided<T> = std::result::Result<T, UserError>;

/// SHA-256 of a text, in hex: how cookies and tokens are stored.
pub fn fingerprint(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// A new guest's basket.
pub fn new_basket() -> BasketId {
    BasketId::trusted(store::new_id())
}

/// A short random word under which the log has an error.
pub fn reference() -> String {
    domain::code::encode(u128::from(rand::random::<u64>()), 7)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// An hour's count that was passed: come back when its window ends.
fn too_many(started: Millis, now: Millis) -> UserError {
    UserError::new(Code::TooMany).with("retry_s", seconds_up(HOUR_MS - now.since(started)).max(1))
}

struct Sending {
    phone: String,
    subjects: [String; 3],
    row: CodeRow,
    now: Millis,
}

async fn send_in_tx(conn: &mut Conn, sending: &Sending) -> Result<Decided<()>> {
    let now = sending.now;
    if let Some(last) = members::sign_in_code(conn, &sending.phone).await? {
        let left_ms = RESEND_MS - now.since(Millis(last.sent_at));
        if left_ms > 0 {
            return Ok(Err(UserError::new(Code::TooMany).with("retry_s", seconds_up(left_ms))));
        }
    }
    for ((scope, most), subject) in SENDS.iter().zip(&sending.subjects) {
        // A new visitor has no session to count by yet.
        if subject.is_empty() {
            continue;
        }
        let (count, started) = members::count_try(conn, scope, subject, now, HOUR_MS).await?;
        if count > *most {
            return Ok(Err(too_many(started, now)));
        }
    }
    members::put_sign_in_code(conn, &sending.phone, &sending.row).await?;
    Ok(Ok(()))
}

/// Milliseconds as whole seconds, rounded up.
fn seconds_up(ms: i64) -> i64 {
    (ms + SECOND_MS - 1) / SECOND_MS
}

struct SigningIn {
    phone: String,
    /// Digest of what was typed.
    digest: String,
    member: MemberId,
    now: Millis,
}

async fn sign_in_in_tx(conn: &mut Conn, input: &SigningIn) -> Result<Decided<MemberId>> {
    let (phone, now) = (&input.phone, input.now);
    let (count, started) = members::count_try(conn, "sign_in", phone, now, HOUR_MS).await?;
    if count > SIGN_INS {
        return Ok(Err(too_many(started, now)));
    }
    let wrong = || UserError::new(Code::BadCode).field("code");
    let Some(sent) = members::sign_in_code(conn, phone).await? else { return Ok(Err(wrong())) };
    if sent.expires_at <= now.0 || !members::spend_try(conn, phone).await? {
        return Ok(Err(wrong()));
    }
    let expected = sent.code.split(':').next().unwrap_or_default();
    if aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), input.digest.as_bytes()).is_err() {
        return Ok(Err(wrong()));
    }
    members::end_sign_in_code(conn, phone).await?;
    let is_new = members::insert(conn, &input.member, phone, now).await?;
    let member = if is_new {
        crate::offers::issue_welcome_coupons_in_tx(conn, &input.member, now).await?;
        input.member.clone()
    } else {
        let known = members::by_phone(conn, phone).await?;
        let known = known.ok_or_else(|| Error::Internal("a member without a row".to_owned()))?;
        MemberId::trusted(known.id)
    };
    Ok(Ok(member))
}

impl Shop {
    /// Sends a one-time code. `session` and `address` may be empty: then nothing is counted by them.
    ///
    /// # Errors
    /// `bad_phone`; `too_many` with `retry_s`; `busy`.
    pub async fn request_code(&self, phone: &str, session: &str, address: &str, now: Millis) -> Result<()> {
        let phone = parse_phone(phone)?;
        let digits = format!("{:06}", self.ports().random.bits() % 1_000_000);
        let mut code = self.code_digest(&phone, &digits);
        if self.settings().sandbox {
            code = format!("{code}:{digits}");
        }
        let sending = Sending {
            phone: phone.as_str().to_owned(),
            subjects: [phone.as_str().to_owned(), fingerprint_unless_empty(session), address.to_owned()],
            row: CodeRow { code, expires_at: now.plus(CODE_MS).0, tries_left: CODE_TRIES, sent_at: now.0 },
            now,
        };
        let decided: Result<Decided<()>> =
            self.store().write(SIGN_IN_LANE, sending, |conn, input| Box::pin(send_in_tx(conn, input))).await;
        decided??;
        metrics::counter!("zaijia_sign_in_codes_total").increment(1);
        self.ports().messenger.sign_in_code(phone.as_str(), &digits).await
    }

    /// The code that was sent to a phone, for the sandbox's page of messages;
    /// nothing where the shop is not a sandbox.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sandbox_code(&self, phone: &str, now: Millis) -> Result<Option<String>> {
        let Ok(phone) = Phone::parse(phone) else { return Ok(None) };
        if !self.settings().sandbox {
            return Ok(None);
        }
        let sent = members::sign_in_code(&mut self.store().read().await?, phone.as_str()).await?;
        let sent = sent.filter(|sent| sent.expires_at > now.0 && sent.tries_left > 0);
        Ok(sent.and_then(|sent| sent.code.split_once(':').map(|(_, digits)| digits.to_owned())))
    }

    /// Signs in; who comes for the first time becomes a member and gets the welcome coupons.
    ///
    /// # Errors
    /// `bad_phone`; `bad_code`; `too_many` with `retry_s`.
    pub async fn sign_in(&self, phone: &str, code: &str, now: Millis) -> Result<MemberId> {
        let phone = parse_phone(phone)?;
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(16).collect();
        let input = SigningIn {
            phone: phone.as_str().to_owned(),
            digest: self.code_digest(&phone, &digits),
            member: MemberId::trusted(store::new_id()),
            now,
        };
        let decided: Result<Decided<MemberId>> =
            self.store().write(SIGN_IN_LANE, input, |conn, input| Box::pin(sign_in_in_tx(conn, input))).await;
        Ok(decided??)
    }

    fn code_digest(&self, phone: &Phone, digits: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.settings().sandbox_key);
        hex(hmac::sign(&key, format!("sign-in:{}:{digits}", phone.as_str()).as_bytes()).as_ref())
    }

    /// The member's own page.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn me(&self, visit: &Visit) -> Result<MemberView> {
        let member = visit.member()?;
        let mut conn = self.store().read().await?;
        let row = members::get(&mut conn, member).await?.ok_or(Code::SignInFirst)?;
        let counts = members::order_counts(&mut conn, member).await?;
        let coupons = members::coupon_count(&mut conn, member, visit.now).await?;
        let unread = store::messages::unread(&mut conn, member, 100).await?;
        let of = |states: &[&str]| {
            let sum: i64 = counts.iter().filter(|(state, _)| states.contains(&state.as_str())).map(|(_, n)| n).sum();
            u32::try_from(sum).unwrap_or(u32::MAX)
        };
        Ok(MemberView {
            id: member.clone(),
            phone: masked(&row.phone),
            is_member: row.has_member_prices(visit.now),
            name: row.name,
            substitution_default: row.substitution_default,
            orders: (
                of(&["pending_payment"]),
                of(&["paid", "accepted", "picking", "picked", "delivering", "ready_for_pickup"]),
                of(&["completed", "cancelled", "expired", "refunded"]),
            ),
            coupons: u32::try_from(coupons).unwrap_or(u32::MAX),
            unread: u32::try_from(unread).unwrap_or(u32::MAX),
        })
    }

    /// The store where the member bought before.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn home_store(&self, member: &MemberId) -> Result<Option<StoreId>> {
        let row = members::get(&mut self.store().read().await?, member).await?;
        Ok(row.and_then(|row| row.home_store_id).map(StoreId::trusted))
    }

    /// Changes the member's name.
    ///
    /// # Errors
    /// `invalid` on `name` if it is longer than 40 characters.
    pub async fn set_name(&self, visit: &Visit, name: &str) -> Result<()> {
        let name = text("name", name, 0, 40)?;
        self.change_member(visit, name, |conn, (member, name)| {
            Box::pin(async move { Ok(members::set_name(conn, member, name).await?) })
        })
        .await
    }

    /// Changes what shall happen when goods are missing and nothing else was chosen.
    ///
    /// # Errors
    /// `invalid` on `choice`.
    pub async fn set_substitution_default(&self, visit: &Visit, choice: &str) -> Result<()> {
        if !["refund", "best_match", "ask_me"].contains(&choice) {
            return Err(UserError::invalid("choice").into());
        }
        self.change_member(visit, choice.to_owned(), |conn, (member, choice)| {
            Box::pin(async move { Ok(members::set_substitution_default(conn, member, choice).await?) })
        })
        .await
    }

    async fn change_member<F>(&self, visit: &Visit, value: String, work: F) -> Result<()>
    where
        F: for<'c> Fn(&'c mut Conn, &'c (MemberId, String)) -> store::Unit<'c, (), Error> + Send + Sync + 'static,
    {
        let member = visit.member()?;
        self.store().write(Lane::Member(member.as_str()), (member.clone(), value), work).await
    }

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

    /// Removes codes, counters and sessions that are of no more use, a bounded number of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tidy_members(&self, now: Millis) -> Result<u64> {
        self.store()
            .write(Lane::Background, now, |conn, now| {
                Box::pin(async move {
                    let stale = members::delete_stale(conn, now.plus(-DAY_MS)).await?;
                    let sessions = store::sessions::delete_expired(conn, *now, 1_000).await?;
                    Ok::<_, Error>(stale + sessions)
                })
            })
            .await
    }
}

/// Staff, tokens and memberships: what the commands of `zaijia` do.
impl Shop {
    /// Gives member prices to a phone's member (made if it is new) until `until`, or takes them.
    ///
    /// # Errors
    /// `bad_phone`.
    pub async fn set_membership(&self, phone: &str, on: bool, until: Option<Millis>, actor: &str) -> Result<MemberId> {
        let phone = parse_phone(phone)?;
        let input =
            (phone.as_str().to_owned(), MemberId::trusted(store::new_id()), on, until, self.now(), actor.to_owned());
        self.store()
            .write(SIGN_IN_LANE, input, |conn, (phone, new, on, until, now, actor)| {
                Box::pin(async move {
                    members::insert(conn, new, phone, *now).await?;
                    let row = members::by_phone(conn, phone).await?;
                    let row: MemberRow = row.ok_or_else(|| Error::Internal("a member without a row".to_owned()))?;
                    let member = MemberId::trusted(row.id);
                    members::set_membership(conn, &member, *on, *until).await?;
                    members::log_look(conn, actor, member.as_str(), "membership", *now).await?;
                    Ok(member)
                })
            })
            .await
    }

    /// All of the staff.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn staff(&self) -> Result<Vec<StaffRow>> {
        Ok(members::staff(&mut self.store().read().await?).await?)
    }

    /// Makes a staff account. `password_hash` is argon2's.
    ///
    /// # Errors
    /// `invalid` on `login` or `role`, also if the login is taken.
    pub async fn add_staff(&self, row: StaffRow, password_hash: String) -> Result<()> {
        let login = text("login", &row.login, 2, 40)?;
        if !["picker", "service", "marketer", "manager"].contains(&row.role.as_str()) {
            return Err(UserError::invalid("role").into());
        }
        let input = (StaffRow { login, ..row }, password_hash, self.now());
        let made = self.store().write(Lane::Background, input, |conn, (row, hash, now)| {
            Box::pin(async move { Ok::<_, Error>(members::add_staff(conn, row, hash, *now).await?) })
        });
        if made.await? { Ok(()) } else { Err(UserError::invalid("login").into()) }
    }

    /// Closes a staff account.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn disable_staff(&self, login: &str) -> Result<()> {
        let input = (login.to_owned(), self.now());
        let closed = self.store().write(Lane::Background, input, |conn, (login, now)| {
            Box::pin(async move { Ok::<_, Error>(members::disable_staff(conn, login, *now).await?) })
        });
        if closed.await? { Ok(()) } else { Err(Code::NotFound.into()) }
    }

    /// Makes an API token; its secret is shown this once, only its digest is kept.
    ///
    /// # Errors
    /// `invalid` on `role` or `name`.
    pub async fn add_token(&self, name: &str, role: &str) -> Result<String> {
        let name = text("name", name, 1, 80)?;
        if !["feed", "staff", "metrics"].contains(&role) {
            return Err(UserError::invalid("role").into());
        }
        let random = &self.ports().random;
        let secret = format!("zj_{:016x}{:016x}{:016x}", random.bits(), random.bits(), random.bits());
        let input = (store::new_id(), fingerprint(&secret), name, role.to_owned(), self.now());
        self.store()
            .write(Lane::Background, input, |conn, (id, digest, name, role, now)| {
                Box::pin(async move { Ok::<_, Error>(members::add_token(conn, id, digest, name, role, *now).await?) })
            })
            .await?;
        Ok(secret)
    }

    /// Revokes the tokens with this number or name; how many.
    ///
    /// # Errors
    /// `not_found` if there is none.
    pub async fn revoke_token(&self, id_or_name: &str) -> Result<u64> {
        let input = (id_or_name.to_owned(), self.now());
        let revoked = self.store().write(Lane::Background, input, |conn, (id, now)| {
            Box::pin(async move { Ok::<_, Error>(members::revoke_token(conn, id, *now).await?) })
        });
        match revoked.await? {
            0 => Err(Code::NotFound.into()),
            n => Ok(n),
        }
    }

    /// All API tokens, without their secrets.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        Ok(members::tokens(&mut self.store().read().await?).await?)
    }

    /// The token with this secret, if it may do what `roles` may.
    ///
    /// # Errors
    /// `bad_token`.
    pub async fn token(&self, secret: &str, roles: &[&str]) -> Result<TokenRow> {
        let row = members::token(&mut self.store().read().await?, &fingerprint(secret)).await?;
        row.filter(|row| roles.contains(&row.role.as_str())).ok_or_else(|| Code::BadToken.into())
    }
}

fn parse_phone(phone: &str) -> Result<Phone> {
    Phone::parse(phone).map_err(|_| UserError::new(Code::BadPhone).field("phone").into())
}

fn masked(phone: &str) -> String {
    Phone::parse(phone).map_or_else(|_| "****".to_owned(), |phone| phone.masked())
}

fn fingerprint_unless_empty(text: &str) -> String {
    if text.is_empty() { String::new() } else { fingerprint(text) }
}

/// A text without blanks around it and without control characters, of `min` to `max` characters.
fn text(field: &str, value: &str, min: usize, max: usize) -> Result<String> {
    let value = value.trim();
    let length = value.chars().count();
    if length < min || length > max || value.chars().any(char::is_control) {
        return Err(UserError::invalid(field).with("min", min).with("max", max).into());
    }
    Ok(value.to_owned())
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
    fn a_text_is_trimmed_and_measured_in_characters() {
        assert_eq!(text("name", "  王小明 ", 1, 3).expect("three characters"), "王小明");
        assert!(text("name", " ", 1, 3).is_err());
        assert!(text("name", "四个字的", 1, 3).is_err());
        assert!(text("name", "a\u{7}", 1, 3).is_err());
    }

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
