//! `live`: thousands of open product pages, and a till's receipt: how long until
//! the last of them knows, what a stream weighs, what a message costs.

use crate::figure::{Case, Report, Times};
use crate::http::Client;
use crate::proc::{cpu_seconds, need_files, resident_kib};
use crate::shop::{Place, Shop};
use crate::{Common, Result, few};
use clap::Args;
use http_body_util::Full;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use store::Val;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Packs that come in and are sold again.
const PACKS: i64 = 3;
/// All must have heard within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many watch.
#[derive(Args, Debug)]
pub struct Live {
    /// Streams on one product
    #[arg(long, default_value_t = 5000)]
    streams: usize,
    /// Commits a round
    #[arg(long, default_value_t = 6)]
    commits: usize,
}

/// An event that a stream received whole.
#[derive(Debug)]
struct Heard {
    at: Instant,
    sold_out: bool,
}

/// Who tells the shop what tills and ramps did.
struct Feed {
    client: Client,
    token: String,
    store: String,
    sku: String,
}

impl Live {
    /// Measures on one database.
    ///
    /// # Errors
    /// If a stream does not hear of a commit, or hears something else.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        need_files(self.streams)?;
        let mut shop = Shop::stocked(common, place).await?;
        for bound in ["ZAIJIA_STREAMS", "ZAIJIA_STREAMS_PER_VISITOR", "ZAIJIA_STREAMS_PER_ADDRESS"] {
            shop.set(bound, "0");
        }
        let server = shop.serve()?;
        // Nothing is left of the one product that all look at.
        let (skus, _) = few::make(&shop, server.addr, 0, (1, 0)).await?;
        let mut feed = Feed::new(&shop, server.addr, &skus[0]).await?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        warm_up(server.addr, &mut feed, &skus[0]).await?;
        // Some go first, until what the allocator had kept free is in use: what the others take
        // is then seen whole.
        let first = self.streams / 2;
        let others = self.streams - first;
        listen_all(server.addr, (&feed.store, &skus[0]), first, &tell).await?;
        // The first event of each is the full state.
        all_hear(&mut heard, first, true).await?;
        for sold_out in [false, true] {
            feed.tell(!sold_out).await?;
            all_hear(&mut heard, first, sold_out).await?;
        }
        let before = resident_kib(server.pid())?;
        listen_all(server.addr, (&feed.store, &skus[0]), others, &tell).await?;
        all_hear(&mut heard, others, true).await?;
        let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..common.rounds {
            let (mut times, cpu) = (Times::default(), cpu_seconds(server.pid())?);
            for no in 0..self.commits {
                let sold_out = no % 2 == 1;
                let began = Instant::now();
                feed.tell(!sold_out).await?;
                for at in all_hear(&mut heard, self.streams, sold_out).await? {
                    times.push(at.saturating_duration_since(began));
                }
            }
            let cpu = (cpu_seconds(server.pid())? - cpu).max(0.01);
            let [p50, p99, by_cpu] = &mut rounds;
            by_cpu.push(crate::orders::per_second(times.len(), cpu));
            p50.push(times.quantile_ms(0.5));
            p99.push(times.quantile_ms(0.99));
        }
        let after = resident_kib(server.pid())?;
        let case = Case { bench: "live", case: "one product", db: place.word(), clients: self.streams };
        report.say(case, "p50", "ms", &rounds[0]);
        report.say(case, "p99", "ms", &rounds[1]);
        report.say(case, "messages", "a CPU-s", &rounds[2]);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        report.say(case, "memory", "KiB/stream", &[(after - before) / others as f64]);
        Ok(())
    }
}

/// What the server takes once, whoever watches, shall not count as a stream's.
async fn warm_up(addr: SocketAddr, feed: &mut Feed, sku: &str) -> Result {
    const FEW: usize = 50;
    let (tell, mut heard) = mpsc::unbounded_channel();
    listen_all(addr, (&feed.store, sku), FEW, &tell).await?;
    all_hear(&mut heard, FEW, true).await?;
    for sold_out in [false, true] {
        feed.tell(!sold_out).await?;
        all_hear(&mut heard, FEW, sold_out).await?;
    }
    // The streams end when nobody listens to what they heard.
    drop(heard);
    feed.tell(true).await?;
    feed.tell(false).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

/// When each of so many streams heard it.
async fn all_hear(heard: &mut mpsc::UnboundedReceiver<Heard>, streams: usize, sold_out: bool) -> Result<Vec<Instant>> {
    let mut times = Vec::with_capacity(streams);
    let all = async {
        while times.len() < streams {
            let heard = heard.recv().await.ok_or("all streams ended")?;
            if heard.sold_out != sold_out {
                return Err(crate::Error::from("a stream heard another state than was committed"));
            }
            times.push(heard.at);
        }
        Ok(())
    };
    let done = tokio::time::timeout(PATIENCE, all).await;
    match done {
        Ok(result) => result.map(|()| times),
        Err(_) => Err(format!("{} of {streams} streams heard of a commit", times.len()).into()),
    }
}

/// Opens so many streams, a few hundred at a time.
async fn listen_all(
    addr: SocketAddr,
    (store, sku): (&str, &str),
    streams: usize,
    tell: &mpsc::UnboundedSender<Heard>,
) -> Result {
    for no in 0..streams {
        listen(addr, store, sku, tell.clone()).await?;
        if no % 500 == 499 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Opens a stream; a task tells what it hears.
async fn listen(addr: SocketAddr, store: &str, sku: &str, tell: mpsc::UnboundedSender<Heard>) -> Result {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "GET /live?store={store}&skus={sku} HTTP/1.1\r\nhost: {addr}\r\naccept: text/event-stream\r\n\
         accept-encoding: identity\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    tokio::spawn(async move {
        let (mut text, mut buffer) = (Vec::new(), [0; 512]);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let at = Instant::now();
            text.extend_from_slice(&buffer[..count]);
            // An event ends with an empty line; so does the head, which holds none.
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                if event.contains("event: stock") {
                    let sold_out = event.contains("\"sold_out\"");
                    if tell.send(Heard { at, sold_out }).is_err() {
                        return;
                    }
                }
            }
        }
    });
    Ok(())
}

impl Feed {
    async fn new(shop: &Shop, addr: SocketAddr, sku: &str) -> Result<Self> {
        let said = shop.run(&["token", "add", "bench"])?;
        let token = said.split_whitespace().last().ok_or("no token was printed")?.to_owned();
        let store = shop.store().await?;
        let mut conn = store.read().await?;
        let (_, code, ..) = crate::buyers::the_store(&mut conn).await?;
        let (sku,): (String,) = conn.one("SELECT code FROM sku WHERE id = $1", &[Val::from(sku)]).await?;
        drop(conn);
        store.close().await;
        Ok(Self { client: Client::connect(addr).await?, token, store: code, sku })
    }

    /// Some packs come in, or a till sells them.
    async fn tell(&mut self, come_in: bool) -> Result {
        let kind = if come_in { "receipts" } else { "sales" };
        let at = jiff::Timestamp::now().to_string();
        let body = serde_json::json!({
            "key": store::new_id(), "store": self.store,
            "rows": [{ "sku": self.sku, "quantity": PACKS, "at": at }],
        });
        let request = hyper::Request::post(format!("/api/v1/feed/{kind}"))
            .header("host", self.client.addr().to_string())
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token));
        let answer = self.client.send(request.body(Full::from(body.to_string()))?).await?;
        if answer.status != 200 || !answer.text().contains("\"applied\":1") {
            return Err(format!("the feed answered {}: {}", answer.status, answer.text()).into());
        }
        Ok(())
    }
}
