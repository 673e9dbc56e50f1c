//! Deliveries in, receipts out: as messages of Spin's Redis trigger, and as signed HTTP requests.
//!
//! Over HTTP the request is the delivery and the response is the receipt. A component without a secret has no such route.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::http::header::{ALLOW, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::envelope;
use contracts::events::Event;
use protocol::{
    AGE_SECONDS_MAX, BODY_BYTES_MAX, Delivery, Receipt, Refusal, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify,
};
use spin_sdk::wasip3::http::types;

use crate::deadline::{self, DELIVERY_MS};
use crate::interleave::run_interleaved;
use crate::redis::{self, Reply, StorageError};
use crate::variables;
use crate::web::header::single;
use crate::web::problem::{MALFORMED_JSON, METHOD_NOT_ALLOWED, MISCONFIGURED, Problem, ProblemType, UNKNOWN_ROUTE};
use crate::web::request::Request;
use crate::web::response::{Turn, json, send};

/// The component's variable that holds the secret; empty for a component that takes no deliveries over HTTP.
const SECRET_VARIABLE: &str = "delivery_secret";

/// The authentication scheme, as `WWW-Authenticate` names it.
const SCHEME: &str = "Delivery-Signature";

/// The time for which the ids of deliveries over HTTP are remembered: as long as a signature is not too old, and its
/// time may lie ahead.
const REMEMBERED_SECONDS: u64 = 2 * AGE_SECONDS_MAX + 1;

/// The delivery is not signed as it must be, or came before.
pub const UNAUTHENTICATED_DELIVERY: ProblemType =
    ProblemType::new(401, "unbelieved_delivery", "The delivery is not believed");

/// A component's way of handling the entries of a delivery.
pub struct Handler<F> {
    /// The number of entries that are handled together. The parts of a larger delivery run interleaved, so that one is read and
    /// decided while Redis commits another.
    pub part_entries: usize,
    /// Settles every entry of a part in the receipt. After an error, entries that are not settled wait until Redis is
    /// back, and spend no attempt; unless the program is at fault, which waiting does not mend.
    pub handle: F,
}

impl<F: AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), StorageError>> Handler<F> {
    /// Handles a message of the Redis trigger, and publishes the receipt.
    ///
    /// # Errors
    /// When the message is no delivery, or when its receipt could not be published; Spin prints the error.
    pub async fn message(&self, message: &[u8]) -> anyhow::Result<()> {
        let delivery: Delivery<'_> =
            serde_json::from_slice(message).context("a message that is no delivery was dropped")?;
        let receipts = delivery.receipts.to_string();
        let receipt = deadline::share(DELIVERY_MS, self.settle(delivery)).await;
        let json = serde_json::to_string(&receipt).context("a receipt could not be written")?;
        redis::command("PUBLISH", [receipts, json])
            .await
            .map_err(|error| anyhow::anyhow!("a receipt could not be published: {error}"))?;
        Ok(())
    }

    /// Handles a delivery over HTTP, and answers with the receipt.
    ///
    /// # Errors
    /// When the host refuses the response.
    pub(crate) async fn request(&self, request: Request) -> Result<types::Response, types::ErrorCode> {
        let mut turn = Turn::begin();
        let response = deadline::share(DELIVERY_MS, self.receive(request, &mut turn)).await;
        let response = response.unwrap_or_else(|problem| {
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                let scheme = HeaderValue::from_static(SCHEME);
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            response
        });
        send(response, turn).await
    }

    async fn receive(&self, request: Request, turn: &mut Turn) -> Result<Response, Problem> {
        let path = request.path().to_owned();
        let secret = variables::read(SECRET_VARIABLE)
            .await
            .map_err(|error| MISCONFIGURED.with(format!("the variable {SECRET_VARIABLE} is not set: {error}")))?;
        // The body is read in any case: a client that is still sending when the connection closes does not see the
        // response.
        let request = request.read(BODY_BYTES_MAX, turn).await;
        if secret.is_empty() {
            let detail = format!("{path} takes deliveries only where the app's variable {SECRET_VARIABLE} is set");
            return Err(UNKNOWN_ROUTE.with(detail));
        }
        let (parts, body) = request?.into_parts();
        if parts.method != Method::POST {
            let mut response = METHOD_NOT_ALLOWED
                .with(format!("{path} takes POST only"))
                .into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Ok(response);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = |name| {
            let value = single(&parts.headers, name).map_err(|what| UNAUTHENTICATED_DELIVERY.with(what))?;
            Ok::<_, Problem>(value.and_then(|value| value.to_str().ok()))
        };
        verify(
            &secret,
            now.as_secs(),
            header(TIMESTAMP_HEADER)?,
            header(SIGNATURE_HEADER)?,
            &body,
        )
        .map_err(|error| UNAUTHENTICATED_DELIVERY.with(error.to_string()))?;
        let delivery: Delivery<'_> = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            MALFORMED_JSON.with(format!(
                "this is no delivery: it goes wrong at line {line} column {column}"
            ))
        })?;
        // A handshake changes nothing, however often it comes.
        if !delivery.entries.is_empty() {
            match is_first(&delivery.delivery).await {
                Ok(true) => {}
                Ok(false) => {
                    return Err(UNAUTHENTICATED_DELIVERY.with(format!(
                        "the delivery {} came before; a sidecar never sends one twice",
                        delivery.delivery
                    )));
                }
                Err(error) => return Ok(json(StatusCode::OK, &unavailable(&delivery, &error))),
            }
        }
        Ok(json(StatusCode::OK, &self.settle(delivery).await))
    }

    /// Has a delivery's entries handled, and gives the receipt. A delivery without entries is a handshake.
    async fn settle(&self, mut delivery: Delivery<'_>) -> Receipt {
        let mut entries = std::mem::take(&mut delivery.entries).into_iter();
        let mut parts = Vec::new();
        while entries.len() > 0 {
            let entries = entries.by_ref().take(self.part_entries).collect();
            parts.push(Delivery {
                entries,
                ..delivery.clone()
            });
        }
        // The parts share a connection, so it is there before they begin.
        if parts.len() > 1
            && let Err(error) = redis::connect().await
        {
            return unavailable(&delivery, &error);
        }
        let mut receipt = blank(&delivery);
        for part in run_interleaved(parts.iter().map(|part| self.settle_part(part))).await {
            receipt.done.extend(part.done);
            receipt.retry.extend(part.retry);
            receipt.reject.extend(part.reject);
            receipt.unavailable = receipt.unavailable.or(part.unavailable);
        }
        receipt
    }

    async fn settle_part(&self, part: &Delivery<'_>) -> Receipt {
        let mut receipt = blank(part);
        match (self.handle)(part, &mut receipt).await {
            Ok(()) => {}
            Err(StorageError::Internal(what)) => {
                let open: Vec<Refusal> = part
                    .entries
                    .iter()
                    .filter(|entry| !is_settled(&receipt, &entry.entry))
                    .map(|entry| refusal(&*entry.entry, &*what))
                    .collect();
                receipt.retry.extend(open);
            }
            Err(error) => receipt.unavailable = Some(error.to_string()),
        }
        receipt
    }
}

fn is_settled(receipt: &Receipt, entry: &str) -> bool {
    let mut refused = receipt.retry.iter().chain(&receipt.reject);
    receipt.done.iter().any(|done| done == entry) || refused.any(|refusal| refusal.entry == entry)
}

fn blank(delivery: &Delivery<'_>) -> Receipt {
    Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    }
}

/// The receipt of a delivery of which nothing was handled.
fn unavailable(delivery: &Delivery<'_>, error: &StorageError) -> Receipt {
    Receipt {
        unavailable: Some(error.to_string()),
        ..blank(delivery)
    }
}

/// Tells the first delivery of this id from one that came before, as long as its signature would still be taken.
async fn is_first(delivery: &str) -> Result<bool, StorageError> {
    // With a value of its own, since a command may be run twice when its connection breaks.
    let token = crate::clock::new_id();
    let seconds = REMEMBERED_SECONDS.to_string();
    let key = format!("delivery:{delivery}");
    let before = redis::command("SET", [&*key, &*token, "NX", "GET", "EX", &*seconds]).await?;
    Ok(match before.first() {
        None | Some(Reply::Nil) => true,
        Some(reply) => redis::as_text(reply) == token,
    })
}

/// An entry that holds a legal event.
pub struct Received<E> {
    /// The entry's id.
    pub entry: String,
    /// The event's own id; that of the entry where it has none.
    pub event_id: String,
    /// The event.
    pub event: E,
}

/// The events of a delivery. Entries without a legal one are rejected.
pub fn read_events<E: Event>(delivery: &Delivery<'_>, receipt: &mut Receipt) -> Vec<Received<E>> {
    let mut events = Vec::with_capacity(delivery.entries.len());
    for entry in &delivery.entries {
        match envelope::read(|name| entry.fields.get(name)) {
            Ok(event) => events.push(Received {
                entry: entry.entry.to_string(),
                event_id: entry.fields.get("id").unwrap_or(&entry.entry).to_owned(),
                event,
            }),
            Err(reason) => receipt.reject.push(refusal(&*entry.entry, reason)),
        }
    }
    events
}

/// Rejects an entry for damaged data of its own.
///
/// # Errors
/// For damage to what entries share, and so is no fault of this one: the error is to end the delivery once its other
/// entries are settled.
pub fn reject_damaged(receipt: &mut Receipt, entry: String, error: StorageError) -> Result<(), StorageError> {
    if matches!(error, StorageError::SharedCorrupt(_)) {
        return Err(error);
    }
    receipt.reject.push(refusal(entry, error.to_string()));
    Ok(())
}

/// An entry that is not done, and why.
pub fn refusal(entry: impl Into<String>, reason: impl Into<String>) -> Refusal {
    Refusal {
        entry: entry.into(),
        reason: reason.into(),
    }
}

/// The error for a stream that the component has no handler for: a fault of the routes, not of the entries.
#[must_use]
pub fn unknown_stream(stream: &str) -> StorageError {
    StorageError::Misconfigured(format!(
        "this component does not handle the stream {stream:?}; correct the sidecar's routes"
    ))
}
