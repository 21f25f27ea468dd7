//! Places of offers that orders take, and the coupons that they use. All of it
//! by conditional updates, so that a limit holds under parallel orders.

use crate::conn::{each_of, each_one};
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{CouponId, MemberId, OfferId, OrderId};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// What an order uses of an offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The offer.
    pub offer: OfferId,
    /// What it took off, in fen.
    pub amount: i64,
}

/// How often members used each offer, in orders that are not called off.
pub async fn uses(conn: &mut Conn, members: &[&MemberId]) -> Result<Vec<(MemberId, OfferId, u32)>> {
    let sql = format!(
        "SELECT member_id, offer_id, CAST(SUM(uses) AS BIGINT) FROM offer_use WHERE member_id {} \
         AND state <> 'released' GROUP BY member_id, offer_id",
        each_one(1, members.len())
    );
    let vals: Vec<Val<'_>> = members.iter().map(|member| Val::from(*member)).collect();
    let rows: Vec<(String, String, i64)> = conn.all(AssertSqlSafe(sql), &vals).await?;
    let use_of =
        |(member, offer, n)| (MemberId::trusted(member), OfferId::trusted(offer), u32::try_from(n).unwrap_or(u32::MAX));
    Ok(rows.into_iter().map(use_of).collect())
}

/// Takes a place of each offer for each order, given as (member, order, use),
/// within total, budget and the limit per member; all of them or, as the caller
/// then undoes its unit, none. No member stands there with two orders.
///
/// Answers whether every limit held. Rows are touched in the order of their key.
pub async fn take(conn: &mut Conn, uses: &[(&MemberId, &OrderId, Use)]) -> Result<bool> {
    if uses.is_empty() {
        return Ok(true);
    }
    let mut sums: BTreeMap<&OfferId, (i64, i64)> = BTreeMap::new();
    for (_, _, Use { offer, amount }) in uses {
        let sum = sums.entry(offer).or_default();
        *sum = (sum.0 + 1, sum.1 + amount);
    }
    // The offers' rows first: they are what parallel orders wait for.
    let sql = format!(
        "WITH v (offer_id, uses, amount) AS ({}) \
         UPDATE offer SET used = offer.used + v.uses, spent = offer.spent + v.amount FROM v WHERE offer.id = v.offer_id \
         AND (offer.total IS NULL OR offer.used + v.uses <= offer.total) \
         AND (offer.budget IS NULL OR offer.spent + v.amount <= offer.budget)",
        each_of(1, sums.len(), 3)
    );
    let vals = sums.iter().flat_map(|(offer, (n, amount))| [Val::from(*offer), Val::from(*n), Val::from(*amount)]);
    let vals: Vec<Val<'_>> = vals.collect();
    if conn.exec(AssertSqlSafe(sql), &vals).await? != sums.len() as u64 {
        return Ok(false);
    }
    let sql = format!(
        "WITH v (member_id, offer_id, order_id, amount) AS ({}) \
         INSERT INTO offer_use (member_id, offer_id, order_id, uses, amount, state) \
         SELECT v.member_id, v.offer_id, v.order_id, 1, v.amount, 'held' FROM v CROSS JOIN offer o \
         WHERE o.id = v.offer_id AND (o.per_member IS NULL OR o.per_member > \
         (SELECT COALESCE(SUM(u.uses), 0) FROM offer_use u WHERE u.member_id = v.member_id \
         AND u.offer_id = v.offer_id AND u.state <> 'released' AND u.order_id <> v.order_id)) \
         ON CONFLICT (member_id, offer_id, order_id) DO UPDATE SET state = 'held'",
        each_of(1, uses.len(), 4)
    );
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(uses.len() * 4);
    for (member, order, Use { offer, amount }) in uses {
        vals.extend_from_slice(vals![*member, offer, *order, *amount]);
    }
    Ok(conn.exec(AssertSqlSafe(sql), &vals).await? == uses.len() as u64)
}

/// The places that an order took.
pub async fn of_order(conn: &mut Conn, order: &OrderId) -> Result<Vec<Use>> {
    let sql = "SELECT offer_id, amount FROM offer_use WHERE order_id = $1 ORDER BY offer_id LIMIT 1000";
    let rows: Vec<(String, i64)> = conn.all(sql, vals![order]).await?;
    Ok(rows.into_iter().map(|(id, amount)| Use { offer: OfferId::trusted(id), amount }).collect())
}

/// The orders were paid: their places are used for good.
pub async fn keep(conn: &mut Conn, orders: &[&str]) -> Result<()> {
    let sql =
        format!("UPDATE offer_use SET state = 'used' WHERE order_id {} AND state = 'held'", each_one(1, orders.len()));
    let vals: Vec<Val<'_>> = orders.iter().map(|order| Val::from(*order)).collect();
    conn.exec(AssertSqlSafe(sql), &vals).await?;
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
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
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

/// The coupons that members can still use, a hundred of each at most, those
/// that run out first at the front.
pub async fn coupons(conn: &mut Conn, members: &[&MemberId], now: Millis) -> Result<Vec<(MemberId, CouponRow)>> {
    #[derive(crate::record::Record)]
    struct Row {
        member_id: String,
        #[record(flatten)]
        coupon: CouponRow,
    }
    let sql = format!(
        "SELECT member_id, id, offer_id, state, order_id, issued_at, expires_at FROM (SELECT c.*, ROW_NUMBER() OVER \
         (PARTITION BY member_id ORDER BY expires_at, id) AS no FROM coupon c WHERE member_id {} \
         AND state = 'issued' AND expires_at > $1) AS ranked WHERE no <= 100 ORDER BY member_id, expires_at, id",
        each_one(2, members.len())
    );
    let mut vals = vals![now].to_vec();
    vals.extend(members.iter().map(|member| Val::from(*member)));
    let rows: Vec<Row> = conn.all(AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|row| (MemberId::trusted(row.member_id), row.coupon)).collect())
}

/// Is there a coupon offer with places left of which the member was never given one?
pub async fn any_not_issued(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<bool> {
    let sql = "SELECT 1 FROM offer o WHERE o.kind = 'coupon' AND o.starts_at <= $2 AND o.ends_at > $2 \
               AND (o.total IS NULL OR o.used < o.total) \
               AND NOT EXISTS (SELECT 1 FROM coupon c WHERE c.member_id = $1 AND c.offer_id = o.id) LIMIT 1";
    let row: Option<(i32,)> = conn.opt(sql, vals![member, now]).await?;
    Ok(row.is_some())
}

/// Holds coupons for orders, given as (member, coupon, order); false if one of
/// them is used, held or has run out.
pub async fn hold_coupons(conn: &mut Conn, holds: &[(&MemberId, &CouponId, &OrderId)], now: Millis) -> Result<bool> {
    if holds.is_empty() {
        return Ok(true);
    }
    let sql = format!(
        "WITH v (of_member, of_id, for_order) AS ({}) UPDATE coupon SET state = 'held', order_id = v.for_order \
         FROM v WHERE member_id = v.of_member AND id = v.of_id AND state = 'issued' AND expires_at > $1",
        each_of(2, holds.len(), 3)
    );
    let mut vals = vals![now].to_vec();
    for (member, coupon, order) in holds {
        vals.extend_from_slice(vals![*member, *coupon, *order]);
    }
    Ok(conn.exec(AssertSqlSafe(sql), &vals).await? == holds.len() as u64)
}

/// Orders were paid: their coupons, given as (member, coupon, order), are used.
pub async fn use_coupons(conn: &mut Conn, used: &[(&str, &str, &str)]) -> Result<()> {
    if used.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "WITH v (of_member, of_id, for_order) AS ({}) UPDATE coupon SET state = 'used' FROM v \
         WHERE member_id = v.of_member AND id = v.of_id AND order_id = v.for_order AND state = 'held'",
        each_of(1, used.len(), 3)
    );
    let vals: Vec<Val<'_>> = used.iter().flat_map(|(m, c, o)| [Val::from(*m), Val::from(*c), Val::from(*o)]).collect();
    conn.exec(AssertSqlSafe(sql), &vals).await?;
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
