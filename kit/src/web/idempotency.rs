//! Idempotency keys: the same request sent twice has one effect and one answer.

use axum::http::{HeaderMap, Method};

use crate::commit::IdempotencyRecord;
use crate::redis::read_hashes;
use crate::web::header::single;
use crate::web::problem::{
    IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_REUSED, INVALID_IDEMPOTENCY_KEY, Problem, ProblemType,
};

/// Length of a key, in characters.
const KEY_CHARS_MAX: usize = 255;

const HEADER: &str = "Idempotency-Key";

/// The errors of a route that takes a key.
pub const ERRORS: [ProblemType; 2] = [INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED];

/// The record of a request, from its header, method, path and canonical body; `None` without the header.
///
/// # Errors
/// 422 when the header is there and not legal, or there with different values.
pub fn record(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    body: &str,
) -> Result<Option<IdempotencyRecord>, Problem> {
    let value = single(headers, HEADER).map_err(|what| INVALID_IDEMPOTENCY_KEY.with(what))?;
    let Some(value) = value else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    });
    match key {
        Some(key) => Ok(Some(IdempotencyRecord {
            key: format!("idem:{method}:{path}:{key}"),
            fingerprint: sha1_smol::Sha1::from(body).hexdigest(),
        })),
        None => Err(INVALID_IDEMPOTENCY_KEY.with(format!(
            "Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable ASCII characters"
        ))),
    }
}

/// The record of a request that must have one.
///
/// # Errors
/// 400 without the header, 422 when it is not legal.
pub fn required_record(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    body: &str,
) -> Result<IdempotencyRecord, Problem> {
    record(headers, method, path, body)?.ok_or_else(|| {
        IDEMPOTENCY_KEY_REQUIRED.with(
            "send a header Idempotency-Key with a value of your own, and the same one when you repeat the request",
        )
    })
}

/// The answer that the same request had before: `Location` and body; `None` for a new key.
///
/// It changes nothing: the commit looks again.
///
/// # Errors
/// 422 when the key came before with another body, 503 when Redis is away, 500 when the record is no hash.
pub async fn earlier_answer(record: &IdempotencyRecord) -> Result<Option<(String, String)>, Problem> {
    let names = ["request", "location", "body"];
    let mut records = read_hashes(std::slice::from_ref(&record.key), &names).await?;
    let Some(fields) = records.pop().transpose()?.flatten() else {
        return Ok(None);
    };
    match <[_; 3]>::try_from(fields) {
        Ok([Some(fingerprint), Some(location), Some(body)]) if fingerprint == record.fingerprint => {
            Ok(Some((location, body)))
        }
        // A record that lacks something belongs to no request.
        _ => Err(reused()),
    }
}

/// 422: the key came before with another body.
#[must_use]
pub fn reused() -> Problem {
    IDEMPOTENCY_KEY_REUSED.with("this Idempotency-Key came before with another body; use a new one for a new request")
}
