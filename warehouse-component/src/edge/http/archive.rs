//! Allocations of archived orders on their way out: handed to an operator, and removed once they are safe elsewhere.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::limits::check_id;
use edge::page::LIMIT_MAX;
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::orders::{AllocationView, view};
use super::problems::corrupt;
use super::text;
use crate::domain::archive::{Stay, may_leave};
use crate::edge::redis::{self, Removed, StoredAllocation};

/// The least age: idempotency keys, which are kept for as long, must not outlive what they are of.
const OLDER_THAN_DAYS_MIN: u64 = 1;
/// The longest age that can be asked for: ten years.
const OLDER_THAN_DAYS_MAX: u64 = 3_650;
const DAY_S: u64 = 24 * 60 * 60;
/// How far the clocks of Redis and of the warehouse may be apart.
const CLOCKS_APART_MS: u64 = 60 * 60 * 1_000;

/// Which allocations are handed out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadArchive {
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// A line of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArchivedAllocation {
    allocation: AllocationView,
}

/// Which allocations are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveAllocations {
    /// Only allocations that have not changed for so many days.
    #[schema(minimum = 1, maximum = 3_650, example = 400)]
    older_than_days: u64,
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// What became of a removal.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct RemovedAllocations {
    /// Orders whose allocations are gone, now or from before.
    removed: Vec<String>,
    /// Orders whose allocations stay.
    kept: Vec<KeptAllocation>,
}

/// An allocation that stays.
#[derive(Debug, Serialize, ToSchema)]
struct KeptAllocation {
    order_id: String,
    /// `too_young`: changed too recently. `in_streams`: the warehouse's streams may still hold events about it.
    /// `changed`: units came back at this moment, or it was decided anew.
    #[schema(example = "in_streams")]
    reason: &'static str,
}

/// The allocations of these orders with their returns, one JSON object a line; orders without one are left out. Nothing
/// is removed.
#[utoipa::path(post, path = "/warehouse/archive/read", operation_id = "read_archive", request_body = ReadArchive,
    responses((status = 200, description = "The allocations there are", content_type = "application/x-ndjson",
        body = ArchivedAllocation)),
)]
pub(super) async fn read(body: Bytes) -> Result<Response, Problem> {
    let request: ReadArchive = json::parse(&body)?;
    check(None, &request.order_ids)?;
    let mut lines = String::new();
    for order_id in request.order_ids {
        let Some(allocation) = redis::allocation(&order_id).await?.map_err(corrupt)? else {
            continue;
        };
        lines += &text(&ArchivedAllocation {
            allocation: view(allocation)?,
        })?;
        lines.push('\n');
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::OK, headers, lines).into_response())
}

/// Removes the allocations of orders that the store has archived. An order whose allocation is gone could be fulfilled
/// once more, so it must be gone from the store and its streams before. Those that may not leave stay, and are named with
/// the reason; those that are gone already count as removed.
#[utoipa::path(post, path = "/warehouse/archive/remove", operation_id = "remove_archived",
    request_body = RemoveAllocations,
    responses((status = 200, description = "What became of each", body = RemovedAllocations)),
)]
pub(super) async fn remove(body: Bytes) -> Result<Response, Problem> {
    let mut request: RemoveAllocations = json::parse(&body)?;
    check(Some(request.older_than_days), &request.order_ids)?;
    request.order_ids.sort_unstable();
    request.order_ids.dedup();
    let oldest = redis::oldest_event_ms().await?;
    let streams_from = oldest.map(|oldest| clock::at(oldest.saturating_sub(CLOCKS_APART_MS)));
    let changed_before = clock::ago(request.older_than_days * DAY_S);

    let mut answer = RemovedAllocations::default();
    let mut removals = Vec::new();
    for order_id in request.order_ids {
        let Some(allocation) = redis::allocation(&order_id).await?.map_err(corrupt)? else {
            answer.removed.push(order_id);
            continue;
        };
        let changed_at = changed_at(&allocation)?;
        match may_leave(&changed_at, &changed_before, streams_from.as_deref()) {
            Ok(()) => removals.push(allocation),
            Err(Stay::TooYoung) => answer.keep(order_id, "too_young"),
            Err(Stay::InStreams) => answer.keep(order_id, "in_streams"),
        }
    }
    let outcomes = redis::remove_allocations(&removals).await?;
    for (removal, outcome) in removals.into_iter().zip(outcomes) {
        match outcome {
            Removed::Done => answer.removed.push(removal.order_id),
            Removed::Changed => answer.keep(removal.order_id, "changed"),
            Removed::Corrupt(what) => return Err(corrupt(what)),
        }
    }
    Ok(edge::http::json(StatusCode::OK, &answer))
}

impl RemovedAllocations {
    fn keep(&mut self, order_id: String, reason: &'static str) {
        self.kept.push(KeptAllocation { order_id, reason });
    }
}

/// When the allocation was made, or something of it last came back.
fn changed_at(allocation: &StoredAllocation) -> Result<String, Problem> {
    let last = allocation.returned().map_err(corrupt)?.pop();
    Ok(last.map_or_else(|| allocation.decision.at.clone(), |last| last.at))
}

fn check(days: Option<u64>, order_ids: &[String]) -> Result<(), Problem> {
    let mut errors = Vec::new();
    if let Some(days) = days
        && !(OLDER_THAN_DAYS_MIN..=OLDER_THAN_DAYS_MAX).contains(&days)
    {
        let reason = format!("must be an integer from {OLDER_THAN_DAYS_MIN} to {OLDER_THAN_DAYS_MAX}, is {days}");
        errors.push(FieldError::new("older_than_days", reason));
    }
    if !(1..=LIMIT_MAX).contains(&order_ids.len()) {
        let reason = format!("must hold 1 to {LIMIT_MAX} ids, holds {}", order_ids.len());
        errors.push(FieldError::new("order_ids", reason));
    }
    for (index, order_id) in order_ids.iter().take(LIMIT_MAX).enumerate() {
        FieldError::collect(&mut errors, format!("order_ids[{index}]"), check_id(order_id));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(errors))
    }
}
