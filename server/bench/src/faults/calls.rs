//! The payment channel repeats, reorders, misprices, forges and denies what it
//! tells; of some payments it tells late, and of some never.

use super::{Ground, Line};
use crate::Result;
use crate::buyers::{self, Buyer};
use crate::channel::Told;
use crate::http::Client;
use crate::shop::{SECRET, Shop};
use rand::seq::SliceRandom;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A payment of which nothing is heard is asked about after 10 s, and the late
/// callback comes after 20 s.
const HEARD: Duration = Duration::from_mins(1);

/// What the channel does with the news of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Tells it again and again, and much that is wrong besides.
    Confused,
    /// The same, and says that it was declined, too, before or after.
    Declined,
    /// Tells it late; the wrong things come in between.
    Late,
    /// Never tells it, only the wrong things.
    Lost,
}

impl Manner {
    fn of(no: usize) -> Self {
        [Self::Confused, Self::Declined, Self::Late, Self::Lost][no % 4]
    }
}

/// One callback.
#[derive(Clone, Debug)]
struct Call {
    trade: String,
    amount: i64,
    outcome: &'static str,
    forged: bool,
}

/// So many payments; each manner has its turn.
pub async fn run(ground: &Ground<'_>, payments: usize) -> Result<Vec<Line>> {
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let server = shop.serve()?;
    let mut client = Client::connect(server.addr).await?;
    let mut calls = Vec::new();
    let mut manners: HashMap<String, Manner> = HashMap::new();
    let mut rng = ground.rng();
    let mut lost = Vec::new();
    for (no, buyer) in buyers::make(&shop, server.addr, payments).await?.into_iter().enumerate() {
        let code = buyer.place(&mut client).await??;
        let trade = buyer.open_payment(&mut client, &code).await?;
        let manner = Manner::of(no);
        match manner {
            Manner::Late => buyer.at_channel(&mut client, &trade, "delay").await?,
            Manner::Lost => {
                buyer.at_channel(&mut client, &trade, "lose").await?;
                lost.push((buyer.clone(), code.clone()));
            }
            Manner::Confused | Manner::Declined => {}
        }
        calls.extend(told(&buyer, trade, manner)?);
        manners.insert(code, manner);
    }
    calls.shuffle(&mut rng);
    let sent = calls.len();
    send(server.addr, calls, ground.clients).await?;
    // Some members come back from the channel's page, which has the shop ask; the others just wait.
    for (buyer, code) in lost.iter().step_by(2) {
        client.get(&format!("/pay/{code}"), buyer.cookie()).await?;
    }
    all_heard(&shop).await?;
    drop(server);
    prove(&shop, &manners).await?;
    shop.check()?;
    let late = manners.values().filter(|manner| **manner == Manner::Late).count();
    Ok(vec![
        Line::of("callbacks", "", sent + late),
        Line::of("told late", "payments", late),
        Line::of("never told", "payments", lost.len()),
        Line::of("wrongly booked", "payments", 0),
    ])
}

/// What the channel tells of a payment of this buyer, and what is only said in its name.
fn told(buyer: &Buyer, trade: String, manner: Manner) -> Result<Vec<Call>> {
    let right = Call { trade, amount: buyer.amount()?, outcome: "success", forged: false };
    let mut calls = vec![
        Call { amount: right.amount - 1, ..right.clone() },
        Call { amount: right.amount + 1, ..right.clone() },
        Call { forged: true, ..right.clone() },
        Call { forged: true, ..right.clone() },
        Call { trade: format!("{}X", right.trade), ..right.clone() },
    ];
    if matches!(manner, Manner::Confused | Manner::Declined) {
        calls.extend(std::iter::repeat_n(right.clone(), 3));
    }
    if manner == Manner::Declined {
        calls.push(Call { outcome: "declined", ..right });
    }
    Ok(calls)
}

async fn send(addr: SocketAddr, calls: Vec<Call>, clients: usize) -> Result {
    let (calls, next) = (Arc::new(calls), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
            tokio::spawn(async move {
                let mut client = Client::connect(addr).await?;
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let key: &[u8] = if call.forged { b"not the channel's key" } else { &SECRET };
                    let told = Told { trade: &call.trade, amount: call.amount, outcome: call.outcome, key };
                    let answer = told.send(&mut client).await?;
                    if call.forged == answer.status.is_success() {
                        return Err(format!("{call:?} was answered {}", answer.status).into());
                    }
                }
                Ok::<(), crate::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Waits until the shop knows of every payment what became of it.
async fn all_heard(shop: &Shop) -> Result {
    let store = shop.store().await?;
    let began = Instant::now();
    loop {
        let unheard = store.read().await?.int("SELECT COUNT(*) FROM payment WHERE state = 'created'", &[]).await?;
        if unheard == 0 {
            store.close().await;
            return Ok(());
        }
        if began.elapsed() > HEARD {
            return Err(format!("of {unheard} payments the shop never heard").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every order is paid once, by the right amount. Where the channel said yes
/// and no, the money is booked or on its way back.
async fn prove(shop: &Shop, manners: &HashMap<String, Manner>) -> Result {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let sql = "SELECT o.code, o.state, o.paid, o.total, (SELECT COUNT(*) FROM payment p WHERE p.store_id = o.store_id \
               AND p.order_id = o.id AND p.confirmed_at IS NOT NULL), (SELECT COUNT(*) FROM refund r WHERE \
               r.store_id = o.store_id AND r.order_id = o.id) FROM orders o";
    let rows: Vec<(String, String, i64, i64, i64, i64)> = conn.all(sql, &[]).await?;
    drop(conn);
    store.close().await;
    if rows.len() != manners.len() {
        return Err(format!("{} orders were placed, {} are there", manners.len(), rows.len()).into());
    }
    for (code, state, paid, total, confirmed, refunds) in rows {
        let is_paid = (state.as_str(), paid, confirmed) == ("paid", total, 1);
        let sent_back = manners.get(&code) == Some(&Manner::Declined) && confirmed == 1 && refunds == 1;
        if !is_paid && !sent_back {
            return Err(format!(
                "order {code}: {state}, {paid} of {total} fen, {confirmed} payments confirmed, {refunds} refunds"
            )
            .into());
        }
    }
    Ok(())
}
