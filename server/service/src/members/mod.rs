//! Members: their page and what they set for themselves. Signing in is in
//! [`sign_in`], addresses in [`addresses`], staff accounts, tokens and
//! memberships in [`staff`].
//!
//! A phone is shown masked, and a look at it by staff is logged.

mod addresses;
mod sign_in;
mod staff;

pub use addresses::distance_m;

use crate::{Error, Result, Shop, Visit};
use aws_lc_rs::digest;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::phone::Phone;
use domain::time::DAY_MS;
use domain::view::MemberView;
use domain::{Code, Millis, UserError};
use std::collections::BTreeSet;
use store::members;
use store::{Conn, Lane};

/// Brands that a member can rule out.
const NEVER_BRANDS: usize = 50;

/// Is it an idempotency key: 8 to 64 letters, digits or hyphens?
pub(crate) fn is_key(key: &str) -> bool {
    (8..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

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
                    let messages = store::sandbox::delete_messages(conn, now.plus(-DAY_MS)).await?;
                    Ok::<_, Error>(stale + sessions + messages)
                })
            })
            .await
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
