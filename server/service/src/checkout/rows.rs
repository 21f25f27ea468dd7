//! The rows of new orders: prices and shares as they are frozen, and the
//! statements that write them for all orders at once.

use super::desk::price_changed;
use super::placing::{Decided, PlaceJob, PlacedOrder, known};
use crate::orders::{FrozenStep, NewEvent, add_events};
use crate::payments::{new_payment, paid_in_full_in_tx};
use crate::quote::Quote;
use crate::{Error, Result};
use domain::ids::{BasketId, MemberId, OrderId, SkuId};
use domain::order::State;
use domain::view::Lang;
use domain::{Code, Packs, UserError};
use store::orders::{self, OrderLineRow, OrderRow, ShareRow};
use store::payments::{self, PaymentRow};
use store::{Conn, baskets, places};

/// Writes what was decided: offers and coupons that are used, orders with
/// lines and shares, their payments; and takes the goods out of the baskets.
pub(super) async fn write(conn: &mut Conn, decided: &[Decided<'_>]) -> Result<Vec<(usize, PlacedOrder)>> {
    let Some(first) = decided.first() else { return Ok(Vec::new()) };
    take_offers(conn, decided).await?;
    let rows = decided.iter().map(order_row).collect::<Result<Vec<OrderRow>>>()?;
    orders::insert(conn, &rows).await?;
    let lines: Vec<Vec<OrderLineRow>> = rows.iter().zip(decided).map(|(row, d)| line_rows(row, &d.quote)).collect();
    let shares: Vec<Vec<ShareRow>> = decided.iter().map(|d| share_rows(&d.quote)).collect();
    orders::insert_lines(conn, &rows.iter().zip(lines.iter().map(Vec::as_slice)).collect::<Vec<_>>()).await?;
    orders::insert_shares(conn, &rows.iter().zip(shares.iter().map(Vec::as_slice)).collect::<Vec<_>>()).await?;
    let placed = rows.iter().zip(decided).map(|(row, d)| (row, d.job.visit.now, NewEvent::of("placed", "member")));
    add_events(conn, placed.collect()).await?;
    let now = decided.iter().map(|d| d.job.visit.now).max().unwrap_or(first.job.visit.now);
    let lines = decided.iter().flat_map(|d| d.quote.input.lines.iter().map(move |line| (d, line)));
    let ordered: Vec<(&BasketId, &SkuId, Packs)> =
        lines.map(|(d, line)| (&d.job.visit.basket, &line.sku, line.qty)).collect();
    baskets::take_ordered(conn, &ordered, now).await?;
    let news: Vec<_> = rows.iter().zip(decided).filter(|(row, d)| is_news(row, d)).map(|(row, _)| row).collect();
    let news: Vec<_> = news.iter().map(|row| (&*row.member_id, &*row.substitution_default, &*row.store_id)).collect();
    baskets::remember_buyers(conn, &news).await?;
    pay(conn, &rows, decided).await?;
    let mut placed = Vec::with_capacity(rows.len());
    for (row, d) in rows.iter().zip(decided) {
        conn.touch_order(&row.member(), &row.order(), &row.code);
        placed.push((d.no, PlacedOrder { code: row.code.clone(), to_pay: row.total > 0 }));
    }
    Ok(placed)
}

/// Takes the places of offers, and the coupons.
async fn take_offers(conn: &mut Conn, decided: &[Decided<'_>]) -> Result<()> {
    let mut uses: Vec<(&MemberId, &OrderId, places::Use)> = Vec::new();
    let mut coupons = Vec::new();
    for d in decided {
        let member = d.job.visit.member()?;
        uses.extend(d.uses.iter().map(|place| (member, &d.job.order, place.clone())));
        coupons.extend(d.job.coupon().map(|coupon| (member, coupon, &d.job.order)));
    }
    // What another server took meanwhile voids the unit; alone, the order that it hits hears of it.
    if !places::take(conn, &uses).await? {
        let Some(d) = decided.first() else { return Ok(()) };
        return Err(refusal(conn, decided, price_changed(d.job, &d.quote)).await?);
    }
    let now = decided.iter().map(|d| d.job.visit.now).max().unwrap_or_default();
    if !places::hold_coupons(conn, &coupons, now).await? {
        let unusable = UserError::new(Code::CouponUnusable).field("coupon").into();
        return Err(refusal(conn, decided, unusable).await?);
    }
    Ok(())
}

/// Why the unit is void: `why`, unless what is gone went to one of the same forms, at another
/// server since its key was looked for. Then the unit is run again, and finds that order.
async fn refusal(conn: &mut Conn, decided: &[Decided<'_>], why: Error) -> Result<Error> {
    let jobs: Vec<&PlaceJob> = decided.iter().map(|d| d.job).collect();
    let placed = known(conn, &jobs).await?;
    Ok(if placed.is_empty() { why } else { store::Error::Changed("an order").into() })
}

/// Does the order say something of the member that is not remembered yet?
fn is_news(row: &OrderRow, decided: &Decided<'_>) -> bool {
    decided
        .quote
        .member
        .as_ref()
        .is_none_or(|member| member.home_store_id.is_none() || member.substitution_default != row.substitution_default)
}

/// Payments for what is to be paid; what costs nothing is paid.
async fn pay(conn: &mut Conn, rows: &[OrderRow], decided: &[Decided<'_>]) -> Result<()> {
    let mut opened: Vec<PaymentRow> = Vec::with_capacity(rows.len());
    for (row, d) in rows.iter().zip(decided) {
        if row.total > 0 {
            opened.push(new_payment(row, d.job.channel, d.job.visit.now));
        } else {
            paid_in_full_in_tx(conn, row, d.job.visit.now).await?;
        }
    }
    Ok::<(), Error>(payments::insert(conn, &opened).await?)
}

fn order_row(decided: &Decided<'_>) -> Result<OrderRow> {
    let Decided { job, quote, slot, address, .. } = decided;
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
    let coupon = job.coupon().map(ToString::to_string);
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
        address: address.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default(),
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

fn line_rows(order: &OrderRow, quote: &Quote) -> Vec<OrderLineRow> {
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

fn share_rows(quote: &Quote) -> Vec<ShareRow> {
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
