//! An order as it is stored: one JSON object, which begins with the order's revision and the time of its last change.
//!
//! So an order is read and written as a whole, and a whole batch of orders by one command; and a script that only wants
//! to know whether somebody else has changed an order compares the beginning of a text. The time is there since a Redis
//! that was restored, or a replica that takes over, may give a revision a second time.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::order::{Cancel, Line, Order, Refund, Status, Transition};
use crate::domain::pricing::Price;

/// An order with everything that the store keeps of it, but for its id, which is in its key.
///
/// A field that this version does not know is refused: written anew, the order would be without it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct StoredOrder {
    /// The number of entries in the history. Stays the first field.
    pub(in crate::edge) rev: u64,
    /// Stays the second field.
    pub(in crate::edge) updated_at: String,
    pub(in crate::edge) status: String,
    pub(in crate::edge) customer_id: String,
    pub(in crate::edge) currency: String,
    /// Never changes; [`StoredLine`] is what decisions need of each.
    pub(in crate::edge) lines: Box<RawValue>,
    pub(in crate::edge) subtotal_minor: u64,
    pub(in crate::edge) fee_minor: u64,
    pub(in crate::edge) total_minor: u64,
    pub(in crate::edge) created_at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(in crate::edge) payment_token: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(in crate::edge) payment_failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::edge) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::edge) cancel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::edge) cancel_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::edge) cancelled_by: Option<String>,
    /// Units that came back, line by line; empty while none have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::edge) returned: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::edge) refunds: Vec<StoredRefund>,
    /// A [`StoredStep`] for each revision, oldest first.
    pub(in crate::edge) history: Vec<Box<RawValue>>,
}

/// What comes before the revision.
const REV_FIELD: &str = "{\"rev\":";

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The part of a stored line that decisions need.
#[derive(Deserialize)]
struct StoredLine {
    line_id: u32,
    product_id: String,
    qty: u32,
    unit_price_minor: u64,
}

/// Money that went back, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct StoredRefund {
    pub(in crate::edge) amount_minor: u64,
    pub(in crate::edge) reason: String,
    pub(in crate::edge) at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::edge) return_id: Option<String>,
}

/// An entry of an order's history as it is stored, which is as it is answered.
#[derive(Serialize)]
pub(in crate::edge) struct StoredStep<'a> {
    pub(in crate::edge) at: &'a str,
    pub(in crate::edge) from: Option<&'a str>,
    pub(in crate::edge) to: &'a str,
    pub(in crate::edge) cause: &'a str,
    pub(in crate::edge) event_id: &'a str,
}

impl StoredOrder {
    /// How its text begins: nobody has changed the order as long as it does.
    pub(in crate::edge) fn beginning(&self) -> String {
        format!("{REV_FIELD}{},\"updated_at\":\"{}\",", self.rev, self.updated_at)
    }

    /// The revision, by the beginning of a text.
    pub(super) fn rev_of(beginning: &str) -> Option<u64> {
        beginning.strip_prefix(REV_FIELD)?.split_once(',')?.0.parse().ok()
    }

    /// The order of this text; or what is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let order: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if text.starts_with(&order.beginning()) {
            Ok(order)
        } else {
            Err("its text does not begin with its revision and the time of its last change".to_owned())
        }
    }

    /// What the domain decides on; `None` when it is no sound order.
    pub(super) fn order(&self) -> Option<Order> {
        let lines: Vec<StoredLine> = serde_json::from_str(self.lines.get()).ok()?;
        let order = Order {
            status: Status::parse(&self.status)?,
            rev: self.rev,
            price: Price {
                subtotal: self.subtotal_minor,
                fee: self.fee_minor,
                total: self.total_minor,
            },
            lines: lines
                .into_iter()
                .zip(self.returned.iter().copied().chain(std::iter::repeat(0)))
                .map(|(line, returned)| Line {
                    line_id: line.line_id,
                    product_id: line.product_id,
                    qty: line.qty,
                    unit_price_minor: line.unit_price_minor,
                    returned,
                })
                .collect(),
            token: self.payment_token.clone(),
            payment_failures: self.payment_failures,
            reason: self.reason.clone(),
            cancel: match &self.cancel {
                Some(word) => Some(Cancel::parse(word)?),
                None => None,
            },
            cancel_reason: self.cancel_reason.clone(),
            cancelled_by: self.cancelled_by.clone(),
            refunds: self
                .refunds
                .iter()
                .cloned()
                .map(|refund| Refund {
                    amount_minor: refund.amount_minor,
                    reason: refund.reason,
                    at: refund.at,
                    return_id: refund.return_id,
                })
                .collect(),
        };
        order.is_sound().then_some(order)
    }

    /// The text of the order as the domain has changed it, with the new entries of its history, each with the id of the
    /// event that caused it.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub(super) fn changed(
        mut self,
        order: Order,
        now: &str,
        steps: &[(Transition, &str)],
    ) -> Result<String, serde_json::Error> {
        for (step, event_id) in steps {
            self.history.push(to_raw_value(&StoredStep {
                at: now,
                from: Some(step.from.as_str()),
                to: step.to.as_str(),
                cause: step.cause.as_str(),
                event_id,
            })?);
        }
        if order.rev != self.rev {
            now.clone_into(&mut self.updated_at);
        }
        if order.refunds.len() != self.refunds.len() {
            self.returned = order.lines.iter().map(|line| line.returned).collect();
        }
        serde_json::to_string(&Self {
            rev: order.rev,
            status: order.status.as_str().to_owned(),
            payment_failures: order.payment_failures,
            reason: order.reason,
            cancel: order.cancel.map(|cancel| cancel.as_str().to_owned()),
            cancel_reason: order.cancel_reason,
            cancelled_by: order.cancelled_by,
            refunds: order
                .refunds
                .into_iter()
                .map(|refund| StoredRefund {
                    amount_minor: refund.amount_minor,
                    reason: refund.reason,
                    at: refund.at,
                    return_id: refund.return_id,
                })
                .collect(),
            ..self
        })
    }
}
