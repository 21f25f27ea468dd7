//! Every path and the layers around it.
//!
//! From the outside in: request id, log, security headers, the page for a person
//! where there is none, panics, files, limits, compression, time; then for what a
//! browser asks: cross-site guard, session, visitor; and for server functions who
//! may call them. Callbacks and the API for tills have no session: they prove
//! themselves otherwise, before or by what they send.

use crate::{Server, api, guard, limits, live, mishap, operation, ready, session, visitor};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use metrics::SharedString;
use std::time::Duration;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// What a form or a server function's call may weigh.
pub(crate) const FORM_BYTES: usize = 64 * 1024;
/// What a batch of a feed may weigh.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The shop's router.
pub fn router(server: Server) -> Router {
    let in_time = Duration::from_secs(server.config.request_s.into());
    let for_browsers = browsers(&server).layer(RequestBodyLimitLayer::new(FORM_BYTES));
    let for_machines = api::routes(&server).layer(RequestBodyLimitLayer::new(BATCH_BYTES));
    // Joined, so that a request passes them as one service: each layer of a router is a box of its own.
    let inner = ServiceBuilder::new()
        .layer(from_fn_with_state(server.clone(), limits::limit))
        .layer(CompressionLayer::new().quality(CompressionLevel::Precise(4)))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, in_time))
        .layer(DefaultBodyLimit::disable());
    let outer = ServiceBuilder::new()
        .layer(from_fn(operation::request_id))
        .layer(SetRequestIdLayer::new(operation::REQUEST_ID, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(operation::REQUEST_ID))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(log_answer).on_failure(()))
        .layer(from_fn(measure))
        .layer(from_fn_with_state(server.clone(), operation::wind_down))
        .layer(from_fn_with_state(server.clone(), guard::headers))
        .layer(from_fn_with_state(server.clone(), mishap::explain))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(guard::well_formed))
        .layer(from_fn_with_state(server.clone(), files));
    Router::new()
        .merge(for_browsers)
        .merge(for_machines)
        .layer(inner)
        .merge(operations(&server))
        .layer(outer)
        .with_state(server)
}

/// Health and metrics, not slowed down. Health is asked for without end: that costs the database one
/// question a second. Metrics, which are long, are as limited as pages.
fn operations(server: &Server) -> Router<Server> {
    let limit = from_fn_with_state(server.clone(), limits::limit);
    Router::new()
        .route("/healthz", get(operation::healthz))
        .route("/readyz", get(operation::readyz))
        .route("/metrics", get(operation::metrics).layer(limit))
}

/// Pages, server functions, live streams, and the page that is not there.
fn browsers(server: &Server) -> Router<Server> {
    let context = context(server);
    let leptos = server.leptos.clone();
    let shell = {
        let leptos = leptos.clone();
        move || app::shell(leptos.clone())
    };
    let missing = {
        let (context, shell) = (context.clone(), shell.clone());
        move |request: Request| {
            let page = leptos_axum::render_app_async_with_context(context.clone(), shell.clone());
            async move {
                let mut response = page(request).await;
                if response.status() == StatusCode::OK {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                response
            }
        }
    };
    Router::new()
        // Pages, and a route for every server function.
        .leptos_routes_with_context(server, generate_route_list(app::App), context, shell)
        .route("/live", get(live::stock))
        .route("/live/order/{code}", get(live::order))
        .fallback(missing)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(server.clone(), guard::same_site))
                .layer(session::layer(&server.shop, server.config.is_https()))
                .layer(from_fn_with_state(server.clone(), visitor::identify))
                .layer(from_fn(guard::authorise))
                .layer(from_fn_with_state(server.clone(), ready::ready)),
        )
}

/// What pages and server functions find as Leptos contexts, and the policy that
/// goes with the page's nonce.
fn context(server: &Server) -> impl Fn() + Clone + Send + Sync + 'static {
    let shop = server.shop.clone();
    move || {
        provide_context(shop.clone());
        let nonce = leptos::nonce::use_nonce();
        if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), nonce)
            && let source = format!(" 'nonce-{nonce}'")
            && let Some(policy) = guard::policy(&source, &source)
        {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
}

/// Answers requests for files before anything is looked up for them.
async fn files(State(server): State<Server>, request: Request, next: Next) -> Response {
    match server.assets.answer(request.method(), request.uri().path(), request.headers()) {
        Some(file) => file,
        None => next.run(request).await,
    }
}

/// Counts requests and how long they took, by route. Words of clients are no labels.
async fn measure(request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let method = guard::METHODS.iter().find(|known| *known == request.method()).map_or("other", Method::as_str);
    let route: SharedString = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned().into(),
        None => "other".into(),
    };
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("zaijia_http_request_seconds", "route" => route.clone())
        .record(started.elapsed().as_secs_f64());
    metrics::counter!("zaijia_http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
    response
}

fn span(request: &axum::http::Request<Body>) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or("-");
    // Paths only: a query may hold what was typed.
    tracing::info_span!("http", id, method = %request.method(), path = request.uri().path())
}

fn log_answer(response: &axum::http::Response<impl Sized>, took: Duration, _: &tracing::Span) {
    let (status, took_ms) = (response.status().as_u16(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    if status >= 500 {
        tracing::warn!(status, took_ms, "answered");
    } else {
        tracing::debug!(status, took_ms, "answered");
    }
}

/// A defect: logged with a reference that the visitor sees, too.
#[expect(clippy::needless_pass_by_value, reason = "as the layer calls it")]
fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let reference = service::members::reference();
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(%reference, cause = text.unwrap_or("unknown"), "a request panicked");
    guard::refusal(ui::AppError::internal(reference))
}
