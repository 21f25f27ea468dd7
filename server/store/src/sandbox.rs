//! The sandbox's own books, apart from the shop's: trades and refunds of its
//! payment channel, the callbacks that it still has to deliver, and the text
//! messages of its messenger.

use crate::{Conn, Result, Val, due, vals};
use domain::{Fen, Millis};

/// A trade at the sandbox. States: `open`, `paid`, `closed`. One that was closed before
/// it was opened has no amount, no subject and no way back.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct TradeRow {
    /// The shop's number.
    pub trade_no: String,
    /// The sandbox's number.
    pub channel_no: String,
    /// To pay, in fen.
    pub amount: i64,
    /// Sent back.
    pub refunded: i64,
    /// State.
    pub state: String,
    /// What is paid for.
    pub subject: String,
    /// The shop's page to go back to.
    pub back: String,
    /// When it was opened.
    pub created_at: i64,
}

/// A callback to be delivered. States: `waiting`, `done`, `refused`.
#[derive(Clone, Debug, Default, PartialEq, crate::record::Record)]
pub struct CallbackRow {
    /// Which one.
    pub id: String,
    /// Its trade.
    pub trade_no: String,
    /// When it is due.
    pub due_at: i64,
    /// What is sent, byte by byte.
    pub body: String,
    /// The time that is signed with it.
    pub timestamp: String,
    /// Signature.
    pub signature: String,
    /// Deliveries tried.
    pub tries: i64,
}

macro_rules! trade_columns {
    () => {
        "trade_no, channel_no, amount, refunded, state, subject, back, created_at"
    };
}

const CALLBACK_COLUMNS: &str = "id, trade_no, due_at, body, timestamp, signature, tries";

/// Opens trades; one whose number is there stays as it is.
pub async fn open(conn: &mut Conn, trades: &[TradeRow]) -> Result<()> {
    let mut vals: Vec<Val<'_>> = Vec::with_capacity(trades.len() * 7);
    for t in trades {
        vals.extend_from_slice(vals![
            &t.trade_no,
            &t.channel_no,
            t.amount,
            &t.state,
            &t.subject,
            &t.back,
            t.created_at
        ]);
    }
    let head = "INSERT INTO sandbox_trade (trade_no, channel_no, amount, state, subject, back, created_at)";
    conn.insert(head, 7, &vals, " ON CONFLICT (trade_no) DO NOTHING").await?;
    Ok(())
}

/// A trade.
pub async fn trade(conn: &mut Conn, trade_no: &str) -> Result<Option<TradeRow>> {
    let sql = concat!("SELECT ", trade_columns!(), " FROM sandbox_trade WHERE trade_no = $1");
    conn.opt(sql, vals![trade_no]).await
}

/// Closes a trade unless it is paid. One that was never opened is there, closed,
/// from now on: opened later, it stays so.
pub async fn close(conn: &mut Conn, trade_no: &str, channel_no: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO sandbox_trade (trade_no, channel_no, amount, state, subject, back, created_at) \
               VALUES ($1, $2, 0, 'closed', '', '', $3) \
               ON CONFLICT (trade_no) DO UPDATE SET state = 'closed' WHERE sandbox_trade.state = 'open'";
    conn.exec(sql, vals![trade_no, channel_no, now]).await?;
    Ok(())
}

/// Moves a trade on from `open`; false if it was not open any more.
pub async fn end(conn: &mut Conn, trade_no: &str, state: &str) -> Result<bool> {
    let sql = "UPDATE sandbox_trade SET state = $2 WHERE trade_no = $1 AND state = 'open'";
    Ok(conn.exec(sql, vals![trade_no, state]).await? == 1)
}

/// Books a refund under its key: `Some(number)` of this or of the first time;
/// `None` if the trade is not paid or has not so much left.
pub async fn refund(
    conn: &mut Conn,
    trade_no: &str,
    key: &str,
    amount: Fen,
    number: &str,
    now: Millis,
) -> Result<Option<String>> {
    let known = "SELECT channel_no FROM sandbox_refund WHERE key = $1 AND trade_no = $2 AND amount = $3";
    let row: Option<(String,)> = conn.opt(known, vals![key, trade_no, amount]).await?;
    if let Some((number,)) = row {
        return Ok(Some(number));
    }
    let sql = "UPDATE sandbox_trade SET refunded = refunded + $2 \
               WHERE trade_no = $1 AND state = 'paid' AND refunded + $2 <= amount";
    if conn.exec(sql, vals![trade_no, amount]).await? != 1 {
        return Ok(None);
    }
    let sql = "INSERT INTO sandbox_refund (key, trade_no, amount, channel_no, at) VALUES ($1, $2, $3, $4, $5)";
    conn.exec(sql, vals![key, trade_no, amount, number, now]).await?;
    Ok(Some(number.to_owned()))
}

/// Plans a callback.
pub async fn plan_callback(conn: &mut Conn, c: &CallbackRow) -> Result<()> {
    let sql = "INSERT INTO sandbox_callback (id, trade_no, due_at, body, timestamp, signature, tries, state) \
               VALUES ($1, $2, $3, $4, $5, $6, 0, 'waiting')";
    conn.exec(sql, vals![&c.id, &c.trade_no, c.due_at, &c.body, &c.timestamp, &c.signature]).await?;
    Ok(())
}

/// Is any callback due?
pub async fn callbacks_due(conn: &mut Conn, now: Millis) -> Result<bool> {
    due::any(conn, "sandbox_callback", now).await
}

/// Takes due callbacks for `lease_ms`: of several servers one gets each.
pub async fn claim_callbacks(conn: &mut Conn, now: Millis, lease_ms: i64, limit: i64) -> Result<Vec<CallbackRow>> {
    let from = ("sandbox_callback", CALLBACK_COLUMNS);
    due::claim(conn, from, now, lease_ms, limit, |row: &CallbackRow| &row.id).await
}

/// A callback was delivered (`done`), or refused for good (`refused`).
pub async fn end_callback(conn: &mut Conn, id: &str, state: &str) -> Result<()> {
    conn.exec("UPDATE sandbox_callback SET state = $2 WHERE id = $1", vals![id, state]).await?;
    Ok(())
}

/// A callback is to be tried again; of no effect if another server took it meanwhile.
pub async fn postpone_callback(conn: &mut Conn, callback: &CallbackRow, due: Millis) -> Result<()> {
    let sql = "UPDATE sandbox_callback SET due_at = $2 WHERE id = $1 AND state = 'waiting' AND tries = $3";
    conn.exec(sql, vals![&callback.id, due, callback.tries]).await?;
    Ok(())
}

/// Keeps a text message that was delivered, in place of the phone's last one.
pub async fn put_message(conn: &mut Conn, phone: &str, code: &str, now: Millis) -> Result<()> {
    let sql = "INSERT INTO sandbox_message (phone, code, at) VALUES ($1, $2, $3) \
               ON CONFLICT (phone) DO UPDATE SET code = excluded.code, at = excluded.at";
    conn.exec(sql, vals![phone, code, now]).await?;
    Ok(())
}

/// The one-time code in the last message to a phone.
pub async fn message(conn: &mut Conn, phone: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn.opt("SELECT code FROM sandbox_message WHERE phone = $1", vals![phone]).await?;
    Ok(row.map(|(code,)| code))
}

/// Removes at most `limit` messages that were delivered by a time; how many.
pub async fn delete_messages(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM sandbox_message WHERE phone IN \
               (SELECT phone FROM sandbox_message WHERE at <= $1 ORDER BY at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}
