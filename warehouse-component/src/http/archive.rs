//! Allocations of archived orders, for an archive: handed out, and removed once they are safe elsewhere.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::envelope::to_json;
use kit::archive;
use kit::web::problem::Problem;
use kit::web::{json, response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allocations::{AllocationView, view};
use crate::app::archive_allocations::remove_archived;
use crate::storage::allocations;

/// The body of `POST /warehouse/archive/read`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadArchive {
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// A line of the response.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArchivedAllocation {
    allocation: AllocationView,
}

/// The body of `POST /warehouse/archive/remove`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveAllocations {
    /// Only allocations that have not changed for so many days.
    #[schema(minimum = 1, maximum = 3_650, example = 400)]
    older_than_days: u64,
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// The result of a removal.
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
    archive::check(None, Some(&request.order_ids))?;
    let mut lines = String::new();
    for order_id in request.order_ids {
        if let Some((allocation, returns)) = allocations::read_one(&order_id).await? {
            lines += &to_json(&ArchivedAllocation {
                allocation: view(allocation, returns),
            });
            lines.push('\n');
        }
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
    archive::check(Some(request.older_than_days), Some(&request.order_ids))?;
    request.order_ids.sort_unstable();
    request.order_ids.dedup();
    let outcomes = remove_archived(request.older_than_days, &request.order_ids).await?;
    let mut answer = RemovedAllocations::default();
    for (order_id, outcome) in request.order_ids.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => answer.removed.push(order_id),
            Err(reason) => answer.kept.push(KeptAllocation { order_id, reason }),
        }
    }
    Ok(response::json(StatusCode::OK, &answer))
}
