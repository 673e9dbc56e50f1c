//! A customer cancels an order.

use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::problem::Problem;

use super::change_orders;
use crate::domain::cancel_order::cancel;
use crate::domain::order::{Contradiction, Steps};
use crate::storage::StoredOrder;
use crate::storage::orders::{self, Loaded};

/// Why an order was not cancelled.
pub(crate) enum CancelError {
    UnknownOrder,
    /// There is nothing to cancel, in words.
    Contradiction(String),
    /// Others kept changing the order.
    Busy,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<Problem> for CancelError {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StorageError> for CancelError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

/// Cancels an order, or asks the warehouse to, for this reason. It gives `show` of the order as it is then; what the same
/// request was answered before if it was made then.
///
/// # Errors
/// Why it is not cancelled.
pub(crate) async fn cancel_order(
    order_id: &str,
    reason: &str,
    record: Option<&IdempotencyRecord>,
    show: impl Fn(StoredOrder) -> String,
) -> Result<String, CancelError> {
    let request_id = clock::new_id();
    for _ in 0..ROUNDS_MAX {
        let (before, after, steps) = match decide(order_id, &request_id, reason).await {
            Ok(decided) => decided,
            // What the same request has cancelled before is no reason to refuse it.
            Err(error) => {
                let earlier = match record {
                    Some(record) => idempotency::earlier_answer(record).await?,
                    None => None,
                };
                return earlier.map(|(_, order)| order).ok_or(error);
            }
        };
        let (mut cancelling, order) = if after.order == before.order {
            let mut nothing = Commit::new();
            orders::expect_unchanged(&mut nothing, order_id, &before.stored);
            (nothing, before.stored)
        } else {
            let steps: Vec<_> = steps.into_iter().map(|step| (step, request_id.as_str())).collect();
            change_orders::commit(order_id, before, after.order, &clock::now(), &steps)
        };
        let answer = show(order);
        if let Some(record) = record {
            cancelling.answer(record, "", &answer);
        }
        match commit(cancelling).await? {
            Outcome::Committed => return Ok(answer),
            Outcome::Answered { body, .. } => return Ok(body),
            Outcome::KeyReused => return Err(idempotency::reused().into()),
            Outcome::Changed => {}
        }
    }
    Err(CancelError::Busy)
}

/// The order as it was read, the same cancelled, and the transitions between them.
async fn decide(order_id: &str, request_id: &str, reason: &str) -> Result<(Loaded, Loaded, Steps), CancelError> {
    let found = orders::load(&[order_id]).await?.pop().transpose()?.flatten();
    let before = found.ok_or(CancelError::UnknownOrder)?;
    let mut after = before.clone();
    let (_, steps) =
        cancel(&mut after.order, request_id, reason).map_err(|Contradiction(what)| CancelError::Contradiction(what))?;
    Ok((before, after, steps))
}
