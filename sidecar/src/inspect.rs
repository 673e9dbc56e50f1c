//! The state of a route's stream and group in Redis, for metrics and for people.

use std::sync::LazyLock;

use protocol::{READ_STREAMS, StreamState, WAITING_CONSUMER, dead_stream, parse_answer};
use redis::Script;
use serde::Serialize;

use crate::link::Link;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(READ_STREAMS));

/// The state of one stream and one of its groups, as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RouteState {
    pub length: u64,
    /// Without the group, what follows is 0 or unknown, but for `dead`.
    pub exists: bool,
    /// Absent where Redis does not know, which is not 0.
    pub lag: Option<u64>,
    pub pending: u64,
    pub oldest_pending_ms: Option<u64>,
    pub waiting: u64,
    pub consumers: u64,
    /// Dead letters of the stream, of any group.
    pub dead: u64,
}

/// Reads the state of a stream and one of its groups.
///
/// # Errors
///
/// Redis is away, or refused.
pub async fn route_state(link: &Link, stream: &str, group: &str) -> anyhow::Result<RouteState> {
    let mut script = READ.key(stream);
    script.key(dead_stream(stream)).arg(WAITING_CONSUMER);
    let answer: Vec<u8> = link.run(&script).await?;
    let streams: Vec<StreamState> = parse_answer(&answer)?;
    let Some(StreamState { length, dead, groups }) = streams.into_iter().next() else {
        return Ok(RouteState::default());
    };
    let found = groups.into_iter().find(|state| state.group == group);
    let exists = found.is_some();
    let state = found.unwrap_or_default();
    Ok(RouteState {
        length,
        exists,
        lag: state.lag,
        pending: state.pending,
        oldest_pending_ms: state.oldest_pending_ms,
        waiting: state.waiting,
        consumers: state.consumers,
        dead,
    })
}
