//! The store's routes: request -> domain -> Redis -> answer.

use axum::Router;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use contracts::events::OrderPlaced;
use contracts::limits::check_id;
use edge::http::json_text;
use edge::page::{Items, Page, PageQuery};
use edge::problem::{FieldError, Problem};
use edge::{clock, idempotency, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spin_sdk::http::Request;
use spin_sdk::http_service;
use spin_sdk::wasip3::http::types;

use super::redis::{self, Corrupt, NewOrder, Placed, StoredOrder};
use crate::domain::order::Status;
use crate::domain::place_order::{self, PricedLine, PricedOrder, Refusal, Wish};

thread_local! {
    static ROUTES: Router = edge::http::routes(
        Router::new()
            .route("/store/healthz", get(edge::http::health))
            .route("/store/orders", get(list_orders).post(place))
            .route("/store/orders/{order_id}", get(show_order))
            .route("/store/products", get(list_products)),
    );
}

#[http_service]
async fn on_request(request: Request) -> Result<types::Response, types::ErrorCode> {
    edge::http::serve(request, ROUTES.with(Clone::clone)).await
}

/// The body of `POST /store/orders`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    customer_id: String,
    lines: Vec<PlaceOrderLine>,
    payment: Option<Payment>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceOrderLine {
    product_id: String,
    qty: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    token: String,
}

/// An order as it is answered.
#[derive(Debug, Serialize)]
struct OrderView {
    order_id: String,
    customer_id: String,
    status: String,
    currency: String,
    lines: Box<RawValue>,
    subtotal_minor: u64,
    fee_minor: u64,
    total_minor: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    rev: u64,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct LineView {
    line_id: u32,
    product_id: String,
    name: String,
    qty: u32,
    unit_price_minor: u64,
}

/// A product of the store's copy of the catalogue, as it is answered.
#[derive(Debug, Serialize)]
struct ProductView {
    product_id: String,
    name: String,
    price_minor: u64,
    currency: String,
    active: bool,
    rev: u64,
}

/// The first entry of an order's history; the others are written by `move_orders.lua`.
#[derive(Serialize)]
struct FirstStep<'a> {
    at: &'a str,
    from: Option<&'a str>,
    to: &'a str,
    cause: &'a str,
    event_id: &'a str,
}

async fn place(headers: HeaderMap, method: Method, body: Bytes) -> Result<Response, Problem> {
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
    if let Some(scope) = &scope {
        // A repeat is answered as before, whatever became of the products since.
        match idempotency::earlier(scope).await? {
            Some(idempotency::Earlier::Answer { location, body }) => return Ok(placed(&location, body)),
            Some(idempotency::Earlier::KeyReused) => return Err(idempotency::reused()),
            None => {}
        }
    }
    let ids = wish.lines.iter().map(|(product_id, _)| product_id.clone()).collect();
    let products = redis::products(ids).await?.map_err(corrupt)?;
    let known = products.into_iter().map(|product| Some(product?.known)).collect();
    let order = place_order::price(&wish, known).map_err(refused)?;

    let order_id = clock::new_id();
    let event_id = clock::new_id();
    let now = clock::now();
    let lines = lines_json(&order)?;
    let location = format!("/store/orders/{order_id}");
    let answer = text(&view(StoredOrder {
        order_id: order_id.clone(),
        status: Status::Pending.as_str().to_owned(),
        customer_id: wish.customer_id.clone(),
        currency: order.currency.clone(),
        lines: lines.clone(),
        subtotal_minor: order.price.subtotal,
        fee_minor: order.price.fee,
        total_minor: order.price.total,
        reason: None,
        rev: 1,
        created_at: now.clone(),
        updated_at: now.clone(),
    })?)?;
    let event_data = text(&OrderPlaced {
        order_id: order_id.clone(),
    })?;
    let history = text(&FirstStep {
        at: &now,
        from: None,
        to: Status::Pending.as_str(),
        cause: "placed",
        event_id: &event_id,
    })?;
    let outcome = redis::place_order(NewOrder {
        order_id: &order_id,
        wish: &wish,
        order: &order,
        lines,
        now: &now,
        event_id: &event_id,
        event_data,
        history,
        location: &location,
        answer: &answer,
        scope,
    })
    .await?
    .map_err(corrupt)?;
    match outcome {
        Placed::New => Ok(placed(&location, answer)),
        Placed::Before(location, body) => Ok(placed(&location, body)),
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

async fn show_order(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let unknown = || {
        Problem::not_found(
            "unknown_order",
            "There is no such order",
            format!("no order {order_id}"),
        )
    };
    check_id(&order_id).map_err(|_| unknown())?;
    let orders = redis::orders(vec![order_id.clone()]).await?.map_err(corrupt)?;
    let order = orders.into_iter().flatten().next().ok_or_else(unknown)?;
    Ok(edge::http::json(StatusCode::OK, &view(order)?))
}

async fn list_orders(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Problem> {
    let page = Page::parse(query, check_id)?;
    let (ids, next_cursor) = page.cut(redis::order_ids(&page).await?);
    let orders = redis::orders(ids).await?.map_err(corrupt)?;
    let items = orders.into_iter().flatten().map(view).collect::<Result<Vec<_>, _>>()?;
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

async fn list_products(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Problem> {
    let page = Page::parse(query, check_id)?;
    let (ids, next_cursor) = page.cut(redis::product_ids(&page).await?);
    let products = redis::products(ids).await?.map_err(corrupt)?;
    let items = products
        .into_iter()
        .flatten()
        .map(|product| ProductView {
            product_id: product.product_id,
            name: product.known.name,
            price_minor: product.known.price_minor,
            currency: product.known.currency,
            active: product.known.active,
            rev: product.rev,
        })
        .collect();
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

fn view(order: StoredOrder) -> Result<OrderView, Problem> {
    let lines = RawValue::from_string(order.lines)
        .map_err(|error| Problem::corrupt(format!("the lines of the order {}: {error}", order.order_id)))?;
    Ok(OrderView {
        order_id: order.order_id,
        customer_id: order.customer_id,
        status: order.status,
        currency: order.currency,
        lines,
        subtotal_minor: order.subtotal_minor,
        fee_minor: order.fee_minor,
        total_minor: order.total_minor,
        reason: order.reason,
        rev: order.rev,
        created_at: order.created_at,
        updated_at: order.updated_at,
    })
}

fn lines_json(order: &PricedOrder) -> Result<String, Problem> {
    let view = |line: &PricedLine| -> LineView {
        LineView {
            line_id: line.line_id,
            product_id: line.product_id.clone(),
            name: line.name.clone(),
            qty: line.qty,
            unit_price_minor: line.unit_price_minor,
        }
    };
    text(&order.lines.iter().map(view).collect::<Vec<_>>())
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Problem {
    Problem::new(500, "internal", "The answer could not be written", error.to_string())
}

fn corrupt(Corrupt(what): Corrupt) -> Problem {
    Problem::corrupt(what)
}

/// The problem for an order that cannot be placed.
fn refused(refusal: Refusal) -> Problem {
    let at = |paths: Vec<String>, reason: &str| -> Vec<FieldError> {
        paths.into_iter().map(|path| FieldError::new(path, reason)).collect()
    };
    let problem = |slug, title, errors| Problem {
        slug,
        title,
        ..Problem::invalid(errors)
    };
    match refusal {
        Refusal::Invalid(faults) => Problem::invalid(
            faults
                .into_iter()
                .map(|(path, reason)| FieldError::new(path, reason))
                .collect(),
        ),
        Refusal::UnknownProduct(paths) => problem(
            "unknown_product",
            "The store does not know the product",
            at(paths, "no such product; GET /store/products lists what there is"),
        ),
        Refusal::InactiveProduct(paths) => problem(
            "inactive_product",
            "The product is no longer on sale",
            at(paths, "this product is no longer on sale"),
        ),
        Refusal::MixedCurrencies(paths) => problem(
            "mixed_currencies",
            "An order has one currency",
            at(
                paths,
                "priced in another currency than the first line; place two orders",
            ),
        ),
        Refusal::TotalTooLarge => problem(
            "total_too_large",
            "The order's total is too large",
            at(
                vec!["lines".to_owned()],
                "the total passes 2^53 - 1 minor units; place several orders",
            ),
        ),
    }
}
