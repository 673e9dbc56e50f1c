//! Deliveries in, receipts out: each stream's events, and what they do.

use bytes::Bytes;
use contracts::events::{Event, OrderCancelRequested, OrderCompleted};
use kit::deliveries::{Handler, read_events, refusal, reject_damaged, unknown_stream};
use kit::redis::StorageError;
use protocol::{Delivery, Receipt};
use spin_sdk::redis_subscriber;

use crate::app::cancel_orders::cancel_orders;
use crate::storage::take_stock::take_stock;

/// Entries that are handled together. Redis reads and writes a product once for all orders of a part that want it, so a
/// usual delivery is one part.
const PART_ENTRIES: usize = 512;

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    handler().message(&message).await
}

/// The warehouse's handler of deliveries, whichever way they come.
pub(crate) fn handler() -> Handler<impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), StorageError>> {
    Handler {
        part_entries: PART_ENTRIES,
        handle,
    }
}

async fn handle(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), StorageError> {
    let mut shared = Ok(());
    match &*delivery.stream {
        OrderCompleted::STREAM => {
            let (entries, orders) = read::<OrderCompleted>(delivery, receipt);
            for (entry, outcome) in entries.into_iter().zip(take_stock(orders).await?) {
                match outcome {
                    Ok(()) => receipt.done.push(entry),
                    Err(error) => shared = shared.and(reject_damaged(receipt, entry, error)),
                }
            }
            shared
        }
        OrderCancelRequested::STREAM => {
            let (entries, events) = read::<OrderCancelRequested>(delivery, receipt);
            for (entry, outcome) in entries.into_iter().zip(cancel_orders(&events).await?) {
                match outcome {
                    Ok(Some(())) => receipt.done.push(entry),
                    Ok(None) => receipt
                        .retry
                        .push(refusal(entry, "others kept changing the allocation")),
                    Err(error) => shared = shared.and(reject_damaged(receipt, entry, error)),
                }
            }
            shared
        }
        stream => Err(unknown_stream(stream)),
    }
}

/// The ids of the entries that hold a legal event, and their events.
fn read<E: Event>(delivery: &Delivery<'_>, receipt: &mut Receipt) -> (Vec<String>, Vec<E>) {
    let received = read_events(delivery, receipt).into_iter();
    received.map(|received| (received.entry, received.event)).unzip()
}
