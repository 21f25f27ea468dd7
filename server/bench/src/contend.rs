//! `contend`: many buyers at once for a few pieces. Exactly the pieces are
//! sold, nobody's order is left half done, and all know within seconds. The
//! smaller form does it again and again with few buyers who come a little apart,
//! in an order that a seed decides.

use crate::buyers::Buyer;
use crate::figure::{Case, Report};
use crate::http::Client;
use crate::proc::need_files;
use crate::server::Server;
use crate::shop::{Place, Shop};
use crate::{Common, Result, few};
use clap::Args;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use store::Val;

/// Buyers and pieces of the smaller form.
const SMALL: (usize, i64) = (40, 7);
/// Times that the smaller form is done in one shop, each for another SKU.
const IN_A_SHOP: usize = 100;

/// How hard.
#[derive(Args, Debug)]
pub struct Contend {
    /// Buyers at once
    #[arg(long, default_value_t = 2000)]
    buyers: usize,
    /// Pieces that there are
    #[arg(long, default_value_t = 50)]
    pieces: i64,
    /// The smaller form instead, so many times
    #[arg(long, default_value_t = 0)]
    seeds: usize,
    /// The first seed of the smaller form
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Contend {
    /// Measures on one database; on PostgreSQL with two servers, too.
    ///
    /// # Errors
    /// If not exactly the pieces were sold, or the books do not add up.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let servers: &[usize] = if matches!(place, Place::Sqlite) { &[1] } else { &[1, 2] };
        need_files(if self.seeds == 0 { self.buyers } else { SMALL.0 })?;
        for &count in servers {
            if self.seeds == 0 {
                self.large(common, place, report, count).await?;
            } else {
                self.small(common, place, report, count).await?;
            }
        }
        Ok(())
    }

    async fn large(&self, common: &Common, place: &Place, report: &Report, servers: usize) -> Result {
        let (mut last, mut sold) = (Vec::new(), Vec::new());
        for _ in 0..common.rounds {
            let shop = Shop::stocked(common, place).await?;
            let running = start(&shop, servers)?;
            let (skus, buyers) = few::make(&shop, running[0].addr, self.buyers, (1, self.pieces)).await?;
            let mut ready = Vec::new();
            for (no, buyer) in buyers.into_iter().enumerate() {
                ready.push((buyer, Client::connect(running[no % servers].addr).await?, Duration::ZERO));
            }
            let (took, bought, _) = all_at_once(ready).await?;
            drop(running);
            proved(&shop, &skus[0], self.pieces, bought).await?;
            shop.check()?;
            last.push(took.as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "tens")]
            sold.push(bought as f64);
        }
        let case = if servers == 1 { "one server" } else { "two servers" };
        let case = Case { bench: "contend", case, db: place.word(), clients: self.buyers };
        report.say(case, "sold", "pieces", &sold);
        report.say(case, "last answer", "s", &last);
        Ok(())
    }

    async fn small(&self, common: &Common, place: &Place, report: &Report, servers: usize) -> Result {
        let (buyers, pieces) = SMALL;
        let (mut last, mut sold) = (Vec::new(), Vec::new());
        while last.len() < self.seeds {
            let kinds = IN_A_SHOP.min(self.seeds - last.len());
            let shop = Shop::stocked(common, place).await?;
            let running = start(&shop, servers)?;
            let (skus, all) = few::make(&shop, running[0].addr, kinds * buyers, (kinds, pieces)).await?;
            let mut by_sku: Vec<Vec<Buyer>> = vec![Vec::new(); skus.len()];
            for (no, buyer) in all.into_iter().enumerate() {
                by_sku[no % skus.len()].push(buyer);
            }
            let addrs: Vec<SocketAddr> = running.iter().map(|server| server.addr).collect();
            let mut clients = Vec::new();
            for no in 0..buyers {
                clients.push(Client::connect(addrs[no % servers]).await?);
            }
            for (sku, buyers) in skus.iter().zip(by_sku) {
                let seed = self.seed + last.len() as u64;
                let mut rng = StdRng::seed_from_u64(seed);
                clients.shuffle(&mut rng);
                let late = |_| Duration::from_micros(rng.random_range(0..3_000));
                let late: Vec<Duration> = (0..buyers.len()).map(late).collect();
                let ready = buyers.into_iter().zip(clients).zip(late).map(|((a, b), c)| (a, b, c)).collect();
                let (took, bought, back) = all_at_once(ready).await.map_err(|error| format!("seed {seed}: {error}"))?;
                clients = back;
                proved(&shop, sku, pieces, bought).await.map_err(|error| format!("seed {seed}: {error}"))?;
                last.push(took.as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "tens")]
                sold.push(bought as f64);
            }
            drop(running);
            shop.check()?;
        }
        let case = if servers == 1 { "seeds, 1 server" } else { "seeds, 2 servers" };
        let case = Case { bench: "contend", case, db: place.word(), clients: buyers };
        report.say(case, "sold", "pieces", &sold);
        report.say(case, "last answer", "s", &last);
        Ok(())
    }
}

fn start(shop: &Shop, servers: usize) -> Result<Vec<Server>> {
    (0..servers).map(|_| shop.serve()).collect()
}

/// As many were sold as there were and as buyers were told; every order is whole.
async fn proved(shop: &Shop, sku: &str, pieces: i64, bought: i64) -> Result {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let lines =
        conn.int("SELECT CAST(SUM(qty) AS BIGINT) FROM order_line WHERE sku_id = $1", &[Val::from(sku)]).await?;
    let orphans = "SELECT COUNT(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_line l WHERE l.store_id = \
                   o.store_id AND l.order_id = o.id) OR NOT EXISTS (SELECT 1 FROM payment p WHERE p.store_id = \
                   o.store_id AND p.order_id = o.id)";
    let orphans = conn.int(orphans, &[]).await?;
    drop(conn);
    store.close().await;
    if (bought, lines, orphans) != (pieces, pieces, 0) {
        return Err(format!("{pieces} pieces: {bought} buyers told yes, {lines} sold, {orphans} orphans").into());
    }
    Ok(())
}

/// All order at the same moment, or as late as they are told. How long it took
/// from the first order to the last answer, how many got one, and the connections.
async fn all_at_once(ready: Vec<(Buyer, Client, Duration)>) -> Result<(Duration, i64, Vec<Client>)> {
    let began = Instant::now();
    let tasks: Vec<_> = ready
        .into_iter()
        .map(|(buyer, mut client, late)| {
            tokio::spawn(async move {
                if !late.is_zero() {
                    tokio::time::sleep(late).await;
                }
                let placed = buyer.place(&mut client).await;
                (placed, client, began.elapsed())
            })
        })
        .collect();
    let (mut last, mut bought, mut clients) = (Duration::ZERO, 0, Vec::new());
    for task in tasks {
        let (placed, client, at) = tokio::time::timeout(Duration::from_mins(1), task).await??;
        // A refusal is an answer; only a broken connection is none.
        match placed? {
            Ok(_) => bought += 1,
            Err(refusal) if refusal.contains("sold_out") || refusal.contains("not_enough") => {}
            Err(refusal) => return Err(format!("an unexpected refusal: {refusal}").into()),
        }
        last = last.max(at);
        clients.push(client);
    }
    Ok((last, bought, clients))
}
