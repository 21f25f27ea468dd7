//! `contend`: many buyers at once for a few pieces. Exactly the pieces are
//! sold, nobody's order is left half done, and all know within seconds.

use crate::buyers::{self, Buyer};
use crate::figure::{Case, Report};
use crate::http::Client;
use crate::shop::{Place, Shop};
use crate::{Common, Result};
use clap::Args;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How hard.
#[derive(Args, Debug)]
pub struct Contend {
    /// Buyers at once
    #[arg(long, default_value_t = 2000)]
    buyers: usize,
    /// Pieces that there are
    #[arg(long, default_value_t = 50)]
    pieces: i64,
}

impl Contend {
    /// Measures on one database; on PostgreSQL with two servers, too.
    ///
    /// # Errors
    /// If not exactly the pieces were sold, or the books do not add up.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let servers: &[usize] = if matches!(place, Place::Sqlite) { &[1] } else { &[1, 2] };
        for &count in servers {
            let (mut last, mut sold) = (Vec::new(), Vec::new());
            for _ in 0..common.rounds {
                let (took, orders) = self.once(common, place, count).await?;
                last.push(took.as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "tens")]
                sold.push(orders as f64);
            }
            let case = if count == 1 { "one server" } else { "two servers" };
            let case = Case { bench: "contend", case, db: place.word(), clients: self.buyers };
            report.say(case, "sold", "pieces", &sold);
            report.say(case, "last answer", "s", &last);
        }
        Ok(())
    }

    async fn once(&self, common: &Common, place: &Place, servers: usize) -> Result<(Duration, i64)> {
        let shop = Shop::stocked(common, place).await?;
        let mut running = Vec::new();
        for _ in 0..servers {
            running.push(shop.serve()?);
        }
        let buyers = buyers::make_for_one(&shop, running[0].addr, self.buyers, self.pieces).await?;
        let addrs: Vec<SocketAddr> = running.iter().map(|server| server.addr).collect();
        let took = all_at_once(buyers, &addrs).await?;
        drop(running);
        let sold = self.sold(&shop).await?;
        shop.check()?;
        Ok((took, sold))
    }

    /// Pieces sold, proved by orders, lines and payments.
    async fn sold(&self, shop: &Shop) -> Result<i64> {
        let store = shop.store().await?;
        let mut conn = store.read().await?;
        let orders = conn.int("SELECT COUNT(*) FROM orders", &[]).await?;
        let lines = conn.int("SELECT CAST(SUM(qty) AS BIGINT) FROM order_line", &[]).await?;
        let orphans = "SELECT COUNT(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_line l WHERE l.store_id = \
                       o.store_id AND l.order_id = o.id) OR NOT EXISTS (SELECT 1 FROM payment p WHERE p.store_id = \
                       o.store_id AND p.order_id = o.id)";
        let orphans = conn.int(orphans, &[]).await?;
        drop(conn);
        store.close().await;
        if (orders, lines, orphans) != (self.pieces, self.pieces, 0) {
            let pieces = self.pieces;
            return Err(format!("{pieces} pieces: {orders} orders, {lines} sold, {orphans} orphans").into());
        }
        Ok(orders)
    }
}

/// Every buyer has a connection, and all order at the same moment.
async fn all_at_once(buyers: Vec<Buyer>, addrs: &[SocketAddr]) -> Result<Duration> {
    let mut ready = Vec::new();
    for (no, buyer) in buyers.into_iter().enumerate() {
        ready.push((buyer, Client::connect(addrs[no % addrs.len()]).await?));
    }
    let began = Instant::now();
    let tasks: Vec<_> = ready
        .into_iter()
        .map(|(buyer, mut client)| tokio::spawn(async move { buyer.place(&mut client).await }))
        .collect();
    for task in tasks {
        // A refusal is an answer; only a broken connection is none.
        if let Err(refusal) = tokio::time::timeout(Duration::from_secs(60), task).await???
            && !(refusal.contains("sold_out") || refusal.contains("not_enough"))
        {
            return Err(format!("an unexpected refusal: {refusal}").into());
        }
    }
    Ok(began.elapsed())
}
