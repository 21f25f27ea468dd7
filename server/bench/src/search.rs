//! `search`: suggestions and full search in a large shop, by what people type:
//! two-character words, whole names, initials of pinyin, pinyin, a wrong character.

use crate::figure::{Case, Report, Times};
use crate::http::{Client, form};
use crate::pages::{cookie, fresh, fresh_number};
use crate::shop::{Place, Shop};
use crate::{Common, Result, goods};
use clap::Args;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

/// What is typed and what must be found, where that cannot be computed.
const TYPED: [(&str, &[(&str, &str)]); 3] = [
    (
        "initials",
        &[
            ("cnn", "纯牛奶"),
            ("kl", "可乐"),
            ("xhs", "西红柿"),
            ("qkl", "巧克力"),
            ("fbm", "方便面"),
            ("hgdl", "火锅底料"),
        ],
    ),
    ("pinyin", &[("niunai", "牛奶"), ("kele", "可乐"), ("pingguo", "苹果"), ("shuijiao", "水饺"), ("jidan", "鸡蛋")]),
    ("typo", &[("牛乃", "牛奶"), ("平果", "苹果"), ("巧克利", "巧克力"), ("西红市", "西红柿"), ("矿全水", "矿泉水")]),
];
const WORDS: [&str; 12] =
    ["牛奶", "苹果", "鸡蛋", "可乐", "大米", "薯片", "水饺", "抽纸", "牙膏", "猫粮", "生抽", "豆腐"];

/// A round ends after this time, however slow the searches are.
const ROUND: Duration = Duration::from_secs(3);
/// So many searches are made nevertheless.
const LEAST: usize = 5;

/// How much.
#[derive(Args, Debug)]
pub struct Search {
    /// SKUs of the shops
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000])]
    sizes: Vec<usize>,
    /// Searches of each kind a round
    #[arg(long, default_value_t = 100)]
    searches: usize,
}

impl Search {
    /// Measures on one database.
    ///
    /// # Errors
    /// If what is looked for is not found.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let mut missed = Vec::new();
        for &skus in &self.sizes {
            let shop = Shop::of_goods(common, place, skus).await?;
            let server = shop.serve()?;
            let mut client = Client::connect(server.addr).await?;
            for kind in ["word", "name", "initials", "pinyin", "typo"] {
                for door in ["suggest", "search"] {
                    let case = format!("{kind} in {skus}");
                    let case = Case { bench: "search", case: &case, db: place.word(), clients: 1 };
                    let typed = self.kind(common, (&mut client, skus), (kind, door), (report, case)).await?;
                    if let Some(first) = typed.first() {
                        missed.push(format!("{kind} in {skus} by {door} ({} times, such as {first})", typed.len()));
                    }
                }
            }
        }
        if missed.is_empty() {
            return Ok(());
        }
        Err(format!("what is there was not found every time: {}", missed.join(", ")).into())
    }

    /// What was typed in vain although it is there. A typo may find nothing where the shop forgives none.
    async fn kind(
        &self,
        common: &Common,
        (client, skus): (&mut Client, usize),
        (kind, door): (&str, &str),
        (report, case): (&Report, Case<'_>),
    ) -> Result<Vec<String>> {
        let mut missed = Vec::new();
        let mut rng = StdRng::seed_from_u64(7);
        let (mut p50, mut p95, mut right) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=common.rounds {
            let (mut times, mut found, end) = (Times::default(), 0_usize, Instant::now() + ROUND);
            for no in 0..self.searches {
                if no >= LEAST && Instant::now() >= end {
                    break;
                }
                let (typed, meant) = typed(kind, skus, &mut rng);
                let path = match door {
                    "suggest" => format!("/api/catalogue/suggest?{}", form(&[("text", &typed)])),
                    // A page that was kept would not be looked for.
                    _ => fresh(&format!("/search?{}", form(&[("q", &typed)]))),
                };
                let path = format!("{path}{}", fresh_number(&path));
                let began = Instant::now();
                let answer = client.get(&path, &cookie()).await?;
                times.push(began.elapsed());
                if answer.status != 200 {
                    return Err(format!("{path} was answered {}: {}", answer.status, answer.text()).into());
                }
                if has(&answer.text(), door, &meant) {
                    found += 1;
                } else if kind != "typo" {
                    missed.push(typed);
                }
            }
            if round > 0 {
                p50.push(times.quantile_ms(0.5));
                p95.push(times.quantile_ms(0.95));
                #[expect(clippy::cast_precision_loss, reason = "hundreds")]
                right.push(100.0 * found as f64 / times.len() as f64);
            }
        }
        report.say(case, &format!("{door} p50"), "ms", &p50);
        report.say(case, &format!("{door} p95"), "ms", &p95);
        report.say(case, &format!("{door} right"), "%", &right);
        Ok(missed)
    }
}

/// What is typed, and what a right answer holds.
fn typed(kind: &str, skus: usize, rng: &mut StdRng) -> (String, String) {
    if let Some((_, pairs)) = TYPED.iter().find(|(known, _)| *known == kind) {
        let (typed, meant) = pairs[rng.random_range(0..pairs.len())];
        return (typed.to_owned(), meant.to_owned());
    }
    if kind == "word" {
        let word = WORDS[rng.random_range(0..WORDS.len())];
        return (word.to_owned(), word.to_owned());
    }
    let name = goods::name(rng.random_range(0..skus));
    (name.clone(), name)
}

/// Is what was meant among what was found (and not only in the search box)?
fn has(text: &str, door: &str, meant: &str) -> bool {
    if door == "suggest" {
        return text.contains(meant);
    }
    let list = text.split_once("goods-grid").map_or("", |(_, list)| list);
    list.split("data-product=\"").skip(1).any(|card| card.split('"').next().is_some_and(|name| name.contains(meant)))
}
