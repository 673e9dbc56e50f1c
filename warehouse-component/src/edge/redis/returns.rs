//! Units of fulfilled orders that come back.

use contracts::names::RETURN_RECEIVED;
use edge::idempotency::{KEPT_MS, Scope};
use edge::redis::Script;
use edge::script;

use super::allocations::StoredAllocation;
use super::{Found, LOW_STOCK, MOVEMENTS_KEPT, allocation_key, corrupt, movements_key, returns_key, run, stock_key};
use crate::domain::allocate::Need;
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};

static TAKE_BACK: Script = script!("stock.lua", "take_back.lua");

/// Units of a fulfilled order that come back.
pub(in crate::edge) struct Return<'a> {
    /// The order's allocation, as the return was decided by.
    pub(in crate::edge) allocation: &'a StoredAllocation,
    /// Also the id of the event.
    pub(in crate::edge) return_id: String,
    pub(in crate::edge) now: String,
    pub(in crate::edge) event_data: String,
    /// The return as it is listed with its order, as JSON.
    pub(in crate::edge) entry: String,
    /// The answer, as JSON.
    pub(in crate::edge) answer: String,
    pub(in crate::edge) scope: &'a Scope,
}

/// What became of a return.
pub(in crate::edge) enum TakenBack {
    /// The units are back, now or by the same request before: the answer as JSON.
    Taken(String),
    /// The idempotency key belongs to another request.
    KeyReused,
    /// Something else came back since the allocation was read, or the allocation is gone: nothing was done.
    Changed,
    /// There would be more units of this product than the warehouse may hold or ever take back.
    StockTooLarge(String),
}

/// Takes units back. `movements` gives for each product its units and its movement as JSON, open at its end for the units
/// that are there afterwards.
pub(in crate::edge) async fn take_back(wanted: Return<'_>, movements: Vec<(Need, String)>) -> Found<TakenBack> {
    let order_id = &wanted.allocation.order_id;
    let mut keys = vec![
        allocation_key(order_id),
        returns_key(order_id),
        wanted.scope.record.clone(),
        RETURN_RECEIVED.to_owned(),
        LOW_STOCK.to_owned(),
    ];
    let mut arguments = vec![
        wanted.allocation.text(),
        wanted.allocation.returns.len().to_string(),
        wanted.return_id,
        wanted.now,
        wanted.event_data,
        wanted.entry,
        wanted.scope.request.clone(),
        wanted.answer,
        KEPT_MS.to_string(),
        ON_HAND_MAX.to_string(),
        LIFETIME_MAX.to_string(),
        MOVEMENTS_KEPT.to_string(),
    ];
    for (need, movement) in movements {
        keys.extend([stock_key(&need.product_id), movements_key(&need.product_id)]);
        arguments.extend([need.product_id, need.qty.to_string(), movement]);
    }
    let (word, mut rest) = run(&TAKE_BACK, keys, arguments).await?;
    Ok(Ok(match &*word {
        "taken" | "stored" => TakenBack::Taken(rest.pop().unwrap_or_default()),
        "key_reused" => TakenBack::KeyReused,
        "changed" => TakenBack::Changed,
        "stock_too_large" => TakenBack::StockTooLarge(rest.pop().unwrap_or_default()),
        _ => return Ok(Err(corrupt(rest))),
    }))
}
