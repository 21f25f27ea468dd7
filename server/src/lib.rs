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
//! | [`ready`] | pages that are the same for many, rendered once |
//! | [`mishap`] | the page that a browser is shown where there is none |
//! | [`assets`] | styles, scripts and pictures, compressed beforehand |
//! | [`live`] | the stream of stock and order changes to open pages |
//! | [`api`] | JSON for tills and ERP, callbacks of payment channels |
//! | [`listen`] | connections: taken, bounded, ended |
//! | [`places`] | how many connections and streams may be open |
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
pub mod mishap;
pub mod operation;
pub mod places;
pub mod ready;
pub mod router;
pub mod session;
pub mod visitor;

use leptos::config::LeptosOptions;
use service::Shop;
use std::sync::Arc;

/// What every handler can reach. Cheap to clone: each layer holds it.
#[derive(Clone)]
pub struct Server(Arc<Parts>);

/// The parts of a server.
pub struct Parts {
    /// The shop.
    pub shop: Shop,
    /// Settings of this server.
    pub config: config::Config,
    /// Styles, scripts, pictures.
    pub assets: assets::Assets,
    /// Pages that are rendered already.
    pub ready: ready::Ready,
    /// Open pages.
    pub live: live::Live,
    /// Counters of requests.
    pub limits: limits::Limits,
    /// True from the moment in which the server was told to stop.
    pub draining: std::sync::atomic::AtomicBool,
    /// Whether the database answered when it was asked last.
    pub readiness: operation::Readiness,
    /// The metrics that were recorded.
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
    /// What Leptos needs to name its files.
    pub leptos: LeptosOptions,
}

impl Server {
    /// A server of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for Server {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
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
