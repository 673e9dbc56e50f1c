//! Orders in Redis: read for a decision, and changed by it.

use edge::redis::{Failure, Hash, Script, as_text, read_hashes};
use serde::{Deserialize, Serialize};

use super::{Corrupt, history_key, no_hash, order_key, status_index};
use crate::domain::order::{Cancel, Line, Order, Refund, Status, Transition};
use crate::domain::pricing::Price;

static COMMIT_ORDERS: Script = Script::new(include_str!("commit_orders.lua"));

const FIELDS: [&str; 16] = [
    "status",
    "rev",
    "customer_id",
    "lines",
    "returned",
    "subtotal_minor",
    "fee_minor",
    "total_minor",
    "payment_token",
    "payment_failures",
    "reason",
    "cancel",
    "cancel_reason",
    "cancelled_by",
    "refunds",
    "updated_at",
];

/// An order for a decision, and what the events that may follow say of it.
pub(in crate::edge) struct Loaded {
    pub(in crate::edge) customer_id: String,
    pub(in crate::edge) updated_at: String,
    pub(in crate::edge) order: Order,
}

/// The part of a stored line that decisions need.
#[derive(Deserialize)]
struct StoredLine {
    line_id: u32,
    product_id: String,
    qty: u32,
    unit_price_minor: u64,
}

/// A refund as it is stored, which is as it is answered.
#[derive(Serialize, Deserialize)]
struct StoredRefund {
    amount_minor: u64,
    reason: String,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_id: Option<String>,
}

/// The orders of these ids, each where there is one.
pub(in crate::edge) async fn load_orders(ids: &[&str]) -> Result<Vec<Result<Option<Loaded>, Corrupt>>, Failure> {
    let keys = ids.iter().map(|id| order_key(id)).collect();
    let hashes = read_hashes(keys, &FIELDS).await?;
    Ok(ids
        .iter()
        .zip(hashes)
        .map(|(id, hash)| match hash {
            Hash::Absent => Ok(None),
            Hash::Corrupt => Err(no_hash(&order_key(id))),
            Hash::Fields(fields) => match loaded(fields) {
                Some(loaded) => Ok(Some(loaded)),
                None => Err(Corrupt(format!(
                    "the key {} holds fields that are not an order's",
                    order_key(id)
                ))),
            },
        })
        .collect())
}

fn loaded(fields: Vec<Option<String>>) -> Option<Loaded> {
    let [
        status,
        rev,
        customer_id,
        lines,
        returned,
        subtotal,
        fee,
        total,
        token,
        payment_failures,
        reason,
        cancel,
        cancel_reason,
        cancelled_by,
        refunds,
        updated_at,
    ]: [Option<String>; 16] = fields.try_into().ok()?;
    let lines: Vec<StoredLine> = serde_json::from_str(&lines?).ok()?;
    let returned: Vec<u32> = match returned {
        Some(returned) => serde_json::from_str(&returned).ok()?,
        None => vec![0; lines.len()],
    };
    let refunds: Vec<StoredRefund> = match refunds {
        Some(refunds) => serde_json::from_str(&refunds).ok()?,
        None => Vec::new(),
    };
    let order = Order {
        status: Status::parse(&status?)?,
        rev: rev?.parse().ok()?,
        price: Price {
            subtotal: subtotal?.parse().ok()?,
            fee: fee?.parse().ok()?,
            total: total?.parse().ok()?,
        },
        lines: lines
            .into_iter()
            .zip(returned.iter().copied().chain(std::iter::repeat(0)))
            .map(|(line, returned)| Line {
                line_id: line.line_id,
                product_id: line.product_id,
                qty: line.qty,
                unit_price_minor: line.unit_price_minor,
                returned,
            })
            .collect(),
        token: token.unwrap_or_default(),
        payment_failures: payment_failures.map_or(Some(0), |count| count.parse().ok())?,
        reason,
        cancel: match cancel {
            Some(word) => Some(Cancel::parse(&word)?),
            None => None,
        },
        cancel_reason,
        cancelled_by,
        refunds: refunds
            .into_iter()
            .map(|refund| Refund {
                amount_minor: refund.amount_minor,
                reason: refund.reason,
                at: refund.at,
                return_id: refund.return_id,
            })
            .collect(),
    };
    order.is_sound().then_some(Loaded {
        customer_id: customer_id?,
        updated_at: updated_at?,
        order,
    })
}

/// An event that follows from a change.
pub(in crate::edge) struct Event {
    pub(in crate::edge) stream: &'static str,
    pub(in crate::edge) id: String,
    pub(in crate::edge) data: String,
}

/// What was decided for an order.
pub(in crate::edge) struct Change<'a> {
    pub(in crate::edge) order_id: &'a str,
    /// As it was read.
    pub(in crate::edge) before: Order,
    pub(in crate::edge) after: Order,
    /// The new entries of its history, each with the id of the event that caused it.
    pub(in crate::edge) steps: Vec<(Transition, &'a str)>,
    pub(in crate::edge) follows: Option<Event>,
}

/// What became of a [`Change`].
pub(in crate::edge) enum Committed {
    /// It is in effect.
    Done,
    /// Somebody else changed the order since it was read: nothing was done.
    Changed,
    /// Data in Redis is damaged: nothing was done.
    Corrupt(Corrupt),
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

/// Commits changes, each of another order and each for itself.
pub(in crate::edge) async fn commit_orders(now: &str, changes: &[Change<'_>]) -> Result<Vec<Committed>, Failure> {
    let mut keys = Vec::with_capacity(changes.len() * 5);
    let mut arguments = vec![now.to_owned()];
    for change in changes {
        let event = change.follows.as_ref();
        keys.extend([
            order_key(change.order_id),
            history_key(change.order_id),
            status_index(change.before.status),
            status_index(change.after.status),
            event.map_or("none", |event| event.stream).to_owned(),
        ]);
        arguments.extend([change.order_id.to_owned(), change.before.rev.to_string()]);
        arguments.extend([
            event.map(|event| event.id.clone()).unwrap_or_default(),
            event.map(|event| event.stream.to_owned()).unwrap_or_default(),
            event.map(|event| event.data.clone()).unwrap_or_default(),
        ]);
        let fields = changed_fields(now, change).map_err(|error| unwritable(&error))?;
        arguments.push(fields.len().to_string());
        for (name, value) in fields {
            arguments.extend([name.to_owned(), value]);
        }
        arguments.push(change.steps.len().to_string());
        for (step, event_id) in &change.steps {
            let step = StoredStep {
                at: now,
                from: Some(step.from.as_str()),
                to: step.to.as_str(),
                cause: step.cause.as_str(),
                event_id,
            };
            arguments.push(serde_json::to_string(&step).map_err(|error| unwritable(&error))?);
        }
    }
    let replies = COMMIT_ORDERS.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| {
            let reply = as_text(reply);
            match reply.split_once(' ').unwrap_or((&reply, "")) {
                ("committed", _) => Committed::Done,
                ("changed", _) => Committed::Changed,
                (_, what) => Committed::Corrupt(Corrupt(what.to_owned())),
            }
        })
        .collect())
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::Unavailable(format!("a value cannot be written: {error}"))
}

fn changed_fields(now: &str, change: &Change<'_>) -> Result<Vec<(&'static str, String)>, serde_json::Error> {
    let (before, after) = (&change.before, &change.after);
    let mut fields = vec![("rev", after.rev.to_string())];
    if after.rev != before.rev {
        fields.extend([
            ("status", after.status.as_str().to_owned()),
            ("updated_at", now.to_owned()),
        ]);
    }
    if after.payment_failures != before.payment_failures {
        fields.push(("payment_failures", after.payment_failures.to_string()));
    }
    let texts = [
        ("reason", &before.reason, &after.reason),
        ("cancel_reason", &before.cancel_reason, &after.cancel_reason),
        ("cancelled_by", &before.cancelled_by, &after.cancelled_by),
    ];
    for (name, before, after) in texts {
        if let Some(value) = after.as_ref().filter(|_| after != before) {
            fields.push((name, value.clone()));
        }
    }
    if let Some(cancel) = after.cancel.filter(|_| after.cancel != before.cancel) {
        fields.push(("cancel", cancel.as_str().to_owned()));
    }
    if after.refunds.len() != before.refunds.len() {
        let refunds: Vec<_> = after
            .refunds
            .iter()
            .cloned()
            .map(|refund| StoredRefund {
                amount_minor: refund.amount_minor,
                reason: refund.reason,
                at: refund.at,
                return_id: refund.return_id,
            })
            .collect();
        let returned: Vec<_> = after.lines.iter().map(|line| line.returned).collect();
        fields.extend([
            ("refunds", serde_json::to_string(&refunds)?),
            ("returned", serde_json::to_string(&returned)?),
        ]);
    }
    Ok(fields)
}
