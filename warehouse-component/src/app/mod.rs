//! The warehouse's use cases, one to a file: each reads, has the domain decide, and commits if nothing has changed since.
//! Taking stock for orders has no file here: it is decided in Redis, see `storage/take_stock.rs`.

pub(crate) mod create_product;
pub(crate) mod change_product;
pub(crate) mod move_stock;
pub(crate) mod cancel_orders;
pub(crate) mod take_back;
pub(crate) mod announce;
pub(crate) mod archive_allocations;

use contracts::events::ProductChanged;

use crate::storage::products::StoredProduct;

/// The event that tells the store of a product.
fn product_changed(product: &StoredProduct) -> ProductChanged {
    ProductChanged {
        product_id: product.product_id.clone(),
        rev: product.own.rev,
        name: product.own.name.clone(),
        price_minor: product.own.price_minor,
        currency: product.currency.clone(),
        active: product.own.active,
    }
}
