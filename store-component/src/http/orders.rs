//! Orders: placed, shown, listed.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::limits::check_id;
use kit::redis::StorageError;
use kit::web::page::{self, Items, Page};
use kit::web::problem::{FieldError, Problem};
use kit::web::response::json_text;
use kit::web::{idempotency, json, response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problems::{not_placed, unknown_order};
use super::views::{OrderView, view};
use crate::app::place_order::place_order;
use crate::domain::order::Status;
use crate::domain::place_order::OrderRequest;
use crate::storage::{StoredOrder, lists, orders};

/// The body of `POST /store/orders`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOrder {
    #[schema(example = "ada", max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    customer_id: String,
    /// All in one currency.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<PlaceOrderLine>,
    payment: Option<Payment>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrderLine {
    #[schema(example = "espresso-cup", max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    product_id: String,
    #[schema(example = 2, minimum = 1, maximum = 1_000_000)]
    qty: u32,
}

/// How to pay; without it, the payment is approved.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Payment {
    /// `tok_decline` is declined, `tok_retry_2` gets through after two failures, everything else is approved.
    #[schema(example = "tok_visa", max_length = 64, pattern = "^[!-~]+$")]
    token: String,
}

/// Places an order, which then waits for its payment.
#[utoipa::path(post, path = "/store/orders", operation_id = "place_order",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours")),
    request_body = PlaceOrder,
    responses((status = 201, description = "Placed, now or by the same request before", body = OrderView,
        headers(("Location" = String, description = "The order's path")))),
)]
pub(super) async fn place(headers: HeaderMap, method: Method, body: Bytes) -> Result<Response, Problem> {
    let request: PlaceOrder = json::parse(&body)?;
    let record = idempotency::record(&headers, &method, "/store/orders", &to_json(&request))?;
    let lines = request.lines.into_iter().map(|line| (line.product_id, line.qty));
    let request = OrderRequest {
        customer_id: request.customer_id,
        lines: lines.collect(),
        token: request.payment.map(|payment| payment.token),
    };
    let show = |order_id: &str, order: &StoredOrder| to_json(&view(order_id.to_owned(), order.clone()));
    let placed = place_order(&request, record.as_ref(), show).await.map_err(not_placed)?;
    let mut response = json_text(StatusCode::CREATED, placed.body);
    if let Ok(location) = HeaderValue::from_str(&placed.location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// An order.
#[utoipa::path(get, path = "/store/orders/{order_id}", operation_id = "show_order",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order", body = OrderView)),
)]
pub(super) async fn show(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let order = find(&order_id).await?;
    Ok(response::json(StatusCode::OK, &view(order_id, order)))
}

/// The order of this id.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(order_id: &str) -> Result<StoredOrder, Problem> {
    check_id(order_id).map_err(|_| unknown_order(order_id))?;
    let order = orders::read(&[order_id]).await?.pop().transpose()?.flatten();
    order.ok_or_else(|| unknown_order(order_id))
}

/// The orders of these ids that are there, each as it is shown.
async fn find_all(ids: &[String]) -> Result<Vec<OrderView>, StorageError> {
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let orders = orders::read(&names).await?.into_iter().zip(ids);
    orders
        .filter_map(|(order, id)| Some(order.transpose()?.map(|order| view(id.clone(), order))))
        .collect()
}

/// The query of `GET /store/orders`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrdersQuery {
    /// Only orders in this state. With `customer_id` too, a page may hold fewer orders than it could, or none, while
    /// there is another one: for each page, 1000 orders of the customer are looked at.
    #[param(example = "completed")]
    status: Option<String>,
    /// Only orders of this customer.
    #[param(example = "ada")]
    customer_id: Option<String>,
    /// Items on the page at the most; 50 without it.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Orders, newest first.
#[utoipa::path(get, path = "/store/orders", operation_id = "list_orders", params(OrdersQuery), responses(
    (status = 200, description = "A page of orders", body = Items<OrderView>),
))]
pub(super) async fn list(query: Result<Query<OrdersQuery>, QueryRejection>) -> Result<Response, Problem> {
    let query = page::read(query)?;
    let mut errors = Vec::new();
    let status = query.status.as_deref().map(Status::parse);
    if status == Some(None) {
        let words = Status::ALL.map(Status::as_str).join(", ");
        errors.push(FieldError::new("status", format!("must be one of {words}")));
    }
    if let Some(customer_id) = &query.customer_id {
        FieldError::collect(&mut errors, "customer_id", check_id(customer_id));
    }
    Problem::unless_valid(errors)?;
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let (ids, next_cursor) = lists::orders(status.flatten(), query.customer_id.as_deref(), &page).await?;
    let items = find_all(&ids).await?;
    Ok(response::json(StatusCode::OK, &Items { items, next_cursor }))
}
