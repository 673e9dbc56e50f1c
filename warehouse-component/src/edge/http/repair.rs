//! After Redis lost what it had acknowledged: tell the store again what the warehouse knows. Harmless when repeated, since
//! the store knows each event by its id, each product by its revision and each order by its state.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use contracts::events::{Event, OrderFulfilled, RefundOrder, ReturnReceived};
use contracts::limits::check_id;
use edge::clock;
use edge::page::{Page, PageQuery};
use edge::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::orders::decided;
use super::problems::{corrupt, unknown_allocation};
use super::text;
use crate::edge::redis::{self, Again, Outcome, Returned};

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
    let allocation = decided(&order_id).await?;
    let decision = &allocation.decision;
    let outcome = match decision.reason {
        None => again(
            &decision.event_id,
            &OrderFulfilled {
                order_id: order_id.clone(),
                lines: allocation.lines().map_err(corrupt)?,
            },
        ),
        Some(reason) => again(
            &decision.event_id,
            &RefundOrder {
                order_id: order_id.clone(),
                reason,
                lines: allocation.lines().map_err(corrupt)?,
            },
        ),
    }?;
    let (mut return_ids, mut returns) = (Vec::new(), Vec::new());
    for Returned { return_id, lines, .. } in allocation.returned().map_err(corrupt)? {
        let event = ReturnReceived {
            order_id: order_id.clone(),
            return_id: return_id.clone(),
            lines,
        };
        returns.push(again(&return_id, &event)?.1);
        return_ids.push(return_id);
    }
    let is_told = redis::announce_allocation(&allocation, outcome, returns, clock::now())
        .await?
        .map_err(corrupt)?;
    if !is_told {
        // It has left for the archive at this moment.
        return Err(unknown_allocation(&order_id));
    }
    let answer = AnnouncedAllocation {
        order_id,
        outcome: decision.outcome,
        event_id: decision.event_id.clone(),
        return_ids,
    };
    Ok(edge::http::json(StatusCode::OK, &answer))
}

/// An event once more, and the stream that carries it.
fn again<E: Event>(event_id: &str, event: &E) -> Result<(&'static str, Again), Problem> {
    let event = Again {
        event_id: event_id.to_owned(),
        data: text(event)?,
    };
    Ok((E::STREAM, event))
}
