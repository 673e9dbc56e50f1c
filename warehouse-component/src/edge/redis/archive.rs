//! Allocations that leave the warehouse.

use contracts::names::{ORDER_FULFILLED, REFUND_ORDER, RETURN_RECEIVED};
use edge::redis::{Failure, Script, as_text, command};
use edge::script;

use super::{Corrupt, StoredAllocation, allocation_key, returns_key};

static REMOVE_ALLOCATIONS: Script = script!("remove_allocations.lua");

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

/// What became of an allocation that was to be removed.
pub(in crate::edge) enum Removed {
    /// It is gone.
    Done,
    /// It is not as it was read, or something came back since: nothing was done.
    Changed,
    /// Data in Redis is damaged: nothing was done.
    Corrupt(Corrupt),
}

/// Removes allocations, each for itself, as they were read.
pub(in crate::edge) async fn remove_allocations(allocations: &[StoredAllocation]) -> Result<Vec<Removed>, Failure> {
    if allocations.is_empty() {
        return Ok(Vec::new());
    }
    let keys = allocations
        .iter()
        .flat_map(|allocation| [allocation_key(&allocation.order_id), returns_key(&allocation.order_id)])
        .collect();
    let arguments = allocations
        .iter()
        .flat_map(|allocation| [allocation.text(), allocation.returns.len().to_string()])
        .collect();
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
