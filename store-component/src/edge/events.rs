//! Deliveries in, receipts out: each stream's entries are read, decided by the domain, and committed as one batch.

use bytes::Bytes;
use contracts::envelope;
use contracts::events::{
    Event, OrderFulfilled, OrderPlaced, ProductChanged, RefundOrder, RefundReason, ReturnReceived,
};
use edge::events::{refusal, unknown_stream};
use edge::redis::Failure;
use protocol::{Delivery, Receipt};
use spin_sdk::redis_subscriber;

use super::change::{Item, Outcome, change_orders};
use super::redis::{self, Corrupt};
use crate::domain::charge_order::{Charged, charge_order};
use crate::domain::order::{Contradiction, Order, Steps};
use crate::domain::refund_order::{self, ReturnedLine};

/// Entries that are applied together: one part of a larger delivery is read and decided while Redis commits another.
pub(super) const PART_ENTRIES: usize = 256;

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    edge::events::handle(&message, PART_ENTRIES, apply).await
}

pub(super) async fn apply(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), Failure> {
    match &*delivery.stream {
        OrderPlaced::STREAM => change(delivery, receipt, |event| &event.order_id, charge).await,
        OrderFulfilled::STREAM => change(delivery, receipt, |event| &event.order_id, close_order).await,
        RefundOrder::STREAM => change(delivery, receipt, |event| &event.order_id, refund).await,
        ReturnReceived::STREAM => change(delivery, receipt, |event| &event.order_id, take_back).await,
        ProductChanged::STREAM => learn_products(read(delivery, receipt), receipt).await,
        stream => Err(unknown_stream(stream)),
    }
}

/// How an event that the domain has taken is settled.
enum Settled {
    Done,
    /// Again after a while, for this reason.
    Retry(&'static str),
}

/// What the domain makes of an event, and what it adds to the order's history.
type Decision = Result<(Settled, Steps), Contradiction>;

/// Charges for an order.
fn charge(order: &mut Order, _: &OrderPlaced, _: &str) -> Decision {
    let (charged, steps) = charge_order(order)?;
    let settled = match charged {
        Charged::Settled => Settled::Done,
        Charged::Unreachable => Settled::Retry("the payment provider did not answer"),
    };
    Ok((settled, steps))
}

/// Closes an order whose stock was taken.
fn close_order(order: &mut Order, _: &OrderFulfilled, _: &str) -> Decision {
    Ok((Settled::Done, order.fulfil()?))
}

/// Gives the money back for an order that cannot be fulfilled.
fn refund(order: &mut Order, event: &RefundOrder, now: &str) -> Decision {
    let steps = refund_order::refund(order, RefundReason::as_str(event.reason), now)?;
    Ok((Settled::Done, steps))
}

/// Gives the money back for units that came back.
fn take_back(order: &mut Order, event: &ReturnReceived, now: &str) -> Decision {
    let lines: Vec<_> = event
        .lines
        .iter()
        .map(|line| ReturnedLine {
            line_id: line.line_id,
            product_id: &line.product_id,
            qty: line.qty,
        })
        .collect();
    let steps = refund_order::take_back(order, &event.return_id, &lines, now)?;
    Ok((Settled::Done, steps))
}

/// An entry whose event is legal.
struct Legal<E> {
    entry: String,
    event_id: String,
    event: E,
}

/// The events of a delivery; entries that hold none are rejected.
fn read<E: Event>(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Vec<Legal<E>> {
    let mut events = Vec::with_capacity(delivery.entries.len());
    for entry in &delivery.entries {
        match envelope::read(|name| entry.fields.get(name)) {
            Ok(event) => events.push(Legal {
                entry: entry.entry.to_string(),
                event_id: entry.fields.get("id").unwrap_or(&entry.entry).to_owned(),
                event,
            }),
            Err(reason) => receipt.reject.push(refusal(&*entry.entry, reason)),
        }
    }
    events
}

/// Has the orders that events name changed by them.
async fn change<E: Event>(
    delivery: &Delivery<'_>,
    receipt: &mut Receipt,
    order_id: fn(&E) -> &String,
    decide: fn(&mut Order, &E, &str) -> Decision,
) -> Result<(), Failure> {
    let events = read::<E>(delivery, receipt);
    let mut entries = Vec::with_capacity(events.len());
    let mut items = Vec::with_capacity(events.len());
    for legal in events {
        entries.push(legal.entry);
        items.push(Item {
            order_id: order_id(&legal.event).clone(),
            event_id: legal.event_id,
            what: legal.event,
        });
    }
    let outcomes = change_orders(&items, |order, item, now| decide(order, &item.what, now)).await?;
    for ((entry, item), outcome) in entries.into_iter().zip(&items).zip(outcomes) {
        let order_id = &item.order_id;
        let reason = match outcome {
            Outcome::Done(Settled::Done) => {
                receipt.done.push(entry);
                continue;
            }
            Outcome::Done(Settled::Retry(reason)) => {
                receipt.retry.push(refusal(entry, reason));
                continue;
            }
            Outcome::Busy => {
                let reason = format!("others kept changing the order {order_id}");
                receipt.retry.push(refusal(entry, reason));
                continue;
            }
            Outcome::Unknown => format!("unknown_order: the store has no order {order_id}"),
            Outcome::Contradiction(what) => format!("contradiction: order {order_id}: {what}"),
            Outcome::Corrupt(Corrupt(what)) => what,
        };
        receipt.reject.push(refusal(entry, reason));
    }
    Ok(())
}

/// Takes over what the warehouse says of its products.
async fn learn_products(events: Vec<Legal<ProductChanged>>, receipt: &mut Receipt) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let (entries, products): (Vec<_>, Vec<_>) = events.into_iter().map(|legal| (legal.entry, legal.event)).unzip();
    let outcomes = redis::learn_products(&products).await?;
    for (entry, outcome) in entries.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => receipt.done.push(entry),
            Err(Corrupt(what)) => receipt.reject.push(refusal(entry, what)),
        }
    }
    Ok(())
}
