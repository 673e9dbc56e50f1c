//! Deliveries in, receipts out.

use anyhow::Context;
use protocol::{Delivery, Receipt, Refusal};

use crate::deadline::{self, DELIVERY_MS};
use crate::redis::{self, Failure};
use crate::turns::take_turns;

/// Reads a delivery, has its entries applied, and publishes the receipt.
///
/// `part_entries` is how many entries are applied together. The parts of a larger delivery take turns, so that one is
/// read and decided while Redis commits the one before: `apply` is called for one part of the delivery after another,
/// without waiting for those before. It settles every entry of its part in the receipt; a [`Failure`] that it returns
/// makes all entries that are not settled by then wait until what the component depends on is back, and spends none of
/// their attempts.
///
/// # Errors
/// When the message is no delivery, or when its receipt could not be published; Spin prints the error.
pub async fn handle(
    message: &[u8],
    part_entries: usize,
    apply: impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> anyhow::Result<()> {
    let delivery: Delivery<'_> =
        serde_json::from_slice(message).context("a message that is no delivery was dropped")?;
    let receipts = delivery.receipts.to_string();
    let receipt = deadline::share(DELIVERY_MS, settle(delivery, part_entries, apply)).await;
    let json = serde_json::to_string(&receipt).context("a receipt could not be written")?;
    redis::command("PUBLISH", [receipts, json])
        .await
        .map_err(|failure| anyhow::anyhow!("a receipt could not be published: {}", failure.reason()))?;
    Ok(())
}

/// Has a delivery's entries applied, and answers with the receipt.
pub(crate) async fn settle(
    mut delivery: Delivery<'_>,
    part_entries: usize,
    apply: impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> Receipt {
    let mut entries = std::mem::take(&mut delivery.entries).into_iter();
    let mut parts = Vec::new();
    while entries.len() > 0 {
        let entries = entries.by_ref().take(part_entries).collect();
        parts.push(Delivery {
            entries,
            ..delivery.clone()
        });
    }
    // The parts share a connection, so it is there before they begin.
    if parts.len() > 1
        && let Err(failure) = redis::connect().await
    {
        return unavailable(&delivery, &failure);
    }
    let mut receipt = blank(&delivery);
    // Without entries it is a handshake, and has no parts: the answer says that somebody is here.
    let settled = take_turns(parts.iter().map(async |part| {
        let mut receipt = blank(part);
        if let Err(failure) = apply(part, &mut receipt).await {
            receipt.unavailable = Some(failure.reason());
        }
        receipt
    }))
    .await;
    for part in settled {
        receipt.done.extend(part.done);
        receipt.retry.extend(part.retry);
        receipt.reject.extend(part.reject);
        receipt.unavailable = receipt.unavailable.or(part.unavailable);
    }
    receipt
}

fn blank(delivery: &Delivery<'_>) -> Receipt {
    Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    }
}

/// The receipt of a delivery of which nothing was applied.
pub(crate) fn unavailable(delivery: &Delivery<'_>, failure: &Failure) -> Receipt {
    Receipt {
        unavailable: Some(failure.reason()),
        ..blank(delivery)
    }
}

/// Why an entry is refused.
pub fn refusal(entry: impl Into<String>, reason: impl Into<String>) -> Refusal {
    Refusal {
        entry: entry.into(),
        reason: reason.into(),
    }
}

/// The failure for a stream that the component has no handler for: a fault of the routes, not of the entries.
#[must_use]
pub fn unknown_stream(stream: &str) -> Failure {
    Failure::Unavailable(format!(
        "this component does not handle the stream {stream:?}; correct the sidecar's routes"
    ))
}
