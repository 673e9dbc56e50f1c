//! Products: created, shown, listed, changed, taken off sale.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::limits::check_id;
use kit::clock;
use kit::commit::IdempotencyRecord;
use kit::web::if_match::{self, IfMatch};
use kit::web::page::{self, Items, Page};
use kit::web::problem::{FieldError, Problem};
use kit::web::{idempotency, json, response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problems::{invalid, not_changed, not_created, unknown_product};
use crate::app::change_product::change_product;
use crate::app::create_product::create_product;
use crate::domain::change_product::{self, Change, Changeable};
use crate::domain::create_product::{self, NewProduct};
use crate::domain::stock::Stock;
use crate::storage::products::{self, StoredProduct};

/// The body of `POST /warehouse/products`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateProduct {
    /// Made by the warehouse without it.
    #[schema(example = "espresso-cup", max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    product_id: Option<String>,
    /// The stock keeping unit's code, of the warehouse's own books. Several products may have one, such as the same cup
    /// sold in two currencies or under a new name: only `product_id` tells products apart.
    #[schema(example = "CUP-080", max_length = 64, pattern = "^[!-~]+$")]
    sku: String,
    /// The name that customers read.
    #[schema(example = "Espresso cup", min_length = 1, max_length = 200)]
    name: String,
    /// In minor units, such as cents.
    #[schema(example = 1_000, minimum = 0, maximum = 1_000_000_000)]
    price_minor: u64,
    /// ISO 4217.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    currency: String,
    /// The first supply, in units.
    // A float, since utoipa keeps integers as usize, which has 32 bits in WebAssembly.
    #[serde(default)]
    #[schema(example = 10, minimum = 0, maximum = 1e12)]
    on_hand: u64,
    /// At or below this number of units the stock counts as low; at 0, when it is gone.
    #[serde(default)]
    #[schema(example = 3, minimum = 0, maximum = 1e12)]
    low_stock_at: u64,
}

/// The body of `PATCH /warehouse/products/{product_id}`: what is not there stays as it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeProduct {
    /// The name that customers read.
    #[serde(default, deserialize_with = "present")]
    #[schema(example = "Espresso cup, white", min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// In minor units, such as cents.
    #[serde(default, deserialize_with = "present")]
    #[schema(example = 1_100, minimum = 0, maximum = 1_000_000_000, nullable = false)]
    price_minor: Option<u64>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "present")]
    #[schema(example = true, nullable = false)]
    active: Option<bool>,
    /// At or below this number of units the stock counts as low.
    #[serde(default, deserialize_with = "present")]
    #[schema(example = 5, minimum = 0, maximum = 1e12, nullable = false)]
    low_stock_at: Option<u64>,
}

/// A field that may be absent, but not null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// The query of `GET /warehouse/products`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListProducts {
    /// Items on the page at the most; 50 without it.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `true`: only products with so few units that more should be bought, those that are not on sale included.
    #[param(example = true)]
    low_stock: Option<bool>,
}

/// A product and its stock. Always `on_hand = supplied + returned - sold - written_off`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub(super) struct ProductView {
    #[schema(example = "espresso-cup")]
    product_id: String,
    #[schema(example = "CUP-080")]
    sku: String,
    #[schema(example = "Espresso cup")]
    name: String,
    /// In minor units, such as cents.
    #[schema(example = 1_000)]
    price_minor: u64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Whether new orders may have it; what is paid for is fulfilled in any case.
    active: bool,
    /// Units there now.
    #[schema(example = 10)]
    on_hand: u64,
    /// Units supplied, ever.
    #[schema(example = 10)]
    supplied: u64,
    /// Units taken for fulfilled orders, ever.
    sold: u64,
    /// Units that came back, ever.
    returned: u64,
    /// Units lost, broken or thrown away, ever.
    written_off: u64,
    /// At or below this number of units the stock counts as low.
    #[schema(example = 3)]
    low_stock_at: u64,
    /// Rises by one with every change of the product's own fields, which are all but its stock. The `ETag`.
    #[schema(example = 1)]
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
        } = product.stock.units;
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

/// Creates a product, with its first supply if there is one.
#[utoipa::path(post, path = "/warehouse/products", operation_id = "create_product",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours")),
    request_body = CreateProduct,
    responses((status = 201, description = "Created, now or by the same request before", body = ProductView, headers(
        ("Location" = String, description = "The product's path"),
        ("ETag" = String, description = "The product's revision, as If-Match takes it"),
    ))),
)]
pub(super) async fn create(headers: HeaderMap, method: Method, body: Bytes) -> Result<Response, Problem> {
    let request: CreateProduct = json::parse(&body)?;
    let record = idempotency::record(&headers, &method, "/warehouse/products", &to_json(&request))?;
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
    let (location, body) = create_product(&product, record.as_ref(), show_product)
        .await
        .map_err(|error| not_created(&product.product_id, error))?;
    let mut response = with_etag(StatusCode::CREATED, body);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn show_product(product: StoredProduct) -> String {
    to_json(&ProductView::from(product))
}

/// What is read of a product as it was answered.
#[derive(Deserialize)]
struct Revision {
    rev: u64,
}

/// A product, as it is answered, with its revision as `ETag`.
fn with_etag(status: StatusCode, body: String) -> Response {
    let rev = serde_json::from_str(&body).map(|Revision { rev }| rev);
    let mut response = response::json_text(status, body);
    if let Ok(Ok(tag)) = rev.map(|rev| HeaderValue::from_str(&format!("\"{rev}\""))) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A product and its stock.
#[utoipa::path(get, path = "/warehouse/products/{product_id}", operation_id = "show_product",
    params(("product_id" = String, Path, description = "The product's id")),
    responses((status = 200, description = "The product", body = ProductView,
        headers(("ETag" = String, description = "The product's revision, as If-Match takes it")))),
)]
pub(super) async fn show(Path(product_id): Path<String>) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let product = products::read_one(&product_id).await?;
    let product = product.ok_or_else(|| unknown_product(&product_id))?;
    Ok(with_etag(StatusCode::OK, show_product(product)))
}

/// Products, by id.
#[utoipa::path(get, path = "/warehouse/products", operation_id = "list_products", params(ListProducts), responses(
    (status = 200, description = "A page of products", body = Items<ProductView>),
))]
pub(super) async fn list(query: Result<Query<ListProducts>, QueryRejection>) -> Result<Response, Problem> {
    let query = page::read(query)?;
    if query.low_stock == Some(false) {
        let error = FieldError::new("low_stock", "must be true, or absent for all products");
        return Err(Problem::invalid(vec![error]));
    }
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let (ids, next_cursor) = products::ids(&page, query.low_stock.is_some()).await?;
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut items: Vec<ProductView> = Vec::with_capacity(ids.len());
    for product in products::read(&ids).await? {
        items.extend(product?.map(ProductView::from));
    }
    Ok(response::json(StatusCode::OK, &Items { items, next_cursor }))
}

/// Changes a product's own fields; what is as wanted already changes nothing.
#[utoipa::path(patch, path = "/warehouse/products/{product_id}", operation_id = "change_product",
    params(
        ("product_id" = String, Path, description = "The product's id"),
        ("If-Match" = String, Header, description = "The ETag that was read, or * for any", example = "\"1\""),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours"),
    ),
    request_body = ChangeProduct,
    responses((status = 200, description = "The product as it is now", body = ProductView,
        headers(("ETag" = String, description = "The product's revision, as If-Match takes it")))),
)]
pub(super) async fn change(
    Path(product_id): Path<String>,
    headers: HeaderMap,
    method: Method,
    body: Bytes,
) -> Result<Response, Problem> {
    let expected = seen(&headers)?.ok_or_else(if_match::required)?;
    let request: ChangeProduct = json::parse(&body)?;
    let canonical = to_json(&request);
    let wanted = Change {
        name: request.name,
        price_minor: request.price_minor,
        active: request.active,
        low_stock_at: request.low_stock_at,
    };
    change_product::check(&wanted).map_err(invalid)?;
    let record = own_record(&product_id, &headers, &method, &canonical)?;
    let changed = change_product(&product_id, &wanted, &expected, record.as_ref(), show_product).await;
    let body = changed.map_err(|error| not_changed(&product_id, error))?;
    Ok(with_etag(StatusCode::OK, body))
}

/// Takes a product off sale. It stays: orders that are paid for are fulfilled, and units may come back.
#[utoipa::path(delete, path = "/warehouse/products/{product_id}", operation_id = "deactivate_product",
    params(
        ("product_id" = String, Path, description = "The product's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read, or * for any"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters; the same key gives the same answer for 24 hours"),
    ),
    responses((status = 204, description = "Off sale, now or from before")),
)]
pub(super) async fn deactivate(
    Path(product_id): Path<String>,
    headers: HeaderMap,
    method: Method,
) -> Result<Response, Problem> {
    let expected = seen(&headers)?.unwrap_or(IfMatch::Any);
    let record = own_record(&product_id, &headers, &method, "")?;
    let nothing = |_| String::new();
    let changed = change_product(
        &product_id,
        &Change::deactivation(),
        &expected,
        record.as_ref(),
        nothing,
    )
    .await;
    changed.map_err(|error| not_changed(&product_id, error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The revisions that the client accepts to change.
fn seen(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    if_match::parse(headers.get_all(header::IF_MATCH).iter().map(HeaderValue::as_bytes))
}

/// The record of a request to change this product.
fn own_record(
    product_id: &str,
    headers: &HeaderMap,
    method: &Method,
    canonical: &str,
) -> Result<Option<IdempotencyRecord>, Problem> {
    check_id(product_id).map_err(|_| unknown_product(product_id))?;
    idempotency::record(headers, method, &format!("/warehouse/products/{product_id}"), canonical)
}
