//! Deliveries in, receipts out: the orders of a batch are read, and decided in one atomic step.

use bytes::Bytes;
use contracts::envelope;
use contracts::events::{Event, OrderCompleted};
use delivery::{Delivery, Receipt};
use edge::clock;
use edge::events::{refusal, unknown_stream};
use edge::redis::Failure;
use spin_sdk::redis_subscriber;

use super::redis::{self, Corrupt, Request};

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    edge::events::handle(&message, apply).await
}

async fn apply(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), Failure> {
    match &*delivery.stream {
        OrderCompleted::STREAM => allocate(delivery, receipt).await,
        stream => Err(unknown_stream(stream)),
    }
}

/// Takes the stock for paid orders, or refuses them.
async fn allocate(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Result<(), Failure> {
    let mut entries = Vec::with_capacity(delivery.entries.len());
    let mut requests = Vec::with_capacity(delivery.entries.len());
    for entry in &delivery.entries {
        match request(|name| entry.fields.get(name)) {
            Ok(request) => {
                entries.push(entry.entry.to_string());
                requests.push(request);
            }
            Err(reason) => receipt.reject.push(refusal(&*entry.entry, reason)),
        }
    }
    if requests.is_empty() {
        return Ok(());
    }
    let outcomes = redis::allocate(&clock::now(), requests).await?;
    for (entry, outcome) in entries.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => receipt.done.push(entry),
            Err(Corrupt(what)) => receipt.reject.push(refusal(entry, what)),
        }
    }
    Ok(())
}

fn request<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Request, String> {
    let order: OrderCompleted = envelope::read(field)?;
    let lines = serde_json::to_string(&order.lines).map_err(|error| error.to_string())?;
    Ok(Request {
        order,
        event_id: clock::new_id(),
        lines,
    })
}
