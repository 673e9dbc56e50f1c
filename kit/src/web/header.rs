//! Headers that a request may have once.

use axum::http::{HeaderMap, HeaderValue};

/// The value of a header, which may be there several times with the same value only: whoever reads another one than the
/// service does, such as a proxy, must not take the request for another.
///
/// # Errors
/// In words, when there are different values.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.all(|value| Some(value) == first) {
        Ok(first)
    } else {
        Err(format!(
            "there are several headers {name} with different values; send one"
        ))
    }
}
