//! An operator has the store told again what the warehouse knows, after Redis lost events that it had acknowledged.
//!
//! Harmless when repeated: the store knows each event by its id, each product by its revision, each order by its state.

use contracts::events::{OrderFulfilled, RefundOrder, ReturnReceived};
use kit::change::{Decision, change_all};
use kit::clock;
use kit::commit::{Commit, Outcome as Committed, commit};
use kit::redis::StorageError;

use super::product_changed;
use crate::storage::allocations::{self, Return, StoredAllocation};
use crate::storage::products::{self, StoredProduct};

/// Tells of these products, as they are now, and gives their number; of none of them if one is damaged.
///
/// # Errors
/// When Redis is away or full, or a product is damaged.
pub(crate) async fn announce_products(ids: &[&str]) -> Result<usize, StorageError> {
    products::read(ids)
        .await?
        .into_iter()
        .try_for_each(|product| product.map(|_| ()))?;
    let now = clock::now();
    let decide = |_: &str, product: Option<StoredProduct>, positions: &[usize]| Decision {
        answers: positions.iter().map(|_| ()).collect(),
        commit: product.map(|product| {
            let mut commit = Commit::new();
            products::expect_same(&mut commit, &product);
            commit.append(&product.changed_by, &now, &product_changed(&product));
            commit
        }),
    };
    let told = change_all(ids, products::read, decide).await?.into_iter();
    told.map(|told| Ok(usize::from(told?.is_some()))).sum()
}

/// Tells of an order's decision and returns, with the ids that their events had; `None` when nothing is decided for it.
///
/// # Errors
/// When Redis is away or full, or the allocation is damaged.
pub(crate) async fn announce_allocation(
    order_id: &str,
) -> Result<Option<(StoredAllocation, Vec<Return>)>, StorageError> {
    let Some((allocation, returns)) = allocations::read_one(order_id).await? else {
        return Ok(None);
    };
    let decision = &allocation.decision;
    let now = clock::now();
    let mut telling = Commit::new();
    allocations::expect_unchanged(&mut telling, &allocation);
    match decision.reason {
        None => {
            let event = OrderFulfilled {
                order_id: order_id.to_owned(),
                lines: allocation.lines()?,
            };
            telling.append(&decision.event_id, &now, &event);
        }
        Some(reason) => {
            let event = RefundOrder {
                order_id: order_id.to_owned(),
                reason,
                lines: allocation.lines()?,
            };
            telling.append(&decision.event_id, &now, &event);
        }
    }
    for entry in &returns {
        let event = ReturnReceived {
            order_id: order_id.to_owned(),
            return_id: entry.return_id.clone(),
            lines: entry.lines.clone(),
        };
        telling.append(&entry.return_id, &now, &event);
    }
    // An allocation never changes: one that has changed has left for the archive at this moment.
    let is_told = commit(telling).await? == Committed::Committed;
    Ok(is_told.then_some((allocation, returns)))
}
