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
/// Files that are open beside connections, streams and those of the database's pools.
#[cfg(unix)]
const OTHER_FILES: u64 = 64;

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
        #[cfg(unix)]
        allow_files(&config);
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
        if config.is_https() && !config.behind_proxy {
            tracing::warn!(
                "public_url is HTTPS, but behind_proxy is false: all visitors count as one address, the proxy's"
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
            readiness: operation::Readiness::default(),
            metrics,
            leptos,
        });
        tokio::task::spawn_blocking(store::tokens::load);
        // On a thread of their own: what is computed of all goods takes seconds, in which no request
        // that waits for the same thread would be answered.
        let (jobs, runtime) = (tick(server.clone(), stopped.clone()), tokio::runtime::Handle::current());
        let ticker = tokio::task::spawn_blocking(move || runtime.block_on(jobs));
        let courier = tokio::spawn(deliver(shop.clone(), stopped.clone()));
        // Not among the jobs, which may take long.
        let keeper = tokio::spawn(keep(server.clone(), stopped.clone()));
        let done = serve(listener, server, stop, stopped).await;
        end([ticker, courier, keeper], &shop).await;
        done
    }
}

/// Files that may be open at a time if everything is taken that the settings allow.
#[cfg(unix)]
fn files(config: &Config) -> u64 {
    let sockets = [config.connections, config.streams, config.read_connections];
    sockets.into_iter().map(u64::from).sum::<u64>() + config.lanes as u64 + OTHER_FILES
}

/// Lets this process open as many files as the system allows it; each connection is one.
#[cfg(unix)]
fn allow_files(config: &Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let needed = files(config);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "fewer files may be open than connections and streams need: raise the limit (ulimit -n), or lower \
             connections and streams in the settings"
        );
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

/// Jobs: what is due each second. One run at a time.
async fn tick(server: Server, mut stopped: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = live::stopping(&mut stopped) => return,
            _ = every.tick() => {}
        }
        server.shop.run_due(server.shop.now()).await;
    }
}

/// Upkeep of what is counted, each minute.
async fn keep(server: Server, mut stopped: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_mins(1));
    loop {
        tokio::select! {
            () = live::stopping(&mut stopped) => return,
            _ = every.tick() => {}
        }
        server.limits.tidy();
        if let Some(metrics) = &server.metrics {
            metrics.run_upkeep();
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

async fn end(jobs: [JoinHandle<()>; 3], shop: &Shop) {
    for job in jobs {
        if tokio::time::timeout(GRACE, job).await.is_err() {
            tracing::warn!("a job took longer than the time to stop");
        }
    }
    shop.store().close().await;
    tracing::info!("the shop is closed");
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let limit = getrlimit(Resource::Nofile);
        // As a session allows it to a process that asks for nothing.
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..limit }).expect("fewer");
        allow_files(&Config::default());
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: limit.maximum, ..limit });
    }

    #[test]
    fn files_are_counted_by_what_the_settings_allow() {
        let config = Config { connections: 1_000, streams: 2_000, read_connections: 8, lanes: 4, ..Config::default() };
        assert_eq!(files(&config), 3_076);
    }
}
