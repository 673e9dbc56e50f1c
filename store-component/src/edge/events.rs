//! Deliveries in, receipts out: each stream's entries are read, decided by the domain, and committed as one batch.

use bytes::Bytes;
use contracts::envelope;
use contracts::events::{
    Event, OrderCompleted, OrderFulfilled, OrderPlaced, ProductChanged, RefundOrder, RefundReason,
};
use delivery::{Delivery, Receipt};
use edge::clock;
use edge::events::{refusal, unknown_stream};
use edge::redis::Failure;
use spin_sdk::redis_subscriber;

use super::redis::{self, Corrupt, Move, Moved};
use crate::domain::charge_order::{Charge, charge};
use crate::domain::order::{Cause, Status};

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    edge::events::handle(&message, apply).await
}

async fn apply(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), Failure> {
    match &*delivery.stream {
        OrderPlaced::STREAM => charge_orders(read(delivery, receipt), receipt).await,
        OrderFulfilled::STREAM => close_orders(read(delivery, receipt), receipt).await,
        RefundOrder::STREAM => refund_orders(read(delivery, receipt), receipt).await,
        ProductChanged::STREAM => learn_products(read(delivery, receipt), receipt).await,
        stream => Err(unknown_stream(stream)),
    }
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

/// Charges for orders: asks the payment provider, then moves each order on.
async fn charge_orders(events: Vec<Legal<OrderPlaced>>, receipt: &mut Receipt) -> Result<(), Failure> {
    let ids: Vec<_> = events.iter().map(|legal| legal.event.order_id.as_str()).collect();
    let payables = redis::payables(&ids).await?;
    let mut entries = Vec::with_capacity(events.len());
    let mut moves = Vec::with_capacity(events.len());
    let mut failures = Vec::new();
    for (legal, payable) in events.iter().zip(payables) {
        let order_id = &legal.event.order_id;
        let payable = match payable {
            Ok(Some(payable)) => payable,
            Ok(None) => {
                receipt.reject.push(refusal(&legal.entry, unknown_order(order_id)));
                continue;
            }
            Err(Corrupt(what)) => {
                receipt.reject.push(refusal(&legal.entry, what));
                continue;
            }
        };
        if payable.status != Status::Pending.as_str() {
            receipt.done.push(legal.entry.clone());
            continue;
        }
        let (cause, follows) = match charge(&payable.token, payable.earlier_failures) {
            Charge::Approved => (
                Cause::PaymentApproved,
                Some(OrderCompleted {
                    order_id: order_id.clone(),
                    customer_id: payable.customer_id,
                    lines: payable.lines,
                }),
            ),
            Charge::Declined => (Cause::PaymentDeclined, None),
            Charge::Unreachable => {
                failures.push((order_id.as_str(), payable.earlier_failures + 1));
                let reason = "the payment provider did not answer";
                receipt.retry.push(refusal(&legal.entry, reason));
                continue;
            }
        };
        let follows = match follows.map(|event| serde_json::to_string(&event)).transpose() {
            Ok(data) => data.map(|data| (clock::new_id(), data)),
            Err(error) => {
                receipt.reject.push(refusal(
                    &legal.entry,
                    format!("order-completed cannot be written: {error}"),
                ));
                continue;
            }
        };
        entries.push(legal.entry.clone());
        moves.push(Move {
            order_id: order_id.clone(),
            cause,
            event_id: legal.event_id.clone(),
            reason: (cause == Cause::PaymentDeclined).then_some("payment_declined"),
            follows,
        });
    }
    if !failures.is_empty() {
        redis::note_payment_failures(&failures).await?;
    }
    settle_moves(entries, &moves, receipt).await
}

/// Closes orders whose stock was taken.
async fn close_orders(events: Vec<Legal<OrderFulfilled>>, receipt: &mut Receipt) -> Result<(), Failure> {
    let (entries, moves): (Vec<_>, Vec<_>) = events
        .into_iter()
        .map(|legal| {
            let step = Move {
                order_id: legal.event.order_id,
                cause: Cause::Fulfilled,
                event_id: legal.event_id,
                reason: None,
                follows: None,
            };
            (legal.entry, step)
        })
        .unzip();
    settle_moves(entries, &moves, receipt).await
}

/// Gives the money back for orders that cannot be fulfilled.
async fn refund_orders(events: Vec<Legal<RefundOrder>>, receipt: &mut Receipt) -> Result<(), Failure> {
    let (entries, moves): (Vec<_>, Vec<_>) = events
        .into_iter()
        .map(|legal| {
            let step = Move {
                order_id: legal.event.order_id,
                cause: Cause::Refund,
                event_id: legal.event_id,
                reason: Some(RefundReason::as_str(legal.event.reason)),
                follows: None,
            };
            (legal.entry, step)
        })
        .unzip();
    settle_moves(entries, &moves, receipt).await
}

async fn settle_moves(entries: Vec<String>, moves: &[Move], receipt: &mut Receipt) -> Result<(), Failure> {
    if moves.is_empty() {
        return Ok(());
    }
    let outcomes = redis::move_orders(&clock::now(), moves).await?;
    for ((entry, step), outcome) in entries.into_iter().zip(moves).zip(outcomes) {
        match outcome {
            Moved::Done => receipt.done.push(entry),
            Moved::Unknown => receipt.reject.push(refusal(entry, unknown_order(&step.order_id))),
            Moved::Contradiction(status) => {
                let reason = format!(
                    "contradiction: the order {} is {status}, which {} does not fit",
                    step.order_id,
                    step.cause.as_str()
                );
                receipt.reject.push(refusal(entry, reason));
            }
            Moved::Corrupt(Corrupt(what)) => receipt.reject.push(refusal(entry, what)),
        }
    }
    Ok(())
}

fn unknown_order(order_id: &str) -> String {
    format!("unknown_order: the store has no order {order_id}")
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
