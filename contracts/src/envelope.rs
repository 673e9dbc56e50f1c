//! The envelope of an event: the fields of its stream entry.

use serde::Serialize;

use crate::events::Event;
use crate::json::{self, Fault};

/// The version of every event's `data`; raised when a meaning changes.
pub const VERSION: &str = "1";

/// Reads the event of a stream entry.
///
/// Only `data` is required, so that an event can be appended by hand; `v` and `type` are checked if present.
///
/// # Errors
/// The field at fault and the reason, for the person who finds the entry among the dead letters.
pub fn read<'a, E: Event>(field: impl Fn(&str) -> Option<&'a str>) -> Result<E, String> {
    if let Some(version) = field("v")
        && version != VERSION
    {
        return Err(format!("v: this consumer knows version {VERSION}, not {version:?}"));
    }
    if let Some(kind) = field("type")
        && kind != E::STREAM
    {
        return Err(format!("type: must be {:?} in this stream, is {kind:?}", E::STREAM));
    }
    let data = field("data").ok_or("data: the field is missing")?;
    let event: E = json::parse(data.as_bytes(), &[]).map_err(|fault| match fault {
        Fault::Malformed(what) => format!("data: must be one JSON object: {what}"),
        Fault::Field { path, reason } if path.is_empty() => format!("data: {reason}"),
        Fault::Field { path, reason } => format!("data.{path}: {reason}"),
    })?;
    event.check().map_err(|reason| format!("data.{reason}"))?;
    Ok(event)
}

/// The names of the fields of an event's entry, in the order in which they are appended.
pub const FIELDS: [&str; 5] = ["id", "type", "v", "time", "data"];

/// The fields of an event's entry, in the order in which they are appended. `time` is RFC 3339, UTC, milliseconds.
#[must_use]
pub fn write<E: Event>(id: &str, time: &str, event: &E) -> [(&'static str, String); 5] {
    let values = [id, E::STREAM, VERSION, time, &to_json(event)];
    std::array::from_fn(|field| (FIELDS[field], values[field].to_owned()))
}

/// A value of this program's own types as JSON.
///
/// # Panics
/// When it cannot be written, which its type would have to allow: a map with other keys than strings, say.
#[must_use]
pub fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("a value has no form in JSON: {error}"))
}
