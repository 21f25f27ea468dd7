//! A member's orders as their pages show them.

use super::{FrozenRefundLine, FrozenStep, state_of};
use crate::checkout::FrozenAddress;
use crate::{Result, Shop, Visit};
use crate::{calendar, local};
use domain::ids::SkuId;
use domain::order::{Actor, State};
use domain::view::{Lang, OrderCard, OrderLineView, OrderView, RefundLineView, RefundView, StepLine, TimelineEntry};
use domain::{Fen, Millis, Packs};
use jiff::tz::TimeZone;
use std::collections::{HashMap, HashSet};
use store::orders::{self, OrderLineRow, OrderRow, ShareRow};
use store::payments::RefundRow;
use store::slots::StoreTerms;
use store::{baskets, payments, slots};

/// Orders on a page of the list.
pub const PAGE: i64 = 20;

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
