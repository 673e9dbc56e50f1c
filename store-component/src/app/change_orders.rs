//! Changing orders, by events and by customers.

use contracts::events::{OrderCancelRequested, OrderCompleted, OrderLine};
use kit::change::{Decision, change_all};
use kit::clock;
use kit::commit::Commit;
use kit::redis::StorageError;

use crate::domain::order::{Cause, Contradiction, Order, Steps, Transition};
use crate::storage::StoredOrder;
use crate::storage::orders::{self, Loaded};

/// Something that happens to an order.
pub(crate) struct Change<T> {
    pub(crate) order_id: String,
    /// The event or request that causes it.
    pub(crate) event_id: String,
    pub(crate) cause: T,
}

/// Why a [`Change`] was not made.
pub(crate) enum ChangeError {
    UnknownOrder,
    Contradiction(String),
    /// Others kept changing the order.
    Busy,
    /// Data in Redis is damaged.
    Storage(StorageError),
}

/// Has the domain decide on each change, in their order, and commits. `decide` gets the order, the change and the time; it
/// leaves the order as it is where it answers an error.
///
/// # Errors
/// When Redis is away or full. An error within the list is of that change alone.
pub(crate) async fn change_orders<T, A>(
    changes: &[Change<T>],
    decide: impl Fn(&mut Order, &Change<T>, &str) -> Result<(A, Steps), Contradiction>,
) -> Result<Vec<Result<A, ChangeError>>, StorageError> {
    let now = clock::now();
    let ids: Vec<_> = changes.iter().map(|change| change.order_id.as_str()).collect();
    let decide_all = |order_id: &str, loaded: Option<Loaded>, positions: &[usize]| {
        let Some(loaded) = loaded else {
            return Decision {
                answers: positions.iter().map(|_| Err(ChangeError::UnknownOrder)).collect(),
                commit: None,
            };
        };
        let mut after = loaded.order.clone();
        let mut steps = Vec::new();
        let answers = positions
            .iter()
            .map(|position| {
                let change = &changes[*position];
                let decided = decide(&mut after, change, &now);
                let (answer, new) = decided.map_err(|Contradiction(what)| ChangeError::Contradiction(what))?;
                steps.extend(new.into_iter().map(|step| (step, change.event_id.as_str())));
                Ok(answer)
            })
            .collect();
        let commit = (after != loaded.order).then(|| commit(order_id, loaded, after, &now, &steps).0);
        Decision { answers, commit }
    };
    let outcomes = change_all(&ids, orders::load, decide_all).await?;
    let flatten = |outcome: Result<Option<Result<A, ChangeError>>, StorageError>| match outcome {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(ChangeError::Busy),
        Err(error) => Err(ChangeError::Storage(error)),
    };
    Ok(outcomes.into_iter().map(flatten).collect())
}

/// The commit of a change, with the event that follows from it; and the order as it then is.
pub(super) fn commit(
    order_id: &str,
    before: Loaded,
    after: Order,
    now: &str,
    steps: &[(Transition, &str)],
) -> (Commit, StoredOrder) {
    let mut commit = Commit::new();
    for (step, event_id) in steps {
        match step.cause {
            Cause::PaymentApproved => {
                commit.append(&clock::new_id(), now, &order_completed(order_id, &before));
            }
            Cause::CancelRequested => {
                commit.append(event_id, now, &cancel_requested(order_id, &after));
            }
            _ => {}
        }
    }
    let changed = orders::change(&mut commit, order_id, before, after, now, steps);
    (commit, changed)
}

/// The event that tells the warehouse of a paid order.
pub(super) fn order_completed(order_id: &str, order: &Loaded) -> OrderCompleted {
    let lines = order.order.lines.iter().map(|line| OrderLine {
        line_id: line.line_id,
        product_id: line.product_id.clone(),
        qty: line.qty,
    });
    OrderCompleted {
        order_id: order_id.to_owned(),
        customer_id: order.stored.customer_id.clone(),
        lines: lines.collect(),
    }
}

/// The event that tells the warehouse of a wish to cancel.
pub(super) fn cancel_requested(order_id: &str, order: &Order) -> OrderCancelRequested {
    OrderCancelRequested {
        order_id: order_id.to_owned(),
        reason: order.cancel_reason.clone().unwrap_or_default(),
    }
}
