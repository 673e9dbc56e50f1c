//! Idempotency keys: the same request sent twice has one effect and one answer.

use axum::http::{HeaderMap, Method};

use crate::problem::{IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_REUSED, INVALID_IDEMPOTENCY_KEY, Problem, ProblemType};
use crate::redis::{Hash, read_hashes};

/// How long a key and its answer are kept.
pub const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Length of a key, in characters.
const KEY_CHARS_MAX: usize = 255;

const HEADER: &str = "idempotency-key";

/// What a route that takes a key may answer because of it.
pub const ERRORS: [ProblemType; 2] = [INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED];

/// Where the answer to a keyed request is kept, and what the request was.
pub struct Scope {
    /// The Redis key of the record.
    pub record: String,
    /// The canonical body: another body under the same key is refused.
    pub request: String,
}

/// The scope of a request, from its header, method, path and canonical body; `None` without the header.
///
/// # Errors
/// 422 when the header is there and not legal.
pub fn scope(headers: &HeaderMap, method: &Method, path: &str, request: String) -> Result<Option<Scope>, Problem> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    });
    match key {
        Some(key) => Ok(Some(Scope {
            record: format!("idem:{method}:{path}:{key}"),
            request,
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
pub fn required_scope(headers: &HeaderMap, method: &Method, path: &str, request: String) -> Result<Scope, Problem> {
    scope(headers, method, path, request)?.ok_or_else(|| {
        IDEMPOTENCY_KEY_REQUIRED.with(
            "send a header Idempotency-Key with a value of your own, and the same one when you repeat the request",
        )
    })
}

/// What came before under a key.
pub enum Earlier {
    /// The same request: its answer.
    Answer {
        /// The header `Location`.
        location: String,
        /// The body.
        body: String,
    },
    /// Another request.
    KeyReused,
}

/// Looks up what came before, without changing anything: the script that commits looks again.
///
/// # Errors
/// 503 when Redis is away, 500 when the record is no hash.
pub async fn earlier(scope: &Scope) -> Result<Option<Earlier>, Problem> {
    let hashes = read_hashes(vec![scope.record.clone()], &["request", "location", "body"]).await?;
    match hashes.into_iter().next() {
        Some(Hash::Fields(fields)) => {
            let request = Some(sha1_smol::Sha1::from(&scope.request).hexdigest());
            Ok(Some(match <[_; 3]>::try_from(fields) {
                Ok([of, Some(location), Some(body)]) if of == request => Earlier::Answer { location, body },
                // A record that lacks something is nobody's.
                _ => Earlier::KeyReused,
            }))
        }
        Some(Hash::Corrupt) => Err(Problem::corrupt(format!("the key {} is no hash", scope.record))),
        _ => Ok(None),
    }
}

/// 422: the key came before with another body.
#[must_use]
pub fn reused() -> Problem {
    IDEMPOTENCY_KEY_REUSED.with("this Idempotency-Key came before with another body; use a new one for a new request")
}
