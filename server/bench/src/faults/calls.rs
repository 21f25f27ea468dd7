//! The payment channel repeats, reorders, misprices, forges and denies.

use crate::buyers;
use crate::channel::Told;
use crate::http::Client;
use crate::shop::{Place, SECRET, Shop};
use crate::{Common, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One callback.
#[derive(Clone, Debug)]
struct Call {
    trade: String,
    amount: i64,
    outcome: &'static str,
    forged: bool,
}

/// So many payments; how many callbacks were sent. In half of them the channel
/// also says that it was declined, before or after it says that it was made.
pub async fn run(common: &Common, place: &Place, (payments, clients): (usize, usize), seed: u64) -> Result<usize> {
    let mut rng = StdRng::seed_from_u64(seed);
    let shop = Shop::stocked(common, place).await?;
    let server = shop.serve()?;
    let mut client = Client::connect(server.addr).await?;
    let mut calls = Vec::new();
    let mut declined: HashMap<String, bool> = HashMap::new();
    for (no, buyer) in buyers::make(&shop, server.addr, payments).await?.iter().enumerate() {
        let code = buyer.place(&mut client).await??;
        let trade = buyer.open_payment(&mut client, &code).await?;
        let right = Call { trade, amount: buyer.amount()?, outcome: "success", forged: false };
        calls.extend(std::iter::repeat_n(right.clone(), 3));
        for off in [-1, 1] {
            calls.push(Call { amount: right.amount + off, ..right.clone() });
        }
        calls.extend(std::iter::repeat_n(Call { forged: true, ..right.clone() }, 2));
        calls.push(Call { trade: format!("{}X", right.trade), ..right.clone() });
        if no % 2 == 1 {
            calls.push(Call { outcome: "declined", ..right });
        }
        declined.insert(code, no % 2 == 1);
    }
    calls.shuffle(&mut rng);
    let sent = calls.len();
    send(server.addr, calls, clients).await?;
    drop(server);
    prove(&shop, &declined).await?;
    shop.check()?;
    Ok(sent)
}

async fn send(addr: std::net::SocketAddr, calls: Vec<Call>, clients: usize) -> Result {
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

/// Every order is paid once, by the right amount. Where the channel said yes
/// and no, the money is booked or on its way back.
async fn prove(shop: &Shop, declined: &HashMap<String, bool>) -> Result {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let sql = "SELECT o.code, o.state, o.paid, o.total, (SELECT COUNT(*) FROM payment p WHERE p.store_id = o.store_id \
               AND p.order_id = o.id AND p.confirmed_at IS NOT NULL), (SELECT COUNT(*) FROM refund r WHERE \
               r.store_id = o.store_id AND r.order_id = o.id) FROM orders o";
    let rows: Vec<(String, String, i64, i64, i64, i64)> = conn.all(sql, &[]).await?;
    drop(conn);
    store.close().await;
    for (code, state, paid, total, confirmed, refunds) in rows {
        let is_paid = (state.as_str(), paid, confirmed) == ("paid", total, 1);
        let sent_back = declined.get(&code) == Some(&true) && confirmed == 1 && refunds == 1;
        if !is_paid && !sent_back {
            return Err(format!(
                "order {code}: {state}, {paid} of {total} fen, {confirmed} payments confirmed, {refunds} refunds"
            )
            .into());
        }
    }
    Ok(())
}
