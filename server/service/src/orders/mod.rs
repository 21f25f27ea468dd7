//! Orders after they are placed: what members cancel and change. What they see
//! is in [`view`]; a change of state, and what it gives back, in [`moving`].

mod moving;
mod view;

pub(crate) use moving::move_in_tx;
pub use view::PAGE;

use crate::basket::MAX_LINES;
use crate::payments::{close_payments_in_tx, refund_everything_in_tx};
use crate::{Error, Result, Shop, Visit};
use domain::ids::{BasketId, MemberId, OrderId, SkuId, StoreId};
use domain::order::{Actor, Event, State};
use domain::{Code, Fen, Millis, Packs, code};
use serde::{Deserialize, Serialize};
use store::orders::{self, OrderRow};
use store::{Conn, Lane, UnitError, baskets};

/// Holds that are ended before it is asked again which ran out.
const HOLDS_AT_ONCE: usize = 500;
/// After so many in a row that could not be ended since the connection was lost, none can be.
const HOLDS_LOST: usize = 3;

/// A step of the price as it was when the order was placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FrozenStep {
    pub step: String,
    pub offer: String,
    pub zh: String,
    pub en: String,
    pub amount: Fen,
}

/// The calculation of a refund for one line, as kept with the refund.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FrozenRefundLine {
    /// Line number from 1.
    pub no: i64,
    pub qty: Packs,
    pub gross: Fen,
    pub shares: Fen,
    pub amount: Fen,
}

/// An entry for the timeline.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    kind: &'static str,
    actor: &'static str,
    detail: Vec<(&'static str, String)>,
}

impl NewEvent {
    pub(crate) fn of(kind: &'static str, actor: &'static str) -> Self {
        Self { kind, actor, detail: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &dyn ToString) -> Self {
        self.detail.push((name, value.to_string()));
        self
    }
}

pub(crate) async fn add_event(conn: &mut Conn, order: &OrderRow, at: Millis, event: NewEvent) -> Result<()> {
    add_events(conn, vec![(order, at, event)]).await
}

/// Adds entries to the timelines of orders, one to each.
pub(crate) async fn add_events(conn: &mut Conn, events: Vec<(&OrderRow, Millis, NewEvent)>) -> Result<()> {
    let rows = events.into_iter().map(|(order, at, event)| {
        let detail = serde_json::to_string(&event.detail)?;
        let (store, order) = (order.store_id.as_str(), order.id.as_str());
        Ok(orders::NewEventRow { store, order, at, kind: event.kind, actor: event.actor, detail })
    });
    Ok(orders::add_events(conn, &rows.collect::<Result<Vec<_>>>()?).await?)
}

/// The state of an order's row.
pub(crate) fn state_of(order: &OrderRow) -> Result<State> {
    order.state.parse().map_err(|_| Error::Internal(format!("order {} in state {}", order.id, order.state)))
}

impl Shop {
    /// The member's order of this code.
    pub(crate) async fn own_order(&self, visit: &Visit, text: &str) -> Result<OrderRow> {
        let member = visit.member()?;
        let code = code::parse_order_code(text).map_err(|_| Error::from(Code::NotFound))?;
        let order = orders::by_code(&mut self.store().read().await?, &code).await?;
        order.filter(|order| order.member_id == member.as_str()).ok_or_else(|| Code::NotFound.into())
    }

    /// The member calls an order off: before picking begins. What was paid goes
    /// back with the delivery fee, and all that it held is given back. A second
    /// time it changes nothing.
    ///
    /// # Errors
    /// `order_state` if it has moved on.
    pub async fn cancel(&self, visit: &Visit, code: &str) -> Result<()> {
        let order = self.own_order(visit, code).await?;
        self.cancel_order(&order, Actor::Member, visit.now).await
    }

    /// Staff call an order off.
    ///
    /// # Errors
    /// `not_found`, `order_state`.
    pub async fn cancel_by_staff(&self, code: &str, now: Millis) -> Result<()> {
        let order = orders::by_code(&mut self.store().read().await?, code).await?.ok_or(Error::from(Code::NotFound))?;
        self.cancel_order(&order, Actor::Staff, now).await
    }

    async fn cancel_order(&self, order: &OrderRow, actor: Actor, now: Millis) -> Result<()> {
        let input = (order.store(), order.order(), actor, now);
        let lane = Lane::Store(&order.store_id);
        self.store()
            .write(lane, input, |conn, (store, id, actor, now)| {
                Box::pin(async move {
                    let order = orders::lock(conn, store, id).await?.ok_or(Error::from(Code::NotFound))?;
                    if state_of(&order)? == State::Cancelled {
                        return Ok(());
                    }
                    move_in_tx(conn, &order, Event::Cancel, *actor, *now).await?;
                    add_event(conn, &order, *now, NewEvent::of("cancelled", actor.as_str())).await?;
                    close_payments_in_tx(conn, &order, *now).await?;
                    refund_everything_in_tx(conn, &order, "cancelled", *now).await
                })
            })
            .await
    }

    /// Puts what can be had of an order into the basket again.
    ///
    /// # Errors
    /// `not_found`; `sold_out` if nothing of it can be had.
    pub async fn buy_again(&self, visit: &Visit, code: &str) -> Result<()> {
        let order = self.own_order(visit, code).await?;
        let input = (visit.clone(), order);
        self.store()
            .write(Lane::Member(visit.basket.as_str()), input, |conn, (visit, order)| {
                Box::pin(buy_again_in_tx(conn, visit, order))
            })
            .await
    }

    /// Changes what shall happen if a line is missing, until picking begins.
    ///
    /// # Errors
    /// `order_state`, `not_found`, `invalid`, `too_many_substitutes`, `substitute_not_allowed`.
    pub async fn set_line_choice(
        &self,
        visit: &Visit,
        code: &str,
        no: u32,
        choice: &str,
        chosen: Vec<SkuId>,
    ) -> Result<()> {
        let order = self.own_order(visit, code).await?;
        let lines = orders::lines(&mut self.store().read().await?, &order.store(), &order.order()).await?;
        let line = lines.iter().find(|line| line.line_no == i64::from(no)).ok_or(Error::from(Code::NotFound))?;
        let at_store = Visit { store: order.store(), ..visit.clone() };
        let sku = SkuId::trusted(line.sku_id.as_str());
        let (choice, chosen) = self.substitution(&at_store, &sku, choice, &chosen).await?;
        let input = (order.store(), order.order(), i64::from(no), choice, chosen, visit.now);
        self.store()
            .write(Lane::Store(&order.store_id), input, |conn, (store, id, no, choice, chosen, now)| {
                Box::pin(async move {
                    let order = orders::lock(conn, store, id).await?.ok_or(Error::from(Code::NotFound))?;
                    if !state_of(&order)?.substitution_changeable() {
                        return Err(Code::OrderState.into());
                    }
                    if !orders::set_choice(conn, store, id, *no, choice, chosen).await? {
                        return Err(Code::NotFound.into());
                    }
                    orders::bump(conn, store, id).await?;
                    add_event(conn, &order, *now, NewEvent::of("choice", "member").with("no", no)).await?;
                    conn.touch_order(&order.member(), id, &order.code);
                    Ok(())
                })
            })
            .await
    }

    /// The version of a member's order, for the live stream; `None` if it is not theirs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn order_version(&self, member: &MemberId, code: &str) -> Result<Option<i64>> {
        let Ok(code) = code::parse_order_code(code) else { return Ok(None) };
        Ok(orders::version(&mut self.store().read().await?, member, &code).await?)
    }

    /// Version and state of a member's order, for the live stream; `None` if it is not theirs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn order_state(&self, member: &MemberId, code: &str) -> Result<Option<(i64, State)>> {
        let Ok(code) = code::parse_order_code(code) else { return Ok(None) };
        let order = orders::by_code(&mut self.store().read().await?, &code).await?;
        let own = order.filter(|order| order.member_id == member.as_str());
        own.map(|order| Ok((order.version, state_of(&order)?))).transpose()
    }

    /// Ends the holds of orders that were not paid in time and gives back what
    /// they held, each once. How many. One that cannot be ended now (its store's
    /// lane is full, say) does not keep the others from it: after those that are
    /// stuck it goes on with the next ones.
    ///
    /// # Errors
    /// Those of the database, if it cannot be reached.
    pub async fn expire_holds(&self, now: Millis) -> Result<usize> {
        let (mut expired, mut stuck, mut lost) = (0, 0, 0);
        loop {
            let due = orders::due_holds(&mut self.store().read().await?, now, stuck, HOLDS_AT_ONCE).await?;
            let (before, read) = (stuck, due.len());
            for (store, order) in due {
                match self.expire_hold(store, order.clone(), now).await {
                    Ok(moved) => {
                        expired += usize::from(moved);
                        lost = 0;
                    }
                    Err(error) => {
                        lost = if error.is_connection_lost() { lost + 1 } else { 0 };
                        if lost > HOLDS_LOST {
                            return Err(error);
                        }
                        tracing::error!(%error, %order, "a hold that ran out could not be ended");
                        stuck += 1;
                    }
                }
            }
            if stuck == before || read < HOLDS_AT_ONCE {
                return Ok(expired);
            }
        }
    }

    async fn expire_hold(&self, store: StoreId, order: OrderId, now: Millis) -> Result<bool> {
        let lane = store.clone();
        let work = self.store().write(Lane::Store(lane.as_str()), (store, order, now), |conn, (store, id, now)| {
            Box::pin(async move {
                let Some(order) = orders::lock(conn, store, id).await? else { return Ok(false) };
                let due = order.hold_until.is_some_and(|until| until <= now.0);
                if !due || state_of(&order)? != State::PendingPayment {
                    return Ok(false);
                }
                move_in_tx(conn, &order, Event::HoldRanOut, Actor::System, *now).await?;
                add_event(conn, &order, *now, NewEvent::of("hold_expired", "system")).await?;
                close_payments_in_tx(conn, &order, *now).await?;
                Ok::<bool, Error>(true)
            })
        });
        work.await
    }
}

async fn buy_again_in_tx(conn: &mut Conn, visit: &Visit, order: &OrderRow) -> Result<()> {
    let lines = orders::lines(conn, &order.store(), &order.order()).await?;
    let basket: &BasketId = &visit.basket;
    baskets::lock(conn, basket, visit.now).await?;
    let mut there = baskets::plain_lines(conn, basket).await?;
    let skus: Vec<SkuId> = lines.iter().map(|line| SkuId::trusted(line.sku_id.as_str())).collect();
    let goods = baskets::goods_of(conn, &skus, &visit.store).await?;
    let mut changed = Vec::new();
    for line in &lines {
        let left = goods.iter().find(|g| g.sku_id == line.sku_id).map_or(0, |g| crate::quote::left(g, visit.now).0);
        let had = there.iter().position(|have| have.sku_id == line.sku_id);
        let most = left.min(Packs::MAX_IN_BASKET.0);
        let base = had.map_or(0, |at| there[at].qty);
        let want = (base + line.qty).min(most);
        if want <= base || (had.is_none() && there.len() >= MAX_LINES) {
            continue;
        }
        let mut new = had.map(|at| there[at].clone()).unwrap_or_default();
        if had.is_none() {
            new.sku_id.clone_from(&line.sku_id);
            new.choice.clone_from(&line.choice);
            new.chosen.clone_from(&line.chosen);
            new.added_at = visit.now.0;
            there.push(new.clone());
        }
        new.qty = want;
        changed.push(new);
    }
    if changed.is_empty() && !lines.iter().any(|line| there.iter().any(|have| have.sku_id == line.sku_id)) {
        return Err(Code::SoldOut.into());
    }
    baskets::put_lines(conn, basket, &changed).await?;
    Ok(baskets::touch(conn, basket, "", visit.now).await?)
}
