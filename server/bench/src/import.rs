//! `import`: rows a second of SKUs with prices and stock, new and once more.

use crate::figure::{Case, Report};
use crate::orders::per_second;
use crate::shop::{Place, Shop};
use crate::{Common, Result, goods};
use clap::Args;
use std::time::Instant;

/// How much.
#[derive(Args, Debug)]
pub struct Import {
    /// SKUs, each with a price and a level of stock
    #[arg(long, default_value_t = 100_000)]
    skus: usize,
}

impl Import {
    /// Measures on one database.
    ///
    /// # Errors
    /// If a row is bad, or rows are missing afterwards.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let mut figures: Vec<(String, Vec<f64>)> = Vec::new();
        for round in 0..common.rounds {
            let shop = Shop::empty(common, place).await?;
            let folder = shop.folder().join("import");
            goods::write(&folder, self.skus, round as u64)?;
            for file in ["stores.csv", "categories.csv"] {
                shop.run(&["import", "--strict", &folder.join(file).display().to_string()])?;
            }
            for state in ["new", "again"] {
                let (mut rows, mut seconds) = (0, 0.0);
                for file in ["skus.csv", "stock.csv"] {
                    let path = folder.join(file).display().to_string();
                    let began = Instant::now();
                    shop.run(&["import", "--strict", &path])?;
                    let took = began.elapsed().as_secs_f64();
                    add(&mut figures, format!("{state} {file}"), per_second(self.skus, took));
                    rows += self.skus;
                    seconds += took;
                }
                add(&mut figures, format!("{state} both"), per_second(rows, seconds));
            }
            let store = shop.store().await?;
            let mut conn = store.read().await?;
            let skus = conn.int("SELECT COUNT(*) FROM sku WHERE active AND price > 0", &[]).await?;
            let levels = conn.int("SELECT COUNT(*) FROM stock WHERE on_hand > 0", &[]).await?;
            drop(conn);
            store.close().await;
            if (usize::try_from(skus)?, usize::try_from(levels)?) != (self.skus, self.skus) {
                return Err(format!("{} SKUs were imported, {skus} and {levels} levels are there", self.skus).into());
            }
        }
        for (case, rounds) in &figures {
            let case = Case { bench: "import", case, db: place.word(), clients: 1 };
            report.say(case, "rate", "rows/s", rounds);
        }
        Ok(())
    }
}

fn add(figures: &mut Vec<(String, Vec<f64>)>, case: String, value: f64) {
    match figures.iter_mut().find(|(known, _)| *known == case) {
        Some((_, values)) => values.push(value),
        None => figures.push((case, vec![value])),
    }
}
