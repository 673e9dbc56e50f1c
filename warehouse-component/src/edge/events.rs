//! Deliveries in, receipts out: the orders of a batch are read, and decided in one atomic step.

use bytes::Bytes;
use contracts::envelope;
use contracts::events::{Event, OrderCancelRequested, OrderCompleted};
use edge::clock;
use edge::events::{refusal, unknown_stream};
use edge::redis::Failure;
use protocol::{Delivery, Receipt};
use spin_sdk::redis_subscriber;

use super::redis::{self, Corrupt, Request};

/// Entries that are applied together. Redis reads and writes a product once for all orders of a part that want it, so a
/// usual delivery is one.
pub(super) const PART_ENTRIES: usize = 512;

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    edge::events::handle(&message, PART_ENTRIES, apply).await
}

pub(super) async fn apply(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), Failure> {
    match &*delivery.stream {
        OrderCompleted::STREAM => {
            let (entries, requests) = read(delivery, receipt, request);
            if requests.is_empty() {
                return Ok(());
            }
            settle(receipt, entries, redis::allocate(clock::now(), requests).await?);
        }
        OrderCancelRequested::STREAM => {
            let (entries, orders) = read(delivery, receipt, |wish: OrderCancelRequested| {
                Ok((wish.order_id, clock::new_id()))
            });
            if orders.is_empty() {
                return Ok(());
            }
            settle(receipt, entries, redis::cancel(clock::now(), orders).await?);
        }
        stream => return Err(unknown_stream(stream)),
    }
    Ok(())
}

/// Reads the entries of a delivery: their ids, and what `prepare` makes of their events. What cannot be read is rejected.
fn read<E: Event, T>(
    delivery: &Delivery<'_>,
    receipt: &mut Receipt,
    prepare: impl Fn(E) -> Result<T, String>,
) -> (Vec<String>, Vec<T>) {
    let mut entries = Vec::with_capacity(delivery.entries.len());
    let mut wanted = Vec::with_capacity(delivery.entries.len());
    for entry in &delivery.entries {
        match envelope::read(|name| entry.fields.get(name)).and_then(&prepare) {
            Ok(prepared) => {
                entries.push(entry.entry.to_string());
                wanted.push(prepared);
            }
            Err(reason) => receipt.reject.push(refusal(&*entry.entry, reason)),
        }
    }
    (entries, wanted)
}

fn settle(receipt: &mut Receipt, entries: Vec<String>, outcomes: Vec<Result<(), Corrupt>>) {
    for (entry, outcome) in entries.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => receipt.done.push(entry),
            Err(Corrupt(what)) => receipt.reject.push(refusal(entry, what)),
        }
    }
}

/// What taking the stock for an order needs.
fn request(order: OrderCompleted) -> Result<Request, String> {
    let lines = serde_json::to_string(&order.lines).map_err(|error| error.to_string())?;
    Ok(Request {
        order,
        event_id: clock::new_id(),
        lines,
    })
}
