//! A browser submits the same order twice at once and goes away.

use super::ledger::{Ledger, Tale};
use super::{Ground, Line};
use crate::http::Client;
use crate::shop::Shop;
use crate::{Result, buyers};
use rand::RngExt;
use std::time::Duration;

/// It goes away within this time.
const WITHIN_US: std::ops::Range<u64> = 0..15_000;

/// So many orders are submitted twice.
pub async fn run(ground: &Ground<'_>, orders: usize) -> Result<Vec<Line>> {
    let mut rng = ground.rng();
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let server = shop.serve()?;
    let buyers = buyers::make(&shop, server.addr, orders).await?;
    for buyer in &buyers {
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(server.addr).await?;
            let buyer = buyer.clone();
            let away = Duration::from_micros(rng.random_range(WITHIN_US));
            tasks.push(tokio::spawn(async move {
                // Dropped with its connection when the time is over.
                let _ = tokio::time::timeout(away, buyer.place(&mut client)).await;
            }));
        }
        for task in tasks {
            task.await?;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let store = shop.store().await?;
    let there = store.read().await?.int("SELECT COUNT(*) FROM orders", &[]).await?;
    store.close().await;
    if there == 0 {
        return Err("of those who went away nobody's order was placed: they went too early".into());
    }
    // They come back, submit the form again, and pay.
    let tales: Vec<Tale> = buyers.into_iter().map(Tale::new).collect();
    let mut client = Client::connect(server.addr).await?;
    for tale in &tales {
        tale.go_on(&mut client).await?;
    }
    drop(server);
    let mut ledger = Ledger::default();
    ledger.take(&tales);
    ledger.prove(&shop).await?;
    let store = shop.store().await?;
    let all = store.read().await?.int("SELECT COUNT(*) FROM orders", &[]).await?;
    store.close().await;
    if usize::try_from(all)? != orders {
        return Err(format!("{orders} orders were meant, {all} are there").into());
    }
    shop.check()?;
    Ok(vec![Line::of("placed unseen", "orders", usize::try_from(there)?), Line::of("doubled", "orders", 0)])
}
