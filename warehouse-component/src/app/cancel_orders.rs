//! Customers cancel orders that are paid for: an order is refunded if nothing is decided for it yet.

use contracts::events::{OrderCancelRequested, RefundOrder, RefundReason};
use kit::change::{Decision, change_all};
use kit::clock;
use kit::commit::Commit;
use kit::redis::StorageError;
use serde_json::value::RawValue;

use crate::domain::cancel::{Cancel, cancel};
use crate::storage::allocations::{self, Outcome, StoredAllocation};

/// Decides cancels. An answer is `None` if others kept changing the order's allocation.
///
/// # Errors
/// When Redis is away or full. An error within the list is of that order alone.
pub(crate) async fn cancel_orders(
    events: &[OrderCancelRequested],
) -> Result<Vec<Result<Option<()>, StorageError>>, StorageError> {
    let now = clock::now();
    let ids: Vec<_> = events.iter().map(|event| event.order_id.as_str()).collect();
    let decide = |order_id: &str, allocation: Option<StoredAllocation>, positions: &[usize]| Decision {
        answers: positions.iter().map(|_| ()).collect(),
        commit: match cancel(allocation.is_some()) {
            Cancel::TooLate => None,
            Cancel::Refunded => Some(refund(order_id, &now)),
        },
    };
    change_all(&ids, allocations::read, decide).await
}

fn refund(order_id: &str, now: &str) -> Commit {
    let event_id = clock::new_id();
    let decision = allocations::Decision {
        outcome: Outcome::Refunded,
        reason: Some(RefundReason::CustomerCancelled),
        event_id: event_id.clone(),
        at: now.to_owned(),
        lines: RawValue::from_string("[]".to_owned()).unwrap_or_default(),
    };
    let event = RefundOrder {
        order_id: order_id.to_owned(),
        reason: RefundReason::CustomerCancelled,
        lines: Vec::new(),
    };
    let mut commit = Commit::new();
    allocations::decide(&mut commit, order_id, &decision);
    commit.append(&event_id, now, &event);
    commit
}
