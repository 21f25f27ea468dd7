//! All the shop's connections to PostgreSQL are cut, again and again.

use super::ledger::{Ledger, Tale};
use crate::http::Client;
use crate::shop::{Place, Shop};
use crate::{Common, Result, buyers};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::Connection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Times that a buyer tries before it is a defect.
const TRIES: usize = 60;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between two cuts.
const BETWEEN_MS: std::ops::Range<u64> = 30..300;
/// Buyers for each cut: enough to last until the last one.
const BUYERS: usize = 250;

/// What was seen.
#[derive(Debug, Default)]
pub struct Saw {
    /// Connections cut.
    pub cut: usize,
    /// Orders acknowledged.
    pub acknowledged: usize,
    /// Answers that were refusals or breaks because of it.
    pub failed: usize,
}

/// Cuts so many times, under the load of so many clients.
pub async fn run(
    common: &Common,
    (place, admin): (&Place, &str),
    (cuts, clients): (usize, usize),
    seed: u64,
) -> Result<Saw> {
    let mut rng = StdRng::seed_from_u64(seed);
    let shop = Shop::stocked(common, place).await?;
    let server = shop.serve()?;
    let buyers = buyers::make(&shop, server.addr, cuts * BUYERS).await?;
    let tales: Arc<Vec<Tale>> = Arc::new(buyers.into_iter().map(Tale::new).collect());
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(server.addr, Arc::clone(&tales), clients, Arc::clone(&over)));
    let mut conn = sqlx::PgConnection::connect(admin).await?;
    let database = shop.database().rsplit('/').next().unwrap_or_default().to_owned();
    let mut saw = Saw::default();
    for _ in 0..cuts {
        tokio::time::sleep(Duration::from_millis(rng.random_range(BETWEEN_MS))).await;
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
        let cut: i64 = sqlx::query_scalar(sql).bind(&database).fetch_one(&mut conn).await?;
        saw.cut += usize::try_from(cut)?;
    }
    // A while of peace: everybody who had begun gets through.
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, Ordering::Relaxed);
    saw.failed = tokio::time::timeout(Duration::from_mins(2), load).await???;
    drop(server);
    let mut ledger = Ledger::default();
    ledger.take(&tales);
    ledger.prove(&shop).await?;
    shop.check()?;
    saw.acknowledged = ledger.len();
    Ok(saw)
}

/// Clients order until it is over; how many answers failed.
async fn load(addr: SocketAddr, tales: Arc<Vec<Tale>>, clients: usize, over: Arc<AtomicBool>) -> Result<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (tales, next, over) = (Arc::clone(&tales), Arc::clone(&next), Arc::clone(&over));
            tokio::spawn(async move {
                let mut failed = 0;
                let mut client = Client::connect(addr).await?;
                while let Some(tale) = tales.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut tries = 0;
                    while let Err(error) = tale.go_on(&mut client).await {
                        tries += 1;
                        if tries > TRIES {
                            return Err(format!("no answer after {TRIES} tries: {error}").into());
                        }
                        failed += 1;
                        tokio::time::sleep(PAUSE).await;
                        client = Client::connect(addr).await?;
                    }
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Ok::<usize, crate::Error>(failed)
            })
        })
        .collect();
    let mut failed = 0;
    for task in tasks {
        failed += task.await??;
    }
    Ok(failed)
}
