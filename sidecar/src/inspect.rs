//! The state of a route's stream and group in Redis, for metrics and for people.

use std::sync::LazyLock;

use protocol::{GroupState, READ_STREAMS, StreamState, WAITING_CONSUMER, dead_stream, parse_answer};
use redis::Script;
use serde::Serialize;

use crate::redis::Connection;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(READ_STREAMS));

/// The state of one stream and one of its groups, as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RouteState {
    pub length: u64,
    /// Dead letters of the stream, of any group.
    pub dead: u64,
    pub exists: bool,
    /// Of a group that does not exist, all is 0 or unknown.
    #[serde(flatten)]
    pub group: GroupState,
}

/// Reads the state of a stream and one of its groups.
///
/// # Errors
///
/// Redis is away, or refused.
pub async fn route_state(connection: &Connection, stream: &str, group: &str) -> anyhow::Result<RouteState> {
    let mut script = READ.key(stream);
    script.key(dead_stream(stream)).arg(WAITING_CONSUMER);
    let answer: Vec<u8> = connection.run(&script).await?;
    // One stream was asked for.
    let [StreamState { length, dead, groups }] = parse_answer(&answer)?;
    let found = groups.into_iter().find(|state| state.group == group);
    Ok(RouteState {
        length,
        dead,
        exists: found.is_some(),
        group: found.unwrap_or_default(),
    })
}
