//! Cancelling an order.

use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::limits::{check_id, check_name};
use kit::web::problem::{FieldError, Problem};
use kit::web::response::json_text;
use kit::web::{idempotency, json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::problems::{not_cancelled, unknown_order};
use super::views::{OrderView, view};
use crate::app::cancel_order::cancel_order;
use crate::domain::order::Status;

/// The reason for the warehouse where the customer gives none.
const NO_REASON: &str = "no reason given";

/// The body of a cancel, which may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    /// In the customer's words.
    #[schema(example = "changed my mind", min_length = 1, max_length = 200)]
    reason: Option<String>,
}

/// What is read of an order as it was answered.
#[derive(Deserialize)]
struct Answered {
    status: String,
}

/// Cancels an order: at once before it is paid for; after that the warehouse decides, and the order's `cancel` and
/// `status` say what became of it.
#[utoipa::path(post, path = "/store/orders/{order_id}/cancel", operation_id = "cancel_order",
    params(
        ("order_id" = String, Path, description = "The order's id"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours"),
    ),
    request_body(content = Option<CancelOrder>, description = "May be left out"),
    responses(
        (status = 200, description = "Cancelled before payment", body = OrderView),
        (status = 202, description = "Asked of the warehouse, now or before", body = OrderView),
    ),
)]
pub(super) async fn cancel(
    Path(order_id): Path<String>,
    headers: HeaderMap,
    method: Method,
    body: Bytes,
) -> Result<Response, Problem> {
    let request: CancelOrder = if body.is_empty() {
        CancelOrder::default()
    } else {
        json::parse(&body)?
    };
    let reason = request.reason.unwrap_or_else(|| NO_REASON.to_owned());
    check_name(&reason).map_err(|what| Problem::invalid(vec![FieldError::new("reason", what)]))?;
    check_id(&order_id).map_err(|_| unknown_order(&order_id))?;
    let path = format!("/store/orders/{order_id}/cancel");
    let record = idempotency::record(&headers, &method, &path, &reason)?;
    let show = |order| to_json(&view(order_id.clone(), order));
    let answer = cancel_order(&order_id, &reason, record.as_ref(), show)
        .await
        .map_err(|error| not_cancelled(&order_id, error))?;
    // The order as it was answered says which of the two it was.
    let is_cancelled =
        serde_json::from_str(&answer).is_ok_and(|Answered { status }| status == Status::Cancelled.as_str());
    let status = if is_cancelled {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok(json_text(status, answer))
}
