//! JSON for tills and ERP, guarded by tokens, with its OpenAPI description;
//! and the callbacks of payment channels, guarded by their signatures. A token is
//! asked for before anything of a body is read; a callback, which is proved by all
//! of it, is short.

use crate::Server;
use crate::guard::refusal;
use crate::operation::bearer;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service::feed::{Batch, BatchAnswer, BatchKind, Row};
use service::payments::BODY_MAX;
use store::members::TokenRow;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Headers in which a channel says when and how it signed.
const SIGNED: [(&str, &str, &str); 1] = [("sandbox", "x-sandbox-timestamp", "x-sandbox-signature")];

/// Roles of tokens.
type Roles = &'static [&'static str];

/// Who may tell what left the shelves and what came in.
const FEEDS: Roles = &["feed"];
/// Who may ask why.
const ASKS: Roles = &["feed", "staff"];

/// Paths without a session.
pub fn routes(server: &Server) -> Router<Server> {
    let feed = post(feed).route_layer(from_fn_with_state((server.clone(), FEEDS), with_token));
    let why = get(why).route_layer(from_fn_with_state((server.clone(), ASKS), with_token));
    Router::new()
        .route("/api/v1/feed/{told}", feed)
        .route("/api/v1/why", why)
        .route("/api/pay/{channel}/callback", post(callback).layer(DefaultBodyLimit::max(BODY_MAX)))
        .merge(utoipa_swagger_ui::SwaggerUi::new("/swagger").url("/openapi.json", Api::openapi()))
}

/// Refuses who has no token of one of these roles, before the body is read; the
/// route finds the token in the request.
async fn with_token(State((server, roles)): State<(Server, Roles)>, mut request: Request, next: Next) -> Response {
    let token = bearer(&server, request.headers(), roles).await;
    match token {
        Ok(token) => {
            request.extensions_mut().insert(token);
            next.run(request).await
        }
        Err(error) => problem(&error),
    }
}

/// The description of the API.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Zaijia",
        description = "Feeds from tills and ERP. Every batch carries a key: the same key with the same content is answered as before and changes nothing."
    ),
    paths(feed, why),
    components(schemas(FeedBatch, FeedAnswer, Problem, Told)),
    modifiers(&Bearer)
)]
struct Api;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", token);
    }
}

/// What went wrong.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the JSON of an error")]
struct Problem {
    /// A word such as `bad_token`, `invalid`, `key_reused`, `not_found`, `busy`.
    code: String,
    /// Values that go with it, such as `retry_s`.
    params: std::collections::BTreeMap<String, String>,
    /// The field that it concerns.
    field: Option<String>,
}

/// An error as JSON; internal ones are logged under a reference.
fn problem(error: &service::Error) -> Response {
    let mut shown = ui::AppError::from(error.user());
    if error.is_internal() {
        let reference = service::members::reference();
        tracing::error!(%reference, ?error, "an API request failed");
        shown.reference = Some(reference);
    }
    let retry = shown.params.get("retry_s").and_then(|wait_s| wait_s.parse().ok());
    let mut response = refusal(shown);
    if let Some(retry) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, retry);
    }
    response
}

/// A batch of one store.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeedBatch {
    /// The batch's own key, 1 to 100 characters without control characters; the same for a repetition.
    #[schema(example = "2026-11-22-till-3-0017")]
    key: String,
    /// Code of the store.
    #[schema(example = "S1")]
    store: String,
    /// Snapshots only: the levels were counted by hand.
    #[serde(default)]
    counted: bool,
    /// At most 10,000.
    rows: Vec<FeedRow>,
}

/// A row: names its goods by one of `sku`, `barcode`, `pool`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeedRow {
    /// Code of the SKU.
    sku: Option<String>,
    /// Barcode of the SKU.
    barcode: Option<String>,
    /// Code of the pool of base units.
    pool: Option<String>,
    /// Snapshots: on hand in base units. Sales and receipts: packs (base units where a pool is named).
    quantity: i64,
    /// When it was true or happened.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:15:00+08:00")]
    at: jiff::Timestamp,
    /// Sold under a promotion.
    #[serde(default)]
    promo: bool,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
struct FeedAnswer {
    /// Rows that were applied.
    applied: usize,
    /// Rows that were known already.
    repeated: usize,
    /// Levels older than what is known: nothing done.
    late: usize,
    /// Rows that could not be applied; the others were.
    bad: Vec<FeedBadRow>,
}

/// A row that could not be applied.
#[derive(Debug, Serialize, ToSchema)]
struct FeedBadRow {
    /// Its number, from 0.
    row: usize,
    /// What is wrong with it.
    #[schema(value_type = Problem)]
    error: domain::UserError,
}

impl From<BatchAnswer> for FeedAnswer {
    fn from(answer: BatchAnswer) -> Self {
        let bad = answer.bad.into_iter().map(|bad| FeedBadRow { row: bad.row, error: bad.error });
        Self { applied: answer.applied, repeated: answer.repeated, late: answer.late, bad: bad.collect() }
    }
}

impl FeedBatch {
    fn into_batch(self, kind: BatchKind) -> Batch {
        let row = |row: FeedRow| Row {
            sku: row.sku,
            barcode: row.barcode,
            pool: row.pool,
            quantity: row.quantity,
            at: row.at.as_millisecond(),
            promo: row.promo,
        };
        Batch { key: self.key, store: self.store, kind, rows: self.rows.into_iter().map(row).collect() }
    }
}

type Body = Result<Json<FeedBatch>, JsonRejection>;

/// What a feed tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// Levels of stock as they were at a time, in base units. A level older
    /// than what is known is late and does nothing.
    Snapshots,
    /// What the tills sold, in packs; a negative quantity was given back.
    Sales,
    /// What came in, in packs.
    Receipts,
}

impl Told {
    const fn kind(self, counted: bool) -> BatchKind {
        match self {
            Self::Snapshots if counted => BatchKind::Count,
            Self::Snapshots => BatchKind::Snapshot,
            Self::Sales => BatchKind::Sales,
            Self::Receipts => BatchKind::Receipts,
        }
    }
}

/// Takes a batch of levels, till sales or receipts of one store.
#[utoipa::path(
    post,
    path = "/api/v1/feed/{told}",
    params(("told" = Told, Path, description = "`snapshots`: levels of stock as they were at a time, in base units; \
        one older than what is known is late and does nothing. `sales`: what the tills sold, in packs; a negative \
        quantity was given back. `receipts`: what came in, in packs.")),
    request_body = FeedBatch,
    security(("token" = [])),
    responses(
        (status = 200, description = "What became of the batch", body = FeedAnswer),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such feed or store", body = Problem),
        (status = 409, description = "The key was used for another content", body = Problem),
        (status = 422, description = "The batch cannot be read", body = Problem),
        (status = 503, description = "Busy: come back after the seconds in Retry-After", body = Problem)
    )
)]
async fn feed(
    State(server): State<Server>,
    Extension(token): Extension<TokenRow>,
    told: Result<Path<Told>, PathRejection>,
    body: Body,
) -> Response {
    let answer = async {
        let Path(told) = told.map_err(|_| domain::Code::NotFound)?;
        let Json(batch) = body.map_err(|error| {
            // What serde says names the caller's own field and place in the body.
            domain::UserError::new(domain::Code::Unreadable).with("why", error.body_text())
        })?;
        let kind = told.kind(batch.counted);
        server.shop.apply_batch(&token.name, &batch.into_batch(kind)).await
    };
    match answer.await {
        Ok(answer) => Json(FeedAnswer::from(answer)).into_response(),
        Err(error) => problem(&error),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
struct WhyQuery {
    /// Code of the store.
    store: String,
    /// Code of the SKU.
    sku: String,
}

/// Why a product can be sold as often as it can: every term with its source and its age.
#[utoipa::path(
    get,
    path = "/api/v1/why",
    params(WhyQuery),
    security(("token" = [])),
    responses(
        (status = 200, description = "The terms", body = Object),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such store or SKU", body = Problem)
    )
)]
async fn why(State(server): State<Server>, Query(query): Query<WhyQuery>) -> Response {
    match server.shop.why(&query.store, &query.sku, server.shop.now()).await {
        Ok(why) => Json(why).into_response(),
        Err(error) => problem(&error),
    }
}

/// A payment channel tells what became of a payment.
async fn callback(
    State(server): State<Server>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some((_, timestamp, signature)) = SIGNED.iter().find(|(name, _, _)| *name == channel) else {
        return refusal(domain::Code::NotFound);
    };
    let Ok(body) = body else {
        return refusal(domain::UserError::new(domain::Code::TooLarge).with("max", BODY_MAX));
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match server.shop.callback(&channel, text(timestamp), text(signature), &body).await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, "application/json")], answer.body()).into_response()
        }
        Err(error) => problem(&error),
    }
}
