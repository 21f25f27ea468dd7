//! `growth`: the same pages and orders in shops of different sizes: what ten or
//! a thousand times as many goods cost, and a hundred times as many orders.

use crate::figure::{Case, Report, Times};
use crate::http::{Client, form};
use crate::pages::{Ask, asks, checked, cookie, fresh, fresh_number};
use crate::shop::{Place, Shop};
use crate::{Common, Result, buyers, habits, history};
use clap::Args;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use store::Val;

/// SKUs of the shops that have orders behind them.
const SKUS: usize = 1_000;

/// A round ends after this time, however slow the requests are.
const ROUND: Duration = Duration::from_secs(3);
/// So many requests are made nevertheless.
const LEAST: usize = 3;

/// How much.
#[derive(Args, Debug)]
pub struct Growth {
    /// SKUs of the shops, the smallest first
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// Orders that shops have behind them, the fewest first
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
    histories: Vec<usize>,
    /// Requests of each kind a round
    #[arg(long, default_value_t = 100)]
    requests: usize,
}

/// A case, and its median time in ms of each round.
type Figures = Vec<(&'static str, Vec<f64>)>;

impl Growth {
    /// Measures on one database.
    ///
    /// # Errors
    /// If a page is not the right one, an order is refused, or the books are not right.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let mut smallest: Option<(usize, Figures)> = None;
        for &skus in &self.sizes {
            let figures = self.size(common, place, skus).await?;
            say(report, place, (skus, "SKUs"), &figures, smallest.as_ref());
            smallest.get_or_insert((skus, figures));
        }
        let mut shortest: Option<(usize, Figures)> = None;
        for &orders in &self.histories {
            let figures = self.history(common, place, orders).await?;
            say(report, place, (orders, "orders"), &figures, shortest.as_ref());
            shortest.get_or_insert((orders, figures));
        }
        Ok(())
    }

    /// A visitor's pages and orders among so many SKUs.
    async fn size(&self, common: &Common, place: &Place, skus: usize) -> Result<Figures> {
        let shop = Shop::of_goods(common, place, skus).await?;
        let server = shop.serve()?;
        let mut figures = Figures::new();
        let mut client = Client::connect(server.addr).await?;
        let mut asks = asks();
        let suggest = format!("/api/catalogue/suggest?{}", form(&[("text", "牛奶")]));
        asks.push(Ask { case: "suggest", path: suggest, proof: "牛奶".into() });
        for ask in asks {
            // Of pages that are kept ready none would grow.
            let path = if ask.case == "suggest" { ask.path.clone() } else { fresh(&ask.path) };
            figures.push((ask.case, self.times(common, &mut client, &path, &cookie()).await?));
            if ask.case == "suggest" {
                if !client.get(&ask.path, &cookie()).await?.text().contains(&ask.proof) {
                    return Err("nothing was suggested".into());
                }
            } else {
                checked(&mut client, &ask).await?;
            }
        }
        figures.push(("order", self.orders(common, (&shop, server.addr), &mut client).await?));
        drop(server);
        shop.check()?;
        Ok(figures)
    }

    /// A member's pages and orders in a small shop that has so many orders behind it.
    async fn history(&self, common: &Common, place: &Place, orders: usize) -> Result<Figures> {
        let shop = Shop::of_goods(common, place, SKUS).await?;
        let store = shop.store().await?;
        history::write(&store, orders).await?;
        let mut conn = store.read().await?;
        // Whoever orders as often as others do, in a short history and in a long one.
        let sql = "SELECT member_id FROM orders GROUP BY member_id
            ORDER BY ABS(COUNT(*) - $1), member_id LIMIT 1";
        let (member,): (String,) = conn.one(sql, &[Val::from(i64::from(habits::baskets_each()))]).await?;
        drop(conn);
        let member = buyers::sign_in(&store, &member).await?;
        store.close().await;
        shop.check()?;
        let server = shop.serve()?;
        let mut client = Client::connect(server.addr).await?;
        let mut figures = Figures::new();
        for (case, path) in [("home", "/"), ("orders", "/orders"), ("me", "/me")] {
            figures.push((case, self.times(common, &mut client, path, &member).await?));
        }
        if !client.get("/orders", &member).await?.text().contains("/orders/H") {
            return Err("the member's orders are not shown".into());
        }
        figures.push(("order", self.orders(common, (&shop, server.addr), &mut client).await?));
        drop(server);
        shop.check()?;
        Ok(figures)
    }

    /// Median times of a page, a round each; the first round warms up.
    async fn times(&self, common: &Common, client: &mut Client, path: &str, cookie: &str) -> Result<Vec<f64>> {
        let mut rounds = Vec::new();
        for round in 0..=common.rounds {
            let (mut times, end) = (Times::default(), Instant::now() + ROUND);
            for no in 0..self.requests {
                let began = Instant::now();
                if no >= LEAST && began >= end {
                    break;
                }
                let answer = client.get(&format!("{path}{}", fresh_number(path)), cookie).await?;
                times.push(began.elapsed());
                if answer.status != 200 {
                    return Err(format!("{path} was answered {}", answer.status).into());
                }
            }
            if round > 0 {
                rounds.push(times.quantile_ms(0.5));
            }
        }
        Ok(rounds)
    }

    /// Median times of an order, a round each; the first round warms up.
    async fn orders(
        &self,
        common: &Common,
        (shop, addr): (&Shop, SocketAddr),
        client: &mut Client,
    ) -> Result<Vec<f64>> {
        let mut buyers = buyers::make(shop, addr, (common.rounds + 1) * self.requests).await?;
        let mut rounds = Vec::new();
        for round in 0..=common.rounds {
            let (mut times, end) = (Times::default(), Instant::now() + ROUND);
            for (no, buyer) in buyers.split_off(buyers.len() - self.requests).into_iter().enumerate() {
                let began = Instant::now();
                if no >= LEAST && began >= end {
                    break;
                }
                buyer.buy(client).await?;
                times.push(began.elapsed());
            }
            if round > 0 {
                rounds.push(times.quantile_ms(0.5));
            }
        }
        Ok(rounds)
    }
}

/// Says the figures of a size and, if there is a smaller one, how they stand to its.
fn say(
    report: &Report,
    place: &Place,
    (size, what): (usize, &str),
    figures: &Figures,
    smallest: Option<&(usize, Figures)>,
) {
    for (name, rounds) in figures {
        let case = format!("{name} at {size} {what}");
        let case = Case { bench: "growth", case: &case, db: place.word(), clients: 1 };
        report.say(case, "p50", "ms", rounds);
        let first = smallest.and_then(|(_, first)| first.iter().find(|(known, _)| known == name));
        if let (Some((least, _)), Some((_, first))) = (smallest, first) {
            let ratios: Vec<f64> = rounds.iter().zip(first).map(|(now, first)| now / first).collect();
            report.say(case, &format!("to {least}"), "times", &ratios);
        }
    }
}
