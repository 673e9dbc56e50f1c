//! Moving stock by hand, the only way to change it: supplies and write-offs.

use contracts::envelope::to_json;
use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::problem::Problem;

use crate::domain::move_stock::{self, Kind, MoveStockError};
use crate::domain::stock::Stock;
use crate::storage::stock::{self, Movement};

/// Why stock was not moved.
pub(crate) enum MoveError {
    UnknownProduct,
    /// The stock as it is, and what is in the way.
    Refused(Stock, MoveStockError),
    /// Others kept changing the stock.
    Busy,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<Problem> for MoveError {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StorageError> for MoveError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

/// Moves stock, and gives the movement as JSON; that of the same request before if it was made then.
///
/// # Errors
/// Why it was not moved.
pub(crate) async fn move_stock(
    product_id: &str,
    kind: Kind,
    qty: u32,
    record: &IdempotencyRecord,
) -> Result<String, MoveError> {
    for _ in 0..ROUNDS_MAX {
        let decided = match stock::read(product_id).await? {
            None => Err(MoveError::UnknownProduct),
            Some(before) => match move_stock::move_stock(before.units, kind, qty) {
                Ok(after) => Ok((before, after)),
                Err(error) => Err(MoveError::Refused(before.units, error)),
            },
        };
        let (before, after) = match decided {
            Ok(decided) => decided,
            // A repeat of a request that was carried out is answered as before.
            Err(error) => {
                let earlier = idempotency::earlier_answer(record).await?;
                return earlier.map(|(_, movement)| movement).ok_or(error);
            }
        };
        let movement = Movement {
            movement_id: &clock::new_id(),
            product_id,
            kind: kind.as_str(),
            qty: u64::from(qty),
            at: &clock::now(),
            order_id: None,
            return_id: None,
            on_hand: after.on_hand,
        };
        let answer = to_json(&movement);
        let mut moving = Commit::new();
        stock::change(&mut moving, &before, after, &movement);
        moving.answer(record, "", &answer);
        match commit(moving).await? {
            Outcome::Committed => return Ok(answer),
            Outcome::Answered { body, .. } => return Ok(body),
            Outcome::KeyReused => return Err(idempotency::reused().into()),
            Outcome::Changed => {}
        }
    }
    Err(MoveError::Busy)
}
