//! The only files of the warehouse that know Redis keys. In reading order:

pub(crate) mod products;
pub(crate) mod stock;
pub(crate) mod allocations;
pub(crate) mod take_stock;

/// All products, by id. Every member has the score 0.
const PRODUCTS: &str = "products";
/// The products with few units left, by id. Every member has the score 0.
const LOW_STOCK: &str = "low-stock";

/// A product's own fields: a hash.
fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}

/// A product's units, and at how many they are low: a hash.
fn stock_key(product_id: &str) -> String {
    format!("stock:{product_id}")
}

/// A product's supplies, write-offs and returns as JSON, each with its number as score: a sorted set.
fn movements_key(product_id: &str) -> String {
    format!("movements:{product_id}")
}

/// The decision for an order: a JSON object. A string, since a hash of it would cost Redis more than all else that an
/// order does.
fn allocation_key(order_id: &str) -> String {
    format!("allocation:{order_id}")
}

/// An order's returns as JSON: a list.
fn returns_key(order_id: &str) -> String {
    format!("returns:{order_id}")
}
