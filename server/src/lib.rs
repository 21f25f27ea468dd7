//! The binary `zaijia`: configuration, router, sessions, live stream, jobs and
//! commands. What the shop does is in `service`; here is how it is reached.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | settings from file, environment and flags |
//! | [`commands`] | everything that `zaijia …` can be told |
//! | [`router`] | every path and the layers around it |
//! | [`visitor`], [`session`] | who looks: cookies, session, store, basket |
//! | [`guard`], [`limits`] | what is refused before a page or function runs |
//! | [`assets`] | styles, scripts and pictures, compressed beforehand |
//! | [`live`] | the stream of stock and order changes to open pages |
//! | [`api`] | JSON for tills and ERP, callbacks of payment channels |
//! | [`listen`] | connections: taken, bounded, ended |
//! | [`operation`] | health, metrics, logs |

#![recursion_limit = "256"]

pub mod api;
pub mod assets;
pub mod commands;
pub mod config;
pub mod guard;
pub mod limits;
pub mod listen;
pub mod live;
pub mod operation;
pub mod router;
pub mod session;
pub mod visitor;

use leptos::config::LeptosOptions;
use service::Shop;
use std::sync::Arc;

/// What every handler can reach.
#[derive(Clone)]
pub struct Server {
    /// The shop.
    pub shop: Shop,
    /// Settings of this server.
    pub config: Arc<config::Config>,
    /// Styles, scripts, pictures.
    pub assets: Arc<assets::Assets>,
    /// Open pages.
    pub live: live::Live,
    /// Counters of requests.
    pub limits: Arc<limits::Limits>,
    /// True from the moment in which the server was told to stop.
    pub draining: Arc<std::sync::atomic::AtomicBool>,
    /// The metrics that were recorded.
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
    /// What Leptos needs to name its files.
    pub leptos: LeptosOptions,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

impl axum::extract::FromRef<Server> for LeptosOptions {
    fn from_ref(server: &Server) -> Self {
        server.leptos.clone()
    }
}
