//! What Redis knows of a stream and its groups, for metrics and for people.

use std::collections::HashMap;

use delivery::WAITING_CONSUMER;
use redis::{RedisResult, Value};
use serde::Serialize;

use crate::entry::EntryId;
use crate::redis::Connection;
use crate::redis::dead_letters;

/// A group's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupState {
    /// Entries in the stream.
    pub length: u64,
    /// Whether the group exists; without it, what follows is 0 or unknown.
    pub exists: bool,
    /// Entries never delivered. Redis does not always know: then nothing, which is not 0.
    pub lag: Option<u64>,
    /// Entries delivered and not acknowledged.
    pub pending: u64,
    /// How long ago the oldest pending entry was appended, if there is one.
    pub oldest_pending_ms: Option<u64>,
    /// Of the pending ones, those that wait for their next attempt or for an owner.
    pub waiting: u64,
    /// Consumers in the group, the one that holds what waits left out.
    pub consumers: u64,
    /// Dead letters of the stream, of any group.
    pub dead: u64,
}

/// Looks at a stream and one of its groups.
///
/// # Errors
///
/// Redis is away, or refused.
pub async fn group_state(link: &Connection, stream: &str, group: &str) -> RedisResult<GroupState> {
    let length = redis::cmd("XLEN").arg(stream).take();
    let dead = redis::cmd("XLEN").arg(dead_letters(stream)).take();
    let mut state = GroupState {
        length: link.query(&length).await?,
        exists: false,
        lag: None,
        pending: 0,
        oldest_pending_ms: None,
        waiting: 0,
        consumers: 0,
        dead: link.query(&dead).await?,
    };
    let groups = redis::cmd("XINFO").arg("GROUPS").arg(stream).take();
    let groups: Vec<HashMap<String, Value>> = match link.query(&groups).await {
        Ok(groups) => groups,
        // There is no such stream.
        Err(err) if err.code() == Some("ERR") => return Ok(state),
        Err(err) => return Err(err),
    };
    let is_it = |info: &&HashMap<String, Value>| text(info.get("name")) == group;
    let Some(info) = groups.iter().find(is_it) else {
        return Ok(state);
    };
    state.exists = true;
    state.lag = number(info.get("lag"));
    state.pending = number(info.get("pending")).unwrap_or(0);
    if state.pending > 0 {
        look_at_pending(link, stream, group, &mut state).await?;
    }
    let consumers = redis::cmd("XINFO").arg("CONSUMERS").arg(stream).arg(group).take();
    let consumers: Vec<HashMap<String, Value>> = link.query(&consumers).await?;
    for consumer in consumers {
        if text(consumer.get("name")) == WAITING_CONSUMER {
            state.waiting = number(consumer.get("pending")).unwrap_or(0);
        } else {
            state.consumers += 1;
        }
    }
    Ok(state)
}

async fn look_at_pending(link: &Connection, stream: &str, group: &str, state: &mut GroupState) -> RedisResult<()> {
    let summary = redis::cmd("XPENDING").arg(stream).arg(group).take();
    let Value::Array(summary) = link.query(&summary).await? else {
        return Ok(());
    };
    let oldest: Option<EntryId> = text(summary.get(1)).parse().ok();
    let (seconds, micros): (u64, u64) = link.query(&redis::cmd("TIME")).await?;
    let now_ms = seconds * 1000 + micros / 1000;
    state.oldest_pending_ms = oldest.map(|id| now_ms.saturating_sub(id.ms));
    Ok(())
}

fn number(value: Option<&Value>) -> Option<u64> {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).unwrap_or_default(),
        Some(Value::SimpleString(text)) => text,
        _ => "",
    }
}
