//! SIGKILL at random moments.

use super::ledger::{Ledger, Tale};
use super::{Ground, Line};
use crate::http::Client;
use crate::shop::{Shop, free_addr};
use crate::{Result, buyers};
use rand::RngExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Buyers between two kills: more than can be served.
const BUYERS: usize = 500;
/// The kill comes within this time of load.
const WITHIN_MS: std::ops::Range<u64> = 5..500;

/// Kills so many times.
pub async fn run(ground: &Ground<'_>, kills: usize) -> Result<Vec<Line>> {
    let mut rng = ground.rng();
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let addr = free_addr()?;
    let mut server = shop.serve_at(addr)?;
    let mut ledger = Ledger::default();
    // Buyers whose order or payment was under way when the server died, and how long each restart took.
    let (mut in_the_air, mut ready_ms) = (0, Vec::new());
    for no in 0..kills {
        let buyers = buyers::make(&shop, addr, BUYERS).await?;
        let tales: Arc<Vec<Tale>> = Arc::new(buyers.into_iter().map(Tale::new).collect());
        let load = tokio::spawn(load(addr, Arc::clone(&tales), ground.clients));
        tokio::time::sleep(Duration::from_millis(rng.random_range(WITHIN_MS))).await;
        server.kill()?;
        let begun = tokio::time::timeout(Duration::from_mins(1), load).await???;
        ledger.take(&tales);
        // What was kept until now, before any server mends anything.
        prove(&ledger, &shop).await.map_err(|error| format!("after kill {no}: {error}"))?;
        in_the_air += tales[..begun.min(tales.len())].iter().filter(|tale| !tale.is_done()).count();
        let began = Instant::now();
        server = shop.serve_at(addr)?;
        ready_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        // All who had begun go on; those who were done ask again, too.
        let mut client = Client::connect(addr).await?;
        for tale in &tales[..begun.min(tales.len())] {
            if !tale.is_done() || rng.random_bool(0.2) {
                tale.go_on(&mut client).await.map_err(|error| format!("after restart {no}: {error}"))?;
            }
        }
        ledger.take(&tales);
    }
    drop(server);
    prove(&ledger, &shop).await?;
    Ok(vec![
        Line::of("kills", "", kills),
        Line::of("acknowledged", "orders", ledger.len()),
        Line::of("in the air", "orders", in_the_air),
        Line::of("lost or doubled", "orders", 0),
        Line { metric: "start to ready", unit: "ms", values: ready_ms },
    ])
}

async fn prove(ledger: &Ledger, shop: &Shop) -> Result {
    ledger.prove(shop).await?;
    shop.check()
}

/// Clients order until the server is gone; how many buyers had begun.
async fn load(addr: SocketAddr, tales: Arc<Vec<Tale>>, clients: usize) -> Result<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (tales, next) = (Arc::clone(&tales), Arc::clone(&next));
            tokio::spawn(async move {
                let Ok(mut client) = Client::connect(addr).await else { return Ok(()) };
                while let Some(tale) = tales.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match tale.go_on(&mut client).await {
                        Ok(()) => {}
                        // The connection broke: the server was killed.
                        Err(error) if error.is::<hyper::Error>() => return Ok(()),
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(next.load(Ordering::Relaxed))
}
