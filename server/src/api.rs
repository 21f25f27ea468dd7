//! JSON for tills and ERP, guarded by tokens, with its OpenAPI description;
//! and the callbacks of payment channels, guarded by their signatures.

use crate::Server;
use crate::guard::refusal;
use crate::operation::bearer;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// Headers in which a channel says when and how it signed.
const SIGNED: [(&str, &str, &str); 1] = [("sandbox", "x-sandbox-timestamp", "x-sandbox-signature")];

/// Paths without a session.
pub fn routes() -> Router<Server> {
    Router::new()
        .route("/api/v1/why", get(why))
        .route("/api/pay/{channel}/callback", post(callback))
        .merge(utoipa_swagger_ui::SwaggerUi::new("/swagger").url("/openapi.json", Api::openapi()))
}

/// The description of the API.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Zaijia",
        description = "Feeds from tills and ERP. Every batch carries a key: the same key with the same content is answered as before and changes nothing."
    ),
    paths(why),
    components(schemas(Problem)),
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
async fn why(State(server): State<Server>, headers: HeaderMap, Query(query): Query<WhyQuery>) -> Response {
    let answer = async {
        bearer(&server, &headers, &["feed", "staff"]).await?;
        server.shop.why(&query.store, &query.sku, server.shop.now()).await
    };
    match answer.await {
        Ok(why) => Json(why).into_response(),
        Err(error) => problem(&error),
    }
}

/// A payment channel tells what became of a payment.
async fn callback(
    State(server): State<Server>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((_, timestamp, signature)) = SIGNED.iter().find(|(name, _, _)| *name == channel) else {
        return refusal(domain::Code::NotFound);
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
