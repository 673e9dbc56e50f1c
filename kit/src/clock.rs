//! Time and identity, which the domain gets as arguments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ulid::Ulid;

/// The time now: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn now() -> String {
    text(SystemTime::now())
}

/// The time so many seconds ago, in the same form.
#[must_use]
pub fn ago(seconds: u64) -> String {
    let time = SystemTime::now().checked_sub(Duration::from_secs(seconds));
    text(time.unwrap_or(UNIX_EPOCH))
}

/// A time in milliseconds since 1970, in the same form.
#[must_use]
pub fn at(time_ms: u64) -> String {
    text(UNIX_EPOCH + Duration::from_millis(time_ms))
}

fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// A new ULID: unique, and sorted by its time.
#[must_use]
pub fn new_id() -> String {
    Ulid::generate().to_string()
}
