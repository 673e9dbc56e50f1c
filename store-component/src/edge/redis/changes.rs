//! Orders in Redis: read for a decision, and changed by it.

use edge::redis::{Failure, Script, as_text};
use edge::script;

use super::orders::{no_order, orders};
use super::stored_order::StoredOrder;
use super::{Corrupt, order_key, status_index, unwritable};
use crate::domain::order::{Order, Transition};

static COMMIT_ORDERS: Script = script!("commit_orders.lua");

/// An order for a decision.
#[derive(Clone)]
pub(in crate::edge) struct Loaded {
    /// As it was read.
    pub(in crate::edge) stored: StoredOrder,
    pub(in crate::edge) order: Order,
}

/// The orders of these ids, each where there is one.
pub(in crate::edge) async fn load_orders(ids: &[&str]) -> Result<Vec<Result<Option<Loaded>, Corrupt>>, Failure> {
    let load = |(id, stored): (&&str, Result<Option<StoredOrder>, Corrupt>)| {
        let Some(stored) = stored? else {
            return Ok(None);
        };
        match stored.order() {
            Some(order) => Ok(Some(Loaded { stored, order })),
            None => Err(no_order(id, "its fields are not a sound order's")),
        }
    };
    Ok(ids.iter().zip(orders(ids).await?).map(load).collect())
}

/// An event that follows from a change.
pub(in crate::edge) struct Event {
    pub(in crate::edge) stream: &'static str,
    pub(in crate::edge) id: String,
    pub(in crate::edge) data: String,
}

/// What was decided for an order.
pub(in crate::edge) struct Change<'a> {
    pub(in crate::edge) order_id: &'a str,
    /// As it was read.
    pub(in crate::edge) before: Loaded,
    pub(in crate::edge) after: Order,
    /// The new entries of its history, each with the id of the event that caused it.
    pub(in crate::edge) steps: Vec<(Transition, &'a str)>,
    pub(in crate::edge) follows: Option<Event>,
}

/// What became of a [`Change`].
pub(in crate::edge) enum Committed {
    /// It is in effect.
    Done,
    /// Somebody else changed the order since it was read: nothing was done.
    Changed,
    /// Data in Redis is damaged: nothing was done.
    Corrupt(Corrupt),
}

/// Commits changes, each for itself. One order may come again only where none of its changes changes it.
pub(in crate::edge) async fn commit_orders(now: &str, changes: Vec<Change<'_>>) -> Result<Vec<Committed>, Failure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys: Vec<String> = changes.iter().map(|change| order_key(change.order_id)).collect();
    let orders = keys.len();
    let mut arguments = Vec::with_capacity(2 + 8 * orders);
    arguments.extend([now.to_owned(), orders.to_string()]);
    for change in changes {
        // Lists and streams are few: what all orders share is named once.
        let mut number = |key: String| -> String {
            let shared = &keys[orders..];
            let known = shared.iter().position(|shared| *shared == key);
            let number = known.unwrap_or(shared.len()) + 1;
            if known.is_none() {
                keys.push(key);
            }
            number.to_string()
        };
        let before = number(status_index(change.before.order.status));
        let after = number(status_index(change.after.status));
        let (stream, event_id, event_data) = match change.follows {
            Some(event) => (number(event.stream.to_owned()), event.id, event.data),
            None => Default::default(),
        };
        let beginning = change.before.stored.beginning();
        let text = change.before.stored.changed(change.after, now, &change.steps);
        arguments.extend([
            change.order_id.to_owned(),
            beginning,
            text.map_err(|error| unwritable(&error))?,
            before,
            after,
            stream,
            event_id,
            event_data,
        ]);
    }
    let replies = COMMIT_ORDERS.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| {
            let reply = as_text(reply);
            match reply.split_once(' ').unwrap_or((&reply, "")) {
                ("committed", _) => Committed::Done,
                ("changed", _) => Committed::Changed,
                (_, what) => Committed::Corrupt(Corrupt(what.to_owned())),
            }
        })
        .collect())
}
