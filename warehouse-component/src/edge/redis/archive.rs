//! Allocations that leave the warehouse.

use contracts::names::{ORDER_FULFILLED, REFUND_ORDER, RETURN_RECEIVED};
use edge::redis::{Failure, Script, as_text, command};

use super::{Corrupt, allocation_key, returns_key};

static REMOVE_ALLOCATIONS: Script = Script::new(include_str!("remove_allocations.lua"));

/// When the oldest event about an order that is still in one of the warehouse's streams was appended, in milliseconds
/// since 1970.
pub(in crate::edge) async fn oldest_event_ms() -> Result<Option<u64>, Failure> {
    let mut oldest: Option<u64> = None;
    for stream in [ORDER_FULFILLED, REFUND_ORDER, RETURN_RECEIVED] {
        let reply = command("XRANGE", [stream, "-", "+", "COUNT", "1"]).await?;
        let Some(entry) = reply.first().map(as_text) else {
            continue;
        };
        // An id that is no time is taken for the oldest there can be.
        let time_ms = entry.split('-').next().and_then(|time| time.parse().ok()).unwrap_or(0);
        oldest = Some(oldest.map_or(time_ms, |oldest| oldest.min(time_ms)));
    }
    Ok(oldest)
}

/// An allocation that may leave, as it was read.
pub(in crate::edge) struct Removal {
    pub(in crate::edge) order_id: String,
    /// How many returns it had.
    pub(in crate::edge) returns: usize,
}

/// What became of a [`Removal`].
pub(in crate::edge) enum Removed {
    /// It is gone.
    Done,
    /// Something came back since it was read: nothing was done.
    Changed,
    /// Data in Redis is damaged: nothing was done.
    Corrupt(Corrupt),
}

/// Removes allocations, each for itself.
pub(in crate::edge) async fn remove_allocations(removals: &[Removal]) -> Result<Vec<Removed>, Failure> {
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let keys = removals
        .iter()
        .flat_map(|removal| [allocation_key(&removal.order_id), returns_key(&removal.order_id)])
        .collect();
    let arguments = removals.iter().map(|removal| removal.returns.to_string()).collect();
    let replies = REMOVE_ALLOCATIONS.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| {
            let reply = as_text(reply);
            match reply.split_once(' ').unwrap_or((&reply, "")) {
                ("removed", _) => Removed::Done,
                ("changed", _) => Removed::Changed,
                (_, what) => Removed::Corrupt(Corrupt(what.to_owned())),
            }
        })
        .collect())
}
