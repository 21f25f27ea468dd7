//! Offers that run, and the coupons of a member's first sign-in.

use crate::{Result, Shop};
use domain::Millis;
use domain::ids::{MemberId, StoreId};
use domain::pricing::Offer;
use std::sync::Arc;
use store::Conn;

impl Shop {
    /// Offers that run in a store now, in the order in which they are tried. Kept
    /// in memory; how often each is used is decided in the database alone.
    pub async fn offers_now(&self, store: &StoreId, now: Millis) -> Result<Arc<Vec<Offer>>> {
        let snapshot = self.snapshot().await?;
        Ok(Arc::new(snapshot.running(store, now).map(|record| record.offer.clone()).collect()))
    }
}

/// Gives a member, at the first sign-in, one coupon of each running coupon
/// offer. Issued once: a second call gives nothing. Answers how many were new.
///
/// # Errors
/// The database's.
pub async fn issue_welcome_coupons_in_tx(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<u64> {
    Ok(store::offers::issue_welcome_coupons(conn, member, now).await?)
}
