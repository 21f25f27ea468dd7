//! `zaijia serve`: the shop, its jobs, and an orderly end.

use super::{Done, Failure};
use crate::assets::Assets;
use crate::config::Config;
use crate::limits::Limits;
use crate::places::Bounds;
use crate::ready::Ready;
use crate::{Parts, Server, listen, live, operation, router};
use clap::Args;
use leptos::config::LeptosOptions;
use service::Shop;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Requests in hand may take this long once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long)]
    addr: Option<SocketAddr>,
    /// Where the shop is reached from outside.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Folder of styles, scripts and pictures.
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
}

impl Serve {
    /// Serves until the process is told to stop.
    pub(super) async fn run(self, mut config: Config) -> Done {
        config.addr = self.addr.unwrap_or(config.addr);
        config.public_url = self.public_url.or(config.public_url);
        config.site = self.site.or(config.site);
        let metrics = operation::start_metrics();
        let listener = TcpListener::bind(config.addr)
            .await
            .map_err(|error| Failure::Said(format!("{} cannot be listened on: {error}", config.addr)))?;
        config.addr = listener.local_addr()?;
        let shop = super::open(&config).await?;
        let assets = Assets::load(config.site.as_deref())?;
        if assets.is_empty() {
            tracing::warn!("no styles and scripts were found: pages are plain (cargo xtask build makes them)");
        }
        if config.sandbox && config.is_https() {
            tracing::warn!(
                "the sandbox is on: anyone can read one-time codes and pay without money (sandbox = false ends it)"
            );
        }
        let (stop, stopped) = watch::channel(false);
        let leptos = LeptosOptions::builder()
            .output_name(assets.output_name())
            .site_root("target/site")
            .site_pkg_dir("pkg")
            .site_addr(config.addr)
            .hash_files(false)
            .env(leptos_env())
            .build();
        // What other processes commit is heard of before the first page is shown.
        shop.store().listen().await?;
        let bounds =
            Bounds { all: config.streams, visitor: config.streams_per_visitor, address: config.streams_per_address };
        let server = Server::new(Parts {
            ready: Ready::new(&shop),
            live: live::Live::start(&shop, bounds, stopped.clone()),
            limits: Limits::new(config.visitor_per_second, config.address_per_second),
            assets,
            config,
            shop: shop.clone(),
            draining: std::sync::atomic::AtomicBool::new(false),
            metrics,
            leptos,
        });
        tokio::task::spawn_blocking(store::tokens::load);
        // On a thread of their own: what is computed of all goods takes seconds, in which no request
        // that waits for the same thread would be answered.
        let (jobs, runtime) = (tick(server.clone(), stopped.clone()), tokio::runtime::Handle::current());
        let ticker = tokio::task::spawn_blocking(move || runtime.block_on(jobs));
        let courier = tokio::spawn(deliver(shop.clone(), stopped.clone()));
        let done = serve(listener, server, stop, stopped).await;
        end([ticker, courier], &shop).await;
        done
    }
}

fn leptos_env() -> leptos::config::Env {
    // In development pages reload themselves; told by cargo-leptos or xtask.
    if std::env::var_os("LEPTOS_WATCH").is_some() { leptos::config::Env::DEV } else { leptos::config::Env::PROD }
}

async fn serve(
    listener: TcpListener,
    server: Server,
    stop: watch::Sender<bool>,
    mut stopped: watch::Receiver<bool>,
) -> Done {
    let url = server.config.public_url();
    let drain = Duration::from_secs(server.config.drain_s.into());
    let told = server.clone();
    let manners = listen::Manners::of(&server.config);
    let serving = listen::serve(listener, manners, router::router(server), stopped.clone());
    tracing::info!(%url, "the shop is open");
    println!("Zaijia is open at {url}");
    tokio::spawn(async move {
        signalled().await;
        told.draining.store(true, Ordering::Relaxed);
        if !drain.is_zero() {
            tracing::info!(?drain, "the shop closes: it says so, and still answers");
            tokio::select! {
                () = tokio::time::sleep(drain) => {}
                // Told again: at once.
                () = signalled() => {}
            }
        }
        tracing::info!("the shop closes: requests in hand are finished");
        // Without receivers nothing is left to stop.
        let _ = stop.send(true);
    });
    let late = async {
        live::stopping(&mut stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = serving => Ok(()),
        () = late => {
            tracing::warn!("some requests took longer than the time to stop");
            Ok(())
        }
    }
}

/// Waits for SIGINT or SIGTERM.
async fn signalled() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be heard");
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}

/// Jobs: what is due each second, and counters' upkeep each minute. One run at a time.
async fn tick(server: Server, mut stopped: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut seconds: u64 = 0;
    loop {
        tokio::select! {
            () = live::stopping(&mut stopped) => return,
            _ = every.tick() => {}
        }
        seconds += 1;
        server.shop.run_due(server.shop.now()).await;
        if seconds.is_multiple_of(60) {
            server.limits.tidy();
            if let Some(metrics) = &server.metrics {
                metrics.run_upkeep();
            }
        }
    }
}

/// Runs the outbox as soon as somebody waits for it: a one-time code shall not
/// wait for the next second, nor for another job.
async fn deliver(shop: Shop, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = live::stopping(&mut stopped) => return,
            () = shop.outbox_woken() => {}
        }
        shop.deliver_now().await;
    }
}

async fn end(jobs: [JoinHandle<()>; 2], shop: &Shop) {
    for job in jobs {
        if tokio::time::timeout(GRACE, job).await.is_err() {
            tracing::warn!("a job took longer than the time to stop");
        }
    }
    shop.store().close().await;
    tracing::info!("the shop is closed");
}
