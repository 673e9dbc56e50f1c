//! Errors as a client sees them: `application/problem+json` (RFC 9457).

use serde::Serialize;

/// An error with a stable `type`, ready to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The stable word for this kind of error.
    #[serde(rename = "type")]
    pub slug: &'static str,
    /// The same in words, for every error of the kind.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong with this request, and what would make it right.
    pub detail: String,
    /// The fields that are at fault, if fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// A problem without field errors.
    pub fn new(status: u16, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            slug,
            title,
            status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// 422: fields whose values are not legal.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.reason))
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            errors,
            ..Self::new(422, "invalid_field", "A field has a value that is not allowed", detail)
        }
    }

    /// 404: something that is not there.
    pub fn not_found(slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(404, slug, title, detail)
    }

    /// 500: data in storage that is not as the service writes it; a person must mend it.
    pub fn corrupt(detail: impl Into<String>) -> Self {
        Self::new(500, "corrupt_data", "The service's data is damaged", detail)
    }
}
