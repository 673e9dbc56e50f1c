//! The store's own copy of the catalogue.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::limits::check_id;
use kit::web::page::{Items, Page, PageQuery};
use kit::web::problem::Problem;
use kit::web::response::json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::storage::{lists, products};

/// A product of the store's copy of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub(super) struct ProductView {
    #[schema(example = "espresso-cup")]
    product_id: String,
    #[schema(example = "Espresso cup")]
    name: String,
    /// In minor units, such as cents.
    #[schema(example = 1_000)]
    price_minor: u64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Whether it is on sale.
    active: bool,
    /// The warehouse's revision that the store knows.
    rev: u64,
}

/// The products that the store knows, by id.
#[utoipa::path(get, path = "/store/products", operation_id = "list_products", params(PageQuery), responses(
    (status = 200, description = "A page of products", body = Items<ProductView>),
))]
pub(super) async fn list(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Problem> {
    let page = Page::parse(query, check_id)?;
    let (ids, next_cursor) = lists::products(&page).await?;
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut items = Vec::with_capacity(ids.len());
    for known in products::read(&ids).await? {
        items.extend(known?.map(|known| ProductView {
            product_id: known.product_id,
            name: known.product.name,
            price_minor: known.product.price_minor,
            currency: known.product.currency,
            active: known.product.active,
            rev: known.product.rev,
        }));
    }
    Ok(json(StatusCode::OK, &Items { items, next_cursor }))
}
