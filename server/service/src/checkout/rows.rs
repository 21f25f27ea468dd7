//! The rows of a new order: prices and shares as they are frozen.

use super::FrozenAddress;
use super::placing::PlaceJob;
use crate::Result;
use crate::orders::FrozenStep;
use crate::quote::{CouponPick, Quote};
use domain::order::State;
use domain::view::Lang;
use store::orders::{OrderLineRow, OrderRow, ShareRow};
use store::slots::SlotRow;

pub(super) fn order_row(
    job: &PlaceJob,
    quote: &Quote,
    slot: &SlotRow,
    address: Option<&FrozenAddress>,
) -> Result<OrderRow> {
    let PlaceJob { visit, form, .. } = job;
    let member = visit.member()?;
    let fallback = quote.member.as_ref().map_or("refund", |row| row.substitution_default.as_str());
    let steps: Vec<FrozenStep> = quote
        .priced
        .steps
        .iter()
        .map(|step| FrozenStep {
            step: step.step.as_str().to_owned(),
            offer: step.offer.as_ref().map(ToString::to_string).unwrap_or_default(),
            zh: quote.name(step.offer.as_ref(), Lang::Zh),
            en: quote.name(step.offer.as_ref(), Lang::En),
            amount: step.amount,
        })
        .collect();
    let coupon = match &job.coupon {
        CouponPick::This(id) => Some(id.to_string()),
        _ => None,
    };
    Ok(OrderRow {
        store_id: visit.store.to_string(),
        id: job.order.to_string(),
        code: job.code.clone(),
        member_id: member.to_string(),
        state: State::PendingPayment.as_str().to_owned(),
        version: 1,
        kind: job.kind.as_str().to_owned(),
        slot_id: slot.id.clone(),
        slot_starts_at: slot.starts_at,
        slot_ends_at: slot.ends_at,
        address: address.map(serde_json::to_string).transpose()?.unwrap_or_default(),
        note: form.note.trim().to_owned(),
        substitution_default: form.substitution_default.clone().unwrap_or_else(|| fallback.to_owned()),
        is_member: quote.input.member.is_member,
        coupon_id: coupon,
        goods: quote.priced.shelf_total.0,
        discount: quote.priced.discount_total.0,
        delivery_fee: quote.priced.delivery_fee.0,
        total: quote.priced.payable.0,
        paid: 0,
        refunded: 0,
        steps: serde_json::to_string(&steps)?,
        pickup_code: job.pickup_code.clone(),
        idempotency_key: form.idempotency_key.clone(),
        request_hash: job.hash.clone(),
        lang: visit.lang.tag().to_owned(),
        placed_at: visit.now.0,
        hold_until: Some(visit.now.plus(job.hold_ms).0),
    })
}

pub(super) fn line_rows(order: &OrderRow, quote: &Quote) -> Vec<OrderLineRow> {
    let rows = quote.lines.iter().zip(&quote.priced.lines).zip(1..);
    rows.map(|((row, out), no)| OrderLineRow {
        line_no: no,
        sku_id: row.goods.sku_id.clone(),
        pool_id: row.goods.pool_id.clone(),
        pack_size: row.goods.pack_size,
        qty: row.qty,
        short_qty: 0,
        shelf_price: out.shelf_price.0,
        unit_price: out.unit_price.0,
        gross: out.gross.0,
        discount: (out.gross - out.total).0,
        total: out.total.0,
        refunded: 0,
        choice: if row.choice.is_empty() { order.substitution_default.clone() } else { row.choice.clone() },
        chosen: row.chosen.clone(),
        name_zh: row.goods.name(Lang::Zh),
        name_en: row.goods.name(Lang::En),
        picture: row.goods.picture.clone(),
        sku_code: row.goods.code.clone(),
    })
    .collect()
}

pub(super) fn share_rows(quote: &Quote) -> Vec<ShareRow> {
    let lines = quote.priced.lines.iter().zip(1..);
    lines
        .flat_map(|(line, line_no)| {
            line.shares.iter().zip(1..).map(move |(share, step_no)| ShareRow {
                line_no,
                step_no,
                step: share.step.as_str().to_owned(),
                offer_id: share.offer.as_ref().map(ToString::to_string).unwrap_or_default(),
                amount: share.amount.0,
            })
        })
        .collect()
}
