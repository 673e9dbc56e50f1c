//! Cancelling an order.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use contracts::limits::check_name;
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::orders::find;
use super::problems::{BUSY, NOT_CANCELLABLE, corrupt, unknown_order};
use super::views::{OrderView, view};
use crate::domain::cancel_order::{Answer, cancel};
use crate::edge::change::{Item, Outcome, change_orders};

/// The reason that the warehouse is told where the customer gives none.
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
pub(super) async fn cancel_order(Path(order_id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let request: CancelOrder = if body.is_empty() {
        CancelOrder::default()
    } else {
        json::parse(&body)?
    };
    let reason = request.reason.unwrap_or_else(|| NO_REASON.to_owned());
    check_name(&reason).map_err(|what| Problem::invalid(vec![FieldError::new("reason", what)]))?;
    let item = Item {
        order_id: order_id.clone(),
        event_id: clock::new_id(),
        what: reason,
    };
    let decide = |order: &mut _, item: &Item<String>, _: &str| cancel(order, &item.event_id, &item.what);
    let outcomes = change_orders(&[item], decide).await?;
    let status = match outcomes.into_iter().next() {
        Some(Outcome::Done(Answer::Cancelled)) => StatusCode::OK,
        Some(Outcome::Done(Answer::Requested)) => StatusCode::ACCEPTED,
        Some(Outcome::Contradiction(what)) => return Err(NOT_CANCELLABLE.with(what)),
        Some(Outcome::Corrupt(what)) => return Err(corrupt(what)),
        Some(Outcome::Busy) => return Err(BUSY.with("others kept changing the order; repeat the request")),
        Some(Outcome::Unknown) | None => return Err(unknown_order(&order_id)),
    };
    let order = find(&order_id).await?;
    Ok(edge::http::json(status, &view(order_id, order)))
}
