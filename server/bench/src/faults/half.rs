//! The server dies between a refund at the channel and the note of it, again
//! and again. Whoever goes on asks the channel once more, by the same key; no
//! money goes back twice, and none is forgotten.

use super::ledger::Tale;
use super::{Ground, Line};
use crate::http::Client;
use crate::shop::{Shop, free_addr};
use crate::{Result, buyers};
use std::time::{Duration, Instant};
use store::conn::Kind;
use store::{Lane, Store};

/// Orders that are paid and called off for each death.
const ORDERS: usize = 8;
/// The outbox gets so far, or to its end, within this time.
const SOON: Duration = Duration::from_mins(1);
/// Refunds that the channel has made and the shop has not noted.
const HALF: &str = "SELECT COUNT(*) FROM sandbox_refund c JOIN refund r ON r.key = c.key WHERE r.state = 'requested'";

/// Dies so many times.
pub async fn run(ground: &Ground<'_>, deaths: usize) -> Result<Vec<Line>> {
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let addr = free_addr()?;
    let mut server = shop.serve_at(addr)?;
    let (mut called_off, mut half) = (0, 0);
    for no in 0..deaths {
        let all = buyers::make(&shop, addr, ORDERS).await?;
        let mut client = Client::connect(addr).await?;
        let tales: Vec<Tale> = all.into_iter().map(Tale::new).collect();
        for tale in &tales {
            tale.go_on(&mut client).await?;
            tale.book_at_channel(&mut client).await?;
        }
        let store = shop.store().await?;
        run_all(&store, hold_notes(store.kind())).await?;
        for tale in &tales {
            tale.call_off(&mut client).await?;
        }
        half += half_done(&store).await.map_err(|error| format!("death {no}: {error}"))?;
        server.kill()?;
        shop.check()?;
        run_all(&store, let_notes(store.kind())).await?;
        a_minute_later(&store).await?;
        store.close().await;
        server = shop.serve_at(addr)?;
        called_off += tales.len();
    }
    let store = shop.store().await?;
    a_minute_later(&store).await?;
    all_came_back(&store, called_off).await?;
    store.close().await;
    drop(server);
    shop.check()?;
    Ok(vec![
        Line::of("deaths", "", deaths),
        Line::of("refunds", "", called_off),
        Line::of("half done", "refunds", half),
        Line::of("sent back twice", "refunds", 0),
    ])
}

/// Keeps the shop from noting that a refund is done, as a database that fails
/// just then does; what that takes, statement by statement.
fn hold_notes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Sqlite => &[
            "DROP TRIGGER IF EXISTS held",
            "CREATE TRIGGER held BEFORE UPDATE OF state ON refund WHEN NEW.state = 'done' \
             BEGIN SELECT RAISE(ABORT, 'held'); END",
        ],
        Kind::Postgres => &[
            "CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF NEW.state = ''done'' THEN RAISE EXCEPTION ''held''; END IF; RETURN NEW; END'",
            "CREATE OR REPLACE TRIGGER held BEFORE UPDATE ON refund FOR EACH ROW EXECUTE FUNCTION held()",
        ],
    }
}

/// Lets them be noted again.
fn let_notes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Sqlite => &["DROP TRIGGER IF EXISTS held"],
        Kind::Postgres => &["DROP TRIGGER IF EXISTS held ON refund"],
    }
}

async fn run_all(store: &Store, statements: &'static [&'static str]) -> Result {
    let unit = store.write(Lane::Background, statements, |conn, statements| {
        Box::pin(async move {
            for statement in *statements {
                conn.exec(*statement, &[]).await?;
            }
            Ok::<(), store::Error>(())
        })
    });
    Ok(unit.await?)
}

/// Waits until refunds are made at the channel and not noted; how many.
async fn half_done(store: &Store) -> Result<usize> {
    let began = Instant::now();
    while began.elapsed() < SOON {
        let half = store.read().await?.int(HALF, &[]).await?;
        if half > 0 {
            return Ok(usize::try_from(half)?);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err("no refund was ever half done".into())
}

/// What the dead server had claimed falls due, as it does when its lease has run out.
async fn a_minute_later(store: &Store) -> Result {
    let unit = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move { conn.exec("UPDATE outbox SET due_at = 0 WHERE state = 'waiting'", &[]).await })
    });
    unit.await?;
    Ok(())
}

/// Every order's money came back, once, at the channel as in the shop's books.
async fn all_came_back(store: &Store, orders: usize) -> Result {
    let began = Instant::now();
    loop {
        let mut conn = store.read().await?;
        let waiting = conn.int("SELECT COUNT(*) FROM refund WHERE state <> 'done'", &[]).await?;
        if waiting == 0 {
            let sql = "SELECT t.trade_no, t.amount, t.refunded, CAST(COALESCE(SUM(c.amount), 0) AS BIGINT), COUNT(c.key) \
                       FROM sandbox_trade t JOIN payment p ON p.trade_no = t.trade_no \
                       JOIN refund r ON r.store_id = p.store_id AND r.payment_id = p.id \
                       LEFT JOIN sandbox_refund c ON c.trade_no = t.trade_no GROUP BY t.trade_no, t.amount, t.refunded";
            let trades: Vec<(String, i64, i64, i64, i64)> = conn.all(sql, &[]).await?;
            if trades.len() != orders {
                return Err(format!("{orders} orders were called off, {} were sent back", trades.len()).into());
            }
            for (trade, amount, refunded, sum, times) in trades {
                if (refunded, sum, times) != (amount, amount, 1) {
                    return Err(format!("{trade}: paid {amount}, {refunded} went back, in {times} refunds").into());
                }
            }
            return Ok(());
        }
        drop(conn);
        if began.elapsed() > SOON {
            return Err(format!("{waiting} refunds are not done").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
