//! An order as it is asked for, stored and answered: the same JSON as in `store-component`, whose types exist for
//! WebAssembly only. The benchmark compares both before it measures.

use std::time::SystemTime;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use store_component::domain::order::Status;
use store_component::domain::place_order::{OrderRequest, PricedOrder};
use ulid::Ulid;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    customer_id: String,
    lines: Vec<RequestedLine>,
    payment: Option<Payment>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestedLine {
    product_id: String,
    qty: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    token: String,
}

impl PlaceOrder {
    pub(crate) fn into_domain(self) -> OrderRequest {
        let lines = self.lines.into_iter().map(|line| (line.product_id, line.qty));
        OrderRequest {
            customer_id: self.customer_id,
            lines: lines.collect(),
            token: self.payment.map(|payment| payment.token),
        }
    }
}

/// The value at the order's key, `rev` and `updated_at` first. An order that something has happened to has more fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredOrder {
    rev: u64,
    updated_at: String,
    status: String,
    pub(crate) customer_id: String,
    currency: String,
    lines: Box<RawValue>,
    subtotal_minor: u64,
    fee_minor: u64,
    total_minor: u64,
    created_at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    payment_token: String,
    history: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct HistoryEntry<'a> {
    at: &'a str,
    from: Option<&'a str>,
    to: &'a str,
    cause: &'a str,
    event_id: &'a str,
}

/// The order as it is answered.
#[derive(Serialize)]
pub(crate) struct OrderView<'a> {
    order_id: &'a str,
    customer_id: &'a str,
    status: &'a str,
    currency: &'a str,
    lines: &'a RawValue,
    subtotal_minor: u64,
    fee_minor: u64,
    total_minor: u64,
    refunds: [(); 0],
    rev: u64,
    created_at: &'a str,
    updated_at: &'a str,
}

impl<'a> OrderView<'a> {
    pub(crate) fn new(order_id: &'a str, order: &'a StoredOrder) -> Self {
        Self {
            order_id,
            customer_id: &order.customer_id,
            status: &order.status,
            currency: &order.currency,
            lines: &order.lines,
            subtotal_minor: order.subtotal_minor,
            fee_minor: order.fee_minor,
            total_minor: order.total_minor,
            refunds: [],
            rev: order.rev,
            created_at: &order.created_at,
            updated_at: &order.updated_at,
        }
    }
}

/// An order about to be placed.
pub(crate) struct NewOrder {
    pub(crate) id: String,
    pub(crate) event_id: String,
    /// RFC 3339, UTC, milliseconds.
    pub(crate) now: String,
    pub(crate) order: StoredOrder,
    pub(crate) location: String,
    /// The body of the answer.
    pub(crate) answer: String,
}

impl NewOrder {
    pub(crate) fn new(request: &OrderRequest, priced: &PricedOrder) -> Result<Self> {
        let (id, event_id) = (Ulid::generate().to_string(), Ulid::generate().to_string());
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let placed = HistoryEntry {
            at: &now,
            from: None,
            to: Status::Pending.as_str(),
            cause: "placed",
            event_id: &event_id,
        };
        let order = StoredOrder {
            rev: 1,
            updated_at: now.clone(),
            status: Status::Pending.as_str().to_owned(),
            customer_id: request.customer_id.clone(),
            currency: priced.currency.clone(),
            lines: to_raw_value(&priced.lines)?,
            subtotal_minor: priced.price.subtotal,
            fee_minor: priced.price.fee,
            total_minor: priced.price.total,
            created_at: now.clone(),
            payment_token: request.token.clone().unwrap_or_default(),
            history: vec![to_raw_value(&placed)?],
        };
        let answer = serde_json::to_string(&OrderView::new(&id, &order))?;
        Ok(Self {
            location: format!("/store/orders/{id}"),
            id,
            event_id,
            now,
            order,
            answer,
        })
    }
}
