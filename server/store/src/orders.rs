//! Orders, their lines, shares and events.
//!
//! A state only moves by [`set_state`]: a conditional update from one state to
//! another, so that of two who want to move the same order one does.

use crate::conn::{Kind, each_of, list};
use crate::{Conn, Result, Val, vals};
use domain::ids::{MemberId, OrderId, StoreId};
use domain::order::State;
use domain::{Fen, Millis};

/// An order.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct OrderRow {
    /// The store that fills it.
    pub store_id: String,
    /// Which order.
    pub id: String,
    /// Code for people.
    pub code: String,
    /// Who placed it.
    pub member_id: String,
    /// State, as the domain's word.
    pub state: String,
    /// Counts up with every change.
    pub version: i64,
    /// `delivery` or `pickup`.
    pub kind: String,
    /// Slot.
    pub slot_id: String,
    /// Start of the slot.
    pub slot_starts_at: i64,
    /// End of the slot.
    pub slot_ends_at: i64,
    /// Address as it was, JSON; empty for pick-up.
    pub address: String,
    /// Note to the picker.
    pub note: String,
    /// Choice for lines without one of their own.
    pub substitution_default: String,
    /// Did member prices hold?
    pub is_member: bool,
    /// Coupon used.
    pub coupon_id: Option<String>,
    /// Σ gross.
    pub goods: i64,
    /// Σ discounts.
    pub discount: i64,
    /// Delivery fee.
    pub delivery_fee: i64,
    /// To pay.
    pub total: i64,
    /// Received by all payments.
    pub paid: i64,
    /// Sent back, or on its way back.
    pub refunded: i64,
    /// Steps of the price, JSON.
    pub steps: String,
    /// Digits for the pick-up desk; empty for delivery.
    pub pickup_code: String,
    /// Key that made a double submit one order.
    pub idempotency_key: String,
    /// Hash of the request under that key.
    pub request_hash: String,
    /// Language of the member then.
    pub lang: String,
    /// When it was placed.
    pub placed_at: i64,
    /// The unpaid hold ends then.
    pub hold_until: Option<i64>,
}

impl OrderRow {
    /// The store.
    pub fn store(&self) -> StoreId {
        StoreId::trusted(self.store_id.as_str())
    }

    /// The order's id.
    pub fn order(&self) -> OrderId {
        OrderId::trusted(self.id.as_str())
    }

    /// Who placed it.
    pub fn member(&self) -> MemberId {
        MemberId::trusted(self.member_id.as_str())
    }
}

/// A line of an order.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct OrderLineRow {
    /// Number from 1.
    pub line_no: i64,
    /// SKU.
    pub sku_id: String,
    /// Pool.
    pub pool_id: String,
    /// Base units in a pack.
    pub pack_size: i64,
    /// Packs ordered.
    pub qty: i64,
    /// Packs found short.
    pub short_qty: i64,
    /// Shelf price of a pack.
    pub shelf_price: i64,
    /// Price of a pack before the basket's discounts.
    pub unit_price: i64,
    /// Shelf price × packs.
    pub gross: i64,
    /// Σ shares.
    pub discount: i64,
    /// Gross − discount.
    pub total: i64,
    /// Sent back of it.
    pub refunded: i64,
    /// Choice if missing.
    pub choice: String,
    /// Chosen substitutes, JSON.
    pub chosen: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Picture.
    pub picture: String,
    /// SKU's code.
    pub sku_code: String,
}

/// A line's share of a discount step.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct ShareRow {
    /// Line.
    pub line_no: i64,
    /// Counts the line's shares from 1.
    pub step_no: i64,
    /// The step's word.
    pub step: String,
    /// The offer, or empty.
    pub offer_id: String,
    /// Taken off, in fen.
    pub amount: i64,
}

/// An entry of the timeline.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct EventRow {
    /// Counts from 1.
    pub seq: i64,
    /// When.
    pub at: i64,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// Values of the sentence, JSON list of pairs.
    pub detail: String,
}

macro_rules! order_columns {
    () => {
        "store_id, id, code, member_id, state, version, kind, slot_id, slot_starts_at, slot_ends_at, address, note, \
         substitution_default, is_member, coupon_id, goods, discount, delivery_fee, total, paid, refunded, steps, \
         pickup_code, idempotency_key, request_hash, lang, placed_at, hold_until"
    };
}
macro_rules! line_columns {
    () => {
        "line_no, sku_id, pool_id, pack_size, qty, short_qty, shelf_price, unit_price, gross, discount, total, \
         refunded, choice, chosen, name_zh, name_en, picture, sku_code"
    };
}

/// The orders that members placed under keys.
pub async fn by_keys(conn: &mut Conn, keys: &[(&MemberId, &str)]) -> Result<Vec<OrderRow>> {
    let sql = format!(
        concat!(
            "WITH v (of_member, of_key) AS ({}) SELECT ",
            order_columns!(),
            " FROM v CROSS JOIN orders WHERE member_id = v.of_member AND idempotency_key = v.of_key"
        ),
        each_of(1, keys.len(), 2)
    );
    let vals: Vec<Val<'_>> = keys.iter().flat_map(|(member, key)| [Val::from(*member), Val::from(*key)]).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// The order of a code.
pub async fn by_code(conn: &mut Conn, code: &str) -> Result<Option<OrderRow>> {
    conn.opt(concat!("SELECT ", order_columns!(), " FROM orders WHERE code = $1"), vals![code]).await
}

/// An order by its key.
pub async fn by_id(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Option<OrderRow>> {
    let sql = concat!("SELECT ", order_columns!(), " FROM orders WHERE store_id = $1 AND id = $2");
    conn.opt(sql, vals![store, order]).await
}

/// An order by its key, locked for this transaction: who decides by its state
/// and then writes several rows starts here.
pub async fn lock(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Option<OrderRow>> {
    Ok(lock_all(conn, &[(store.as_str(), order.as_str())]).await?.pop())
}

/// Orders by their keys, locked as by [`lock`], in the order of the keys. On
/// SQLite the one writer has them all.
pub async fn lock_all(conn: &mut Conn, keys: &[(&str, &str)]) -> Result<Vec<OrderRow>> {
    let end = if conn.kind() == Kind::Postgres { " FOR UPDATE OF orders" } else { "" };
    let sql = format!(
        concat!(
            "WITH v (of_store, of_order) AS ({}) SELECT ",
            order_columns!(),
            " FROM v CROSS JOIN orders WHERE store_id = v.of_store AND id = v.of_order ORDER BY store_id, id{}"
        ),
        each_of(1, keys.len(), 2),
        end
    );
    let vals: Vec<Val<'_>> = keys.iter().flat_map(|(store, order)| [Val::from(*store), Val::from(*order)]).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Books the money of orders that wait for it, and moves them on to paid;
/// how many of them still waited.
pub async fn set_paid(conn: &mut Conn, paid: &[(&OrderRow, Fen)]) -> Result<u64> {
    let sql = format!(
        "WITH v (of_store, of_order, amount) AS ({}) UPDATE orders SET paid = paid + v.amount, state = '{}', \
         hold_until = NULL, version = version + 1 FROM v WHERE store_id = v.of_store AND id = v.of_order \
         AND state = '{}'",
        each_of(1, paid.len(), 3),
        State::Paid.as_str(),
        State::PendingPayment.as_str(),
    );
    let vals: Vec<Val<'_>> = paid
        .iter()
        .flat_map(|(order, amount)| [Val::from(&order.store_id), Val::from(&order.id), Val::from(*amount)])
        .collect();
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Writes new orders.
pub async fn insert(conn: &mut Conn, orders: &[OrderRow]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(orders.len() * 28);
    for o in orders {
        vals.extend_from_slice(vals![
            &o.store_id,
            &o.id,
            &o.code,
            &o.member_id,
            &o.state,
            o.version,
            &o.kind,
            &o.slot_id,
            o.slot_starts_at,
            o.slot_ends_at,
            &o.address,
            &o.note,
            &o.substitution_default,
            o.is_member,
            &o.coupon_id,
            o.goods,
            o.discount,
            o.delivery_fee,
            o.total,
            o.paid,
            o.refunded,
            &o.steps,
            &o.pickup_code,
            &o.idempotency_key,
            &o.request_hash,
            &o.lang,
            o.placed_at,
            o.hold_until,
        ]);
    }
    conn.insert(concat!("INSERT INTO orders (", order_columns!(), ")"), 28, &vals, "").await?;
    Ok(())
}

/// Writes the lines of new orders.
pub async fn insert_lines(conn: &mut Conn, orders: &[(&OrderRow, &[OrderLineRow])]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::new();
    for (order, lines) in orders {
        for l in *lines {
            vals.extend_from_slice(vals![
                &order.store_id,
                &order.id,
                l.line_no,
                &l.sku_id,
                &l.pool_id,
                l.pack_size,
                l.qty,
                l.short_qty,
                l.shelf_price,
                l.unit_price,
                l.gross,
                l.discount,
                l.total,
                l.refunded,
                &l.choice,
                &l.chosen,
                &l.name_zh,
                &l.name_en,
                &l.picture,
                &l.sku_code,
            ]);
        }
    }
    conn.insert(concat!("INSERT INTO order_line (store_id, order_id, ", line_columns!(), ")"), 20, &vals, "").await?;
    Ok(())
}

/// Writes the shares of new orders' lines.
pub async fn insert_shares(conn: &mut Conn, orders: &[(&OrderRow, &[ShareRow])]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::new();
    for (order, shares) in orders {
        for s in *shares {
            let row = vals![&order.store_id, &order.id, s.line_no, s.step_no, &s.step, &s.offer_id, s.amount];
            vals.extend_from_slice(row);
        }
    }
    let head = "INSERT INTO line_share (store_id, order_id, line_no, step_no, step, offer_id, amount)";
    conn.insert(head, 7, &vals, "").await?;
    Ok(())
}

/// The lines of an order.
pub async fn lines(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<OrderLineRow>> {
    let sql =
        concat!("SELECT ", line_columns!(), " FROM order_line WHERE store_id = $1 AND order_id = $2 ORDER BY line_no");
    conn.all(sql, vals![store, order]).await
}

/// The shares of an order's lines.
pub async fn shares(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<ShareRow>> {
    let sql = "SELECT line_no, step_no, step, offer_id, amount FROM line_share WHERE store_id = $1 AND order_id = $2 \
               ORDER BY line_no, step_no";
    conn.all(sql, vals![store, order]).await
}

/// The timeline of an order, newest first.
pub async fn events(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<Vec<EventRow>> {
    let sql = "SELECT seq, at, kind, actor, detail FROM order_event WHERE store_id = $1 AND order_id = $2 \
               ORDER BY seq DESC LIMIT 200";
    conn.all(sql, vals![store, order]).await
}

/// An entry to be added to an order's timeline.
#[derive(Clone, Debug)]
pub struct NewEventRow<'a> {
    /// The order's store.
    pub store: &'a str,
    /// The order.
    pub order: &'a str,
    /// When.
    pub at: Millis,
    /// What.
    pub kind: &'a str,
    /// Who.
    pub actor: &'a str,
    /// Values of the sentence, JSON list of pairs.
    pub detail: String,
}

/// Adds entries to timelines, at most one to each order. The caller holds the orders' rows.
pub async fn add_events(conn: &mut Conn, events: &[NewEventRow<'_>]) -> Result<()> {
    let sql = format!(
        "WITH v (store_id, order_id, at, kind, actor, detail) AS ({}) \
         INSERT INTO order_event (store_id, order_id, seq, at, kind, actor, detail) \
         SELECT v.store_id, v.order_id, COALESCE((SELECT MAX(e.seq) FROM order_event e \
         WHERE e.store_id = v.store_id AND e.order_id = v.order_id), 0) + 1, v.at, v.kind, v.actor, v.detail FROM v",
        each_of(1, events.len(), 6)
    );
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(events.len() * 6);
    for e in events {
        vals.extend_from_slice(vals![e.store, e.order, e.at, e.kind, e.actor, &e.detail]);
    }
    conn.exec(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(())
}

/// Moves an order from one state to another, ends its hold and counts its
/// version up; false if it is no longer in `from`.
pub async fn set_state(conn: &mut Conn, store: &StoreId, order: &OrderId, from: State, to: State) -> Result<bool> {
    let sql = "UPDATE orders SET state = $4, hold_until = NULL, version = version + 1 \
               WHERE store_id = $1 AND id = $2 AND state = $3";
    Ok(conn.exec(sql, vals![store, order, from.as_str(), to.as_str()]).await? == 1)
}

/// Counts the version up without a change of state.
pub async fn bump(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<()> {
    let sql = "UPDATE orders SET version = version + 1 WHERE store_id = $1 AND id = $2";
    conn.exec(sql, vals![store, order]).await?;
    Ok(())
}

/// Books money that a payment brought.
pub async fn add_paid(conn: &mut Conn, store: &StoreId, order: &OrderId, amount: Fen) -> Result<()> {
    let sql = "UPDATE orders SET paid = paid + $3 WHERE store_id = $1 AND id = $2";
    conn.exec(sql, vals![store, order, amount]).await?;
    Ok(())
}

/// Books money that goes back, if so much was paid and not yet sent back.
pub async fn add_refunded(conn: &mut Conn, store: &StoreId, order: &OrderId, amount: Fen) -> Result<bool> {
    let sql = "UPDATE orders SET refunded = refunded + $3, version = version + 1 \
               WHERE store_id = $1 AND id = $2 AND refunded + $3 <= paid";
    Ok(conn.exec(sql, vals![store, order, amount]).await? == 1)
}

/// Books a line short by more packs and its refund; false if that passes what was ordered or paid.
pub async fn short(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    line_no: i64,
    packs: i64,
    refund: Fen,
) -> Result<bool> {
    let sql = "UPDATE order_line SET short_qty = short_qty + $4, refunded = refunded + $5 \
               WHERE store_id = $1 AND order_id = $2 AND line_no = $3 \
               AND short_qty + $4 <= qty AND refunded + $5 <= total";
    Ok(conn.exec(sql, vals![store, order, line_no, packs, refund]).await? == 1)
}

/// Everything that the lines paid and is not yet sent back, goes back.
pub async fn refund_lines(conn: &mut Conn, store: &StoreId, order: &OrderId) -> Result<()> {
    let sql = "UPDATE order_line SET refunded = total WHERE store_id = $1 AND order_id = $2";
    conn.exec(sql, vals![store, order]).await?;
    Ok(())
}

/// Changes what shall happen if a line is missing; false if there is no such line.
pub async fn set_choice(
    conn: &mut Conn,
    store: &StoreId,
    order: &OrderId,
    line_no: i64,
    choice: &str,
    chosen: &str,
) -> Result<bool> {
    let sql = "UPDATE order_line SET choice = $4, chosen = $5 WHERE store_id = $1 AND order_id = $2 AND line_no = $3";
    Ok(conn.exec(sql, vals![store, order, line_no, choice, chosen]).await? == 1)
}

/// A member's orders in some states, newest first.
pub async fn of_member(
    conn: &mut Conn,
    member: &MemberId,
    states: &[State],
    limit: i64,
    offset: i64,
) -> Result<Vec<OrderRow>> {
    if states.is_empty() {
        return Ok(Vec::new());
    }
    let (sql, vals) = of_member_sql(member, states, limit, offset);
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// The statement of [`of_member`].
pub(crate) fn of_member_sql<'a>(
    member: &'a MemberId,
    states: &[State],
    limit: i64,
    offset: i64,
) -> (String, Vec<Val<'a>>) {
    let sql = format!(
        "SELECT {} FROM orders WHERE member_id = $1 AND state IN ({}) ORDER BY placed_at DESC, id DESC \
         LIMIT $2 OFFSET $3",
        order_columns!(),
        list(4, states.len())
    );
    let mut vals = vals![member, limit, offset].to_vec();
    vals.extend(states.iter().map(|state| Val::from(state.as_str())));
    (sql, vals)
}

/// A line in a list of orders.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct ListLineRow {
    /// Its order.
    pub order_id: String,
    /// Packs.
    pub qty: i64,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Picture.
    pub picture: String,
}

/// The lines of several orders, for a list.
pub async fn lines_of(conn: &mut Conn, orders: &[OrderRow]) -> Result<Vec<ListLineRow>> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT order_id, qty, name_zh, name_en, picture FROM order_line WHERE store_id IN ({}) AND order_id IN ({}) \
         ORDER BY order_id, line_no",
        list(1, orders.len()),
        list(1 + orders.len(), orders.len())
    );
    let stores = orders.iter().map(|o| Val::from(&o.store_id));
    let vals: Vec<Val<'_>> = stores.chain(orders.iter().map(|o| Val::from(&o.id))).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Orders whose unpaid hold has run out, the longest over first: so many after the first `passed`.
pub async fn due_holds(conn: &mut Conn, now: Millis, passed: usize, limit: usize) -> Result<Vec<(StoreId, OrderId)>> {
    let sql = "SELECT store_id, id FROM orders WHERE hold_until <= $1 AND state = 'pending_payment' \
               ORDER BY hold_until, id LIMIT $2 OFFSET $3";
    let most = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let rows: Vec<(String, String)> = conn.all(sql, vals![now, most(limit), most(passed)]).await?;
    Ok(rows.into_iter().map(|(store, order)| (StoreId::trusted(store), OrderId::trusted(order))).collect())
}

/// The version of a member's order.
pub async fn version(conn: &mut Conn, member: &MemberId, code: &str) -> Result<Option<i64>> {
    let sql = "SELECT version FROM orders WHERE code = $1 AND member_id = $2";
    let row: Option<(i64,)> = conn.opt(sql, vals![code, member]).await?;
    Ok(row.map(|(version,)| version))
}

/// Tells a member something: a row of the message box.
pub async fn add_message(conn: &mut Conn, member: &MemberId, kind: &str, detail: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO message (member_id, id, kind, detail, at) VALUES ($1, $2, $3, $4, $5)";
    conn.exec(sql, vals![member, crate::new_id(), kind, detail, now]).await?;
    Ok(())
}
