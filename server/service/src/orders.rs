//! Orders after they are placed: what members see, cancel and change, and what
//! gives back what an order held.

use crate::basket::MAX_LINES;
use crate::checkout::FrozenAddress;
use crate::payments::{close_payments_in_tx, refund_everything_in_tx};
use crate::{Error, Result, Shop, Visit};
use crate::{calendar, local};
use domain::ids::{BasketId, CouponId, MemberId, PoolId, SkuId, SlotId};
use domain::order::{Actor, Event, State, StockEffect, stock_effect, transition};
use domain::view::{Lang, OrderCard, OrderLineView, OrderView, RefundLineView, RefundView, StepLine, TimelineEntry};
use domain::{Base, Code, Fen, Millis, Packs, code, refund};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use store::orders::{self, OrderLineRow, OrderRow, ShareRow};
use store::payments::RefundRow;
use store::slots::StoreTerms;
use store::{Conn, Lane, baskets, payments, places, slots};

/// Orders on a page of the list.
pub const PAGE: i64 = 20;

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
    let detail = serde_json::to_string(&event.detail)?;
    let parts = (event.kind, event.actor, detail.as_str());
    Ok(orders::add_event(conn, &order.store(), &order.order(), at, parts).await?)
}

/// The state of an order's row.
pub(crate) fn state_of(order: &OrderRow) -> Result<State> {
    order.state.parse().map_err(|_| Error::Internal(format!("order {} in state {}", order.id, order.state)))
}

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
        StockEffect::Release => release_in_tx(conn, order, from, event, now).await?,
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
async fn release_in_tx(conn: &mut Conn, order: &OrderRow, from: State, event: Event, now: Millis) -> Result<()> {
    let (store, id) = (order.store(), order.order());
    let lines = orders::lines(conn, &store, &id).await?;
    store::stock::release(conn, &store, &id, event.as_str(), &held(&lines), now).await?;
    slots::give(conn, &store, &SlotId::trusted(order.slot_id.as_str())).await?;
    places::release(conn, &id).await?;
    if let Some(coupon) = &order.coupon_id {
        // Paid for and then called off: a coupon that ran out meanwhile is issued again.
        let again = from.is_paid().then(|| refund::coupon_expires(Millis(i64::MIN), now));
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
    if !places::take(conn, &member, &id, &uses).await? {
        return Err(Code::CouponUnusable.into());
    }
    if let Some(coupon) = &order.coupon_id
        && !places::hold_coupon(conn, &member, &CouponId::trusted(coupon.as_str()), &id, now).await?
    {
        return Err(Code::CouponUnusable.into());
    }
    Ok(())
}

impl Shop {
    /// The member's orders, newest first: `all`, `unpaid`, `open` or `done`; pages from 1.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn orders(&self, visit: &Visit, filter: &str, page: u32) -> Result<Vec<OrderCard>> {
        let member = visit.member()?;
        let wanted = |state: &State| match filter {
            "unpaid" => *state == State::PendingPayment,
            "open" => state.is_open() && *state != State::PendingPayment,
            "done" => !state.is_open(),
            _ => true,
        };
        let states: Vec<State> = State::ALL.iter().copied().filter(wanted).collect();
        let offset = i64::from(page.clamp(1, 10_000) - 1) * PAGE;
        let mut conn = self.store().read().await?;
        let rows = orders::of_member(&mut conn, member, &states, PAGE, offset).await?;
        let lines = orders::lines_of(&mut conn, &rows).await?;
        let stores: HashSet<&str> = rows.iter().map(|row| row.store_id.as_str()).collect();
        let mut terms = HashMap::new();
        for store in stores {
            let id = domain::ids::StoreId::trusted(store);
            terms.insert(store, slots::store_terms(&mut conn, &id).await?.unwrap_or_default());
        }
        rows.iter()
            .map(|row| {
                let of = || lines.iter().filter(|line| line.order_id == row.id);
                let store = &terms[row.store_id.as_str()];
                Ok(OrderCard {
                    code: row.code.clone(),
                    state: state_of(row)?,
                    placed: Millis(row.placed_at),
                    placed_text: local::day_and_time(Millis(row.placed_at), &calendar::zone(&store.zone), visit.lang),
                    total: Fen(row.total),
                    pictures: of().take(4).map(|line| line.picture.clone()).collect(),
                    names: of().take(4).map(|line| visit.lang.pick(&line.name_zh, &line.name_en).to_owned()).collect(),
                    count: of().map(|line| Packs(line.qty)).sum(),
                    store: visit.lang.pick(&store.name_zh, &store.name_en).to_owned(),
                })
            })
            .collect()
    }

    /// An order's page.
    ///
    /// # Errors
    /// `sign_in_first`; `not_found` for an order that is not the member's.
    pub async fn order(&self, visit: &Visit, code: &str) -> Result<OrderView> {
        let order = self.own_order(visit, code).await?;
        let (store, id) = (order.store(), order.order());
        let mut conn = self.store().read().await?;
        let parts = Parts {
            lines: orders::lines(&mut conn, &store, &id).await?,
            shares: orders::shares(&mut conn, &store, &id).await?,
            refunds: payments::refunds_of(&mut conn, &store, &id).await?,
            store: slots::store_terms(&mut conn, &store).await?.unwrap_or_default(),
            steps: serde_json::from_str(&order.steps)?,
            state: state_of(&order)?,
            names: HashMap::new(),
        };
        let chosen: HashSet<SkuId> = parts.lines.iter().flat_map(|line| chosen_of(&line.chosen)).collect();
        let chosen: Vec<SkuId> = chosen.into_iter().collect();
        let names = baskets::sku_names(&mut conn, &chosen, visit.lang).await?;
        let events = orders::events(&mut conn, &store, &id).await?;
        drop(conn);
        let parts = Parts { names: names.into_iter().collect(), ..parts };
        let zone = calendar::zone(&parts.store.zone);
        let timeline = events.iter().map(|event| timeline_entry(event, &zone, visit.lang)).collect();
        Ok(order_view(&order, &parts, timeline, &zone, visit))
    }

    /// The member's order of this code.
    pub(crate) async fn own_order(&self, visit: &Visit, text: &str) -> Result<OrderRow> {
        let member = visit.member()?;
        let code = code::parse_order_code(text).map_err(|_| Error::from(Code::NotFound))?;
        let order = orders::by_code(&mut self.store().read().await?, &code).await?;
        order.filter(|order| order.member_id == member.as_str()).ok_or_else(|| Code::NotFound.into())
    }

    /// The member calls an order off: before picking begins. What was paid goes
    /// back with the delivery fee, and all that it held is given back.
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
    /// they held, each once. How many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn expire_holds(&self, now: Millis) -> Result<usize> {
        let due = orders::due_holds(&mut self.store().read().await?, now, 500).await?;
        let mut expired = 0;
        for (store, order) in due {
            let input = (store.clone(), order, now);
            let moved = self
                .store()
                .write(Lane::Store(store.as_str()), input, |conn, (store, id, now)| {
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
                })
                .await?;
            expired += usize::from(moved);
        }
        Ok(expired)
    }
}

async fn buy_again_in_tx(conn: &mut Conn, visit: &Visit, order: &OrderRow) -> Result<()> {
    let lines = orders::lines(conn, &order.store(), &order.order()).await?;
    let basket: &BasketId = &visit.basket;
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

fn chosen_of(json: &str) -> Vec<SkuId> {
    serde_json::from_str(json).unwrap_or_default()
}

/// What an order's page is made of.
struct Parts {
    lines: Vec<OrderLineRow>,
    shares: Vec<ShareRow>,
    refunds: Vec<RefundRow>,
    store: StoreTerms,
    steps: Vec<FrozenStep>,
    state: State,
    /// Names of chosen substitutes.
    names: HashMap<String, String>,
}

fn order_view(
    order: &OrderRow,
    parts: &Parts,
    timeline: Vec<TimelineEntry>,
    zone: &TimeZone,
    visit: &Visit,
) -> OrderView {
    let lang = visit.lang;
    let slot_start = Millis(order.slot_starts_at);
    let day = local::month_and_day(calendar::local(zone, slot_start).date(), lang);
    let left_ms = order.hold_until.map(|until| Millis(until).since(visit.now).max(0));
    let unpaid = parts.state == State::PendingPayment;
    OrderView {
        id: order.order(),
        code: order.code.clone(),
        state: parts.state,
        version: order.version,
        kind: order.kind.clone(),
        store_name: lang.pick(&parts.store.name_zh, &parts.store.name_en).to_owned(),
        store_address: lang.pick(&parts.store.address_zh, &parts.store.address_en).to_owned(),
        store_phone: parts.store.phone.clone(),
        address: address_text(&order.address),
        slot: format!("{day} {}", local::hours(slot_start, Millis(order.slot_ends_at), zone)),
        note: order.note.clone(),
        placed_text: local::day_and_time(Millis(order.placed_at), zone, lang),
        hold_until: order.hold_until.map(Millis).filter(|_| unpaid),
        hold_left_s: left_ms.map(|ms| ms / 1_000).filter(|_| unpaid),
        lines: parts.lines.iter().map(|line| line_view(line, parts, lang)).collect(),
        goods: Fen(order.goods),
        steps: parts.steps.iter().map(|step| step_line(step, step.amount, lang)).collect(),
        delivery: Fen(order.delivery_fee),
        total: Fen(order.total),
        refunded: Fen(order.refunded),
        timeline,
        refunds: parts.refunds.iter().map(|refund| refund_view(refund, parts, zone, lang)).collect(),
        pickup_code: Some(order.pickup_code.clone()).filter(|code| !code.is_empty() && parts.state.is_paid()),
        can_cancel: parts.state.can_cancel(Actor::Member),
        can_pay: parts.state.can_pay() && left_ms.is_some_and(|ms| ms > 0),
    }
}

fn step_line(step: &FrozenStep, amount: Fen, lang: Lang) -> StepLine {
    StepLine { step: step.step.clone(), name: lang.pick(&step.zh, &step.en).to_owned(), amount }
}

/// Recipient, masked phone and address in one line; empty for pick-up.
fn address_text(json: &str) -> String {
    let Ok(address) = serde_json::from_str::<FrozenAddress>(json) else { return String::new() };
    let FrozenAddress { name, phone, area, detail, .. } = address;
    let phone = domain::phone::Phone::parse(&phone).map_or_else(|_| "****".to_owned(), |phone| phone.masked());
    format!("{name} {phone} {area} {detail}")
}

fn line_view(line: &OrderLineRow, parts: &Parts, lang: Lang) -> OrderLineView {
    let step_of = |share: &ShareRow| {
        let named = parts.steps.iter().find(|step| step.step == share.step && step.offer == share.offer_id);
        match named {
            Some(step) => step_line(step, Fen(share.amount), lang),
            None => StepLine { step: share.step.clone(), name: String::new(), amount: Fen(share.amount) },
        }
    };
    OrderLineView {
        no: u32::try_from(line.line_no).unwrap_or_default(),
        sku: SkuId::trusted(line.sku_id.as_str()),
        sku_code: line.sku_code.clone(),
        name: lang.pick(&line.name_zh, &line.name_en).to_owned(),
        picture: line.picture.clone(),
        qty: Packs(line.qty),
        short: Packs(line.short_qty),
        unit_price: Fen(line.unit_price),
        gross: Fen(line.gross),
        shares: parts.shares.iter().filter(|share| share.line_no == line.line_no).map(step_of).collect(),
        total: Fen(line.total),
        refunded: Fen(line.refunded),
        choice: line.choice.clone(),
        chosen: chosen_of(&line.chosen).iter().filter_map(|sku| parts.names.get(sku.as_str()).cloned()).collect(),
        choice_open: parts.state.substitution_changeable(),
    }
}

fn refund_view(refund: &RefundRow, parts: &Parts, zone: &TimeZone, lang: Lang) -> RefundView {
    let lines: Vec<FrozenRefundLine> = serde_json::from_str(&refund.lines).unwrap_or_default();
    let name = |no: i64| {
        let line = parts.lines.iter().find(|line| line.line_no == no);
        line.map_or_else(String::new, |line| lang.pick(&line.name_zh, &line.name_en).to_owned())
    };
    let lines = lines.into_iter().map(|line| RefundLineView {
        name: name(line.no),
        qty: line.qty,
        gross: line.gross,
        shares: line.shares,
        amount: line.amount,
    });
    RefundView {
        reason: refund.reason.clone(),
        state: refund.state.clone(),
        amount: Fen(refund.amount),
        delivery: Fen(refund.delivery),
        lines: lines.collect(),
        at_text: local::day_and_time(Millis(refund.done_at.unwrap_or(refund.created_at)), zone, lang),
    }
}

/// Names are kept in both languages (`name_zh`, `name_en`) and shown in one (`name`).
fn timeline_entry(event: &store::orders::EventRow, zone: &TimeZone, lang: Lang) -> TimelineEntry {
    let detail: Vec<(String, String)> = serde_json::from_str(&event.detail).unwrap_or_default();
    let value = |name: &str| detail.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let name = lang.pick(value("name_zh"), value("name_en")).to_owned();
    let mut shown: Vec<(String, String)> = detail.iter().filter(|(n, _)| !n.starts_with("name_")).cloned().collect();
    if !name.is_empty() {
        shown.push(("name".to_owned(), name));
    }
    TimelineEntry {
        at: Millis(event.at),
        at_text: local::day_and_time(Millis(event.at), zone, lang),
        kind: event.kind.clone(),
        actor: event.actor.clone(),
        detail: shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_with_a_masked_phone() {
        let address = FrozenAddress {
            name: "王小明".to_owned(),
            phone: "13812341234".to_owned(),
            area: "浦东新区世纪大道".to_owned(),
            detail: "1 号 101".to_owned(),
            ..FrozenAddress::default()
        };
        let json = serde_json::to_string(&address).expect("serialises");
        assert_eq!(address_text(&json), "王小明 138****1234 浦东新区世纪大道 1 号 101");
        assert_eq!(address_text(""), "");
    }
}
