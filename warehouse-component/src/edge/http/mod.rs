//! The warehouse's routes: request -> domain -> Redis -> answer. In reading order:

mod problems;
mod products;
mod movements;
mod orders;
mod returns;
mod repair;
mod archive;

use axum::Router;
use axum::response::Response;
use contracts::names::WAREHOUSE_STREAMS;
use edge::http::Health;
use edge::idempotency;
use edge::if_match::{IF_MATCH_REQUIRED, MALFORMED_IF_MATCH};
use edge::openapi::Api;
use edge::problem::{IDEMPOTENCY_KEY_REQUIRED, Problem};
use edge::request::Request;
use serde::Serialize;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::{service, types};
use utoipa_axum::routes;

use self::problems::{
    INSUFFICIENT_STOCK, NOT_FULFILLED, PRODUCT_EXISTS, RETURN_TOO_LARGE, STALE_REVISION, STOCK_TOO_LARGE,
    TOO_MANY_RETURNS, UNKNOWN_ALLOCATION, UNKNOWN_LINE, UNKNOWN_PRODUCT, unwritable,
};
use super::events::{PART_ENTRIES, apply};

/// Where a sidecar that delivers over HTTP does so; no part of the public API.
const DELIVERIES: &str = "/warehouse/deliveries";

thread_local! {
    static ROUTES: Router = api().into_routes();
}

struct Service;

// Not the SDK's `http_service`, which converts each request: see `edge::request`.
service::export!(Service);

impl Guest for Service {
    async fn handle(request: types::Request) -> Result<types::Response, types::ErrorCode> {
        let request = Request::new(request)?;
        if request.path() == DELIVERIES {
            return edge::deliveries::serve(request, PART_ENTRIES, apply).await;
        }
        edge::http::serve(request, ROUTES.with(Clone::clone)).await
    }
}

fn api() -> Api {
    let keyed = [&idempotency::ERRORS[..], &[IDEMPOTENCY_KEY_REQUIRED]].concat();
    let move_errors = [&keyed[..], &[UNKNOWN_PRODUCT, INSUFFICIENT_STOCK, STOCK_TOO_LARGE]].concat();
    let return_errors = [
        &keyed[..],
        &[
            UNKNOWN_ALLOCATION,
            UNKNOWN_LINE,
            NOT_FULFILLED,
            RETURN_TOO_LARGE,
            TOO_MANY_RETURNS,
            STOCK_TOO_LARGE,
        ],
    ]
    .concat();
    Api::new(
        "warehouse",
        "Warehouse",
        "Products and their stock, and what was decided for orders.",
    )
    .route(routes!(health), &[])
    .route(routes!(products::create), &[PRODUCT_EXISTS])
    .route(routes!(products::list), &[])
    .route(routes!(products::show), &[UNKNOWN_PRODUCT])
    .route(
        routes!(products::change),
        &[UNKNOWN_PRODUCT, IF_MATCH_REQUIRED, MALFORMED_IF_MATCH, STALE_REVISION],
    )
    .route(
        routes!(products::deactivate),
        &[UNKNOWN_PRODUCT, MALFORMED_IF_MATCH, STALE_REVISION],
    )
    .route(routes!(movements::make), &move_errors)
    .route(routes!(movements::list), &[UNKNOWN_PRODUCT])
    .route(routes!(orders::show_allocation), &[UNKNOWN_ALLOCATION])
    .route(routes!(returns::take_back), &return_errors)
    .route(routes!(repair::announce_products), &[])
    .route(routes!(repair::announce_allocation), &[UNKNOWN_ALLOCATION])
    .route(routes!(archive::read), &[])
    .route(routes!(archive::remove), &[])
    .streams(WAREHOUSE_STREAMS)
}

/// Whether the warehouse and its Redis answer.
#[utoipa::path(get, path = "/warehouse/healthz", operation_id = "health", responses(
    (status = 200, description = "Both answer", body = Health),
))]
async fn health() -> Result<Response, Problem> {
    edge::http::health().await
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| unwritable(&error))
}
