//! `zaijia-bench`: puts load on the shop from a process of its own, over
//! loopback, through the doors that everybody uses, and says what came of it.
//! `cargo xtask bench` builds it, starts a PostgreSQL and calls it.

mod bare;
mod buyers;
mod bytes;
mod cards;
mod channel;
mod contend;
mod faults;
mod few;
mod figure;
mod goods;
mod growth;
mod habits;
mod history;
mod http;
mod import;
mod live;
mod orders;
mod pages;
mod proc;
mod restart;
mod search;
mod server;
mod shop;

use clap::{Args, Parser, Subcommand, ValueEnum};
use figure::Report;
use shop::Place;
use std::path::PathBuf;
use std::process::ExitCode;

/// Errors end a bench; they are read by a developer, so text is enough.
type Error = Box<dyn std::error::Error + Send + Sync>;
/// What every step answers.
type Result<T = ()> = std::result::Result<T, Error>;

#[derive(Parser)]
#[command(name = "zaijia-bench", about = "Load for the shop, from outside")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
    #[command(flatten)]
    common: Common,
}

/// What all benches need.
#[derive(Args, Clone, Debug)]
struct Common {
    /// The release binary of the shop
    #[arg(long, global = true, default_value = "target/release/zaijia")]
    zaijia: PathBuf,
    /// A PostgreSQL to make databases in; without it SQLite only
    #[arg(long, global = true)]
    postgres: Option<String>,
    /// On which database
    #[arg(long, global = true, value_enum, default_value_t = Db::Both)]
    db: Db,
    /// Rounds of which the median is taken
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// One JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

/// Which databases a bench runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Db {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Subcommand)]
enum Bench {
    /// Complete orders a second, from the priced basket to paid
    Orders(orders::Orders),
    /// Many buyers at once for a few pieces
    Contend(contend::Contend),
    /// Kills, cuts, double submissions and confused payment channels under load
    Faults(faults::Faults),
    /// Requests a second of home, category, product and search
    Pages(pages::Pages),
    /// From a commit to the last of many live streams
    Live(live::Live),
    /// Two servers restarted in turn under load
    Restart(restart::Restart),
    /// Rows a second of an import
    Import(import::Import),
    /// Suggestions and searches in a large shop
    Search(search::Search),
    /// Pages and orders in shops of different sizes
    Growth(growth::Growth),
    /// Writes the import files of a generated shop into a folder
    Goods(goods::Goods),
    /// Answers with bytes from memory and by Maud; `pages` starts it
    #[command(hide = true)]
    ServeBytes(bytes::ServeBytes),
}

impl Common {
    /// The databases to run on, SQLite first.
    fn places(&self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        if self.db != Db::Postgres {
            places.push(Place::Sqlite);
        }
        if self.db != Db::Sqlite {
            match &self.postgres {
                Some(url) => places.push(Place::Postgres(url.clone())),
                None if self.db == Db::Postgres => return Err("--postgres URL is missing".into()),
                None => {}
            }
        }
        Ok(places)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("zaijia-bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Told to stop, it ends its servers, too.
    let done = runtime.block_on(async {
        let done = tokio::select! {
            done = run(&cli) => done,
            () = signalled() => Err("stopped".into()),
        };
        done.and(shop::tidy().await)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zaijia-bench: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprintln!("  {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn run(cli: &Cli) -> Result {
    let report = Report::new(cli.common.json);
    match &cli.bench {
        Bench::ServeBytes(serve) => return serve.run().await,
        Bench::Goods(goods) => return goods.run(),
        _ => {}
    }
    // The short form of the faults runs on the PostgreSQL of the tests, which need not wait for a disk.
    let is_short = matches!(&cli.bench, Bench::Faults(faults) if faults.is_short());
    for place in cli.common.places()? {
        if !is_short {
            shop::commits_wait_for_the_disk(&place).await?;
        }
        match &cli.bench {
            Bench::Orders(orders) => orders.run(&cli.common, &place, &report).await?,
            Bench::Contend(contend) => contend.run(&cli.common, &place, &report).await?,
            Bench::Faults(faults) => faults.run(&cli.common, &place, &report).await?,
            Bench::Pages(pages) => pages.run(&cli.common, &place, &report).await?,
            Bench::Live(bench) => bench.run(&cli.common, &place, &report).await?,
            Bench::Restart(bench) => bench.run(&cli.common, &place, &report).await?,
            Bench::Import(bench) => bench.run(&cli.common, &place, &report).await?,
            Bench::Search(bench) => bench.run(&cli.common, &place, &report).await?,
            Bench::Growth(bench) => bench.run(&cli.common, &place, &report).await?,
            Bench::Goods(_) | Bench::ServeBytes(_) => {}
        }
    }
    Ok(())
}
