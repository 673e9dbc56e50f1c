//! Decisions for orders.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::events::RefundReason;
use contracts::limits::check_id;
use kit::web::problem::Problem;
use kit::web::response::json;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::problems::unknown_allocation;
use super::returns::LineView;
use crate::storage::allocations::{self, Outcome, Return, StoredAllocation};

/// The decision for an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Allocation)]
pub(super) struct AllocationView {
    order_id: String,
    /// `fulfilled` or `refunded`.
    #[schema(value_type = String, example = "fulfilled")]
    outcome: Outcome,
    /// Why it is refunded: `insufficient_stock`, `unknown_product` or `customer_cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "insufficient_stock", nullable = false)]
    reason: Option<RefundReason>,
    /// What was taken; or, of a refunded order, the lines that stood in the way.
    #[schema(value_type = Vec<AllocationLine>)]
    lines: Box<RawValue>,
    /// What came back since, oldest first; absent when nothing did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ReturnEntryView>, required = false)]
    returns: Vec<Return>,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    at: String,
}

/// A line that was taken, or one that stood in the way.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "what is answered is the text that is kept; this says what is in it"
)]
enum AllocationLine {
    Taken(LineView),
    Short(ShortLineView),
}

/// A line that stood in the way.
#[derive(ToSchema)]
#[schema(as = ShortLine)]
#[allow(
    dead_code,
    reason = "what is answered is the text that is kept; this says what is in it"
)]
struct ShortLineView {
    #[schema(example = 1)]
    line_id: u32,
    #[schema(example = "espresso-cup")]
    product_id: String,
    /// Units of the product in the whole order.
    requested: u64,
    /// Units that were there.
    available: u64,
}

/// A return as it is listed with its order.
#[derive(ToSchema)]
#[schema(as = ListedReturn)]
#[allow(
    dead_code,
    reason = "what is answered is the text that is kept; this says what is in it"
)]
struct ReturnEntryView {
    return_id: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    at: String,
    lines: Vec<LineView>,
}

/// What was decided for an order, and what of it came back.
#[utoipa::path(get, path = "/warehouse/allocations/{order_id}", operation_id = "show_allocation",
    params(("order_id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The decision", body = AllocationView)),
)]
pub(super) async fn show(Path(order_id): Path<String>) -> Result<Response, Problem> {
    check_id(&order_id).map_err(|_| unknown_allocation(&order_id))?;
    let found = allocations::read_one(&order_id).await?;
    let (allocation, returns) = found.ok_or_else(|| unknown_allocation(&order_id))?;
    Ok(json(StatusCode::OK, &view(allocation, returns)))
}

pub(super) fn view(allocation: StoredAllocation, returns: Vec<Return>) -> AllocationView {
    let StoredAllocation { order_id, decision, .. } = allocation;
    AllocationView {
        order_id,
        outcome: decision.outcome,
        reason: decision.reason,
        lines: decision.lines,
        returns,
        at: decision.at,
    }
}
