//! The envelope of an event: the fields of its stream entry.

use serde::Serialize;

use crate::events::Event;

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
    // serde would take a JSON array for a record.
    if data.trim_ascii_start().starts_with('[') {
        return Err("data: must be one JSON object".to_owned());
    }
    let event: E = serde_json::from_str(data).map_err(|_| parse_error::<E>(data))?;
    event.check().map_err(|reason| format!("data.{reason}"))?;
    Ok(event)
}

/// The path and reason of a parse error. Parses once more, since keeping track of the path is slow.
fn parse_error<E: Event>(json: &str) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, E>(&mut deserializer) {
        Err(error) if error.path().to_string() == "." => format!("data: {}", error.inner()),
        Err(error) => format!("data.{}: {}", error.path(), error.inner()),
        Ok(_) => "data: there is more than one JSON object".to_owned(),
    }
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
