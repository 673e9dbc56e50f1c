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
    let mut receipt = Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    };
    // Without entries it is a handshake: the answer says that somebody is here.
    if !delivery.entries.is_empty()
        && let Err(failure) = apply(&delivery, &mut receipt).await
    {
        receipt.unavailable = Some(failure.reason());
    }
    let json = serde_json::to_string(&receipt).context("a receipt could not be written")?;
    redis::command("PUBLISH", [delivery.receipts.to_string(), json])
        .await
        .map_err(|failure| anyhow::anyhow!("a receipt could not be published: {}", failure.reason()))?;
    Ok(())
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
