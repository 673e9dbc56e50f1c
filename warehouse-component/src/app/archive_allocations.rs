//! Allocations of archived orders leave the warehouse: handed to an operator, and removed once they are safe elsewhere.
//!
//! The operator removes the orders from the store before; `tools/archive.sh` does.

use contracts::names::{PRODUCT_CHANGED, WAREHOUSE_STREAMS};
use kit::archive::Limits;
use kit::commit::{Commit, Outcome as Committed, commit_all};
use kit::redis::StorageError;

use crate::storage::allocations;

/// Removes allocations, and says of each whether it is gone, now or from before, or else why it stays: `too_young`,
/// `in_streams` or `changed`.
///
/// # Errors
/// When Redis is away, or an allocation is damaged.
pub(crate) async fn remove_archived(
    older_than_days: u64,
    order_ids: &[String],
) -> Result<Vec<Result<(), &'static str>>, StorageError> {
    let of_products = |stream: &&str| *stream == PRODUCT_CHANGED;
    let streams: Vec<_> = WAREHOUSE_STREAMS
        .iter()
        .copied()
        .filter(|stream| !of_products(stream))
        .collect();
    let limits = Limits::now(older_than_days, &streams).await?;
    let mut outcomes = vec![Ok(()); order_ids.len()];
    let (mut leaving, mut commits) = (Vec::new(), Vec::new());
    for (position, order_id) in order_ids.iter().enumerate() {
        let Some((allocation, returns)) = allocations::read_one(order_id).await? else {
            continue;
        };
        let changed_at = returns.last().map_or(&allocation.decision.at, |last| &last.at);
        match limits.may_leave(changed_at) {
            Ok(()) => {
                let mut commit = Commit::new();
                allocations::remove(&mut commit, &allocation, &returns);
                leaving.push(position);
                commits.push(commit);
            }
            Err(reason) => outcomes[position] = Err(reason.as_str()),
        }
    }
    for (position, outcome) in leaving.into_iter().zip(commit_all(commits).await?) {
        if outcome? == Committed::Changed {
            outcomes[position] = Err("changed");
        }
    }
    Ok(outcomes)
}
