//! What an operator does after Redis lost something that it had acknowledged.

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use contracts::limits::check_id;
use edge::page::Page;
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problems::corrupt;
use crate::domain::order::{Cancel, Status};
use crate::edge::change::{cancel_requested, order_completed};
use crate::edge::redis::{self, Change, Committed};

/// The longest time that can be asked for: ten years.
const OLDER_THAN_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// Which orders the warehouse is told of again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResendCompleted {
    /// Only orders that have not changed for so many seconds.
    #[schema(example = 600, maximum = 315_360_000)]
    older_than_s: u64,
    /// Orders to look at in this call; 50 without it.
    #[schema(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the call before.
    cursor: Option<String>,
}

/// What a call has sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resent {
    /// Orders that were looked at.
    #[schema(example = 50)]
    scanned: usize,
    /// Orders of which the warehouse is told again.
    #[schema(example = 3)]
    resent: usize,
    /// What to send as `cursor` to go on; null at the end.
    next_cursor: Option<String>,
}

/// Tells the warehouse again of orders that have been `completed` for too long, and of their customers' wishes to
/// cancel, oldest order first. What the warehouse has decided before stays decided: repeating this is harmless.
#[utoipa::path(post, path = "/store/repair/completed-orders", operation_id = "resend_completed_orders",
    request_body = ResendCompleted,
    responses((status = 200, description = "Sent", body = Resent)),
)]
pub(super) async fn resend_completed(body: Bytes) -> Result<Response, Problem> {
    let request: ResendCompleted = json::parse(&body)?;
    if request.older_than_s > OLDER_THAN_S_MAX {
        let reason = format!(
            "must be an integer from 0 to {OLDER_THAN_S_MAX}, is {}",
            request.older_than_s
        );
        return Err(Problem::invalid(vec![FieldError::new("older_than_s", reason)]));
    }
    let page = Page::new(request.limit, request.cursor, check_id)?;
    let (ids, next_cursor) = page.cut(redis::oldest_order_ids(Some(Status::Completed), &page).await?);
    let now = clock::now();
    let changed_before = clock::ago(request.older_than_s);
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    for (order_id, loaded) in names.iter().copied().zip(redis::load_orders(&names).await?) {
        let Some(loaded) = loaded.map_err(corrupt)? else {
            continue;
        };
        if loaded.order.status != Status::Completed || loaded.stored.updated_at >= changed_before {
            continue;
        }
        let mut events = vec![order_completed(order_id, &loaded, clock::new_id())?];
        if loaded.order.cancel == Some(Cancel::Requested) {
            events.push(cancel_requested(order_id, &loaded.order, clock::new_id())?);
        }
        for event in events {
            told.push(order_id);
            changes.push(Change {
                order_id,
                before: loaded.clone(),
                after: loaded.order.clone(),
                steps: Vec::new(),
                follows: Some(event),
            });
        }
    }
    let mut resent: Vec<&str> = Vec::new();
    for (order_id, committed) in told.into_iter().zip(redis::commit_orders(&now, changes).await?) {
        match committed {
            Committed::Done => resent.push(order_id),
            // It is no longer waiting.
            Committed::Changed => {}
            Committed::Corrupt(what) => return Err(corrupt(what)),
        }
    }
    resent.dedup();
    let answer = Resent {
        scanned: ids.len(),
        resent: resent.len(),
        next_cursor,
    };
    Ok(edge::http::json(StatusCode::OK, &answer))
}
