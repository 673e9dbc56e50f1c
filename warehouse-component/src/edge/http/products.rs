//! Products: created, shown, listed, changed, taken off sale.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::events::ProductChanged;
use contracts::limits::check_id;
use edge::if_match::{self, IfMatch};
use edge::page::{Items, Page};
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::redis::{self, Changed, StoredProduct};
use super::{corrupt, invalid, movements, text, unknown_product};
use crate::domain::change_product::{self, Change, Changeable};
use crate::domain::create_product::{self, NewProduct};
use crate::domain::move_stock::Kind;
use crate::domain::stock::Stock;

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

/// The body of `PATCH /warehouse/products/{product_id}`: what is not there stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeProduct {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    price_minor: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    low_stock_at: Option<u64>,
}

/// A field that may be absent, but not null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// The query parameters of `GET /warehouse/products`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListProducts {
    limit: Option<usize>,
    cursor: Option<String>,
    low_stock: Option<bool>,
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
        let Changeable {
            name,
            price_minor,
            active,
            low_stock_at,
            rev,
        } = product.own;
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
            name,
            price_minor,
            currency: product.currency,
            active,
            on_hand,
            supplied,
            sold,
            returned,
            written_off,
            low_stock_at,
            rev,
        }
    }
}

pub(super) async fn create(body: Bytes) -> Result<Response, Problem> {
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
    create_product::check(&product).map_err(invalid)?;
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
        let start = movements::open(&product.product_id, Kind::Supply.as_str(), product.on_hand, &now, None)?;
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
        currency: product.currency,
        own: Changeable {
            name: product.name,
            price_minor: product.price_minor,
            active: true,
            low_stock_at: product.low_stock_at,
            rev: 1,
        },
    });
    let location = format!("/warehouse/products/{}", view.product_id);
    let mut response = answer(StatusCode::CREATED, &view);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A product with its revision as `ETag`.
fn answer(status: StatusCode, view: &ProductView) -> Response {
    let mut response = edge::http::json(status, view);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", view.rev)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) async fn show(Path(product_id): Path<String>) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let products = redis::products(vec![product_id.clone()]).await?.map_err(corrupt)?;
    let product = products.into_iter().flatten().next();
    let product = product.ok_or_else(|| unknown_product(&product_id))?;
    Ok(answer(StatusCode::OK, &product.into()))
}

pub(super) async fn list(query: Result<Query<ListProducts>, QueryRejection>) -> Result<Response, Problem> {
    let query = edge::page::read(query)?;
    if query.low_stock == Some(false) {
        let error = FieldError::new("low_stock", "must be true, or absent for all products");
        return Err(Problem::invalid(vec![error]));
    }
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let ids = redis::product_ids(&page, query.low_stock.is_some())
        .await?
        .map_err(corrupt)?;
    let (ids, next_cursor) = page.cut(ids);
    let products = redis::products(ids).await?.map_err(corrupt)?;
    let items: Vec<_> = products.into_iter().flatten().map(ProductView::from).collect();
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

pub(super) async fn change(
    Path(product_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let expected = seen(&headers)?.ok_or_else(if_match::required)?;
    let request: ChangeProduct = json::parse(&body)?;
    let wanted = Change {
        name: request.name,
        price_minor: request.price_minor,
        active: request.active,
        low_stock_at: request.low_stock_at,
    };
    change_product::check(&wanted).map_err(invalid)?;
    let product = commit(&product_id, &wanted, &expected).await?;
    Ok(answer(StatusCode::OK, &product.into()))
}

pub(super) async fn deactivate(Path(product_id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let expected = seen(&headers)?.unwrap_or(IfMatch::Any);
    commit(&product_id, &Change::deactivation(), &expected).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which revisions the request is willing to change.
fn seen(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    if_match::parse(headers.get_all(header::IF_MATCH).iter().map(HeaderValue::as_bytes))
}

async fn commit(product_id: &str, wanted: &Change, expected: &IfMatch) -> Result<StoredProduct, Problem> {
    check_id(product_id).map_err(|_| unknown_product(product_id))?;
    let outcome = redis::change_product(product_id, wanted, expected, &clock::new_id(), &clock::now())
        .await?
        .map_err(corrupt)?;
    match outcome {
        Changed::Done(product) => Ok(product),
        Changed::Unknown => Err(unknown_product(product_id)),
        Changed::Stale(rev) => Err(Problem::new(
            412,
            "stale_revision",
            "The product has changed since it was read",
            format!("the product is at revision {rev}; read it again, and send its ETag as If-Match"),
        )),
    }
}
