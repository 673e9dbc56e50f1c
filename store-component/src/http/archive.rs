//! Closed orders for an archive: a page at a time, and removed once they are safe elsewhere.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::limits::check_id;
use kit::archive;
use kit::web::page::{self, Page};
use kit::web::problem::Problem;
use kit::web::{json, response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::views::{OrderView, view};
use crate::app::archive_orders::{read_archive, remove_archived};

const NEXT_CURSOR: &str = "next-cursor";

/// The query of `GET /store/archive`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArchiveQuery {
    /// Only orders that have not changed for so many days. Choose more than the time in which units may come back.
    #[param(minimum = 1, maximum = 3_650, example = 400)]
    older_than_days: u64,
    /// Orders to look at for the page; 50 without it.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// The header `Next-Cursor` of the page before.
    cursor: Option<String>,
}

/// A line of a page.
#[derive(Debug, Serialize, ToSchema)]
struct Archived {
    order: OrderView,
    #[schema(value_type = Vec<Object>)]
    history: Vec<Box<RawValue>>,
}

/// The body of `POST /store/archive/remove`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveArchived {
    /// As for the page that they were on.
    #[schema(minimum = 1, maximum = 3_650, example = 400)]
    older_than_days: u64,
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// The result of a removal.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct RemovedOrders {
    /// Orders that are gone, now or from before.
    removed: Vec<String>,
    /// Orders that stay.
    kept: Vec<KeptOrder>,
}

/// An order that stays.
#[derive(Debug, Serialize, ToSchema)]
struct KeptOrder {
    order_id: String,
    /// `open`: not at an end. `too_young`: changed too recently. `in_streams`: the store's streams may still hold events
    /// about it. `changed`: somebody changed it at this moment.
    #[schema(example = "in_streams")]
    reason: &'static str,
}

/// Closed orders with their histories, oldest first, one JSON object a line. Nothing is removed.
#[utoipa::path(get, path = "/store/archive", operation_id = "read_archive", params(ArchiveQuery), responses(
    (status = 200, description = "A page of orders that may leave; it may be empty while there is another one",
        content_type = "application/x-ndjson", body = Archived,
        headers(("Next-Cursor" = String, description = "What to send as `cursor` for the next page; absent on the last"))),
))]
pub(super) async fn read(query: Result<Query<ArchiveQuery>, QueryRejection>) -> Result<Response, Problem> {
    let query = page::read(query)?;
    archive::check(Some(query.older_than_days), None)?;
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let page = read_archive(query.older_than_days, &page).await?;
    let mut lines = String::new();
    for (order_id, mut order) in page.orders {
        let history = std::mem::take(&mut order.history);
        lines += &to_json(&Archived {
            order: view(order_id, order),
            history,
        });
        lines.push('\n');
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (StatusCode::OK, headers, lines).into_response();
    if let Some(cursor) = page.next_cursor.and_then(|cursor| HeaderValue::from_str(&cursor).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// Removes closed orders that an archive has taken in. Those that may not leave stay, and are named with the reason;
/// those that are gone already count as removed.
#[utoipa::path(post, path = "/store/archive/remove", operation_id = "remove_archived",
    request_body = RemoveArchived,
    responses((status = 200, description = "What became of each", body = RemovedOrders)),
)]
pub(super) async fn remove(body: Bytes) -> Result<Response, Problem> {
    let mut request: RemoveArchived = json::parse(&body)?;
    archive::check(Some(request.older_than_days), Some(&request.order_ids))?;
    request.order_ids.sort_unstable();
    request.order_ids.dedup();
    let outcomes = remove_archived(request.older_than_days, &request.order_ids).await?;
    let mut answer = RemovedOrders::default();
    for (order_id, outcome) in request.order_ids.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => answer.removed.push(order_id),
            Err(reason) => answer.kept.push(KeptOrder { order_id, reason }),
        }
    }
    Ok(response::json(StatusCode::OK, &answer))
}
