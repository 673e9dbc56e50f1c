//! Deliveries in, receipts out.

use anyhow::Context;
use delivery::{Delivery, Receipt, Refusal};

use crate::redis::{self, Failure};

/// Reads a delivery, has its entries applied, and publishes the receipt.
///
/// `apply` settles every entry in the receipt; a [`Failure`] that it returns makes all entries that are not settled by
/// then wait until what the component depends on is back, and spends none of their attempts.
///
/// # Errors
/// When the message is no delivery, or when its receipt could not be published; Spin prints the error.
pub async fn handle(
    message: &[u8],
    apply: impl AsyncFnOnce(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> anyhow::Result<()> {
    let delivery: Delivery<'_> =
        serde_json::from_slice(message).context("a message that is no delivery was dropped")?;
    let receipt = settle(&delivery, apply).await;
    let json = serde_json::to_string(&receipt).context("a receipt could not be written")?;
    redis::command("PUBLISH", [delivery.receipts.to_string(), json])
        .await
        .map_err(|failure| anyhow::anyhow!("a receipt could not be published: {}", failure.reason()))?;
    Ok(())
}

/// Has a delivery's entries applied, and answers with the receipt.
pub(crate) async fn settle(
    delivery: &Delivery<'_>,
    apply: impl AsyncFnOnce(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> Receipt {
    let mut receipt = blank(delivery);
    // Without entries it is a handshake: the answer says that somebody is here.
    if !delivery.entries.is_empty()
        && let Err(failure) = apply(delivery, &mut receipt).await
    {
        receipt.unavailable = Some(failure.reason());
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
