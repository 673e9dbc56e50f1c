//! Changing a product's own fields, for a client who has seen the revision that is changed.

use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, Outcome, commit};
use kit::redis::StorageError;
use kit::web::if_match::IfMatch;

use super::product_changed;
use crate::domain::change_product::{Change, Effect, change};
use crate::storage::append;
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
    Storage(StorageError),
}

impl From<StorageError> for ChangeProductError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Changes a product, and gives it as it is then. What is as wanted already changes nothing.
///
/// # Errors
/// Why it was not changed.
pub(crate) async fn change_product(
    product_id: &str,
    wanted: &Change,
    expected: &IfMatch,
) -> Result<StoredProduct, ChangeProductError> {
    for _ in 0..ROUNDS_MAX {
        let product = products::read_one(product_id)
            .await?
            .ok_or(ChangeProductError::UnknownProduct)?;
        if let IfMatch::Revisions { revisions, altered } = expected
            && !revisions.contains(&product.own.rev)
        {
            return Err(ChangeProductError::Stale {
                rev: product.own.rev,
                altered: altered.clone(),
            });
        }
        let (own, effect) = change(&product.own, wanted);
        if effect == Effect::Nothing {
            return Ok(product);
        }
        let (event_id, now) = (clock::new_id(), clock::now());
        let mut changing = Commit::new();
        products::change(&mut changing, &product, &own, &event_id);
        let mut after = product;
        after.stock.low_stock_at = own.low_stock_at;
        after.own = own;
        after.changed_by.clone_from(&event_id);
        if effect == Effect::Announced {
            append(&mut changing, &event_id, &now, &product_changed(&after));
        }
        if commit(changing).await? == Outcome::Committed {
            return Ok(after);
        }
    }
    Err(ChangeProductError::Busy)
}
