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

/// `GET /readyz`: the database answers, and the server was not told to stop.
pub async fn readyz(State(server): State<Server>) -> Response {
    if server.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response();
    }
    let ready = async {
        let mut conn = server.shop.store().read().await?;
        conn.int("SELECT COUNT(*) FROM store", &[]).await
    };
    match tokio::time::timeout(std::time::Duration::from_secs(2), ready).await {
        Ok(Ok(_)) => "ready\n".into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time\n").into_response(),
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
