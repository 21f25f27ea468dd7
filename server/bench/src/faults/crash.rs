//! PostgreSQL crashes under load and is started again a moment later.

use super::load::Load;
use super::{Ground, Line};
use crate::shop::{Place, Shop};
use crate::{Result, buyers};
use cluster::{Cluster, Sync};
use rand::RngExt;
use std::time::Duration;

/// Buyers for each crash: more than can be served meanwhile.
const BUYERS: usize = 1_000;
/// Buyers who are served between two crashes.
const SERVED: usize = 20;
/// The crash comes within this time after them.
const WITHIN_MS: std::ops::Range<u64> = 0..300;
/// PostgreSQL is away for so long.
const AWAY_MS: std::ops::Range<u64> = 0..1_500;

/// Crashes it so many times. It has a cluster of its own.
pub async fn run(ground: &Ground<'_>, crashes: usize) -> Result<Vec<Line>> {
    if matches!(ground.place, Place::Sqlite) {
        return Ok(Vec::new());
    }
    let mut cluster = Cluster::start(Sync::Full)?;
    let mut shop = Shop::stocked(ground.common, &Place::Postgres(cluster.url())).await?;
    // The database goes with its cluster.
    shop.leave_database();
    let server = shop.serve()?;
    let all = buyers::make(&shop, server.addr, crashes * BUYERS).await?;
    let load = Load::start(server.addr, all, ground.clients);
    let mut rng = ground.rng();
    for no in 0..crashes {
        load.served(SERVED).await.map_err(|error| format!("before crash {no}: {error}"))?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(WITHIN_MS))).await;
        cluster.crash()?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(AWAY_MS))).await;
        cluster.start_again()?;
    }
    load.served(SERVED).await.map_err(|error| format!("after the last crash: {error}"))?;
    let saw = load.end().await?;
    drop(server);
    saw.prove(&shop).await?;
    Ok(vec![
        Line::of("crashes", "", crashes),
        Line::of("acknowledged", "orders", saw.ledger.len()),
        Line::of("failed answers", "", saw.failed),
        Line::of("lost or doubled", "orders", 0),
    ])
}
