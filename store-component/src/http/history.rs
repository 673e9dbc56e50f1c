//! An order's history, as a list and as server-sent events.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::limits::check_id;
use kit::redis::StorageError;
use kit::web::header::single;
use kit::web::problem::{FieldError, Problem};
use kit::web::response::json;
use kit::web::sse::{self, Event, Look};
use kit::web::watchers::{self, Place};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::orders::find;
use super::problems::unknown_order;
use crate::domain::order::Status;
use crate::storage::{StoredOrder, StoredTransition, WATCHING, orders};

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
/// entry of its history. The stream ends when the order is at an end, and after five minutes; while Redis is away it
/// stays, and goes on afterwards. After the id of a revision that the order has not, it begins anew.
#[utoipa::path(get, path = "/store/orders/{order_id}/events", operation_id = "watch_order",
    params(
        ("order_id" = String, Path, description = "The order's id"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that the client has seen"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String,
            example = "retry: 1000\n\nid: 1\ndata: {\"at\":\"2026-01-31T12:00:00.000Z\",\"from\":null,\"to\":\"pending\",\"cause\":\"placed\",\"event_id\":\"01K5PQ8T3V0000000000000000\"}\n\n"),
        (status = 204, description = "The order is at an end and the client has seen it: do not connect again"),
    ),
)]
pub(super) async fn watch(Path(order_id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = last_event_id(&headers)?;
    check_id(&order_id).map_err(|_| unknown_order(&order_id))?;
    let is_open = match orders::read(&[&order_id]).await {
        // The stream looks again until Redis is back: a browser that is answered with an error does not come again.
        Err(StorageError::Unavailable(_)) => false,
        read => {
            let order = read?.pop().transpose()?.flatten();
            let order = order.ok_or_else(|| unknown_order(&order_id))?;
            if seen == order.rev && is_at_end(&order) {
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
            true
        }
    };
    let Some(place) = Place::take(WATCHING).await? else {
        return Ok(watchers::refused());
    };
    Ok(sse::stream(place, seen, move |seen| {
        look(order_id.clone(), seen, is_open)
    }))
}

/// The last revision that the client has seen; 0 for none, which an empty header says too.
fn last_event_id(headers: &HeaderMap) -> Result<u64, Problem> {
    let invalid = |what: String| Problem::invalid(vec![FieldError::new(LAST_EVENT_ID, what)]);
    let id = single(headers, LAST_EVENT_ID).map_err(invalid)?;
    let id = id.map_or(&b""[..], HeaderValue::as_bytes);
    if id.is_empty() {
        return Ok(0);
    }
    let text = std::str::from_utf8(id).unwrap_or_default();
    match text.parse::<u64>() {
        Ok(rev) if rev > 0 && rev.to_string() == text => Ok(rev),
        _ => Err(invalid(
            "must be the id of an event: a revision, from 1, as the stream writes it".to_owned(),
        )),
    }
}

/// Looks for what comes after a revision. One whose order was open is not at an end.
async fn look(order_id: String, seen: u64, was_open: bool) -> Result<Look, StorageError> {
    if was_open && orders::rev(&order_id).await? == Some(seen) {
        return Ok(Look {
            events: Vec::new(),
            ended: false,
        });
    }
    let Some(order) = orders::read(&[&order_id]).await?.pop().transpose()?.flatten() else {
        // It was archived meanwhile: there is nothing more to tell.
        return Ok(Look {
            events: Vec::new(),
            ended: true,
        });
    };
    let ended = is_at_end(&order);
    // Who has seen more than there is, as before Redis was restored from a backup, is told everything.
    let seen = if seen > order.rev { 0 } else { seen };
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
