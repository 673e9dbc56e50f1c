//! Orders that leave the store.

use contracts::names::{ORDER_CANCEL_REQUESTED, ORDER_COMPLETED, ORDER_PLACED};
use edge::redis::{Failure, Script, as_text, command};
use edge::script;

use super::{Corrupt, ORDERS, customer_index, order_key, status_index};
use crate::domain::order::Status;

static REMOVE_ORDERS: Script = script!("remove_orders.lua");

/// When the oldest event that is still in one of the store's streams was appended, in milliseconds since 1970.
pub(in crate::edge) async fn oldest_event_ms() -> Result<Option<u64>, Failure> {
    let mut oldest: Option<u64> = None;
    for stream in [ORDER_PLACED, ORDER_COMPLETED, ORDER_CANCEL_REQUESTED] {
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

/// An order that may leave, as it was read.
pub(in crate::edge) struct Removal {
    pub(in crate::edge) order_id: String,
    /// How its text began.
    pub(in crate::edge) beginning: String,
    pub(in crate::edge) status: Status,
    pub(in crate::edge) customer_id: String,
}

/// What became of a [`Removal`].
pub(in crate::edge) enum Removed {
    /// It is gone.
    Done,
    /// Somebody changed it since it was read: nothing was done.
    Changed,
    /// Data in Redis is damaged: nothing was done.
    Corrupt(Corrupt),
}

/// Removes orders, each for itself.
pub(in crate::edge) async fn remove_orders(removals: &[Removal]) -> Result<Vec<Removed>, Failure> {
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = Vec::with_capacity(removals.len() * 4);
    let mut arguments = Vec::with_capacity(removals.len() * 2);
    for removal in removals {
        keys.extend([
            order_key(&removal.order_id),
            ORDERS.to_owned(),
            status_index(removal.status),
            customer_index(&removal.customer_id),
        ]);
        arguments.extend([removal.order_id.clone(), removal.beginning.clone()]);
    }
    let replies = REMOVE_ORDERS.run(keys, arguments).await?;
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
