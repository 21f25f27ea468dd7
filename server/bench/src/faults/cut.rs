//! All the shop's connections to PostgreSQL are cut, again and again.

use super::load::Load;
use super::{Ground, Line};
use crate::shop::{Place, Shop};
use crate::{Result, buyers};
use rand::RngExt;
use sqlx::Connection;
use std::time::Duration;

/// Time between two cuts.
const BETWEEN_MS: std::ops::Range<u64> = 30..300;
/// Buyers for each cut: enough to last until the last one.
const BUYERS: usize = 250;
/// Buyers who are served once it is over.
const SERVED: usize = 20;

/// Cuts so many times.
pub async fn run(ground: &Ground<'_>, cuts: usize) -> Result<Vec<Line>> {
    let Place::Postgres(admin) = ground.place else { return Ok(Vec::new()) };
    let mut rng = ground.rng();
    let shop = Shop::stocked(ground.common, ground.place).await?;
    let server = shop.serve()?;
    let buyers = buyers::make(&shop, server.addr, cuts * BUYERS).await?;
    let load = Load::start(server.addr, buyers, ground.clients);
    let mut conn = sqlx::PgConnection::connect(admin).await?;
    let database = shop.database().rsplit('/').next().unwrap_or_default().to_owned();
    let mut cut_off = 0;
    for _ in 0..cuts {
        tokio::time::sleep(Duration::from_millis(rng.random_range(BETWEEN_MS))).await;
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
        let cut: i64 = sqlx::query_scalar(sql).bind(&database).fetch_one(&mut conn).await?;
        cut_off += usize::try_from(cut)?;
    }
    if cut_off < cuts {
        return Err(format!("{cuts} cuts met {cut_off} connections").into());
    }
    load.served(SERVED).await?;
    let saw = load.end().await?;
    drop(server);
    saw.prove(&shop).await?;
    Ok(vec![
        Line::of("cuts", "connections", cut_off),
        Line::of("acknowledged", "orders", saw.ledger.len()),
        Line::of("failed answers", "", saw.failed),
        Line::of("lost or doubled", "orders", 0),
    ])
}
