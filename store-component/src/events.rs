//! Deliveries in, receipts out: each stream's events, and what they do.

use bytes::Bytes;
use contracts::events::{
    Event, OrderFulfilled, OrderPlaced, ProductChanged, RefundOrder, RefundReason, ReturnReceived,
};
use kit::deliveries::{Handler, read_events, refusal, reject_damaged, unknown_stream};
use kit::redis::StorageError;
use protocol::{Delivery, Receipt};
use spin_sdk::redis_subscriber;

use crate::app::change_orders::{Change, ChangeError, change_orders};
use crate::app::learn_products::learn_products;
use crate::domain::charge_order::{Charged, charge_order};
use crate::domain::order::{Contradiction, Order, Steps};
use crate::domain::refund_order::{self, ReturnedLine};

/// Entries that are handled together. A usual delivery has two parts, so that one is decided while Redis commits the other.
const PART_ENTRIES: usize = 256;

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    handler().message(&message).await
}

/// The store's handler of deliveries, whichever way they come.
pub(crate) fn handler() -> Handler<impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), StorageError>> {
    Handler {
        part_entries: PART_ENTRIES,
        handle,
    }
}

async fn handle(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), StorageError> {
    match &*delivery.stream {
        OrderPlaced::STREAM => change(delivery, receipt, |event| &event.order_id, charge).await,
        OrderFulfilled::STREAM => change(delivery, receipt, |event| &event.order_id, close_order).await,
        RefundOrder::STREAM => change(delivery, receipt, |event| &event.order_id, refund).await,
        ReturnReceived::STREAM => change(delivery, receipt, |event| &event.order_id, take_back).await,
        ProductChanged::STREAM => learn(delivery, receipt).await,
        stream => Err(unknown_stream(stream)),
    }
}

/// The settlement of an entry whose event the domain has accepted.
enum Settled {
    Done,
    /// Again after a while, for this reason.
    Retry(&'static str),
}

/// The domain's decision on an event, and the transitions that it adds to the order's history.
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

/// Has the orders that events name changed by them.
async fn change<E: Event>(
    delivery: &Delivery<'_>,
    receipt: &mut Receipt,
    order_id: fn(&E) -> &String,
    decide: fn(&mut Order, &E, &str) -> Decision,
) -> Result<(), StorageError> {
    let (entries, changes): (Vec<_>, Vec<_>) = read_events::<E>(delivery, receipt)
        .into_iter()
        .map(|received| {
            let change = Change {
                order_id: order_id(&received.event).clone(),
                event_id: received.event_id,
                cause: received.event,
            };
            (received.entry, change)
        })
        .unzip();
    let outcomes = change_orders(&changes, |order, change, now| decide(order, &change.cause, now)).await?;
    let mut shared = Ok(());
    for ((entry, change), outcome) in entries.into_iter().zip(&changes).zip(outcomes) {
        let order_id = &change.order_id;
        match outcome {
            Ok(Settled::Done) => receipt.done.push(entry),
            Ok(Settled::Retry(reason)) => receipt.retry.push(refusal(entry, reason)),
            Err(ChangeError::Busy) => {
                let reason = format!("others kept changing the order {order_id}");
                receipt.retry.push(refusal(entry, reason));
            }
            Err(ChangeError::UnknownOrder) => {
                let reason = format!("unknown_order: the store has no order {order_id}");
                receipt.reject.push(refusal(entry, reason));
            }
            Err(ChangeError::Contradiction(what)) => {
                let reason = format!("contradiction: order {order_id}: {what}");
                receipt.reject.push(refusal(entry, reason));
            }
            Err(ChangeError::Storage(error)) => shared = shared.and(reject_damaged(receipt, entry, error)),
        }
    }
    shared
}

/// Takes over what the warehouse says of its products.
async fn learn(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), StorageError> {
    let (entries, events): (Vec<_>, Vec<_>) = read_events::<ProductChanged>(delivery, receipt)
        .into_iter()
        .map(|received| (received.entry, received.event))
        .unzip();
    let mut shared = Ok(());
    for (entry, outcome) in entries.into_iter().zip(learn_products(&events).await?) {
        match outcome {
            Ok(Some(())) => receipt.done.push(entry),
            Ok(None) => receipt.retry.push(refusal(entry, "others kept changing the product")),
            Err(error) => shared = shared.and(reject_damaged(receipt, entry, error)),
        }
    }
    shared
}
