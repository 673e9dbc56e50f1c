//! The warehouse's routes: request -> domain -> Redis -> answer.

mod products;
mod movements;
mod orders;
mod repair;

use axum::Router;
use axum::routing::{get, post};
use contracts::names::WAREHOUSE_STREAMS;
use edge::problem::{FieldError, Problem};
use serde::Serialize;
use spin_sdk::http::Request;
use spin_sdk::http_service;
use spin_sdk::wasip3::http::types;

use super::redis::Corrupt;

thread_local! {
    static ROUTES: Router = edge::http::routes(
        Router::new()
            .route("/warehouse/healthz", get(edge::http::health))
            .route("/warehouse/products", get(products::list).post(products::create))
            .route(
                "/warehouse/products/{product_id}",
                get(products::show).patch(products::change).delete(products::deactivate),
            )
            .route(
                "/warehouse/products/{product_id}/movements",
                get(movements::list).post(movements::make),
            )
            .route("/warehouse/allocations/{order_id}", get(orders::show_allocation))
            .route("/warehouse/returns", post(orders::take_back))
            .route("/warehouse/repair/products", post(repair::announce_products))
            .route("/warehouse/repair/allocations/{order_id}", post(repair::announce_allocation))
            .merge(edge::streams::router("warehouse", WAREHOUSE_STREAMS)),
    );
}

#[http_service]
async fn on_request(request: Request) -> Result<types::Response, types::ErrorCode> {
    edge::http::serve(request, ROUTES.with(Clone::clone)).await
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::new(500, "internal", "The answer could not be written", error.to_string()))
}

fn corrupt(Corrupt(what): Corrupt) -> Problem {
    Problem::corrupt(what)
}

/// 422 for fields that the domain found at fault.
fn invalid<F: Into<String>>(faults: Vec<(F, String)>) -> Problem {
    let errors = faults.into_iter().map(|(field, reason)| FieldError::new(field, reason));
    Problem::invalid(errors.collect())
}

fn unknown_product(product_id: &str) -> Problem {
    Problem::not_found(
        "unknown_product",
        "There is no such product",
        format!("no product {product_id}"),
    )
}

fn unknown_allocation(order_id: &str) -> Problem {
    Problem::not_found(
        "unknown_allocation",
        "Nothing is decided for this order",
        format!("no allocation of an order {order_id}, or not yet"),
    )
}

fn stock_too_large(detail: String) -> Problem {
    Problem::new(
        409,
        "stock_too_large",
        "There would be more units than the warehouse may hold",
        detail,
    )
}
