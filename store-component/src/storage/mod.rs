//! The only files of the store that know Redis keys. In reading order:

mod stored_order;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod lists;

pub(crate) use self::stored_order::{StoredOrder, StoredTransition};

use crate::domain::order::Status;

/// All orders, by id, which is by time. Every member has the score 0.
const ORDERS: &str = "orders";
/// All products that the store knows, by id. Every member has the score 0.
const PRODUCTS: &str = "products";

/// The places of those who watch orders, by when they end.
pub(crate) const WATCHING: &str = "orders:watching";

/// An order: a [`StoredOrder`] as JSON.
fn order_key(order_id: &str) -> String {
    format!("order:{order_id}")
}

/// The orders of a status, as [`ORDERS`].
fn status_index(status: Status) -> String {
    format!("orders:status:{status}")
}

/// The orders of a customer, as [`ORDERS`].
fn customer_index(customer_id: &str) -> String {
    format!("orders:customer:{customer_id}")
}

/// A product of the catalogue as JSON.
fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}
