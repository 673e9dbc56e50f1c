//! The warehouse's routes: request -> domain -> Redis -> answer.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use contracts::events::ProductChanged;
use contracts::limits::{check_id, check_qty};
use contracts::names::WAREHOUSE_STREAMS;
use edge::http::json_text;
use edge::page::{Items, Page, PageQuery};
use edge::problem::{FieldError, Problem};
use edge::{clock, idempotency, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spin_sdk::http::Request;
use spin_sdk::http_service;
use spin_sdk::wasip3::http::types;

use super::redis::{self, Corrupt, Movement, StoredProduct};
use crate::domain::create_product::{self, NewProduct};
use crate::domain::move_stock::Kind;
use crate::domain::stock::{ON_HAND_MAX, Stock};

thread_local! {
    static ROUTES: Router = edge::http::routes(
        Router::new()
            .route("/warehouse/healthz", get(edge::http::health))
            .route("/warehouse/products", get(list_products).post(create))
            .route("/warehouse/products/{product_id}", get(show_product))
            .route("/warehouse/products/{product_id}/movements", post(move_stock))
            .route("/warehouse/allocations/{order_id}", get(show_allocation))
            .merge(edge::streams::routes("warehouse", WAREHOUSE_STREAMS)),
    );
}

#[http_service]
async fn on_request(request: Request) -> Result<types::Response, types::ErrorCode> {
    edge::http::serve(request, ROUTES.with(Clone::clone)).await
}

/// The body of `POST /warehouse/products`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateProduct {
    product_id: Option<String>,
    sku: String,
    name: String,
    price_minor: u64,
    currency: String,
    #[serde(default)]
    on_hand: u64,
    #[serde(default)]
    low_stock_at: u64,
}

/// The body of `POST /warehouse/products/{product_id}/movements`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveStock {
    #[serde(rename = "type")]
    kind: MovementKind,
    qty: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MovementKind {
    Supply,
    WriteOff,
}

/// A product as it is answered.
#[derive(Debug, Serialize)]
struct ProductView {
    product_id: String,
    sku: String,
    name: String,
    price_minor: u64,
    currency: String,
    active: bool,
    on_hand: u64,
    supplied: u64,
    sold: u64,
    returned: u64,
    written_off: u64,
    low_stock_at: u64,
    rev: u64,
}

impl From<StoredProduct> for ProductView {
    fn from(product: StoredProduct) -> Self {
        let Stock {
            on_hand,
            supplied,
            sold,
            returned,
            written_off,
        } = product.stock;
        Self {
            product_id: product.product_id,
            sku: product.sku,
            name: product.name,
            price_minor: product.price_minor,
            currency: product.currency,
            active: product.active,
            on_hand,
            supplied,
            sold,
            returned,
            written_off,
            low_stock_at: product.low_stock_at,
            rev: product.rev,
        }
    }
}

/// A movement as it is kept and answered; `on_hand`, the units afterwards, follows in `move_stock.lua`.
#[derive(Debug, Serialize)]
struct MovementStart<'a> {
    movement_id: &'a str,
    product_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    qty: u64,
    at: &'a str,
}

/// What the warehouse decided for an order, as it is answered.
#[derive(Debug, Serialize)]
struct AllocationView {
    order_id: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    lines: Box<RawValue>,
    at: String,
}

async fn create(body: Bytes) -> Result<Response, Problem> {
    let request: CreateProduct = json::parse(&body)?;
    let product = NewProduct {
        product_id: request.product_id.unwrap_or_else(clock::new_id),
        sku: request.sku,
        name: request.name,
        price_minor: request.price_minor,
        currency: request.currency,
        on_hand: request.on_hand,
        low_stock_at: request.low_stock_at,
    };
    create_product::check(&product).map_err(|faults| {
        let errors = faults.into_iter().map(|(field, reason)| FieldError::new(field, reason));
        Problem::invalid(errors.collect())
    })?;
    let now = clock::now();
    let event_data = text(&ProductChanged {
        product_id: product.product_id.clone(),
        rev: 1,
        name: product.name.clone(),
        price_minor: product.price_minor,
        currency: product.currency.clone(),
        active: true,
    })?;
    let first_supply = if product.on_hand > 0 {
        let start = open_movement(&product.product_id, Kind::Supply, product.on_hand, &now)?;
        Some(format!("{start}{}}}", product.on_hand))
    } else {
        None
    };
    let created = redis::create_product(&product, first_supply, &clock::new_id(), event_data, &now)
        .await?
        .map_err(corrupt)?;
    if !created {
        return Err(Problem::new(
            409,
            "product_exists",
            "There is a product with this id",
            format!("the product {} exists; choose another product_id", product.product_id),
        ));
    }
    let view = ProductView::from(StoredProduct {
        stock: Stock::supplied(product.on_hand),
        product_id: product.product_id,
        sku: product.sku,
        name: product.name,
        price_minor: product.price_minor,
        currency: product.currency,
        active: true,
        low_stock_at: product.low_stock_at,
        rev: 1,
    });
    let location = format!("/warehouse/products/{}", view.product_id);
    let mut response = product_answer(StatusCode::CREATED, &view);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A product with its revision as `ETag`.
fn product_answer(status: StatusCode, view: &ProductView) -> Response {
    let mut response = edge::http::json(status, view);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", view.rev)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

async fn show_product(Path(product_id): Path<String>) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let products = redis::products(vec![product_id.clone()]).await?.map_err(corrupt)?;
    let product = products.into_iter().flatten().next();
    let product = product.ok_or_else(|| unknown_product(&product_id))?;
    Ok(product_answer(StatusCode::OK, &product.into()))
}

fn unknown_product(product_id: &str) -> Problem {
    Problem::not_found(
        "unknown_product",
        "There is no such product",
        format!("no product {product_id}"),
    )
}

async fn list_products(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Problem> {
    let page = Page::parse(query, check_id)?;
    let (ids, next_cursor) = page.cut(redis::product_ids(&page).await?);
    let products = redis::products(ids).await?.map_err(corrupt)?;
    let items: Vec<_> = products.into_iter().flatten().map(ProductView::from).collect();
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

async fn move_stock(
    Path(product_id): Path<String>,
    headers: HeaderMap,
    method: Method,
    body: Bytes,
) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let request: MoveStock = json::parse(&body)?;
    let mut errors = Vec::new();
    FieldError::collect(&mut errors, "qty", check_qty(request.qty));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let path = format!("/warehouse/products/{product_id}/movements");
    let scope = idempotency::required_scope(&headers, &method, &path, text(&request)?)?;
    let kind = match request.kind {
        MovementKind::Supply => Kind::Supply,
        MovementKind::WriteOff => Kind::WriteOff,
    };
    let movement = open_movement(&product_id, kind, u64::from(request.qty), &clock::now())?;
    let outcome = redis::move_stock(&product_id, kind, request.qty, movement, scope)
        .await?
        .map_err(corrupt)?;
    match outcome {
        Movement::Made(movement) => Ok(json_text(StatusCode::CREATED, movement)),
        Movement::KeyReused => Err(idempotency::reused()),
        Movement::UnknownProduct => Err(unknown_product(&product_id)),
        Movement::InsufficientStock(units) => Err(Problem::new(
            409,
            "insufficient_stock",
            "There are fewer units than are to go",
            format!("{units} units are there, {} were to be written off", request.qty),
        )),
        Movement::TooMuch => Err(Problem::new(
            409,
            "stock_too_large",
            "There would be more units than the warehouse may hold",
            format!("the warehouse may hold {ON_HAND_MAX} units of a product"),
        )),
    }
}

/// A movement as JSON, open at its end for the number of units that are there afterwards.
fn open_movement(product_id: &str, kind: Kind, qty: u64, at: &str) -> Result<String, Problem> {
    let start = text(&MovementStart {
        movement_id: &clock::new_id(),
        product_id,
        kind: kind.as_str(),
        qty,
        at,
    })?;
    let open = start.strip_suffix('}').unwrap_or(&start);
    Ok(format!("{open},\"on_hand\":"))
}

async fn show_allocation(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let unknown = || {
        Problem::not_found(
            "unknown_allocation",
            "Nothing is decided for this order",
            format!("no allocation of an order {order_id}, or not yet"),
        )
    };
    check_id(&order_id).map_err(|_| unknown())?;
    let allocation = redis::allocation(&order_id)
        .await?
        .map_err(corrupt)?
        .ok_or_else(unknown)?;
    let lines = RawValue::from_string(allocation.lines)
        .map_err(|error| Problem::corrupt(format!("the lines of the allocation {order_id}: {error}")))?;
    let view = AllocationView {
        order_id,
        outcome: allocation.outcome,
        reason: allocation.reason,
        lines,
        at: allocation.at,
    };
    Ok(edge::http::json(StatusCode::OK, &view))
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::new(500, "internal", "The answer could not be written", error.to_string()))
}

fn corrupt(Corrupt(what): Corrupt) -> Problem {
    Problem::corrupt(what)
}
