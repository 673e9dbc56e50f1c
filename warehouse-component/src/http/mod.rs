//! The warehouse's routes: they parse and check requests, and show what the use cases answer. In reading order:

mod problems;
mod products;
mod movements;
mod allocations;
mod returns;
mod repair;
mod archive;

use axum::Router;
use contracts::names::WAREHOUSE_STREAMS;
use kit::web::idempotency;
use kit::web::if_match::{IF_MATCH_REQUIRED, MALFORMED_IF_MATCH};
use kit::web::openapi::Api;
use kit::web::problem::{BUSY, IDEMPOTENCY_KEY_REQUIRED};
use kit::web::service;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types;
use utoipa_axum::routes;

use self::problems::{
    INSUFFICIENT_STOCK, NOT_FULFILLED, PRODUCT_EXISTS, RETURN_TOO_LARGE, STALE_REVISION, STOCK_TOO_LARGE,
    TOO_MANY_RETURNS, UNKNOWN_ALLOCATION, UNKNOWN_LINE, UNKNOWN_PRODUCT,
};
use crate::events::handler;

/// The path for a sidecar that delivers over HTTP; no part of the public API.
const DELIVERIES: &str = "/warehouse/deliveries";

thread_local! {
    static ROUTES: Router = api().into_routes();
}

struct Service;

// Not the SDK's `http_service`, which converts each request: see `kit::web::request`.
spin_sdk::wasip3::http::service::export!(Service);

impl Guest for Service {
    async fn handle(request: types::Request) -> Result<types::Response, types::ErrorCode> {
        service::serve(request, ROUTES.with(Clone::clone), DELIVERIES, &handler()).await
    }
}

fn api() -> Api {
    let keyed = [&idempotency::ERRORS[..], &[IDEMPOTENCY_KEY_REQUIRED]].concat();
    let change_errors = [
        &idempotency::ERRORS[..],
        &[UNKNOWN_PRODUCT, BUSY, MALFORMED_IF_MATCH, STALE_REVISION],
    ]
    .concat();
    let move_errors = [
        &keyed[..],
        &[UNKNOWN_PRODUCT, INSUFFICIENT_STOCK, STOCK_TOO_LARGE, BUSY],
    ]
    .concat();
    let return_errors = [
        &keyed[..],
        &[
            UNKNOWN_ALLOCATION,
            UNKNOWN_LINE,
            NOT_FULFILLED,
            RETURN_TOO_LARGE,
            TOO_MANY_RETURNS,
            STOCK_TOO_LARGE,
            BUSY,
        ],
    ]
    .concat();
    Api::new(
        "warehouse",
        "Warehouse",
        "Products and their stock, and what was decided for orders.",
    )
    .route(
        routes!(products::create),
        &[&idempotency::ERRORS[..], &[PRODUCT_EXISTS]].concat(),
    )
    .route(routes!(products::list), &[])
    .route(routes!(products::show), &[UNKNOWN_PRODUCT])
    .route(
        routes!(products::change),
        &[&change_errors[..], &[IF_MATCH_REQUIRED]].concat(),
    )
    .route(routes!(products::deactivate), &change_errors)
    .route(routes!(movements::make), &move_errors)
    .route(routes!(movements::list), &[UNKNOWN_PRODUCT])
    .route(routes!(allocations::show), &[UNKNOWN_ALLOCATION])
    .route(routes!(returns::make), &return_errors)
    .route(routes!(repair::announce_products), &[])
    .route(routes!(repair::announce_allocation), &[UNKNOWN_ALLOCATION])
    .route(routes!(archive::read), &[])
    .route(routes!(archive::remove), &[])
    .streams(WAREHOUSE_STREAMS)
}
