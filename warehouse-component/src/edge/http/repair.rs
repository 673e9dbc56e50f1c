//! After Redis lost what it had acknowledged: tell the store again what the warehouse knows. Harmless when repeated, since
//! the store knows each event by its id, each product by its revision and each order by its state.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use contracts::limits::check_id;
use edge::clock;
use edge::page::{Page, PageQuery};
use edge::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::{corrupt, unknown_allocation};
use crate::edge::redis;

/// The products that were told of again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnnouncedProducts {
    #[schema(example = 50)]
    announced: usize,
    /// What to send as `cursor` to go on; null at the end.
    next_cursor: Option<String>,
}

/// The outcome that was told again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnnouncedAllocation {
    order_id: String,
    /// `fulfilled` or `refunded`.
    #[schema(example = "fulfilled")]
    outcome: String,
    /// The id that the event had the first time, and has again.
    event_id: String,
    /// The returns that were told again with it.
    return_ids: Vec<String>,
}

/// Tells the store of products again, a page at a time: what it does not know, it learns.
#[utoipa::path(post, path = "/warehouse/repair/products", operation_id = "announce_products", params(PageQuery),
    responses((status = 200, description = "Told", body = AnnouncedProducts)),
)]
pub(super) async fn announce_products(query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Problem> {
    let page = Page::parse(query, check_id)?;
    let (ids, next_cursor) = page.cut(redis::product_ids(&page, false).await?.map_err(corrupt)?);
    let announced = ids.len();
    redis::announce_products(ids, clock::now()).await?.map_err(corrupt)?;
    Ok(edge::http::json(
        StatusCode::OK,
        &AnnouncedProducts { announced, next_cursor },
    ))
}

/// Tells the store again what was decided for an order, and what of it came back.
#[utoipa::path(post, path = "/warehouse/repair/allocations/{order_id}", operation_id = "announce_allocation",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "Told", body = AnnouncedAllocation)),
)]
pub(super) async fn announce_allocation(Path(order_id): Path<String>) -> Result<Response, Problem> {
    check_id(&order_id).map_err(|_| unknown_allocation(&order_id))?;
    let announced = redis::announce_allocation(&order_id, clock::now())
        .await?
        .map_err(corrupt)?
        .ok_or_else(|| unknown_allocation(&order_id))?;
    Ok(edge::http::json(
        StatusCode::OK,
        &AnnouncedAllocation {
            order_id,
            outcome: announced.outcome,
            event_id: announced.event_id,
            return_ids: announced.return_ids,
        },
    ))
}
