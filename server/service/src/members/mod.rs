//! Members: their page and what they set for themselves. Signing in is in
//! [`sign_in`], addresses in [`addresses`], staff accounts, tokens and
//! memberships in [`staff`].
//!
//! A phone is shown masked, and a look at it by staff is logged.

mod addresses;
mod sign_in;
mod staff;

pub use addresses::distance_m;
pub use sign_in::Asker;

use crate::{Error, Result, Shop, Visit};
use aws_lc_rs::digest;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::phone::Phone;
use domain::time::DAY_MS;
use domain::view::MemberView;
use domain::{Code, Millis, UserError};
use std::collections::BTreeSet;
use store::members;
use store::{Conn, Lane, codes};

/// Brands that a member can rule out.
const NEVER_BRANDS: usize = 50;

/// Rows of a kind that one unit of tidying removes: nobody waits long behind it.
const TIDY_ROWS: i64 = 1_000;
/// Units of a kind in one run of tidying, which comes each hour.
const TIDY_UNITS: usize = 200;
/// Guests' baskets that one run removes, and one unit of it: each has up to 60 lines.
const TIDY_BASKETS: i64 = 20_000;
const BASKETS_A_UNIT: usize = 100;
/// A guest's basket that was not touched for so long is nobody's: sessions end after 30 days.
const GUEST_BASKET_MS: i64 = 31 * DAY_MS;
/// Callbacks that were of no payment of ours are kept for so long.
const ODD_CALLBACK_MS: i64 = 30 * DAY_MS;

/// Is it an idempotency key: 8 to 64 letters, digits or hyphens?
pub(crate) fn is_key(key: &str) -> bool {
    (8..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// SHA-256 of a text, in hex: how cookies and tokens are stored.
pub fn fingerprint(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// A new name under which a visitor asks for codes.
pub fn new_asker() -> String {
    hex(&rand::random::<[u8; 16]>())
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

impl Shop {
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

    /// Do member prices hold for the member now?
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_member_prices(&self, member: &MemberId, now: Millis) -> Result<bool> {
        let row = members::get(&mut self.store().read().await?, member).await?;
        Ok(row.is_some_and(|row| row.has_member_prices(now)))
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

    /// The brands that never stand in for anything of this member's.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn never_brands(&self, visit: &Visit) -> Result<Vec<String>> {
        let row = members::get(&mut self.store().read().await?, visit.member()?).await?.ok_or(Code::SignInFirst)?;
        Ok(serde_json::from_str(&row.never_brands)?)
    }

    /// Rules out brands, by their names on the goods, in place of those ruled out before.
    ///
    /// # Errors
    /// `invalid` on `brands` if there are too many or one is too long.
    pub async fn set_never_brands(&self, visit: &Visit, brands: &[String]) -> Result<()> {
        if brands.len() > NEVER_BRANDS {
            return Err(UserError::invalid("brands").with("max", NEVER_BRANDS).into());
        }
        let brands = brands.iter().map(|brand| text("brands", brand, 1, 80)).collect::<Result<BTreeSet<_>>>()?;
        self.change_member(visit, serde_json::to_string(&brands)?, |conn, (member, brands)| {
            Box::pin(async move { Ok(members::set_never_brands(conn, member, brands).await?) })
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

    /// Removes what visitors left behind and is of no more use (`Stale`), and
    /// guests' baskets of sessions that are over: in small units, between which others
    /// come to write, and as many in a run as leaves time for other jobs. How many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tidy_members(&self, now: Millis) -> Result<u64> {
        let mut removed = 0;
        for kind in Stale::ALL {
            for _ in 0..TIDY_UNITS {
                let unit = self.store().write(Lane::Background, (kind, now), |conn, (kind, now)| {
                    Box::pin(async move { Ok::<_, Error>(kind.remove(conn, *now).await?) })
                });
                let gone = unit.await?;
                removed += gone;
                if gone < TIDY_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        let before = now.plus(-GUEST_BASKET_MS);
        let baskets = store::baskets::forgotten(&mut self.store().read().await?, before, TIDY_BASKETS).await?;
        for some in baskets.chunks(BASKETS_A_UNIT) {
            let unit = self.store().write(Lane::Background, (some.to_vec(), before), |conn, (some, before)| {
                Box::pin(async move { Ok::<_, Error>(store::baskets::drop_forgotten(conn, some, *before).await?) })
            });
            removed += unit.await?;
        }
        Ok(removed)
    }
}

/// What is removed once it is old.
#[derive(Clone, Copy, Debug)]
enum Stale {
    /// One-time codes, of a day ago.
    Codes,
    /// Counters of tries, of a day ago.
    Counters,
    /// Sessions that ran out.
    Sessions,
    /// Messages of the sandbox, of a day ago.
    Messages,
    /// Callbacks that were of no payment of ours, of a month ago.
    Callbacks,
}

impl Stale {
    const ALL: [Self; 5] = [Self::Codes, Self::Counters, Self::Sessions, Self::Messages, Self::Callbacks];

    /// Removes the oldest [`TIDY_ROWS`] of the kind; how many there were.
    async fn remove(self, conn: &mut Conn, now: Millis) -> store::Result<u64> {
        let yesterday = now.plus(-DAY_MS);
        match self {
            Self::Codes => codes::delete_codes(conn, yesterday, TIDY_ROWS).await,
            Self::Counters => codes::delete_counters(conn, yesterday, TIDY_ROWS).await,
            Self::Sessions => store::sessions::delete_expired(conn, now, TIDY_ROWS).await,
            Self::Messages => store::sandbox::delete_messages(conn, yesterday, TIDY_ROWS).await,
            Self::Callbacks => store::payments::delete_odd_callbacks(conn, now.plus(-ODD_CALLBACK_MS), TIDY_ROWS).await,
        }
    }
}

fn parse_phone(phone: &str) -> Result<Phone> {
    Phone::parse(phone).map_err(|_| UserError::new(Code::BadPhone).field("phone").into())
}

fn masked(phone: &str) -> String {
    Phone::parse(phone).map_or_else(|_| "****".to_owned(), |phone| phone.masked())
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
}
