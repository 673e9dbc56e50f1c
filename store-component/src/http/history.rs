//! An order's history, as a list and as server-sent events.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use kit::redis::StorageError;
use kit::web::header::single;
use kit::web::problem::{FieldError, Problem};
use kit::web::response::json;
use kit::web::sse::{self, Event, Look};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::orders::find;
use crate::domain::order::Status;
use crate::storage::{StoredOrder, StoredTransition, orders};

const LAST_EVENT_ID: &str = "Last-Event-ID";

/// An order's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// Oldest first; the first one is the order's revision 1.
    #[schema(value_type = Vec<StoredTransition<'_>>)]
    items: Vec<Box<RawValue>>,
}

/// Every change of an order, oldest first.
#[utoipa::path(get, path = "/store/orders/{order_id}/history", operation_id = "show_history",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The history", body = History)),
)]
pub(super) async fn list(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let items = find(&order_id).await?.history;
    Ok(json(StatusCode::OK, &History { items }))
}

/// Every change of an order as server-sent events, those of the past first: `id` is the order's revision, `data` an
/// entry of its history. The stream ends when the order is at an end, and after five minutes.
#[utoipa::path(get, path = "/store/orders/{order_id}/events", operation_id = "watch_order",
    params(
        ("order_id" = String, Path, description = "The order's id"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the client has seen"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String,
            example = "id: 1\ndata: {\"at\":\"2026-01-31T12:00:00.000Z\",\"from\":null,\"to\":\"pending\",\"cause\":\"placed\",\"event_id\":\"01K5PQ8T3V0000000000000000\"}\n\n"),
        (status = 204, description = "The order is at an end and the client has seen it: do not connect again"),
    ),
)]
pub(super) async fn watch(Path(order_id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let invalid = |what: String| Problem::invalid(vec![FieldError::new(LAST_EVENT_ID, what)]);
    let seen = match single(&headers, LAST_EVENT_ID).map_err(invalid)? {
        None => 0,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| invalid("must be a revision, from 1".to_owned()))?,
    };
    let order = find(&order_id).await?;
    if seen >= order.rev && is_at_end(&order) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(sse::stream(seen, move |seen| look(order_id.clone(), seen)))
}

async fn look(order_id: String, seen: u64) -> Result<Look, StorageError> {
    if orders::rev(&order_id).await? == Some(seen) {
        return Ok(Look {
            events: Vec::new(),
            ended: false,
        });
    }
    let order = orders::read(&[&order_id]).await?.pop();
    let Some(Ok(Some(order))) = order else {
        // It was archived or damaged meanwhile: there is nothing more to tell.
        return Ok(Look {
            events: Vec::new(),
            ended: true,
        });
    };
    let ended = is_at_end(&order);
    let events = (1..)
        .zip(order.history)
        .filter(|(id, _)| *id > seen)
        .map(|(id, step)| Event {
            id,
            data: step.get().to_owned(),
        })
        .collect();
    Ok(Look { events, ended })
}

fn is_at_end(order: &StoredOrder) -> bool {
    Status::parse(&order.status).is_some_and(Status::is_end)
}
