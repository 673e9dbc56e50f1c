//! Repair after Redis lost something that it had acknowledged.

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use contracts::limits::{check_id, check_range};
use kit::web::json;
use kit::web::page::Page;
use kit::web::problem::{FieldError, Problem};
use kit::web::response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::resend_completed::resend_completed;

/// The longest time that can be asked for: ten years.
const OLDER_THAN_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// The body of `POST /store/repair/completed-orders`.
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

/// The result of one call.
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
pub(super) async fn resend(body: Bytes) -> Result<Response, Problem> {
    let request: ResendCompleted = json::parse(&body)?;
    let mut errors = Vec::new();
    let check = check_range(request.older_than_s, 0, OLDER_THAN_S_MAX);
    FieldError::collect(&mut errors, "older_than_s", check);
    Problem::unless_valid(errors)?;
    let page = Page::new(request.limit, request.cursor, check_id)?;
    let sent = resend_completed(request.older_than_s, &page).await?;
    let answer = Resent {
        scanned: sent.scanned,
        resent: sent.resent,
        next_cursor: sent.next_cursor,
    };
    Ok(response::json(StatusCode::OK, &answer))
}
