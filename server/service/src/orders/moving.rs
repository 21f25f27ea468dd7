//! The one way in which an order moves from state to state, with what that does
//! to the goods, slots, offers and coupons that it holds.

use super::state_of;
use crate::{Error, Result};
use domain::ids::{CouponId, PoolId, SlotId};
use domain::order::{Actor, Event, State, StockEffect, stock_effect, transition};
use domain::stock::Kind;
use domain::{Base, Code, Millis, Packs, refund};
use store::orders::{self, OrderLineRow, OrderRow};
use store::{Conn, places, slots};

/// Moves a locked order by an event, by the one table of transitions. What that
/// does to the goods it holds is done here, too, and nowhere else.
///
/// # Errors
/// `order_state` if the event does not fit.
pub(crate) async fn move_in_tx(
    conn: &mut Conn,
    order: &OrderRow,
    event: Event,
    actor: Actor,
    now: Millis,
) -> Result<State> {
    let from = state_of(order)?;
    let to = transition(from, event, actor).map_err(|_| Error::from(Code::OrderState))?;
    if !orders::set_state(conn, &order.store(), &order.order(), from, to).await? {
        return Err(Code::OrderState.into());
    }
    match stock_effect(from, to) {
        StockEffect::None => {}
        StockEffect::Release => release_in_tx(conn, order, from, event, actor, now).await?,
        StockEffect::TakeAgain => take_again_in_tx(conn, order, now).await?,
    }
    conn.touch_order(&order.member(), &order.order(), &order.code);
    Ok(to)
}

/// Units that the order still holds, by pool.
fn held(lines: &[OrderLineRow]) -> Vec<(PoolId, Base)> {
    let open = |line: &OrderLineRow| Packs(line.qty - line.short_qty).base(Base(line.pack_size));
    lines.iter().map(|line| (PoolId::trusted(line.pool_id.as_str()), open(line))).collect()
}

/// Gives back what an order held: units, its place in the slot, places of
/// offers, coupon. The caller has moved the order's state, so it happens once.
async fn release_in_tx(
    conn: &mut Conn,
    order: &OrderRow,
    from: State,
    event: Event,
    actor: Actor,
    now: Millis,
) -> Result<()> {
    let (store, id) = (order.store(), order.order());
    let lines = orders::lines(conn, &store, &id).await?;
    store::stock::settle(conn, &store, Kind::Release, &id, event.as_str(), &held(&lines), now).await?;
    slots::give(conn, &store, &SlotId::trusted(order.slot_id.as_str())).await?;
    places::release(conn, &id).await?;
    if let Some(coupon) = &order.coupon_id {
        // Paid for and then not delivered by the shop: a coupon that ran out meanwhile is issued
        // again. Who calls an order off gets it back as it is, else it would never run out.
        let again = from.is_paid() && actor != Actor::Member;
        let again = again.then(|| refund::coupon_expires(Millis(i64::MIN), now));
        places::return_coupon(conn, &order.member(), &CouponId::trusted(coupon.as_str()), &id, now, again).await?;
    }
    Ok(())
}

/// Takes units, slot, offers and coupon again for an order that was paid late.
///
/// # Errors
/// `sold_out`, `slot_full` or `coupon_unusable` if any of it went to another meanwhile.
async fn take_again_in_tx(conn: &mut Conn, order: &OrderRow, now: Millis) -> Result<()> {
    let (store, id, member) = (order.store(), order.order(), order.member());
    let lines = orders::lines(conn, &store, &id).await?;
    if store::stock::reserve(conn, &store, &id, "late", &held(&lines), now).await?.is_err() {
        return Err(Code::SoldOut.into());
    }
    let slot = SlotId::trusted(order.slot_id.as_str());
    if slots::take(conn, &store, &slot, &order.kind, now).await?.is_none() {
        return Err(Code::SlotFull.into());
    }
    let uses = places::of_order(conn, &id).await?;
    let uses: Vec<_> = uses.into_iter().map(|taken| (&member, &id, taken)).collect();
    if !places::take(conn, &uses).await? {
        return Err(Code::CouponUnusable.into());
    }
    if let Some(coupon) = order.coupon_id.as_deref().map(CouponId::trusted)
        && !places::hold_coupons(conn, &[(&member, &coupon, &id)], now).await?
    {
        return Err(Code::CouponUnusable.into());
    }
    Ok(())
}
