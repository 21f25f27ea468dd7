//! `growth`: the same pages and orders in shops of different sizes: what ten or
//! a thousand times as many goods cost.

use crate::figure::{Case, Report, Times};
use crate::http::{Client, form};
use crate::pages::{Ask, asks, checked, cookie};
use crate::shop::{Place, Shop};
use crate::{Common, Result, buyers};
use clap::Args;
use std::time::{Duration, Instant};

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
            for (what, rounds) in &figures {
                let case = format!("{what} at {skus}");
                let case = Case { bench: "growth", case: &case, db: place.word(), clients: 1 };
                report.say(case, "p50", "ms", rounds);
                let first = smallest.as_ref().and_then(|(_, first)| first.iter().find(|(known, _)| known == what));
                if let (Some((least, _)), Some((_, first))) = (&smallest, first) {
                    let ratios: Vec<f64> = rounds.iter().zip(first).map(|(now, first)| now / first).collect();
                    report.say(case, &format!("to {least}"), "times", &ratios);
                }
            }
            smallest.get_or_insert((skus, figures));
        }
        Ok(())
    }

    async fn size(&self, common: &Common, place: &Place, skus: usize) -> Result<Figures> {
        let shop = Shop::of_goods(common, place, skus).await?;
        let server = shop.serve()?;
        let mut figures = Figures::new();
        let mut client = Client::connect(server.addr).await?;
        let mut asks = asks();
        let suggest = format!("/api/catalogue/suggest?{}", form(&[("text", "牛奶")]));
        asks.push(Ask { case: "suggest", path: suggest, proof: "牛奶".into() });
        for ask in asks {
            let mut rounds = Vec::new();
            for round in 0..=common.rounds {
                let (mut times, end) = (Times::default(), Instant::now() + ROUND);
                for no in 0..self.requests {
                    let began = Instant::now();
                    if no >= LEAST && began >= end {
                        break;
                    }
                    let answer = client.get(&ask.path, &cookie()).await?;
                    times.push(began.elapsed());
                    if answer.status != 200 {
                        return Err(format!("{} was answered {}", ask.path, answer.status).into());
                    }
                }
                if round > 0 {
                    rounds.push(times.quantile_ms(0.5));
                }
            }
            if ask.case == "suggest" {
                if !client.get(&ask.path, &cookie()).await?.text().contains(&ask.proof) {
                    return Err("nothing was suggested".into());
                }
            } else {
                checked(&mut client, &ask).await?;
            }
            figures.push((ask.case, rounds));
        }
        let mut buyers = buyers::make(&shop, server.addr, (common.rounds + 1) * self.requests).await?;
        let mut rounds = Vec::new();
        for round in 0..=common.rounds {
            let (mut times, end) = (Times::default(), Instant::now() + ROUND);
            for (no, buyer) in buyers.split_off(buyers.len() - self.requests).into_iter().enumerate() {
                let began = Instant::now();
                if no >= LEAST && began >= end {
                    break;
                }
                buyer.buy(&mut client).await?;
                times.push(began.elapsed());
            }
            if round > 0 {
                rounds.push(times.quantile_ms(0.5));
            }
        }
        figures.push(("order", rounds));
        drop(server);
        shop.check()?;
        Ok(figures)
    }
}
