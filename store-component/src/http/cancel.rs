//! Cancelling an order.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use contracts::limits::check_name;
use kit::web::json;
use kit::web::problem::{FieldError, Problem};
use kit::web::response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::orders::find;
use super::problems::not_cancelled;
use super::views::{OrderView, view};
use crate::app::cancel_order::cancel_order;
use crate::domain::cancel_order::Answer;

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

/// Cancels an order: at once before it is paid for; after that the warehouse decides, and the order's `cancel` and
/// `status` say what became of it.
#[utoipa::path(post, path = "/store/orders/{order_id}/cancel", operation_id = "cancel_order",
    params(("order_id" = String, Path, description = "The order's id")),
    request_body(content = Option<CancelOrder>, description = "May be left out"),
    responses(
        (status = 200, description = "Cancelled before payment", body = OrderView),
        (status = 202, description = "Asked of the warehouse, now or before", body = OrderView),
    ),
)]
pub(super) async fn cancel(Path(order_id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let request: CancelOrder = if body.is_empty() {
        CancelOrder::default()
    } else {
        json::parse(&body)?
    };
    let reason = request.reason.unwrap_or_else(|| NO_REASON.to_owned());
    check_name(&reason).map_err(|what| Problem::invalid(vec![FieldError::new("reason", what)]))?;
    let status = match cancel_order(&order_id, reason).await {
        Ok(Answer::Cancelled) => StatusCode::OK,
        Ok(Answer::Requested) => StatusCode::ACCEPTED,
        Err(error) => return Err(not_cancelled(&order_id, error)),
    };
    let order = find(&order_id).await?;
    Ok(response::json(status, &view(order_id, order)))
}
