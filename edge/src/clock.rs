//! Time and identity, which the domain gets as arguments.

use std::time::SystemTime;

use ulid::Ulid;

/// The time now: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// A new ULID: unique, and sorted by its time.
#[must_use]
pub fn new_id() -> String {
    Ulid::generate().to_string()
}
