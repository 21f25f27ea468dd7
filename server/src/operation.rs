//! What whoever runs the shop looks at: health, metrics, logs.

use crate::Server;
use crate::config::{Config, LogFormat};
use crate::guard::refusal;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// Names a request in the log, and in its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts logging to standard error.
pub fn start_logs(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|error| {
        eprintln!("zaijia: log_filter: {error}; info is used");
        EnvFilter::new("info")
    });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that cannot be written (the disk is full) must not end what it tells of.
    let logs = logs.log_internal_errors(false);
    // A second start in one process (tests) keeps the first.
    let started = match config.log {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// Starts recording metrics; `None` if something else records them already.
pub fn start_metrics() -> Option<metrics_exporter_prometheus::PrometheusHandle> {
    let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let units = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];
    let seconds = metrics_exporter_prometheus::Matcher::Suffix("_seconds".to_owned());
    let sizes = metrics_exporter_prometheus::Matcher::Suffix("_units".to_owned());
    let builder = metrics_exporter_prometheus::PrometheusBuilder::new();
    builder
        .set_buckets_for_metric(seconds, &buckets)
        .ok()?
        .set_buckets_for_metric(sizes, &units)
        .ok()?
        .install_recorder()
        .ok()
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Has connections closed after their answer while the server winds down, so
/// that their clients' next requests go to another one.
pub async fn wind_down(State(server): State<Server>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if server.draining.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Takes a request's id from a proxy if it is a word for the log; else it gets
/// one of our own.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let is_word = |id: &HeaderValue| {
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    if !request.headers().get(REQUEST_ID).is_some_and(is_word) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// An answer of the database is not asked for again for so long.
const ANSWER_KEPT: Duration = Duration::from_secs(1);
/// The database answers within this time, or is taken to be away.
const ANSWER_IN: Duration = Duration::from_secs(2);

/// Whether the database answered when it was asked last. However many want to know,
/// it is asked once a second, by one of them at a time.
#[derive(Debug, Default)]
pub struct Readiness(tokio::sync::Mutex<Option<(Instant, Ready)>>);

/// What the database said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    No,
    NotInTime,
}

impl Readiness {
    /// What was said less than [`ANSWER_KEPT`] ago, or is said now.
    async fn of(&self, store: &store::Store) -> Ready {
        let mut last = self.0.lock().await;
        if let Some((at, said)) = *last
            && at.elapsed() < ANSWER_KEPT
        {
            return said;
        }
        let ask = async {
            let mut conn = store.read().await?;
            conn.int("SELECT COUNT(*) FROM store", &[]).await
        };
        let said = match tokio::time::timeout(ANSWER_IN, ask).await {
            Ok(Ok(_)) => Ready::Yes,
            Ok(Err(error)) => {
                tracing::error!(%error, "not ready");
                Ready::No
            }
            Err(_) => Ready::NotInTime,
        };
        *last = Some((Instant::now(), said));
        said
    }
}

/// `GET /readyz`: the database answers, and the server was not told to stop.
pub async fn readyz(State(server): State<Server>) -> Response {
    if server.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response();
    }
    match server.readiness.of(server.shop.store()).await {
        Ready::Yes => "ready\n".into_response(),
        Ready::No => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
        Ready::NotInTime => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time\n").into_response(),
    }
}

/// `GET /metrics`: for Prometheus, from this machine, or with a token of the role `metrics`.
pub async fn metrics(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    // Behind a proxy everybody seems to come from this machine.
    let local = peer.ip().is_loopback() && !server.config.behind_proxy;
    if !local && let Err(error) = bearer(&server, &headers, &["metrics", "staff"]).await {
        return refusal(error.user());
    }
    let Some(handle) = &server.metrics else { return StatusCode::NOT_FOUND.into_response() };
    #[expect(clippy::cast_precision_loss, reason = "a queue has some thousands of places")]
    metrics::gauge!("zaijia_writer_waiting").set(server.shop.store().waiting() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

/// The API token of a request, if it may do what one of `roles` may.
///
/// # Errors
/// `bad_token`.
pub async fn bearer(server: &Server, headers: &HeaderMap, roles: &[&str]) -> service::Result<store::members::TokenRow> {
    let secret = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = secret.and_then(|value| value.strip_prefix("Bearer ")).ok_or(domain::Code::BadToken)?;
    server.shop.token(secret.trim(), roles).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_database_is_asked_once_a_second_however_many_want_to_know() {
        let store = store::testing::sqlite().await;
        let readiness = Readiness::default();
        let before = store.statements();
        for _ in 0..100 {
            assert_eq!(readiness.of(&store).await, Ready::Yes);
        }
        // A slow machine takes more than a second.
        assert!(store.statements() - before < 50);
        store.close().await;
        tokio::time::sleep(ANSWER_KEPT).await;
        assert_eq!(readiness.of(&store).await, Ready::No, "it is asked again");
    }
}
