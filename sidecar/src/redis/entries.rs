//! Reading new entries.

use std::sync::LazyLock;

use redis::{FromRedisValue, ParsingError, RedisResult, RedisWrite, Script, ToRedisArgs, Value};

use super::{Connection, Consumer};
use crate::config::Limits;
use crate::entry::{Body, Entry, EntryId};

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/read.lua")));

/// An entry in a reply: its fields as a flat list, or what a script answers instead.
type RawEntry = (EntryId, Value);

/// Longest wait for a new entry. It bounds how long a stop waits for a read; and it is short beside the lease, since the
/// age of an entry's lease counts from the beginning of the read.
pub fn block_ms(limits: &Limits) -> u64 {
    (limits.lease_ms / 6).clamp(1, 1_000)
}

/// Reads at most `count` new entries, and hardly more bytes than `read_bytes_max`.
pub async fn read(
    connection: &Connection,
    consumer: &Consumer,
    count: usize,
    limits: &Limits,
) -> RedisResult<Vec<Entry>> {
    let mut script = READ.key(&consumer.stream);
    script.arg(&consumer.group).arg(&consumer.name);
    script.arg(count).arg(limits.read_bytes_max).arg(limits.entry_bytes_max);
    new_entries(connection.run(&script).await?, limits)
}

/// Waits a while for a new entry, and for one only: nobody knows how large it will be. The connection must be the
/// reader's own.
pub async fn wait(connection: &Connection, consumer: &Consumer, limits: &Limits) -> RedisResult<Vec<Entry>> {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(&consumer.group).arg(&consumer.name);
    command.arg("COUNT").arg(1).arg("BLOCK").arg(block_ms(limits));
    command.arg("STREAMS").arg(&consumer.stream).arg(">");
    // By stream; nil if the wait was in vain.
    let reply: Option<[(Value, Vec<RawEntry>); 1]> = connection.query(&command).await?;
    reply.map_or(Ok(Vec::new()), |[(_, entries)]| new_entries(entries, limits))
}

fn new_entries(entries: Vec<RawEntry>, limits: &Limits) -> RedisResult<Vec<Entry>> {
    let entry = |(id, value)| {
        let body = body(value, limits)?;
        Ok(Entry { id, attempt: 1, body })
    };
    entries.into_iter().map(entry).collect()
}

/// The body of an entry from its part of a reply: its fields, or its size if it is too large to be fetched, or anything
/// else if it does not exist.
pub(super) fn body(value: Value, limits: &Limits) -> RedisResult<Body> {
    Ok(match value {
        Value::Int(size) => Body::TooLarge {
            bytes: usize::try_from(size).unwrap_or(usize::MAX),
        },
        fields @ Value::Array(_) => Body::from_raw(redis::from_redis_value(fields)?, limits.entry_bytes_max),
        _ => Body::Deleted,
    })
}

impl FromRedisValue for EntryId {
    fn from_redis_value_ref(value: &Value) -> Result<Self, ParsingError> {
        let id = match value {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            Value::SimpleString(text) => Some(text.as_str()),
            _ => None,
        };
        let id = id.and_then(|id| id.parse().ok());
        id.ok_or_else(|| format!("this is no entry id: {value:?}").into())
    }

    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        Self::from_redis_value_ref(&value)
    }
}

impl ToRedisArgs for EntryId {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self);
    }
}
