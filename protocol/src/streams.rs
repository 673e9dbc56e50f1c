//! The state of streams: their length, and the progress of their consumer groups.

use serde::{Deserialize, Serialize};

/// Consumer name that parks unowned entries until their retry is due. No sidecar can have this name.
pub const WAITING_CONSUMER: &str = "~waiting";

/// Reads the state of streams in one look; answers with a [`StreamState`] for each.
///
/// Keys: for each stream, itself and its [`dead_stream`](crate::dead_stream). Argument: [`WAITING_CONSUMER`]. Needs the
/// rights to run TIME, TYPE, XINFO, XLEN and XPENDING on these keys.
pub const READ_STREAMS: &str = concat!(
    "#!lua flags=no-writes\n",
    include_str!("only_streams.lua"),
    include_str!("read_streams.lua")
);

/// A stream, as Redis knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StreamState {
    /// Entries in the stream, those that are done included, until they are trimmed.
    pub length: u64,
    /// Dead letters beside it, of all groups.
    pub dead: u64,
    /// Its consumer groups.
    #[serde(default)]
    pub groups: Vec<GroupState>,
}

/// A consumer group, as Redis knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupState {
    /// The group's name. Whoever shows a state names the group beside it.
    #[serde(skip_serializing)]
    pub group: String,
    /// Entries that were never delivered to it; absent where Redis does not know, which is not 0.
    pub lag: Option<u64>,
    /// Entries that were delivered and are not acknowledged.
    pub pending: u64,
    /// Of the pending ones, those that wait for their next attempt or for a sidecar to take them.
    pub waiting: u64,
    /// Milliseconds since the oldest pending entry was appended; absent without one, and where its id is from the future.
    pub oldest_pending_ms: Option<u64>,
    /// Consumers, [`WAITING_CONSUMER`] left out.
    pub consumers: u64,
}
