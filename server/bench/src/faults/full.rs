//! The disk is full: of the shop's own file, log included, or of PostgreSQL.
//! Who writes is told to come back later, who reads is served, and once there is
//! room everybody gets through.

use super::disk::Disk;
use super::load::{Load, Saw};
use super::{Ground, Line, count};
use crate::http::Client;
use crate::shop::{Place, Shop};
use crate::{Result, buyers};
use cluster::{Cluster, Sync};
use rand::RngExt;
use std::time::Duration;

/// Size of the disk: the shop, and room to sell for a while.
const MIB: usize = 160;
/// Buyers for each time: more than can be served meanwhile.
const BUYERS: usize = 2_000;
/// Refusals that are waited for while it is full.
const REFUSALS: usize = 40;
/// Buyers who are served before and after.
const SERVED: usize = 20;
/// It is filled within this time.
const WITHIN_MS: std::ops::Range<u64> = 0..300;
/// A page that is read from the database.
const PAGE: &str = "/p/DU001";

/// Fills the disk so many times.
pub async fn run(ground: &Ground<'_>, times: usize) -> Result<Vec<Line>> {
    let Some(disk) = Disk::mount(MIB)? else {
        return ground.leave_out("full", "a small disk cannot be mounted here: that takes root");
    };
    let mut cluster = match ground.place {
        Place::Sqlite => None,
        Place::Postgres(_) => Some(Cluster::start_in(disk.path(), Sync::Small)?),
    };
    let place = cluster.as_ref().map_or(Place::Sqlite, |cluster| Place::Postgres(cluster.url()));
    let mut shop = Shop::stocked_in(ground.common, &place, tempfile::tempdir_in(disk.path())?).await?;
    // The database goes with its cluster.
    shop.leave_database();
    let server = shop.serve()?;
    let all = buyers::make(&shop, server.addr, times * BUYERS).await?;
    let load = Load::start(server.addr, all, ground.clients);
    let mut rng = ground.rng();
    let (mut read, mut gave_up) = (0, 0);
    for no in 0..times {
        load.served(SERVED).await.map_err(|error| format!("before fill {no}: {error}"))?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(WITHIN_MS))).await;
        disk.fill()?;
        load.refused(REFUSALS).await.map_err(|error| format!("full, {no}: {error}"))?;
        let page = Client::connect(server.addr).await?.get(PAGE, "").await?;
        let down = cluster.as_mut().is_some_and(|cluster| !cluster.is_running());
        read += usize::from(page.status.is_success());
        if matches!(place, Place::Sqlite) && !page.status.is_success() {
            return Err(format!("a page was answered {} while the disk was full", page.status).into());
        }
        disk.make_room()?;
        // PostgreSQL ends by itself when it cannot write its log.
        if down && let Some(cluster) = cluster.as_mut() {
            gave_up += 1;
            cluster.start_again()?;
        }
        load.served(SERVED).await.map_err(|error| format!("room again, {no}: {error}"))?;
    }
    let saw = load.end().await?;
    drop(server);
    saw.prove(&shop).await?;
    let Saw { ledger, failed, .. } = saw;
    let mut lines = vec![
        Line::of("fills", "", times),
        Line::of("acknowledged", "orders", ledger.len()),
        Line::of("failed answers", "", failed),
        Line::of("pages read while full", "", read),
        Line::of("lost or doubled", "orders", 0),
    ];
    if matches!(place, Place::Postgres(_)) {
        lines.push(Line { metric: "PostgreSQL gave up", unit: "times", values: vec![count(gave_up)] });
    }
    Ok(lines)
}
