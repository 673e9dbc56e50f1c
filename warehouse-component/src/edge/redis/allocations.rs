//! What is decided for orders: read, and told again.

use contracts::events::{OrderLine, RefundReason};
use contracts::names::RETURN_RECEIVED;
use edge::redis::Script;
use edge::{read_only_script, script};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Corrupt, Found, allocation_key, corrupt, returns_key, run};

static SHOW_ALLOCATION: Script = read_only_script!("show_allocation.lua");
static ANNOUNCE_ALLOCATION: Script = script!("announce_allocation.lua");

/// An allocation, as it is stored.
pub(in crate::edge) struct StoredAllocation {
    pub(in crate::edge) order_id: String,
    /// The decision as it was read: what is done because of it is done only while it is still so.
    text: String,
    pub(in crate::edge) decision: Decision,
    /// Each as JSON, oldest first.
    pub(in crate::edge) returns: Vec<String>,
}

/// What was decided for an order; `allocate.lua` and `cancel_orders.lua` write it.
#[derive(Deserialize)]
pub(in crate::edge) struct Decision {
    pub(in crate::edge) outcome: Outcome,
    /// Why the order is refunded.
    pub(in crate::edge) reason: Option<RefundReason>,
    /// The id of the event that told of it.
    pub(in crate::edge) event_id: String,
    pub(in crate::edge) at: String,
    pub(in crate::edge) lines: Box<RawValue>,
}

/// Whether the stock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::edge) enum Outcome {
    Fulfilled,
    Refunded,
}

/// Units of an order that came back.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::edge) struct Returned {
    /// Also the id of the event that told of it.
    pub(in crate::edge) return_id: String,
    pub(in crate::edge) at: String,
    pub(in crate::edge) lines: Vec<OrderLine>,
}

impl StoredAllocation {
    fn read(order_id: &str, text: String, returns: Vec<String>) -> Result<Self, Corrupt> {
        let no_allocation = |why: &dyn std::fmt::Display| {
            let key = allocation_key(order_id);
            Corrupt(format!("the key {key} holds no allocation: {why}"))
        };
        let decision: Decision = serde_json::from_str(&text).map_err(|error| no_allocation(&error))?;
        if (decision.outcome == Outcome::Refunded) != decision.reason.is_some() {
            return Err(no_allocation(&"an order has a reason if it is refunded"));
        }
        Ok(Self {
            order_id: order_id.to_owned(),
            text,
            decision,
            returns,
        })
    }

    /// The lines, which are order lines of a fulfilled order, and short ones of a refunded order.
    pub(in crate::edge) fn lines<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>, Corrupt> {
        serde_json::from_str(self.decision.lines.get()).map_err(|error| {
            let key = allocation_key(&self.order_id);
            Corrupt(format!("the lines of the key {key} are none: {error}"))
        })
    }

    /// What came back, oldest first.
    pub(in crate::edge) fn returned(&self) -> Result<Vec<Returned>, Corrupt> {
        let read = |entry: &String| {
            serde_json::from_str(entry).map_err(|error| {
                let key = returns_key(&self.order_id);
                Corrupt(format!("an element of the key {key} is no return: {error}"))
            })
        };
        self.returns.iter().map(read).collect()
    }

    /// The decision as it was read.
    pub(super) fn text(&self) -> String {
        self.text.clone()
    }
}

/// The allocation of an order, if it is decided.
pub(in crate::edge) async fn allocation(order_id: &str) -> Found<Option<StoredAllocation>> {
    let keys = vec![allocation_key(order_id), returns_key(order_id)];
    let (word, rest) = run(&SHOW_ALLOCATION, keys, Vec::new()).await?;
    Ok(match &*word {
        "allocation" => {
            let mut rest = rest.into_iter();
            let text = rest.next().unwrap_or_default();
            StoredAllocation::read(order_id, text, rest.collect()).map(Some)
        }
        "unknown" => Ok(None),
        _ => Err(corrupt(rest)),
    })
}

/// An event that is told again.
pub(in crate::edge) struct Again {
    /// The id that it had.
    pub(in crate::edge) event_id: String,
    pub(in crate::edge) data: String,
}

/// Tells of an order's outcome and returns again; `false` when the order is not allocated as it was read.
pub(in crate::edge) async fn announce_allocation(
    allocation: &StoredAllocation,
    (stream, outcome): (&str, Again),
    returns: Vec<Again>,
    now: String,
) -> Found<bool> {
    let keys = vec![
        allocation_key(&allocation.order_id),
        stream.to_owned(),
        RETURN_RECEIVED.to_owned(),
    ];
    let mut arguments = vec![allocation.text(), now];
    for event in std::iter::once(outcome).chain(returns) {
        arguments.extend([event.event_id, event.data]);
    }
    let (word, rest) = run(&ANNOUNCE_ALLOCATION, keys, arguments).await?;
    Ok(match &*word {
        "announced" => Ok(true),
        "changed" => Ok(false),
        _ => Err(corrupt(rest)),
    })
}
