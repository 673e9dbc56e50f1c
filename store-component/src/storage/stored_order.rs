//! An order in Redis: one JSON object, which begins with the order's revision and the time of its last change.
//!
//! An order is read and written as a whole, and a batch of orders by one command. A commit that only wants to know whether
//! somebody else has changed an order compares the start of its text. The time is there since a Redis that
//! was restored, or a replica that takes over, may give a revision a second time.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use contracts::envelope::to_json;

use crate::domain::order::{Cancel, Line, Order, Refund, Status, Transition};
use crate::domain::pricing::Price;

/// An order with everything that the store keeps of it, but for its id, which is in its key.
///
/// A field that this version does not know is refused: written anew, the order would be without it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredOrder {
    /// The number of transitions in the history. Stays the first field.
    pub(crate) rev: u64,
    /// Stays the second field.
    pub(crate) updated_at: String,
    pub(crate) status: String,
    pub(crate) customer_id: String,
    pub(crate) currency: String,
    /// As they were priced; they never change.
    pub(crate) lines: Box<RawValue>,
    pub(crate) subtotal_minor: u64,
    pub(crate) fee_minor: u64,
    pub(crate) total_minor: u64,
    pub(crate) created_at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) payment_token: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) payment_failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancel_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancelled_by: Option<String>,
    /// Units that came back, line by line; empty while none have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) returned: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refunds: Vec<Refund>,
    /// A [`StoredTransition`] for each revision, oldest first.
    pub(crate) history: Vec<Box<RawValue>>,
}

/// The text before the revision.
const REV_FIELD: &str = "{\"rev\":";

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A transition in an order's history; this is also its form in responses.
#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StoredTransition<'a> {
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    pub(crate) at: &'a str,
    /// The state before; null for the first entry.
    #[schema(example = "pending")]
    pub(crate) from: Option<&'a str>,
    /// The state after: the same one where a cancel was asked for, or some of the units came back.
    #[schema(example = "completed")]
    pub(crate) to: &'a str,
    /// `placed`, `payment_approved`, `payment_declined`, `cancelled`, `cancel_requested`, `fulfilled`, `refund`,
    /// `partly_returned` or `returned`.
    #[schema(example = "payment_approved")]
    pub(crate) cause: &'a str,
    /// The event that caused it, or the request's id.
    #[schema(example = "01K5PQ8T3V0000000000000000")]
    pub(crate) event_id: &'a str,
}

impl StoredTransition<'_> {
    /// Its form in Redis.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        // What was just written as JSON is JSON.
        RawValue::from_string(to_json(self)).unwrap_or_default()
    }
}

impl StoredOrder {
    /// The start of its text: nobody has changed the order as long as it is the same.
    pub(super) fn start(&self) -> String {
        format!("{REV_FIELD}{},\"updated_at\":\"{}\",", self.rev, self.updated_at)
    }

    /// The revision, by the start of a text.
    pub(super) fn rev_of(start: &str) -> Option<u64> {
        start.strip_prefix(REV_FIELD)?.split_once(',')?.0.parse().ok()
    }

    /// The order of this text; or what is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let order: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if text.starts_with(&order.start()) {
            Ok(order)
        } else {
            Err("its text does not begin with its revision and the time of its last change".to_owned())
        }
    }

    /// The part that the domain decides on; `None` when it is no sound order.
    pub(super) fn order(&self) -> Option<Order> {
        let mut lines: Vec<Line> = serde_json::from_str(self.lines.get()).ok()?;
        for (line, returned) in lines.iter_mut().zip(&self.returned) {
            line.returned = *returned;
        }
        let order = Order {
            status: Status::parse(&self.status)?,
            rev: self.rev,
            price: Price {
                subtotal: self.subtotal_minor,
                fee: self.fee_minor,
                total: self.total_minor,
            },
            lines,
            token: self.payment_token.clone(),
            payment_failures: self.payment_failures,
            reason: self.reason.clone(),
            cancel: match &self.cancel {
                Some(word) => Some(Cancel::parse(word)?),
                None => None,
            },
            cancel_reason: self.cancel_reason.clone(),
            cancelled_by: self.cancelled_by.clone(),
            refunds: self.refunds.clone(),
        };
        order.is_sound().then_some(order)
    }

    /// The order as the domain has changed it, with the new transitions, each with the id of the event that caused it.
    pub(super) fn changed(mut self, order: Order, now: &str, steps: &[(Transition, &str)]) -> Self {
        self.history.extend(steps.iter().map(|(step, event_id)| {
            StoredTransition {
                at: now,
                from: Some(step.from.as_str()),
                to: step.to.as_str(),
                cause: step.cause.as_str(),
                event_id,
            }
            .to_raw()
        }));
        if order.rev != self.rev {
            now.clone_into(&mut self.updated_at);
        }
        if order.refunds.len() != self.refunds.len() {
            self.returned = order.lines.iter().map(|line| line.returned).collect();
        }
        Self {
            rev: order.rev,
            status: order.status.as_str().to_owned(),
            payment_failures: order.payment_failures,
            reason: order.reason,
            cancel: order.cancel.map(|cancel| cancel.as_str().to_owned()),
            cancel_reason: order.cancel_reason,
            cancelled_by: order.cancelled_by,
            refunds: order.refunds,
            ..self
        }
    }
}
