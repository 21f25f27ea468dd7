//! `restart`: two servers on one PostgreSQL are restarted in turn under load, as
//! for a new version. Clients stand for a balancer: they ask servers whether they
//! are ready, and send nothing new to one that says that it is going. Where a
//! connection breaks all the same, they go to the other server only if nobody can
//! have got the request, and with pages, if no answer had begun. Any other break
//! is a failed request, though orders carry keys and could be sent again.

use crate::faults::ledger::{Ledger, Tale};
use crate::figure::{Case, Report, Times};
use crate::http::{Client, Count, Servers};
use crate::shop::{Place, Shop, free_addr};
use crate::{Common, Result, buyers};
use clap::Args;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Pages that are asked for all the time.
const PAGES: [&str; 4] = ["/", "/c/dairy", "/search?q=%E7%89%9B%E5%A5%B6", "/p/DU001"];

/// How often.
#[derive(Args, Debug)]
pub struct Restart {
    /// Restarts, of each server in turn
    #[arg(long, default_value_t = 10)]
    restarts: usize,
    /// Clients at once; half of them order
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Seconds that a server says that it is going, before it takes no more; with 0
    /// nobody asks it, and what is sent as it goes may fail
    #[arg(long, default_value_t = 1)]
    drain: u32,
    /// Orders, at most; then there are pages only
    #[arg(long, default_value_t = 12_000)]
    orders: usize,
    /// Time between two restarts, in ms
    #[arg(long, default_value_t = 400)]
    pause_ms: u64,
}

#[derive(Default)]
struct Saw {
    count: Count,
    failed: Vec<String>,
    pages: Times,
    orders: Times,
}

struct Load {
    servers: Arc<Servers>,
    tales: Vec<Tale>,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Restart {
    /// Does it; only on PostgreSQL can there be two servers.
    ///
    /// # Errors
    /// If a request failed, or an acknowledged order is not there.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        if matches!(place, Place::Sqlite) {
            eprintln!("restart: SQLite has one server; nothing to do");
            return Ok(());
        }
        let mut shop = Shop::stocked(common, place).await?;
        shop.set("ZAIJIA_DRAIN_S", &self.drain.to_string());
        let addrs = vec![free_addr()?, free_addr()?];
        let mut servers = vec![shop.serve_at(addrs[0])?, shop.serve_at(addrs[1])?];
        let buyers = buyers::make(&shop, addrs[0], self.orders).await?;
        let tales = buyers.into_iter().map(Tale::new).collect();
        let known = Arc::new(Servers::new(addrs.clone()));
        let asked = if self.drain == 0 { 0 } else { addrs.len() };
        let watching: Vec<_> = (0..asked).map(|no| tokio::spawn(Arc::clone(&known).watch(no))).collect();
        let load = Load { servers: known, tales, next: AtomicUsize::new(0), over: AtomicBool::new(false) };
        let load = Arc::new(load);
        let tasks: Vec<_> = (0..self.clients).map(|no| tokio::spawn(client(Arc::clone(&load), no))).collect();
        let mut took = Vec::new();
        let pause = Duration::from_millis(self.pause_ms);
        for no in 0..self.restarts {
            tokio::time::sleep(pause).await;
            let (server, addr) = (servers.remove(0), addrs[no % 2]);
            let began = Instant::now();
            server.stop().await?;
            servers.push(tokio::task::block_in_place(|| shop.serve_at(addr))?);
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        tokio::time::sleep(pause).await;
        load.over.store(true, Ordering::Relaxed);
        let mut saw = Saw::default();
        for task in tasks {
            let one = tokio::time::timeout(Duration::from_mins(1), task).await??;
            saw.count.answered += one.count.answered;
            saw.count.moved += one.count.moved;
            saw.failed.extend(one.failed);
            saw.pages.extend(one.pages);
            saw.orders.extend(one.orders);
        }
        watching.iter().for_each(JoinHandle::abort);
        drop(servers);
        let mut ledger = Ledger::default();
        ledger.take(&load.tales);
        ledger.prove(&shop).await?;
        shop.check()?;
        let case = Case { bench: "restart", case: "two servers", db: place.word(), clients: self.clients };
        report.say(case, "restart", "ms", &took);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        for (metric, count) in [
            ("answered", saw.count.answered),
            ("moved", saw.count.moved),
            ("orders", ledger.len()),
            ("failed", saw.failed.len()),
        ] {
            report.say(case, metric, "requests", &[count as f64]);
        }
        for (what, times) in [("page", &mut saw.pages), ("order", &mut saw.orders)] {
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
                report.say(case, &format!("{what} {name}"), "ms", &[times.quantile_ms(share)]);
            }
        }
        match saw.failed.first() {
            Some(first) => Err(format!("{} requests failed, such as: {first}", saw.failed.len()).into()),
            None => Ok(()),
        }
    }
}

async fn client(load: Arc<Load>, no: usize) -> Saw {
    let mut client = Client::balanced(Arc::clone(&load.servers), no);
    let mut saw = Saw::default();
    let mut page = no;
    while !load.over.load(Ordering::Relaxed) && saw.failed.len() < 10 {
        let tale = if no.is_multiple_of(2) { load.tales.get(load.next.fetch_add(1, Ordering::Relaxed)) } else { None };
        let began = Instant::now();
        let done = if let Some(tale) = tale {
            let done = tale.go_on(&mut client).await.map_err(|error| format!("an order: {error}"));
            saw.orders.push(began.elapsed());
            done
        } else {
            page += 1;
            let done = get(&mut client, PAGES[page % PAGES.len()]).await;
            saw.pages.push(began.elapsed());
            done
        };
        saw.failed.extend(done.err());
    }
    saw.count = client.count;
    saw
}

async fn get(client: &mut Client, path: &str) -> std::result::Result<(), String> {
    let answer = tokio::time::timeout(Duration::from_secs(20), client.get(path, "lang=zh-CN")).await;
    match answer {
        Ok(Ok(answer)) if answer.status == 200 && answer.text().contains("</main>") => Ok(()),
        Ok(Ok(answer)) => Err(format!("{path}: {}", answer.status)),
        Ok(Err(error)) => Err(format!("{path}: {error}")),
        Err(_) => Err(format!("{path}: no answer in time")),
    }
}
