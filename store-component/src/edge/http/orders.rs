//! Orders: placed, shown, listed.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use contracts::events::OrderPlaced;
use contracts::limits::check_id;
use edge::http::json_text;
use edge::idempotency::{Earlier, Scope};
use edge::page::{self, Items, Page};
use edge::problem::{FieldError, Problem, STORAGE_FULL};
use edge::{clock, idempotency, json};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use super::problems::{BUSY, corrupt, refused, unknown_order, unwritable};
use super::text;
use super::views::{LineView, OrderView, view};
use crate::domain::order::Status;
use crate::domain::place_order::{self, PricedLine, PricedOrder, Wish};
use crate::edge::redis::{self, Corrupt, Filter, NewOrder, Placed, Product, StoredOrder, StoredStep};

/// How often an order is priced: once by what is remembered, and again as long as its products keep changing.
const ROUNDS_MAX: usize = 16;

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
    let canonical = text(&request)?;
    let scope = idempotency::scope(&headers, &method, "/store/orders", canonical)?;
    let wish = Wish {
        customer_id: request.customer_id,
        lines: request
            .lines
            .into_iter()
            .map(|line| (line.product_id, line.qty))
            .collect(),
        token: request.payment.map(|payment| payment.token),
    };
    place_order::check(&wish).map_err(refused)?;
    let ids: Vec<_> = wish.lines.iter().map(|(product_id, _)| product_id.clone()).collect();
    // The first round goes by what is remembered of the products. It places the order only if they are still so; it
    // refuses nothing, since they may have changed, and a Redis that is full can still be read.
    let mut remembered = redis::remembered_products(&ids);
    for _ in 0..ROUNDS_MAX {
        let is_remembered = remembered.is_some();
        let products = match remembered.take() {
            Some(products) => products.into_iter().map(Some).collect(),
            None => {
                if let Some(scope) = &scope
                    && let Some(earlier) = idempotency::earlier(scope).await?
                {
                    // A repeat is answered as before, whatever became of the products since.
                    return match earlier {
                        Earlier::Answer { location, body } => Ok(placed(&location, body)),
                        Earlier::KeyReused => Err(idempotency::reused()),
                    };
                }
                redis::products(ids.clone()).await?.map_err(corrupt)?
            }
        };
        let known = products.iter().map(|product| Some(product.as_ref()?.known.clone()));
        let order = match place_order::price(&wish, known.collect()) {
            Ok(order) => order,
            Err(_) if is_remembered => continue,
            Err(refusal) => return Err(refused(refusal)),
        };
        let products: Vec<_> = products.into_iter().flatten().collect();
        match commit(&wish, &products, &order, scope.as_ref()).await {
            Ok(Some(response)) => return Ok(response),
            Ok(None) => {}
            Err(problem) if is_remembered && problem.slug == STORAGE_FULL.slug => {}
            Err(problem) => return Err(problem),
        }
    }
    Err(BUSY.with("others kept changing the order's products; repeat the request"))
}

/// Places a priced order; `None` if its products have changed since they were read.
async fn commit(
    wish: &Wish,
    products: &[Product],
    order: &PricedOrder,
    scope: Option<&Scope>,
) -> Result<Option<Response>, Problem> {
    let order_id = clock::new_id();
    let event_id = clock::new_id();
    let now = clock::now();
    let location = format!("/store/orders/{order_id}");
    let placed_step = StoredStep {
        at: &now,
        from: None,
        to: Status::Pending.as_str(),
        cause: "placed",
        event_id: &event_id,
    };
    let stored = StoredOrder {
        rev: 1,
        updated_at: now.clone(),
        status: Status::Pending.as_str().to_owned(),
        customer_id: wish.customer_id.clone(),
        currency: order.currency.clone(),
        lines: raw(&lines(order))?,
        subtotal_minor: order.price.subtotal,
        fee_minor: order.price.fee,
        total_minor: order.price.total,
        created_at: now.clone(),
        payment_token: wish.token.clone().unwrap_or_default(),
        payment_failures: 0,
        reason: None,
        cancel: None,
        cancel_reason: None,
        cancelled_by: None,
        returned: Vec::new(),
        refunds: Vec::new(),
        history: vec![raw(&placed_step)?],
    };
    let event_data = text(&OrderPlaced {
        order_id: order_id.clone(),
    })?;
    let answer = text(&view(order_id.clone(), stored.clone()))?;
    let outcome = redis::place_order(NewOrder {
        order_id: &order_id,
        order: &stored,
        products,
        event_id: &event_id,
        event_data,
        location: &location,
        answer: &answer,
        scope,
    })
    .await?
    .map_err(corrupt)?;
    match outcome {
        Placed::New => Ok(Some(placed(&location, answer))),
        Placed::ProductChanged => Ok(None),
        Placed::Before(location, body) => Ok(Some(placed(&location, body))),
        Placed::KeyReused => Err(idempotency::reused()),
    }
}

fn placed(location: &str, body: String) -> Response {
    let mut response = json_text(StatusCode::CREATED, body);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An order.
#[utoipa::path(get, path = "/store/orders/{order_id}", operation_id = "show_order",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order", body = OrderView)),
)]
pub(super) async fn show(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let order = find(&order_id).await?;
    Ok(edge::http::json(StatusCode::OK, &view(order_id, order)))
}

/// The order of this id.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(order_id: &str) -> Result<StoredOrder, Problem> {
    check_id(order_id).map_err(|_| unknown_order(order_id))?;
    let order = redis::orders(&[order_id]).await?.pop();
    order
        .and_then(Result::transpose)
        .ok_or_else(|| unknown_order(order_id))?
        .map_err(corrupt)
}

/// The orders of these ids that are there, each with its id.
pub(super) async fn find_all(ids: Vec<String>) -> Result<Vec<(String, StoredOrder)>, Problem> {
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let orders = redis::orders(&names).await?;
    let pair =
        |(id, order): (String, Result<Option<StoredOrder>, Corrupt>)| Some(order.transpose()?.map(|order| (id, order)));
    ids.into_iter()
        .zip(orders)
        .filter_map(pair)
        .collect::<Result<_, _>>()
        .map_err(corrupt)
}

/// Which orders are listed.
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
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let filter = Filter {
        status: status.flatten(),
        customer_id: query.customer_id,
    };
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let (ids, next_cursor) = redis::order_ids(&filter, &page).await?.map_err(corrupt)?;
    let orders = find_all(ids).await?;
    let items: Vec<_> = orders.into_iter().map(|(id, order)| view(id, order)).collect();
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

fn lines(order: &PricedOrder) -> Vec<LineView> {
    let view = |line: &PricedLine| LineView {
        line_id: line.line_id,
        product_id: line.product_id.clone(),
        name: line.name.clone(),
        qty: line.qty,
        unit_price_minor: line.unit_price_minor,
    };
    order.lines.iter().map(view).collect()
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Problem> {
    to_raw_value(value).map_err(|error| unwritable(&error))
}
