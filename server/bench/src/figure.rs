//! What a bench says: a line a figure, median and spread of the rounds, for
//! people or as one JSON object.

use serde_json::json;
use std::time::Duration;

/// Prints figures.
#[derive(Debug)]
pub struct Report {
    json: bool,
}

/// What a figure is of.
#[expect(clippy::struct_field_names, reason = "the words of the JSON line")]
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The bench.
    pub bench: &'a str,
    /// What was done.
    pub case: &'a str,
    /// `sqlite` or `postgres`.
    pub db: &'a str,
    /// How many did it at once.
    pub clients: usize,
}

impl Report {
    /// Text, or JSON lines.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// One figure: a value a round.
    pub fn say(&self, case: Case<'_>, metric: &str, unit: &str, rounds: &[f64]) {
        let Case { bench, case, db, clients } = case;
        let (value, least, most) = spread(rounds);
        if self.json {
            let line = json!({
                "bench": bench, "case": case, "db": db, "clients": clients, "metric": metric, "unit": unit,
                "value": value, "min": least, "max": most, "rounds": rounds.len(),
            });
            println!("{line}");
        } else {
            println!(
                "{bench} {case:<16} {db:<8} {clients:>5} clients  {metric:<14} {value:>10.2} {unit:<10} ({least:.2} to {most:.2})"
            );
        }
    }
}

/// Median (the mean of the two in the middle, if their number is even), least and most.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |no: usize| sorted.get(no).copied().unwrap_or(f64::NAN);
    let last = sorted.len().saturating_sub(1);
    (f64::midpoint(at(last / 2), at(sorted.len() / 2)), at(0), at(last))
}

/// How long each of many took.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// All of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds that `share` (such as 0.99) of them did not pass.
    pub fn quantile_ms(&mut self, share: f64) -> f64 {
        self.0.sort();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into thousands"
        )]
        let at = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_round() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), (2.5, 1.0, 4.0));
        assert_eq!(spread(&[7.0]), (7.0, 7.0, 7.0));
    }

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let mut times = Times::default();
        (1..=100).for_each(|ms| times.push(Duration::from_millis(ms)));
        assert!((times.quantile_ms(0.5) - 51.0).abs() < 1e-9 && (times.quantile_ms(0.99) - 100.0).abs() < 1e-9);
    }
}
