//! Request bodies, with errors that name the field.

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::web::problem::{FieldError, MALFORMED_JSON, Problem};

/// Parses a request body. Types that refuse unknown fields have them refused here by name.
///
/// # Errors
/// 400 when the body is no JSON, 422 naming the field when it is but has another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would take a list of values for the fields of a record.
    if !body.trim_ascii_start().starts_with(b"{") {
        let IgnoredAny = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        return Err(Problem::invalid(vec![FieldError::new("body", "must be a JSON object")]));
    }
    if let Ok(parsed) = serde_json::from_slice(body) {
        return Ok(parsed);
    }
    // Again, and slower, to find out where it is at fault.
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            Problem::invalid(vec![FieldError::new(field(path, &inner), inner.to_string())])
        } else {
            malformed(&inner)
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(parsed)
}

fn malformed(error: &serde_json::Error) -> Problem {
    MALFORMED_JSON.with(format!("the body must be one JSON object: {error}"))
}

/// The field at fault: for a missing, unknown or repeated one, serde's path ends at the object.
fn field(path: String, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let name = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match (path.as_str(), name) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
        _ => path,
    }
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
