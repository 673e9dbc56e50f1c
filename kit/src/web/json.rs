//! Request bodies, with errors that name the field.

use contracts::json::{self, Fault, Range};
use serde::de::DeserializeOwned;

use crate::archive::{OLDER_THAN_DAYS_MAX, OLDER_THAN_DAYS_MIN};
use crate::web::problem::{FieldError, MALFORMED_JSON, Problem};

/// Items on a page at the most.
pub const LIMIT_MAX: usize = 200;

/// The integers of requests that are none of the contract.
pub(crate) const RANGES: [Range; 3] = [
    ("limit", 1, LIMIT_MAX as u64),
    ("older_than_days", OLDER_THAN_DAYS_MIN, OLDER_THAN_DAYS_MAX),
    ("older_than_s", 0, OLDER_THAN_DAYS_MAX * 24 * 60 * 60),
];

/// Parses a request body. Types that refuse unknown fields have them refused here by name.
///
/// # Errors
/// 400 when the body is no JSON, 422 naming the field when it is but has another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    json::parse(body, &RANGES).map_err(|fault| match fault {
        Fault::Malformed(what) => MALFORMED_JSON.with(format!("the body must be one JSON object: {what}")),
        Fault::Field { path, reason } => {
            let field = if path.is_empty() { "body".to_owned() } else { path };
            Problem::invalid(vec![FieldError::new(field, reason)])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[allow(dead_code)]
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[allow(dead_code)]
        qty: u32,
    }

    #[test]
    fn the_fault_is_named() {
        for (body, status, field) in [
            ("", 400, None),
            ("no JSON", 400, None),
            (r#"{"lines":[]"#, 400, None),
            (r#"{"lines":[]} trailing"#, 400, None),
            ("[1]", 422, Some("body")),
            (" [[]]", 422, Some("body")),
            ("7", 422, Some("body")),
            ("{}", 422, Some("lines")),
            (r#"{"lines":[],"colour":1}"#, 422, Some("colour")),
            (r#"{"lines":[],"lines":[]}"#, 422, Some("lines")),
            (r#"{"lines":[{"qty":1,"qty":2}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{"qty":-3}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{"qty":1.5}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{"qty":"5"}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{"qty":1e400}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{}]}"#, 422, Some("lines[0].qty")),
            (r#"{"lines":[{"qty":1,"colour":2}]}"#, 422, Some("lines[0].colour")),
        ] {
            let problem = parse::<Order>(body.as_bytes()).expect_err(body);
            assert_eq!(problem.status, status, "{body}: {problem:?}");
            assert_eq!(
                problem.errors.first().map(|e| e.field.as_str()),
                field,
                "{body}: {problem:?}"
            );
        }
    }
}
