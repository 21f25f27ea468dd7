//! Packs that the picker does not find: the member gets back what was paid for
//! them, and nothing else of the order changes.
//!
//! Who reports them may never hear the answer (a connection broke, a process was
//! killed) and reports them again. So a report has a key: it is done once in a store.

use super::refunds::{RefundAsk, frozen_lines, refund_in_tx, so_far};
use crate::orders::{NewEvent, add_event, move_in_tx, state_of};
use crate::{Error, Result, Shop};
use domain::order::{Actor, Event, State};
use domain::refund::shortage;
use domain::{Base, Code, Fen, Millis, Packs, UserError};
use store::orders::{self, OrderRow};
use store::payments;
use store::shortages::{self, Reported};
use store::stock::Missing;
use store::{Conn, Lane};

impl Shop {
    /// Staff: packs of one line are not on the shelf. See [`short_lines`](Self::short_lines).
    ///
    /// # Errors
    /// As there.
    pub async fn short_line(&self, code: &str, line_no: u32, packs: Packs, key: &str, actor: &str) -> Result<Fen> {
        self.short_lines(code, &[(line_no, packs)], key, actor).await
    }

    /// Staff: packs of these lines (number from 1) are not on the shelf. One
    /// refund for all of them: what was paid for the missing units. If nothing
    /// of the order is left, everything goes back. Answers the refund.
    ///
    /// `key` is the report's own, 8 to 64 letters, digits or hyphens: the same
    /// report once more changes nothing and gets the same answer, whatever became
    /// of the order meanwhile. A report that was refused has not used its key.
    ///
    /// # Errors
    /// `not_found`; `order_state` before it is paid or after it is packed;
    /// `invalid` on `packs` if nothing more of these lines can be short, on `key`
    /// if it is none; `key_reused` if it is that of another report in the store.
    pub async fn short_lines(&self, code: &str, shorts: &[(u32, Packs)], key: &str, actor: &str) -> Result<Fen> {
        let report = Report::new(key, shorts)?;
        let code = domain::code::parse_order_code(code).map_err(|_| Error::from(Code::NotFound))?;
        let order = orders::by_code(&mut self.store().read().await?, &code).await?;
        let order = order.ok_or(Error::from(Code::NotFound))?;
        tracing::info!(order = code, actor, key, lines = shorts.len(), "lines reported short");
        let input = (order.store(), order.order(), report, self.now());
        self.store()
            .write(Lane::Store(&order.store_id), input, |conn, (store, id, report, now)| {
                Box::pin(async move {
                    let order = orders::lock(conn, store, id).await?.ok_or(Error::from(Code::NotFound))?;
                    report_in_tx(conn, &order, report, *now).await
                })
            })
            .await
    }
}

/// Packs that are reported missing under a key.
#[derive(Debug)]
struct Report {
    key: String,
    shorts: Vec<(u32, Packs)>,
    /// The same as it is kept with the key.
    asked: String,
}

impl Report {
    fn new(key: &str, shorts: &[(u32, Packs)]) -> Result<Self> {
        if !crate::members::is_key(key) {
            return Err(UserError::invalid("key").into());
        }
        Ok(Self { key: key.to_owned(), shorts: shorts.to_vec(), asked: serde_json::to_string(shorts)? })
    }

    /// What was answered under its key, if that was the same report.
    fn answered(&self, order: &OrderRow, known: &Reported) -> Result<Fen> {
        if known.order_id != order.id || known.asked != self.asked {
            return Err(Code::KeyReused.into());
        }
        Ok(Fen(known.back))
    }
}

/// Does what is reported about a locked order, or answers what stands under the key.
async fn report_in_tx(conn: &mut Conn, order: &OrderRow, report: &Report, now: Millis) -> Result<Fen> {
    let store = order.store();
    if let Some(known) = shortages::reported(conn, &store, &report.key).await? {
        return report.answered(order, &known);
    }
    let back = short_in_tx(conn, order, &report.shorts, now).await?;
    let kept = Reported { order_id: order.id.clone(), asked: report.asked.clone(), back: back.0 };
    if !shortages::keep(conn, &store, &report.key, &kept, now).await? {
        // Another server has just used it for another order: nothing of this one is done.
        return Err(Code::KeyReused.into());
    }
    Ok(back)
}

async fn short_in_tx(conn: &mut Conn, order: &OrderRow, shorts: &[(u32, Packs)], now: Millis) -> Result<Fen> {
    let (store, id) = (order.store(), order.order());
    let state = state_of(order)?;
    if !state.can_short() {
        return Err(Code::OrderState.into());
    }
    let lines = orders::lines(conn, &store, &id).await?;
    let at = |no: u32| lines.iter().position(|line| line.line_no == i64::from(no));
    let wanted: Vec<(usize, Packs)> = shorts.iter().filter_map(|(no, packs)| Some((at(*no)?, *packs))).collect();
    let before = payments::refunds_of(conn, &store, &id).await?;
    let refund = shortage(&so_far(order, &lines, &before), &wanted);
    if refund.lines.is_empty() {
        return Err(UserError::invalid("packs").into());
    }
    // Not the report's key: that is one store's, and a refund's must be the only one at the channel.
    let tag = store::new_id();
    let mut missing = Vec::with_capacity(refund.lines.len());
    for line in &refund.lines {
        let row = &lines[line.line];
        if !orders::short(conn, &store, &id, row.line_no, line.units.0, line.amount).await? {
            return Err(Error::Internal(format!("order {id} line {}: short beyond what was ordered", row.line_no)));
        }
        missing.push(Missing {
            pool: domain::ids::PoolId::trusted(row.pool_id.as_str()),
            missing: line.units.base(Base(row.pack_size)),
            left_on_shelf: None,
        });
        let event = NewEvent::of("short", "staff")
            .with("name_zh", &row.name_zh)
            .with("name_en", &row.name_en)
            .with("n", &line.units)
            .with("gross", &line.gross.0)
            .with("shares", &line.shares.0)
            .with("amount", &line.amount.0);
        add_event(conn, order, now, event).await?;
    }
    store::stock::short_pick(conn, &store, &id, &tag, &missing, now).await?;
    orders::bump(conn, &store, &id).await?;
    if refund.everything_short {
        let event = if state == State::Picking { Event::NothingFound } else { Event::Cancel };
        move_in_tx(conn, order, event, Actor::Staff, now).await?;
    }
    conn.touch_order(&order.member(), &id, &order.code);
    let frozen = frozen_lines(&refund, &lines);
    let ask = RefundAsk {
        reason: "shortage",
        key: format!("short:{tag}"),
        amount: refund.total,
        delivery: refund.delivery_fee,
    };
    refund_in_tx(conn, order, None, &ask, &frozen, now).await?;
    Ok(refund.total)
}
