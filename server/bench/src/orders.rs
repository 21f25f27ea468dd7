//! `orders`: complete orders of five lines a second, from the priced basket to
//! paid, through the public server functions: place, ask for the channel's
//! page, and the channel's signed callback. Beside it the bare limit: the same
//! rows, written by the same driver in batches of 500, without reading,
//! deciding or HTTP.

use crate::buyers::{self, Buyer};
use crate::figure::{Case, Report, Times};
use crate::http::Client;
use crate::shop::{Place, Shop};
use crate::{Common, Result, bare};
use clap::Args;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much is ordered.
#[derive(Args, Debug)]
pub struct Orders {
    /// Clients at once, beside one alone
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Orders a round
    #[arg(long, default_value_t = 3000)]
    orders: usize,
}

/// What a round measured.
struct Round {
    seconds: f64,
    whole: Times,
    place: Times,
}

impl Orders {
    /// Measures on one database.
    ///
    /// # Errors
    /// If an order is refused, or the books do not add up in the end.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let shop = Shop::stocked(common, place).await?;
        let server = shop.serve()?;
        let alone = (self.orders / 10).max(1);
        let warm_up = self.orders / 3;
        let count = warm_up + common.rounds * (self.orders + alone);
        let mut buyers = buyers::make(&shop, server.addr, count).await?;
        round(server.addr, buyers.split_off(buyers.len() - warm_up), self.clients).await?;
        let mut whole = Vec::new();
        for (clients, orders) in [(1, alone), (self.clients, self.orders)] {
            let case = Case { bench: "orders", case: "order", db: place.word(), clients };
            let mut rates = Vec::new();
            let mut quantiles = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..common.rounds {
                let mut round = round(server.addr, buyers.split_off(buyers.len() - orders), clients).await?;
                rates.push(per_second(round.whole.len(), round.seconds));
                let [p50, p99, place_p50, place_p99] = &mut quantiles;
                p50.push(round.whole.quantile_ms(0.5));
                p99.push(round.whole.quantile_ms(0.99));
                place_p50.push(round.place.quantile_ms(0.5));
                place_p99.push(round.place.quantile_ms(0.99));
            }
            report.say(case, "rate", "orders/s", &rates);
            for (metric, values) in ["p50", "p99", "place p50", "place p99"].iter().zip(&quantiles) {
                report.say(case, metric, "ms", values);
            }
            whole = rates;
        }
        drop(server);
        all_paid(&shop, count).await?;
        shop.check()?;
        let bare = bare::rates(&shop, common.rounds).await?;
        let case = Case { bench: "orders", case: "bare limit", db: place.word(), clients: 1 };
        report.say(case, "rate", "orders/s", &bare);
        let ratios: Vec<f64> = whole.iter().zip(&bare).map(|(whole, bare)| whole / bare).collect();
        report.say(Case { case: "of bare limit", clients: self.clients, ..case }, "ratio", "", &ratios);
        Ok(())
    }
}

/// Every order that was acknowledged is there, and paid.
async fn all_paid(shop: &Shop, count: usize) -> Result {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let paid = conn.int("SELECT COUNT(*) FROM orders WHERE state = 'paid' AND paid = total", &[]).await?;
    drop(conn);
    store.close().await;
    if usize::try_from(paid)? != count {
        return Err(format!("{count} orders were paid, the shop knows of {paid}").into());
    }
    Ok(())
}

/// Things a second.
pub fn per_second(count: usize, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let count = count as f64;
    count / seconds
}

/// All buyers buy once, so many at a time.
async fn round(addr: SocketAddr, buyers: Vec<Buyer>, clients: usize) -> Result<Round> {
    let buyers = Arc::new(buyers);
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Client::connect(addr).await?);
    }
    let began = Instant::now();
    let tasks = connections.into_iter().map(|mut client| {
        let (buyers, next) = (Arc::clone(&buyers), Arc::clone(&next));
        tokio::spawn(async move {
            let (mut whole, mut place) = (Times::default(), Times::default());
            while let Some(buyer) = buyers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                let code = buyer.place(&mut client).await??;
                place.push(began.elapsed());
                let trade = buyer.open_payment(&mut client, &code).await?;
                buyer.pay(&mut client, &trade).await?;
                whole.push(began.elapsed());
            }
            Ok::<_, crate::Error>((whole, place))
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut round = Round { seconds: 0.0, whole: Times::default(), place: Times::default() };
    for task in tasks {
        let (whole, place) = tokio::time::timeout(Duration::from_mins(2), task).await???;
        round.whole.extend(whole);
        round.place.extend(place);
    }
    round.seconds = began.elapsed().as_secs_f64();
    Ok(round)
}
