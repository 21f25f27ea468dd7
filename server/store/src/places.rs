//! Places of offers that orders take, and the coupons that they use. All of it
//! by conditional updates, so that a limit holds under parallel orders.

use crate::conn::values;
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{CouponId, MemberId, OfferId, OrderId};
use sqlx::AssertSqlSafe;

/// What an order uses of an offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The offer.
    pub offer: OfferId,
    /// What it took off, in fen.
    pub amount: i64,
}

/// How often a member used each offer, in orders that are not called off.
pub async fn uses(conn: &mut Conn, member: &MemberId) -> Result<Vec<(OfferId, u32)>> {
    let sql = "SELECT offer_id, CAST(SUM(uses) AS BIGINT) FROM offer_use WHERE member_id = $1 AND state <> 'released' \
               GROUP BY offer_id ORDER BY offer_id LIMIT 10000";
    let rows: Vec<(String, i64)> = conn.all(sql, vals![member]).await?;
    Ok(rows.into_iter().map(|(id, n)| (OfferId::trusted(id), u32::try_from(n).unwrap_or(u32::MAX))).collect())
}

/// Takes a place of each offer for an order, within total, budget and the limit
/// per member; all of them or, as the caller then undoes its unit, none.
///
/// Answers whether every limit held. Rows are touched in the order of their key.
pub async fn take(conn: &mut Conn, member: &MemberId, order: &OrderId, uses: &[Use]) -> Result<bool> {
    if uses.is_empty() {
        return Ok(true);
    }
    let mut uses: Vec<&Use> = uses.iter().collect();
    uses.sort_by(|a, b| a.offer.cmp(&b.offer));
    // The offers' rows first: they are what parallel orders of one member wait for.
    let sql = format!(
        "WITH v (offer_id, amount) AS (VALUES {}) \
         UPDATE offer SET used = offer.used + 1, spent = offer.spent + v.amount FROM v WHERE offer.id = v.offer_id \
         AND (offer.total IS NULL OR offer.used + 1 <= offer.total) \
         AND (offer.budget IS NULL OR offer.spent + v.amount <= offer.budget)",
        values(1, uses.len(), 2)
    );
    let vals: Vec<Val<'_>> = uses.iter().flat_map(|u| [Val::from(&u.offer), Val::from(u.amount)]).collect();
    if conn.exec(AssertSqlSafe(sql), &vals).await? != uses.len() as u64 {
        return Ok(false);
    }
    let sql = format!(
        "WITH v (offer_id, amount) AS (VALUES {}) \
         INSERT INTO offer_use (member_id, offer_id, order_id, uses, amount, state) \
         SELECT $1, v.offer_id, $2, 1, v.amount, 'held' FROM v JOIN offer o ON o.id = v.offer_id \
         WHERE o.per_member IS NULL OR o.per_member > (SELECT COALESCE(SUM(u.uses), 0) FROM offer_use u \
         WHERE u.member_id = $1 AND u.offer_id = v.offer_id AND u.state <> 'released' AND u.order_id <> $2) \
         ON CONFLICT (member_id, offer_id, order_id) DO UPDATE SET state = 'held'",
        values(3, uses.len(), 2)
    );
    let mut vals = vals![member, order].to_vec();
    vals.extend(uses.iter().flat_map(|u| [Val::from(&u.offer), Val::from(u.amount)]));
    Ok(conn.exec(AssertSqlSafe(sql), &vals).await? == uses.len() as u64)
}

/// The places that an order took.
pub async fn of_order(conn: &mut Conn, order: &OrderId) -> Result<Vec<Use>> {
    let sql = "SELECT offer_id, amount FROM offer_use WHERE order_id = $1 ORDER BY offer_id LIMIT 1000";
    let rows: Vec<(String, i64)> = conn.all(sql, vals![order]).await?;
    Ok(rows.into_iter().map(|(id, amount)| Use { offer: OfferId::trusted(id), amount }).collect())
}

/// The order was paid: its places are used for good.
pub async fn keep(conn: &mut Conn, order: &OrderId) -> Result<()> {
    conn.exec("UPDATE offer_use SET state = 'used' WHERE order_id = $1 AND state = 'held'", vals![order]).await?;
    Ok(())
}

/// Gives the places of an order back, once.
pub async fn release(conn: &mut Conn, order: &OrderId) -> Result<()> {
    let sql = "UPDATE offer SET used = offer.used - u.uses, spent = offer.spent - u.amount FROM offer_use u \
               WHERE u.order_id = $1 AND u.state <> 'released' AND u.offer_id = offer.id";
    conn.exec(sql, vals![order]).await?;
    let sql = "UPDATE offer_use SET state = 'released' WHERE order_id = $1 AND state <> 'released'";
    conn.exec(sql, vals![order]).await?;
    Ok(())
}

/// A coupon in a member's hands.
#[derive(Clone, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct CouponRow {
    /// Which one.
    pub id: String,
    /// The offer that it gives.
    pub offer_id: String,
    /// `issued`, `held`, `used`.
    pub state: String,
    /// The order that holds or used it.
    pub order_id: Option<String>,
    /// When it was issued.
    pub issued_at: i64,
    /// When it runs out.
    pub expires_at: i64,
}

/// The coupons that a member can still use, those that run out first at the front.
pub async fn coupons(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<Vec<CouponRow>> {
    let sql = "SELECT id, offer_id, state, order_id, issued_at, expires_at FROM coupon \
               WHERE member_id = $1 AND state = 'issued' AND expires_at > $2 ORDER BY expires_at, id LIMIT 100";
    conn.all(sql, vals![member, now]).await
}

/// Is there a coupon offer with places left of which the member was never given one?
pub async fn any_not_issued(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<bool> {
    let sql = "SELECT 1 FROM offer o WHERE o.kind = 'coupon' AND o.starts_at <= $2 AND o.ends_at > $2 \
               AND (o.total IS NULL OR o.used < o.total) \
               AND NOT EXISTS (SELECT 1 FROM coupon c WHERE c.member_id = $1 AND c.offer_id = o.id) LIMIT 1";
    let row: Option<(i32,)> = conn.opt(sql, vals![member, now]).await?;
    Ok(row.is_some())
}

/// Holds a coupon for an order; false if it is used, held or has run out.
pub async fn hold_coupon(
    conn: &mut Conn,
    member: &MemberId,
    coupon: &CouponId,
    order: &OrderId,
    now: Millis,
) -> Result<bool> {
    let sql = "UPDATE coupon SET state = 'held', order_id = $3 \
               WHERE member_id = $1 AND id = $2 AND state = 'issued' AND expires_at > $4";
    Ok(conn.exec(sql, vals![member, coupon, order, now]).await? == 1)
}

/// The order was paid: its coupon is used.
pub async fn use_coupon(conn: &mut Conn, member: &MemberId, coupon: &CouponId, order: &OrderId) -> Result<()> {
    let sql = "UPDATE coupon SET state = 'used' WHERE member_id = $1 AND id = $2 AND order_id = $3 AND state = 'held'";
    conn.exec(sql, vals![member, coupon, order]).await?;
    Ok(())
}

/// Gives a coupon of an order back. One that ran out meanwhile is issued again
/// up to `again_until`, if that is given; else it stays run out.
pub async fn return_coupon(
    conn: &mut Conn,
    member: &MemberId,
    coupon: &CouponId,
    order: &OrderId,
    now: Millis,
    again_until: Option<Millis>,
) -> Result<bool> {
    let sql = "UPDATE coupon SET state = 'issued', order_id = NULL, \
               expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE COALESCE($5, expires_at) END \
               WHERE member_id = $1 AND id = $2 AND order_id = $3 AND state IN ('held', 'used')";
    Ok(conn.exec(sql, vals![member, coupon, order, now, again_until]).await? == 1)
}
