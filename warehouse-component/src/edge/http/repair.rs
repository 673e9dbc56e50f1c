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

use super::super::redis;
use super::{corrupt, unknown_allocation};

/// The products that were told of again.
#[derive(Debug, Serialize)]
struct AnnouncedProducts {
    announced: usize,
    next_cursor: Option<String>,
}

/// The outcome that was told again.
#[derive(Debug, Serialize)]
struct AnnouncedAllocation {
    order_id: String,
    outcome: String,
    event_id: String,
    return_ids: Vec<String>,
}

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
