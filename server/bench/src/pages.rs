//! `pages`: requests a second of the pages that most visitors see, as bytes,
//! compressed, and as nobody saw them before; beside them what would be possible: the same bytes from
//! memory by axum alone, and the same list by Maud.

use crate::bytes::Running;
use crate::cards::Page;
use crate::figure::{Case, Report, Times};
use crate::goods;
use crate::http::{Client, form};
use crate::orders::per_second;
use crate::proc::cpu_seconds;
use crate::shop::{Place, Shop};
use crate::{Common, Result};
use clap::Args;
use http_body_util::Full;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Ends an address to which each request adds a number: the page cannot be ready.
const FRESH: &str = "fresh=";

/// The path with an end that [`fresh_number`] makes another address of each time.
pub fn fresh(path: &str) -> String {
    format!("{path}{}{FRESH}", if path.contains('?') { '&' } else { '?' })
}

/// What a path that is [`fresh`] is asked for with: a number that nobody asked for before.
pub fn fresh_number(path: &str) -> String {
    if path.ends_with(FRESH) { rand::random::<u64>().to_string() } else { String::new() }
}

/// How much is asked for.
#[derive(Args, Debug)]
pub struct Pages {
    /// Clients at once
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// SKUs of the shop
    #[arg(long, default_value_t = 2000)]
    skus: usize,
}

/// What is asked for, and how it is known to be right.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The word in figures.
    pub case: &'static str,
    /// Path and query.
    pub path: String,
    /// Stands in the page.
    pub proof: String,
}

/// The pages of a shop of [`goods`].
pub fn asks() -> Vec<Ask> {
    // A word that fills a page in a shop of any size.
    let query = form(&[("q", "有机")]);
    let product = goods::code(288);
    vec![
        Ask { case: "home", path: "/".into(), proof: "/c/d00".into() },
        Ask { case: "category", path: format!("/c/{}", goods::department(0)), proof: "goods-grid".into() },
        Ask { case: "product", path: format!("/p/{product}"), proof: goods::name(288) },
        Ask { case: "search", path: format!("/search?{query}"), proof: "goods-grid".into() },
    ]
}

/// The cookies of a visitor who has chosen.
pub fn cookie() -> String {
    format!("store={}; lang=zh-CN", goods::STORE)
}

/// What a round showed.
struct Round {
    rate: f64,
    p99: f64,
    /// Requests in a second of the server's CPU.
    by_cpu: f64,
}

impl Pages {
    /// Measures on one database.
    ///
    /// # Errors
    /// If a page is not what it should be.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let shop = Shop::of_goods(common, place, self.skus).await?;
        let server = shop.serve()?;
        let kept = shop.folder().join("bytes");
        std::fs::create_dir(&kept)?;
        let mut client = Client::connect(server.addr).await?;
        let mut sizes = Vec::new();
        for ask in asks() {
            let page = checked(&mut client, &ask).await?;
            if ask.case == "category" {
                let list = Page::read(&page)?;
                std::fs::write(kept.join("list.json"), serde_json::to_vec(&list)?)?;
            }
            sizes.push(page.len());
            std::fs::write(kept.join(format!("{}.html", ask.case)), page)?;
        }
        let bare = Running::start(&kept).await?;
        for (ask, size) in asks().into_iter().zip(sizes) {
            let case = Case { bench: "pages", case: ask.case, db: place.word(), clients: self.clients };
            #[expect(clippy::cast_precision_loss, reason = "thousands")]
            report.say(case, "page", "bytes", &[size as f64]);
            let shop = self.rounds(common, (server.addr, server.pid()), &ask.path, "identity").await?;
            say(report, case, "", &shop);
            let packed = self.rounds(common, (server.addr, server.pid()), &ask.path, "br").await?;
            say(report, case, "br ", &packed);
            let fresh = self.rounds(common, (server.addr, server.pid()), &fresh(&ask.path), "identity").await?;
            say(report, case, "fresh ", &fresh);
            let path = format!("/bytes/{}", ask.case);
            let from_memory = self.rounds(common, (bare.addr, bare.pid()), &path, "identity").await?;
            beside(report, case, "axum bytes", &from_memory, &shop);
            if ask.case == "category" {
                let maud = self.rounds(common, (bare.addr, bare.pid()), "/maud", "identity").await?;
                beside(report, case, "maud", &maud, &shop);
                // Both of these render, while a kept page is handed out as it is.
                ratios(report, case, "maud/fresh", &maud, &fresh);
            }
        }
        Ok(())
    }

    /// A short warm-up and the rounds.
    async fn rounds(
        &self,
        common: &Common,
        (addr, pid): (SocketAddr, u32),
        path: &str,
        encoding: &'static str,
    ) -> Result<Vec<Round>> {
        self.round((addr, pid), path, encoding, self.seconds / 4.0).await?;
        let mut rounds = Vec::new();
        for _ in 0..common.rounds {
            rounds.push(self.round((addr, pid), path, encoding, self.seconds).await?);
        }
        Ok(rounds)
    }

    async fn round(
        &self,
        (addr, pid): (SocketAddr, u32),
        path: &str,
        encoding: &'static str,
        seconds: f64,
    ) -> Result<Round> {
        let mut clients = Vec::new();
        for _ in 0..self.clients {
            clients.push(Client::connect(addr).await?);
        }
        let cpu = cpu_seconds(pid)?;
        let began = Instant::now();
        let end = began + Duration::from_secs_f64(seconds);
        let tasks: Vec<_> =
            clients.into_iter().map(|client| tokio::spawn(ask_until(client, path.to_owned(), encoding, end))).collect();
        let (mut times, mut least, mut most) = (Times::default(), usize::MAX, 0);
        for task in tasks {
            let (took, small, large) = task.await??;
            times.extend(took);
            (least, most) = (least.min(small), most.max(large));
        }
        // Every answer is a whole page: none is much smaller than another.
        if least < most - most / 10 {
            return Err(format!("{path} was answered with {least} bytes, and with {most}").into());
        }
        let took = began.elapsed().as_secs_f64();
        let cpu = (cpu_seconds(pid)? - cpu).max(0.01);
        let rate = per_second(times.len(), took);
        Ok(Round { rate, by_cpu: per_second(times.len(), cpu), p99: times.quantile_ms(0.99) })
    }
}

/// The page, if it is the right one.
///
/// # Errors
/// If it is not.
pub async fn checked(client: &mut Client, ask: &Ask) -> Result<String> {
    let answer = client.get(&ask.path, &cookie()).await?;
    let text = answer.text();
    if answer.status != 200 || !text.contains(&ask.proof) || !text.contains("</main>") {
        return Err(format!("{} is {} and not the {} page", ask.path, answer.status, ask.case).into());
    }
    if matches!(ask.case, "category" | "search") {
        let cards = Page::read(&text)?.len();
        if cards != 50 {
            return Err(format!("the {} has {cards} products on its page, not 50", ask.case).into());
        }
    }
    Ok(text)
}

/// How long each answer took, and the bytes of the smallest and of the largest.
async fn ask_until(
    mut client: Client,
    path: String,
    encoding: &'static str,
    end: Instant,
) -> Result<(Times, usize, usize)> {
    let (mut times, mut least, mut most) = (Times::default(), usize::MAX, 0);
    let cookie = cookie();
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok((times, least, most));
        }
        let number = fresh_number(&path);
        let request = hyper::Request::get(format!("{path}{number}"))
            .header("host", client.addr().to_string())
            .header("cookie", &cookie)
            .header("accept-encoding", encoding);
        let answer = client.send(request.body(Full::default())?).await?;
        times.push(began.elapsed());
        if answer.status != 200 {
            return Err(format!("{path} was answered {}", answer.status).into());
        }
        let size = answer.body.len();
        (least, most) = (least.min(size), most.max(size));
    }
}

fn say(report: &Report, case: Case<'_>, kind: &str, rounds: &[Round]) {
    let of = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<f64>>();
    report.say(case, &format!("{kind}rate"), "requests/s", &of(|round| round.rate));
    report.say(case, &format!("{kind}p99"), "ms", &of(|round| round.p99));
    report.say(case, &format!("{kind}by cpu"), "a CPU-s", &of(|round| round.by_cpu));
}

/// Says what the other thing does, and how many times the shop's page costs it.
fn beside(report: &Report, case: Case<'_>, name: &str, other: &[Round], shop: &[Round]) {
    let rates: Vec<f64> = other.iter().map(|round| round.rate).collect();
    report.say(case, name, "requests/s", &rates);
    ratios(report, case, &format!("{name}/shop"), other, shop);
}

/// Says how many times as much one does as the other.
fn ratios(report: &Report, case: Case<'_>, name: &str, one: &[Round], other: &[Round]) {
    let ratios = |value: fn(&Round) -> f64| {
        one.iter().zip(other).map(|(one, other)| value(one) / value(other)).collect::<Vec<f64>>()
    };
    report.say(case, name, "", &ratios(|round| round.rate));
    report.say(case, name, "by cpu", &ratios(|round| round.by_cpu));
}
