//! The only place in the warehouse that knows Redis keys and commands. Every key is built in this file.

mod products;
mod stock;
mod orders;
mod allocations;
mod returns;
mod archive;

use edge::redis::{Failure, Reply, Script, as_text};

pub(super) use allocations::{Again, Outcome, Returned, StoredAllocation, allocation, announce_allocation};
pub(super) use archive::{Removed, oldest_event_ms, remove_allocations};
pub(super) use orders::{Request, allocate, cancel};
pub(super) use products::{
    Changed, StoredProduct, announce_products, change_product, create_product, product_ids, products,
};
pub(super) use returns::{Return, TakenBack, take_back};
pub(super) use stock::{Movement, move_stock, movements};

/// All products, by id. Every member has the score 0.
const PRODUCTS: &str = "products";
/// The products of which few units are left, by id. Every member has the score 0.
const LOW_STOCK: &str = "low-stock";

/// Movements of one product that are kept; the oldest go first. What they add up to stays in the stock.
pub(super) const MOVEMENTS_KEPT: usize = 10_000;

/// A product's own fields: a hash.
fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}

/// A product's units, and at how many they are low: a hash.
fn stock_key(product_id: &str) -> String {
    format!("stock:{product_id}")
}

/// A product's supplies, write-offs and returns as JSON, each with its number as score.
fn movements_key(product_id: &str) -> String {
    format!("movements:{product_id}")
}

/// What was decided for an order: a JSON object. A string, since a hash of it would cost Redis more than all else that an
/// order does.
fn allocation_key(order_id: &str) -> String {
    format!("allocation:{order_id}")
}

/// An order's returns as JSON: a list.
fn returns_key(order_id: &str) -> String {
    format!("returns:{order_id}")
}

/// Something in Redis that is not as the warehouse writes it, in words.
pub(super) struct Corrupt(pub(super) String);

/// What a script found or did; or Redis could not run it.
pub(super) type Found<T> = Result<Result<T, Corrupt>, Failure>;

/// Runs a script that answers with a word and what belongs to it.
async fn run(script: &Script, keys: Vec<String>, arguments: Vec<String>) -> Result<(String, Vec<String>), Failure> {
    let mut reply = script.run(keys, arguments).await?.into_iter();
    let word = reply.next().as_ref().map(as_text).unwrap_or_default();
    Ok((word, reply.map(|reply: Reply| as_text(&reply)).collect()))
}

/// The damage that a script's answer tells of.
fn corrupt(rest: Vec<String>) -> Corrupt {
    Corrupt(
        rest.into_iter()
            .next()
            .unwrap_or_else(|| "a script gave an unknown answer".to_owned()),
    )
}
