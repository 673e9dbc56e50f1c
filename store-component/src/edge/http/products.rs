//! The store's own copy of the catalogue.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::limits::check_id;
use edge::page::{Items, Page, PageQuery};
use edge::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::corrupt;
use crate::edge::redis;

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
