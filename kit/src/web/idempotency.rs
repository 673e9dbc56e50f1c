//! Idempotency keys: the same request sent twice has one effect and one answer.

use axum::http::{HeaderMap, Method};

use crate::redis::read_hashes;
use crate::web::problem::{
    IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_REUSED, INVALID_IDEMPOTENCY_KEY, Problem, ProblemType,
};

/// How long a key and its answer are kept.
pub(crate) const ANSWER_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Length of a key, in characters.
const KEY_CHARS_MAX: usize = 255;

const HEADER: &str = "idempotency-key";

/// The errors of a route that takes a key.
pub const ERRORS: [ProblemType; 2] = [INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED];

/// A request with an idempotency key: where its answer is kept, and what it asked for.
pub struct Scope {
    /// The Redis key of the record.
    pub(crate) record: String,
    /// A hash of the canonical body: another body under the same key is refused.
    pub(crate) fingerprint: String,
}

/// The scope of a request, from its header, method, path and canonical body; `None` without the header.
///
/// # Errors
/// 422 when the header is there and not legal.
pub fn scope(headers: &HeaderMap, method: &Method, path: &str, body: &str) -> Result<Option<Scope>, Problem> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    });
    match key {
        Some(key) => Ok(Some(Scope {
            record: format!("idem:{method}:{path}:{key}"),
            fingerprint: sha1_smol::Sha1::from(body).hexdigest(),
        })),
        None => Err(INVALID_IDEMPOTENCY_KEY.with(format!(
            "Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable ASCII characters"
        ))),
    }
}

/// The scope of a request that must have one.
///
/// # Errors
/// 400 without the header, 422 when it is not legal.
pub fn required_scope(headers: &HeaderMap, method: &Method, path: &str, body: &str) -> Result<Scope, Problem> {
    scope(headers, method, path, body)?.ok_or_else(|| {
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
pub async fn earlier_answer(scope: &Scope) -> Result<Option<(String, String)>, Problem> {
    let fields = ["request", "location", "body"];
    let mut records = read_hashes(std::slice::from_ref(&scope.record), &fields).await?;
    let Some(record) = records.pop().transpose()?.flatten() else {
        return Ok(None);
    };
    match <[_; 3]>::try_from(record) {
        Ok([Some(fingerprint), Some(location), Some(body)]) if fingerprint == scope.fingerprint => {
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
