//! Changing a product's own fields, for a client who has seen the revision that is changed.

use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::if_match::IfMatch;
use kit::web::problem::Problem;

use super::product_changed;
use crate::domain::change_product::{Change, Effect, change};
use crate::storage::products::{self, StoredProduct};

/// Why a product was not changed.
pub(crate) enum ChangeProductError {
    UnknownProduct,
    /// The product is at this revision, which the client has not seen, or has seen by a tag that was changed on the way.
    Stale {
        rev: u64,
        altered: Option<String>,
    },
    /// Others kept changing the product.
    Busy,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<StorageError> for ChangeProductError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Problem> for ChangeProductError {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

/// Changes a product, and gives `show` of it as it is then; what the same request was answered before if it was made then.
/// What is as wanted already changes nothing.
///
/// # Errors
/// Why it was not changed.
pub(crate) async fn change_product(
    product_id: &str,
    wanted: &Change,
    expected: &IfMatch,
    record: Option<&IdempotencyRecord>,
    show: impl Fn(StoredProduct) -> String,
) -> Result<String, ChangeProductError> {
    for _ in 0..ROUNDS_MAX {
        let product = match read_expected(product_id, expected).await {
            Ok(product) => product,
            // What the same request has changed before is no reason to refuse it.
            Err(error) => {
                let earlier = match record {
                    Some(record) => idempotency::earlier_answer(record).await?,
                    None => None,
                };
                return earlier.map(|(_, body)| body).ok_or(error);
            }
        };
        let (own, effect) = change(&product.own, wanted);
        if effect == Effect::Nothing && record.is_none() {
            return Ok(show(product));
        }
        let mut changing = Commit::new();
        let mut after = product.clone();
        if effect == Effect::Nothing {
            products::expect_same(&mut changing, &product);
        } else {
            let (event_id, now) = (clock::new_id(), clock::now());
            products::change(&mut changing, &product, &own, &event_id);
            after.stock.low_stock_at = own.low_stock_at;
            after.own = own;
            after.changed_by.clone_from(&event_id);
            if effect == Effect::Announced {
                changing.append(&event_id, &now, &product_changed(&after));
            }
        }
        let body = show(after);
        if let Some(record) = record {
            changing.answer(record, "", &body);
        }
        match commit(changing).await? {
            Outcome::Committed => return Ok(body),
            Outcome::Answered { body, .. } => return Ok(body),
            Outcome::KeyReused => return Err(idempotency::reused().into()),
            Outcome::Changed => {}
        }
    }
    Err(ChangeProductError::Busy)
}

/// The product, if it is at a revision that the client has seen.
async fn read_expected(product_id: &str, expected: &IfMatch) -> Result<StoredProduct, ChangeProductError> {
    let product = products::read_one(product_id)
        .await?
        .ok_or(ChangeProductError::UnknownProduct)?;
    match expected {
        IfMatch::Revisions { revisions, altered } if !revisions.contains(&product.own.rev) => {
            Err(ChangeProductError::Stale {
                rev: product.own.rev,
                altered: altered.clone(),
            })
        }
        _ => Ok(product),
    }
}
