//! Deliveries over HTTP: the request is the delivery, the response is the receipt. Where the component has no secret,
//! there is no such route.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use protocol::{AGE_SECONDS_MAX, BODY_BYTES_MAX, Delivery, Receipt, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify};
use spin_sdk::wasip3::http::types;

use crate::deadline::{self, DELIVERY_MS};
use crate::events::{settle, unavailable};
use crate::http::{Turn, answer, json};
use crate::problem::{MALFORMED_JSON, METHOD_NOT_ALLOWED, MISCONFIGURED, Problem, ProblemType, UNKNOWN_ROUTE};
use crate::redis::{self, Failure, Reply};
use crate::request::Request;
use crate::setting;

/// The component's variable that holds the secret; empty for a component that takes no deliveries over HTTP.
const SECRET_VARIABLE: &str = "delivery_secret";

/// The authentication scheme, as `WWW-Authenticate` names it.
const SCHEME: &str = "Delivery-Signature";

/// For so long a delivery can come again with a signature that is not too old: its time may lie ahead.
const REMEMBERED_SECONDS: u64 = 2 * AGE_SECONDS_MAX + 1;

/// The delivery is not signed as it must be, or came before.
pub const UNBELIEVED_DELIVERY: ProblemType =
    ProblemType::new(401, "unbelieved_delivery", "The delivery is not believed");

/// Takes a delivery, has its entries applied, and answers with the receipt; `part_entries` and `apply` are as in
/// [`crate::events::handle`].
///
/// # Errors
/// When the host refuses the answer.
pub async fn serve(
    request: Request,
    part_entries: usize,
    apply: impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> Result<types::Response, types::ErrorCode> {
    let turn = Turn::begin();
    let response = deadline::share(DELIVERY_MS, receive(request, part_entries, apply)).await;
    let response = response.unwrap_or_else(|problem| {
        let mut response = problem.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static(SCHEME);
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    });
    answer(response, turn).await
}

async fn receive(
    request: Request,
    part_entries: usize,
    apply: impl AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), Failure>,
) -> Result<Response, Problem> {
    let path = request.path().to_owned();
    let secret = setting::read(SECRET_VARIABLE)
        .await
        .map_err(|error| MISCONFIGURED.with(format!("the variable {SECRET_VARIABLE} is not set: {error}")))?;
    // The body is read in any case: a client that is still sending when the connection closes does not see the answer.
    let request = request.read(BODY_BYTES_MAX).await;
    if secret.is_empty() {
        let detail = format!("{path} takes deliveries only where the app's variable {SECRET_VARIABLE} is set");
        return Err(UNKNOWN_ROUTE.with(detail));
    }
    let (parts, body) = request?.into_parts();
    if parts.method != Method::POST {
        return Err(METHOD_NOT_ALLOWED.with(format!("{path} takes POST only")));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = |name| text(&parts.headers, name);
    verify(
        &secret,
        now.as_secs(),
        header(TIMESTAMP_HEADER),
        header(SIGNATURE_HEADER),
        &body,
    )
    .map_err(|unbelieved| UNBELIEVED_DELIVERY.with(unbelieved.to_string()))?;
    let delivery: Delivery<'_> =
        serde_json::from_slice(&body).map_err(|error| MALFORMED_JSON.with(format!("this is no delivery: {error}")))?;
    // A handshake changes nothing, however often it comes.
    let is_first = delivery.entries.is_empty()
        || match is_first(&delivery.delivery).await {
            Ok(is_first) => is_first,
            Err(failure) => return Ok(json(StatusCode::OK, &unavailable(&delivery, &failure))),
        };
    if !is_first {
        let detail = format!(
            "the delivery {} came before; a sidecar never sends one twice",
            delivery.delivery
        );
        return Err(UNBELIEVED_DELIVERY.with(detail));
    }
    Ok(json(StatusCode::OK, &settle(delivery, part_entries, apply).await))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether no delivery of this id came before, as far as one that came before could still be believed.
async fn is_first(delivery: &str) -> Result<bool, Failure> {
    let key = format!("delivery:{delivery}");
    let seconds = REMEMBERED_SECONDS.to_string();
    let token = crate::clock::new_id();
    // With a value of its own, since a command may be run twice when its connection breaks.
    let arguments = [
        key,
        token.clone(),
        "NX".to_owned(),
        "GET".to_owned(),
        "EX".to_owned(),
        seconds,
    ];
    let before = redis::command("SET", arguments).await?;
    Ok(match before.first() {
        None | Some(Reply::Nil) => true,
        Some(reply) => redis::as_text(reply) == token,
    })
}
