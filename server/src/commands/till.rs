//! `zaijia feed`: plays recorded till sales against a running shop through its
//! API, as a store's tills would send them.

use super::{Done, Failure};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How the sales are played.
#[derive(Debug, Args)]
pub struct Feed {
    /// CSV with `store,sku,sold_at,quantity`; times as ISO 8601 or relative such as `-3d`.
    #[arg(long, value_name = "FILE")]
    replay: PathBuf,
    /// How many times as fast as they were recorded.
    #[arg(long, default_value_t = 60.0)]
    speed: f64,
    /// Where the shop is.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: String,
    /// An API token of the role `feed`.
    #[arg(long, env = "ZAIJIA_TOKEN", hide_env_values = true)]
    token: String,
    /// Skip sales older than this many hours before the newest one.
    #[arg(long)]
    last_hours: Option<i64>,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct Sale {
    store: String,
    sku: String,
    sold_at: String,
    quantity: String,
    #[serde(default)]
    promo: String,
}

/// Sales that are sent together at most.
const BATCH: usize = 500;

impl Feed {
    pub(super) async fn run(self) -> Done {
        let said = |error: &dyn std::fmt::Display| Failure::Said(format!("{}: {error}", self.replay.display()));
        let now = jiff::Timestamp::now().as_millisecond();
        let mut reader = csv::Reader::from_path(&self.replay).map_err(|error| said(&error))?;
        let mut sales: Vec<(i64, Sale)> = Vec::new();
        for (row, sale) in reader.deserialize::<Sale>().enumerate() {
            let sale = sale.map_err(|error| said(&error))?;
            let at = time(&sale.sold_at, now)
                .ok_or_else(|| Failure::Said(format!("line {}: '{}' is no time", row + 2, sale.sold_at)))?;
            sales.push((at, sale));
        }
        sales.sort_by_key(|(at, _)| *at);
        if let (Some(hours), Some((last, _))) = (self.last_hours, sales.last()) {
            let from = last - hours * domain::time::HOUR_MS;
            sales.retain(|(at, _)| *at >= from);
        }
        self.play(sales).await
    }

    async fn play(&self, sales: Vec<(i64, Sale)>) -> Done {
        let Some(&(begin, _)) = sales.first() else {
            return Err(Failure::Said("there are no sales to play".to_owned()));
        };
        let speed = if self.speed.is_finite() && self.speed > 0.0 { self.speed } else { 1.0 };
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(network)?;
        let bar = indicatif::ProgressBar::new(sales.len() as u64);
        if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} sales {elapsed}") {
            bar.set_style(style);
        }
        let run = format!("{:016x}", rand::random::<u64>());
        let started = std::time::Instant::now();
        let mut sent = 0;
        while sent < sales.len() {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a recording")]
            let until = begin + (started.elapsed().as_secs_f64() * 1_000.0 * speed) as i64;
            let due = sales[sent..].iter().take(BATCH).take_while(|(at, _)| *at <= until).count();
            if due == 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            self.send(&client, &sales[sent..sent + due], &format!("replay-{run}-{sent}")).await?;
            sent += due;
            bar.set_position(sent as u64);
        }
        bar.finish();
        println!("{sent} sales played");
        Ok(())
    }

    /// Sends sales store by store, as if sold now; tried again while the shop is busy.
    async fn send(&self, client: &reqwest::Client, sales: &[(i64, Sale)], key: &str) -> Done {
        let mut by_store: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
        let now = jiff::Timestamp::now().to_string();
        for (_, sale) in sales {
            let packs: i64 = sale.quantity.trim().parse().unwrap_or(0);
            if packs > 0 {
                let promo = matches!(sale.promo.trim(), "1" | "true");
                by_store
                    .entry(&sale.store)
                    .or_default()
                    .push(serde_json::json!({ "sku": sale.sku, "at": now, "quantity": packs, "promo": promo }));
            }
        }
        for (store, sales) in by_store {
            let body = serde_json::json!({ "store": store, "key": format!("{key}-{store}"), "rows": sales });
            self.post(client, &body).await?;
        }
        Ok(())
    }

    async fn post(&self, client: &reqwest::Client, body: &serde_json::Value) -> Done {
        let url = format!("{}/api/v1/feed/sales", self.url.trim_end_matches('/'));
        for wait_s in [1, 2, 4, 8, 0] {
            let answer = client.post(&url).bearer_auth(&self.token).json(body).send().await.map_err(network)?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let text = answer.text().await.unwrap_or_default();
            let busy =
                status == reqwest::StatusCode::TOO_MANY_REQUESTS || status == reqwest::StatusCode::SERVICE_UNAVAILABLE;
            if !busy || wait_s == 0 {
                return Err(Failure::Said(format!("the shop answered {status}: {text}")));
            }
            tokio::time::sleep(Duration::from_secs(wait_s)).await;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn network(error: reqwest::Error) -> Failure {
    Failure::Said(format!("the shop cannot be reached: {error}"))
}

/// An instant as ISO 8601, or relative to `now` such as `-3d`, `-2h`, `-90m`.
fn time(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(relative) = text.strip_prefix('-') {
        let (number, unit) = relative.split_at(relative.len().checked_sub(1)?);
        let unit_ms = match unit {
            "d" => domain::time::DAY_MS,
            "h" => domain::time::HOUR_MS,
            "m" => domain::time::MINUTE_MS,
            "s" => domain::time::SECOND_MS,
            _ => return None,
        };
        return Some(now - number.parse::<i64>().ok()?.checked_mul(unit_ms)?);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    // Local times: only the distances between them matter here.
    let local: jiff::civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_read_as_they_are_recorded() {
        assert_eq!(time("-2h", 10_000_000), Some(2_800_000));
        assert_eq!(time("1970-01-01T00:00:01Z", 0), Some(1_000));
        assert_eq!(time("1970-01-01 00:00:02", 0), Some(2_000));
        assert_eq!(time("soon", 0), None);
        assert_eq!(time("-", 0), None);
    }
}
