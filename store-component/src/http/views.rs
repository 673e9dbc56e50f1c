//! An order as responses show it.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::order::Refund;
use crate::domain::place_order::PricedLine;
use crate::storage::StoredOrder;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderView {
    #[schema(example = "01K5PQ8T3V0000000000000000")]
    order_id: String,
    #[schema(example = "ada")]
    customer_id: String,
    /// `pending`, `completed`, `payment_failed`, `cancelled`, `fulfilled`, `refunded` or `returned`.
    #[schema(example = "pending")]
    status: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    #[schema(value_type = Vec<PricedLine>)]
    lines: Box<RawValue>,
    /// The sum of the lines, in minor units.
    #[schema(example = 2_000)]
    subtotal_minor: u64,
    /// 20 % of the subtotal, rounded half up.
    #[schema(example = 400)]
    fee_minor: u64,
    /// Subtotal and fee.
    #[schema(example = 2_400)]
    total_minor: u64,
    /// The money that went back, oldest first; never more than the total.
    refunds: Vec<Refund>,
    /// Why the order failed, was cancelled before payment, or was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "insufficient_stock")]
    reason: Option<String>,
    /// The outcome of a cancel after payment: `requested` of the warehouse, and the status says what it decided;
    /// `refused`, since the order had been fulfilled by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "requested")]
    cancel: Option<String>,
    /// The customer's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "changed my mind")]
    cancel_reason: Option<String>,
    /// Rises by one with every entry of the order's history.
    rev: u64,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    created_at: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    updated_at: String,
}

pub(super) fn view(order_id: String, order: StoredOrder) -> OrderView {
    OrderView {
        order_id,
        customer_id: order.customer_id,
        status: order.status,
        currency: order.currency,
        lines: order.lines,
        subtotal_minor: order.subtotal_minor,
        fee_minor: order.fee_minor,
        total_minor: order.total_minor,
        refunds: order.refunds,
        reason: order.reason,
        cancel: order.cancel,
        cancel_reason: order.cancel_reason,
        rev: order.rev,
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}
