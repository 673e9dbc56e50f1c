//! Closed orders on their way out: handed to an operator a page at a time, and removed once they are safe elsewhere.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::limits::check_id;
use edge::page::{self, LIMIT_MAX, Page};
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::orders::find_all;
use super::problems::corrupt;
use super::text;
use super::views::{OrderView, view};
use crate::domain::archive_orders::{Stay, may_leave};
use crate::domain::order::Status;
use crate::edge::redis::{self, Corrupt, Removal, Removed};

/// The least age: idempotency keys, which are kept for as long, must not outlive their orders.
const OLDER_THAN_DAYS_MIN: u64 = 1;
/// The longest age that can be asked for: ten years.
const OLDER_THAN_DAYS_MAX: u64 = 3_650;
const DAY_S: u64 = 24 * 60 * 60;
/// How far the clocks of Redis and of the store may be apart.
const CLOCKS_APART_MS: u64 = 60 * 60 * 1_000;

const NEXT_CURSOR: &str = "next-cursor";

/// Which orders are handed out.
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

/// Which orders are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveArchived {
    /// As for the page that they were on.
    #[schema(minimum = 1, maximum = 3_650, example = 400)]
    older_than_days: u64,
    #[schema(min_items = 1, max_items = 200)]
    order_ids: Vec<String>,
}

/// What became of a removal.
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
    check_days(query.older_than_days)?;
    let page = Page::new(query.limit, query.cursor, check_id)?;
    let limits = Limits::now(query.older_than_days).await?;
    let (ids, mut next_cursor) = page.cut(redis::oldest_order_ids(None, &page).await?);
    let mut lines = String::new();
    for (order_id, mut order) in find_all(ids).await? {
        if order.created_at >= limits.changed_before {
            // Those behind it are younger still.
            next_cursor = None;
            break;
        }
        let status = status(&order_id, &order.status)?;
        if limits.may_leave(status, &order.updated_at).is_err() {
            continue;
        }
        let history = std::mem::take(&mut order.history);
        lines += &text(&Archived {
            order: view(order_id, order),
            history,
        })?;
        lines.push('\n');
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (StatusCode::OK, headers, lines).into_response();
    if let Some(cursor) = next_cursor.and_then(|cursor| HeaderValue::from_str(&cursor).ok()) {
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
    check_days(request.older_than_days)?;
    let mut errors = Vec::new();
    if !(1..=LIMIT_MAX).contains(&request.order_ids.len()) {
        let reason = format!("must hold 1 to {LIMIT_MAX} ids, holds {}", request.order_ids.len());
        errors.push(FieldError::new("order_ids", reason));
    }
    for (index, order_id) in request.order_ids.iter().take(LIMIT_MAX).enumerate() {
        FieldError::collect(&mut errors, format!("order_ids[{index}]"), check_id(order_id));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }

    request.order_ids.sort_unstable();
    request.order_ids.dedup();
    let limits = Limits::now(request.older_than_days).await?;
    let mut answer = RemovedOrders::default();
    let mut removals = Vec::new();
    let names: Vec<_> = request.order_ids.iter().map(String::as_str).collect();
    for (order_id, loaded) in names.iter().copied().zip(redis::load_orders(&names).await?) {
        let Some(loaded) = loaded.map_err(corrupt)? else {
            answer.removed.push(order_id.to_owned());
            continue;
        };
        match limits.may_leave(loaded.order.status, &loaded.stored.updated_at) {
            Ok(()) => removals.push(Removal {
                order_id: order_id.to_owned(),
                beginning: loaded.stored.beginning(),
                status: loaded.order.status,
                customer_id: loaded.stored.customer_id,
            }),
            Err(stay) => answer.keep(order_id, word(stay)),
        }
    }
    let outcomes = redis::remove_orders(&removals).await?;
    for (removal, outcome) in removals.into_iter().zip(outcomes) {
        match outcome {
            Removed::Done => answer.removed.push(removal.order_id),
            Removed::Changed => answer.keep(&removal.order_id, "changed"),
            Removed::Corrupt(what) => return Err(corrupt(what)),
        }
    }
    Ok(edge::http::json(StatusCode::OK, &answer))
}

impl RemovedOrders {
    fn keep(&mut self, order_id: &str, reason: &'static str) {
        self.kept.push(KeptOrder {
            order_id: order_id.to_owned(),
            reason,
        });
    }
}

/// The times that decide.
struct Limits {
    changed_before: String,
    streams_from: Option<String>,
}

impl Limits {
    async fn now(older_than_days: u64) -> Result<Self, Problem> {
        let oldest = redis::oldest_event_ms().await?;
        Ok(Self {
            changed_before: clock::ago(older_than_days * DAY_S),
            streams_from: oldest.map(|oldest| clock::at(oldest.saturating_sub(CLOCKS_APART_MS))),
        })
    }

    fn may_leave(&self, status: Status, updated_at: &str) -> Result<(), Stay> {
        may_leave(status, updated_at, &self.changed_before, self.streams_from.as_deref())
    }
}

fn word(stay: Stay) -> &'static str {
    match stay {
        Stay::Open => "open",
        Stay::TooYoung => "too_young",
        Stay::InStreams => "in_streams",
    }
}

fn status(order_id: &str, word: &str) -> Result<Status, Problem> {
    Status::parse(word).ok_or_else(|| corrupt(Corrupt(format!("the order {order_id} has the unknown status {word}"))))
}

fn check_days(days: u64) -> Result<(), Problem> {
    if (OLDER_THAN_DAYS_MIN..=OLDER_THAN_DAYS_MAX).contains(&days) {
        return Ok(());
    }
    let reason = format!("must be an integer from {OLDER_THAN_DAYS_MIN} to {OLDER_THAN_DAYS_MAX}, is {days}");
    Err(Problem::invalid(vec![FieldError::new("older_than_days", reason)]))
}
