//! The store's routes: request -> domain -> Redis -> answer. In reading order:

mod problems;
mod views;
mod orders;
mod cancel;
mod history;
mod products;
mod repair;
mod archive;

use axum::Router;
use axum::response::Response;
use contracts::names::STORE_STREAMS;
use edge::http::Health;
use edge::idempotency;
use edge::openapi::Api;
use edge::problem::{INVALID_FIELD, Problem};
use edge::request::Request;
use serde::Serialize;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::{service, types};
use utoipa_axum::routes;

use self::problems::{
    BUSY, INACTIVE_PRODUCT, MIXED_CURRENCIES, NOT_CANCELLABLE, TOTAL_TOO_LARGE, UNKNOWN_ORDER, UNKNOWN_PRODUCT,
    unwritable,
};
use super::events::{PART_ENTRIES, apply};

/// Where a sidecar that delivers over HTTP does so; no part of the public API.
const DELIVERIES: &str = "/store/deliveries";

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
    let place_errors = [
        &idempotency::ERRORS[..],
        &[
            UNKNOWN_PRODUCT,
            INACTIVE_PRODUCT,
            MIXED_CURRENCIES,
            TOTAL_TOO_LARGE,
            BUSY,
        ],
    ]
    .concat();
    Api::new(
        "store",
        "Store",
        "Orders, and the store's own copy of the warehouse's catalogue.",
    )
    .route(routes!(health), &[])
    .route(routes!(orders::place), &place_errors)
    .route(routes!(orders::list), &[])
    .route(routes!(orders::show), &[UNKNOWN_ORDER])
    .route(routes!(cancel::cancel_order), &[UNKNOWN_ORDER, NOT_CANCELLABLE, BUSY])
    .route(routes!(history::list), &[UNKNOWN_ORDER])
    .route(routes!(history::watch), &[UNKNOWN_ORDER, INVALID_FIELD])
    .route(routes!(products::list), &[])
    .route(routes!(repair::resend_completed), &[])
    .route(routes!(archive::read), &[])
    .route(routes!(archive::remove), &[])
    .streams(STORE_STREAMS)
}

/// Whether the store and its Redis answer.
#[utoipa::path(get, path = "/store/healthz", operation_id = "health", responses(
    (status = 200, description = "Both answer", body = Health),
))]
async fn health() -> Result<Response, Problem> {
    edge::http::health().await
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| unwritable(&error))
}
