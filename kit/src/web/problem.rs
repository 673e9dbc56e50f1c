//! Errors as a client sees them: `application/problem+json` (RFC 9457).

use serde::Serialize;

/// A kind of error, declared once; `docs/errors.md` says of each when it happens and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// The HTTP status code.
    pub status: u16,
    /// The stable word for it.
    pub slug: &'static str,
    /// The same in words.
    pub title: &'static str,
}

impl ProblemType {
    /// A kind of error.
    #[must_use]
    pub const fn new(status: u16, slug: &'static str, title: &'static str) -> Self {
        Self { status, slug, title }
    }

    /// An error of this kind; `detail` says what is wrong with this request, and what would make it right.
    pub fn with(self, detail: impl Into<String>) -> Problem {
        Problem {
            slug: self.slug,
            title: self.title,
            status: self.status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// An error of this kind at fields.
    #[must_use]
    pub fn at(self, errors: Vec<FieldError>) -> Problem {
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.reason))
            .collect::<Vec<_>>()
            .join("; ");
        Problem {
            errors,
            ..self.with(detail)
        }
    }
}

/// No route has this path.
pub const UNKNOWN_ROUTE: ProblemType = ProblemType::new(404, "unknown_route", "There is nothing at this path");
/// The route does not take this method.
pub const METHOD_NOT_ALLOWED: ProblemType =
    ProblemType::new(405, "method_not_allowed", "The path exists, but not with this method");
/// The request changes something, and has no token or not the right one.
pub const UNAUTHORIZED: ProblemType = ProblemType::new(401, "unauthorized", "The request wants a token");
/// The body is no JSON.
pub const MALFORMED_JSON: ProblemType = ProblemType::new(400, "malformed_json", "The body is not JSON");
/// The body broke off.
pub const BODY_INCOMPLETE: ProblemType = ProblemType::new(400, "body_incomplete", "The body ended before its time");
/// The body did not arrive in time.
pub const BODY_TOO_SLOW: ProblemType = ProblemType::new(408, "body_too_slow", "The body did not arrive");
/// The body is larger than is read.
pub const BODY_TOO_LARGE: ProblemType = ProblemType::new(413, "body_too_large", "The body is too large");
/// A field or query parameter has an illegal value.
pub const INVALID_FIELD: ProblemType =
    ProblemType::new(422, "invalid_field", "A field has a value that is not allowed");
/// A query parameter is unknown or of another kind.
pub const INVALID_QUERY: ProblemType = ProblemType::new(422, "invalid_query", "A query parameter is not allowed");
/// The idempotency key is required.
pub const IDEMPOTENCY_KEY_REQUIRED: ProblemType =
    ProblemType::new(400, "idempotency_key_required", "An Idempotency-Key is required");
/// The idempotency key is not legal.
pub const INVALID_IDEMPOTENCY_KEY: ProblemType =
    ProblemType::new(422, "invalid_idempotency_key", "The Idempotency-Key is not legal");
/// The idempotency key came before with another body.
pub const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType::new(
    422,
    "idempotency_key_reused",
    "The Idempotency-Key was used for another request",
);
/// Others kept changing what the request wants to change.
pub const BUSY: ProblemType = ProblemType::new(503, "busy", "Others keep changing the same data");
/// Redis is away.
pub const STORAGE_UNAVAILABLE: ProblemType =
    ProblemType::new(503, "storage_unavailable", "The service's storage does not answer");
/// Redis is out of memory.
pub const STORAGE_FULL: ProblemType = ProblemType::new(503, "storage_full", "The service's storage is full");
/// Data in Redis is not as the service writes it; a person must mend it.
pub const CORRUPT_DATA: ProblemType = ProblemType::new(500, "corrupt_data", "The service's data is damaged");
/// An answer could not be written: a fault of the service.
pub const INTERNAL: ProblemType = ProblemType::new(500, "internal", "The answer could not be written");
/// The app lacks a variable that the component needs.
pub const MISCONFIGURED: ProblemType = ProblemType::new(500, "misconfigured", "The service is not set up");

/// An error with a stable `type`, ready to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_family = "wasm", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The stable word for this kind of error.
    #[serde(rename = "type")]
    pub slug: &'static str,
    /// The same in words, for every error of the kind.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// The fault of this request, and what would make it right.
    pub detail: String,
    /// The fields that are at fault, if fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_family = "wasm", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The path of the field in the body, such as `lines[0].qty`, or the name of a query parameter.
    pub field: String,
    /// What it must be.
    pub reason: String,
}

impl FieldError {
    /// The field and what it must be.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// An error of the field if the check failed.
    pub fn collect(errors: &mut Vec<Self>, field: impl Into<String>, check: Result<(), String>) {
        if let Err(reason) = check {
            errors.push(Self::new(field, reason));
        }
    }
}

impl Problem {
    /// 422: fields whose values are not legal.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        INVALID_FIELD.at(errors)
    }

    /// 422 unless there are no such fields.
    ///
    /// # Errors
    /// The fields.
    pub fn unless_valid(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self::invalid(errors))
        }
    }
}
