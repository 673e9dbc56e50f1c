//! Decisions for orders in Redis, and what of fulfilled orders came back.

use contracts::envelope::to_json;
use contracts::events::{OrderLine, RefundReason};
use kit::commit::{Commit, Expected};
use kit::redis::{StorageError, as_text, command, read_strings};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{allocation_key, returns_key};

/// The decision for an order.
#[derive(Clone)]
pub(crate) struct StoredAllocation {
    pub(crate) order_id: String,
    /// The decision as it was read.
    text: String,
    pub(crate) decision: Decision,
}

/// A decision as JSON; `take_stock.lua` writes it too.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    /// Why the order is refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<RefundReason>,
    /// The event that told of it.
    pub(crate) event_id: String,
    pub(crate) at: String,
    /// Order lines of a fulfilled order, short ones of a refunded order.
    pub(crate) lines: Box<RawValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Fulfilled,
    Refunded,
}

/// Units of an order that came back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Return {
    /// Also the id of the event that told of it.
    pub(crate) return_id: String,
    pub(crate) at: String,
    pub(crate) lines: Vec<OrderLine>,
}

impl StoredAllocation {
    fn parse(order_id: &str, text: String) -> Result<Self, StorageError> {
        let parsed: Result<Decision, _> = serde_json::from_str(&text);
        let sound = |decision: &Decision| (decision.outcome == Outcome::Refunded) == decision.reason.is_some();
        let Some(decision) = parsed.ok().filter(sound) else {
            let key = allocation_key(order_id);
            return Err(StorageError::Corrupt(format!("the key {key} holds no allocation")));
        };
        Ok(Self {
            order_id: order_id.to_owned(),
            text,
            decision,
        })
    }

    /// The lines, as order lines or short ones.
    pub(crate) fn lines<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>, StorageError> {
        serde_json::from_str(self.decision.lines.get()).map_err(|error| {
            let key = allocation_key(&self.order_id);
            StorageError::Corrupt(format!("the lines of the key {key} are none: {error}"))
        })
    }
}

/// The allocations of these orders, each where it is decided. An error within the list says that this one is damaged.
pub(crate) async fn read(ids: &[&str]) -> Result<Vec<Result<Option<StoredAllocation>, StorageError>>, StorageError> {
    let keys: Vec<_> = ids.iter().map(|id| allocation_key(id)).collect();
    let texts = read_strings(&keys).await?;
    let parse = |(id, text): (&&str, Result<Option<String>, StorageError>)| {
        text?.map(|text| StoredAllocation::parse(id, text)).transpose()
    };
    Ok(ids.iter().zip(texts).map(parse).collect())
}

/// The allocation of an order, if it is decided, with its returns, oldest first.
pub(crate) async fn read_one(order_id: &str) -> Result<Option<(StoredAllocation, Vec<Return>)>, StorageError> {
    let Some(allocation) = read(&[order_id]).await?.pop().transpose()?.flatten() else {
        return Ok(None);
    };
    let key = returns_key(order_id);
    let returns = command("LRANGE", [&*key, "0", "-1"]).await?;
    let parse = |entry| {
        serde_json::from_str(&as_text(entry))
            .map_err(|error| StorageError::Corrupt(format!("an element of the key {key} is no return: {error}")))
    };
    let returns = returns.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(Some((allocation, returns)))
}

/// Decides an order for which nothing is decided yet.
pub(crate) fn decide(commit: &mut Commit, order_id: &str, decision: &Decision) {
    commit.expect(allocation_key(order_id), Expected::Absent);
    commit.set(allocation_key(order_id), to_json(decision));
}

/// Has a commit made only if the order is still allocated as it was read.
pub(crate) fn expect_unchanged(commit: &mut Commit, allocation: &StoredAllocation) {
    let key = allocation_key(&allocation.order_id);
    commit.expect(key, Expected::Text(allocation.text.clone()));
}

/// Adds a return to an allocation, if the allocation is as it was read and nothing else came back since.
pub(crate) fn add_return(commit: &mut Commit, allocation: &StoredAllocation, returns: &[Return], new: &Return) {
    expect_unchanged(commit, allocation);
    let key = returns_key(&allocation.order_id);
    commit.expect(key.clone(), Expected::Length(returns.len()));
    commit.push(key, to_json(new));
}

/// Removes an allocation with its returns, if it is as it was read and nothing came back since.
pub(crate) fn remove(commit: &mut Commit, allocation: &StoredAllocation, returns: &[Return]) {
    expect_unchanged(commit, allocation);
    let key = returns_key(&allocation.order_id);
    commit.expect(key.clone(), Expected::Length(returns.len()));
    commit.remove(allocation_key(&allocation.order_id));
    commit.remove(key);
}
