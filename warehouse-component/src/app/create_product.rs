//! Creating a product, with its first supply if there is one.

use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::problem::Problem;

use super::product_changed;
use crate::domain::change_product::Changeable;
use crate::domain::create_product::NewProduct;
use crate::domain::move_stock::Kind;
use crate::domain::stock::Stock;
use crate::storage::products::{self, StoredProduct};
use crate::storage::stock::{self, Movement, StoredStock};

/// Why a product was not created.
pub(crate) enum CreateProductError {
    /// There is one with this id.
    Exists,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<StorageError> for CreateProductError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

/// Creates a product, and gives its path and `show` of it; what the same request was answered before if it was made then.
///
/// # Errors
/// Why it was not created.
pub(crate) async fn create_product(
    new: &NewProduct,
    record: Option<&IdempotencyRecord>,
    show: impl Fn(StoredProduct) -> String,
) -> Result<(String, String), CreateProductError> {
    let (event_id, now) = (clock::new_id(), clock::now());
    let product = StoredProduct {
        product_id: new.product_id.clone(),
        sku: new.sku.clone(),
        currency: new.currency.clone(),
        own: Changeable {
            name: new.name.clone(),
            price_minor: new.price_minor,
            active: true,
            low_stock_at: new.low_stock_at,
            rev: 1,
        },
        changed_by: event_id.clone(),
        stock: StoredStock {
            units: Stock::supplied(new.on_hand),
            low_stock_at: new.low_stock_at,
            movements: u64::from(new.on_hand > 0),
        },
    };
    let mut creating = Commit::new();
    products::create(&mut creating, &product);
    if new.on_hand > 0 {
        let first_supply = Movement {
            movement_id: &clock::new_id(),
            product_id: &new.product_id,
            kind: Kind::Supply.as_str(),
            qty: new.on_hand,
            at: &now,
            order_id: None,
            return_id: None,
            on_hand: new.on_hand,
        };
        stock::record(&mut creating, &first_supply, product.stock.movements);
    }
    creating.append(&event_id, &now, &product_changed(&product));
    let location = format!("/warehouse/products/{}", new.product_id);
    let body = show(product);
    if let Some(record) = record {
        creating.answer(record, &location, &body);
    }
    match commit(creating).await? {
        Outcome::Committed => Ok((location, body)),
        Outcome::Answered { location, body } => Ok((location, body)),
        Outcome::KeyReused => Err(CreateProductError::Other(idempotency::reused())),
        Outcome::Changed => match products::read_one(&new.product_id).await? {
            Some(_) => Err(CreateProductError::Exists),
            None => Err(products::damaged(&new.product_id).into()),
        },
    }
}
