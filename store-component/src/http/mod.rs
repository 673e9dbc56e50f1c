//! The store's routes: they parse and check requests, and show what the use cases answer. In reading order:

mod problems;
mod views;
mod orders;
mod cancel;
mod history;
mod products;
mod repair;
mod archive;

use axum::Router;
use contracts::names::STORE_STREAMS;
use kit::web::idempotency;
use kit::web::openapi::Api;
use kit::web::problem::{BUSY, INVALID_FIELD};
use kit::web::service;
use kit::web::watchers::TOO_MANY_WATCHERS;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types;
use utoipa_axum::routes;

use self::problems::{
    INACTIVE_PRODUCT, MIXED_CURRENCIES, NOT_CANCELLABLE, TOTAL_TOO_LARGE, UNKNOWN_ORDER, UNKNOWN_PRODUCT,
};
use crate::events::handler;

/// The path for a sidecar that delivers over HTTP; no part of the public API.
const DELIVERIES: &str = "/store/deliveries";

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
    let cancel_errors = [&idempotency::ERRORS[..], &[UNKNOWN_ORDER, NOT_CANCELLABLE, BUSY]].concat();
    Api::new(
        "store",
        "Store",
        "Orders, and the store's own copy of the warehouse's catalogue.",
    )
    .route(routes!(orders::place), &place_errors)
    .route(routes!(orders::list), &[])
    .route(routes!(orders::show), &[UNKNOWN_ORDER])
    .route(routes!(cancel::cancel), &cancel_errors)
    .route(routes!(history::list), &[UNKNOWN_ORDER])
    .route(
        routes!(history::watch),
        &[UNKNOWN_ORDER, INVALID_FIELD, TOO_MANY_WATCHERS],
    )
    .route(routes!(products::list), &[])
    .route(routes!(repair::resend), &[])
    .route(routes!(archive::read), &[])
    .route(routes!(archive::remove), &[])
    .streams(STORE_STREAMS)
}
