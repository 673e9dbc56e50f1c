//! Repair after Redis lost something that it had acknowledged.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use contracts::limits::check_id;
use kit::web::page::{Page, PageQuery};
use kit::web::problem::Problem;
use kit::web::response::json;
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::unknown_allocation;
use crate::app::announce;
use crate::storage::allocations::Outcome;
use crate::storage::products;

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
    #[schema(value_type = String, example = "fulfilled")]
    outcome: Outcome,
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
    let (ids, next_cursor) = products::ids(&page, false).await?;
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let announced = announce::announce_products(&names).await?;
    Ok(json(StatusCode::OK, &AnnouncedProducts { announced, next_cursor }))
}

/// Tells the store again what was decided for an order, and what of it came back.
#[utoipa::path(post, path = "/warehouse/repair/allocations/{order_id}", operation_id = "announce_allocation",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "Told", body = AnnouncedAllocation)),
)]
pub(super) async fn announce_allocation(Path(order_id): Path<String>) -> Result<Response, Problem> {
    check_id(&order_id).map_err(|_| unknown_allocation(&order_id))?;
    let told = announce::announce_allocation(&order_id).await?;
    let (allocation, returns) = told.ok_or_else(|| unknown_allocation(&order_id))?;
    let answer = AnnouncedAllocation {
        order_id,
        outcome: allocation.decision.outcome,
        event_id: allocation.decision.event_id,
        return_ids: returns.into_iter().map(|entry| entry.return_id).collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}
