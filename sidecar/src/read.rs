//! Reading new entries: XREADGROUP, and what it answers.

use std::sync::LazyLock;

use redis::{ErrorKind, RedisError, RedisResult, Script, Value};

use crate::config::Limits;
use crate::entry::{Arrived, Body, EntryId};
use crate::groups::Place;
use crate::link::Link;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/read.lua")));

/// How long a reader waits for an entry. It bounds how long a stop waits for a read; and it is short beside the lease,
/// since the age of an entry's lease counts from the beginning of the read.
pub fn block_ms(limits: &Limits) -> u64 {
    (limits.lease_ms / 6).clamp(1, 1_000)
}

/// Reads at most `count` new entries, and hardly more bytes than `read_bytes_max`.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn read(link: &Link, place: &Place, count: usize, limits: &Limits) -> RedisResult<Vec<Arrived>> {
    let mut script = READ.key(&place.stream);
    script.arg(&place.group).arg(&place.consumer);
    script.arg(count).arg(limits.read_bytes_max).arg(limits.entry_bytes_max);
    parse_entries(link.run(&script).await?, limits.entry_bytes_max)
}

/// Waits a while for a new entry: how large what has not come yet will be, nobody knows. The link must be the reader's own.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn wait(link: &Link, place: &Place, limits: &Limits) -> RedisResult<Vec<Arrived>> {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(&place.group).arg(&place.consumer);
    command.arg("COUNT").arg(1).arg("BLOCK").arg(block_ms(limits));
    command.arg("STREAMS").arg(&place.stream).arg(">");
    let reply: Value = link.query(&command).await?;
    parse_reply(reply, limits.entry_bytes_max)
}

/// The entries in a reply about one stream; none if the wait was in vain.
fn parse_reply(reply: Value, entry_bytes_max: usize) -> RedisResult<Vec<Arrived>> {
    if reply == Value::Nil {
        return Ok(Vec::new());
    }
    let stream = list(reply)?.pop().ok_or_else(odd)?;
    parse_entries(list(stream)?.pop().ok_or_else(odd)?, entry_bytes_max)
}

fn parse_entries(entries: Value, entry_bytes_max: usize) -> RedisResult<Vec<Arrived>> {
    let entries = list(entries)?;
    let mut arrived = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut parts = list(entry)?.into_iter();
        let id = entry_id(parts.next())?;
        let body = match parts.next() {
            Some(Value::Nil) | None => Body::Deleted,
            Some(Value::Int(size)) => Body::TooLarge {
                bytes: usize::try_from(size).unwrap_or(usize::MAX),
            },
            Some(fields) => Body::from_raw(raw_fields(fields)?, entry_bytes_max),
        };
        arrived.push(Arrived { id, attempt: 1, body });
    }
    Ok(arrived)
}

/// An entry's fields, from the flat list that Redis answers with.
pub(crate) fn raw_fields(fields: Value) -> RedisResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut flat = list(fields)?.into_iter();
    let mut fields = Vec::with_capacity(flat.len() / 2);
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push((bytes(name)?, bytes(value)?));
    }
    Ok(fields)
}

pub(crate) fn entry_id(value: Option<Value>) -> RedisResult<EntryId> {
    let id = bytes(value.ok_or_else(odd)?)?;
    let id = std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
    id.ok_or_else(odd)
}

pub(crate) fn list(value: Value) -> RedisResult<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(odd()),
    }
}

pub(crate) fn bytes(value: Value) -> RedisResult<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        _ => Err(odd()),
    }
}

pub(crate) fn odd() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "an answer of another shape than this command has",
    )
        .into()
}
