//! The only files of the store that know Redis keys and commands. In reading order:

mod stored_order;
mod orders;
mod changes;
mod lists;
mod products;
mod archive;

use edge::page::Page;
use edge::redis::{Failure, as_text, command};

use crate::domain::order::Status;

pub(super) use self::archive::{Removal, Removed, oldest_event_ms, remove_orders};
pub(super) use self::changes::{Change, Committed, Event, Loaded, commit_orders, load_orders};
pub(super) use self::lists::{Filter, oldest_order_ids, order_ids};
pub(super) use self::orders::{NewOrder, Placed, order_rev, orders, place_order};
pub(super) use self::products::{Product, learn_products, product_ids, products, remembered_products};
pub(super) use self::stored_order::{StoredOrder, StoredRefund, StoredStep};

/// All orders, by id, which is by time. Every member has the score 0.
const ORDERS: &str = "orders";
/// All products that the store knows, by id. Every member has the score 0.
const PRODUCTS: &str = "products";

/// An order: a text, see [`StoredOrder`].
fn order_key(order_id: &str) -> String {
    format!("order:{order_id}")
}

/// The orders of a state, as [`ORDERS`].
fn status_index(status: Status) -> String {
    format!("orders:status:{status}")
}

/// The orders of a customer, as [`ORDERS`].
fn customer_index(customer_id: &str) -> String {
    format!("orders:customer:{customer_id}")
}

/// A product of the catalogue: a text.
fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}

/// Something in Redis that is not as the store writes it, in words.
pub(super) struct Corrupt(pub(super) String);

fn no_text(key: &str) -> Corrupt {
    Corrupt(format!("the key {key} holds something else than a string"))
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::Unavailable(format!("a value cannot be written: {error}"))
}

/// One id more than the page holds, so that the caller sees whether there is another page.
async fn ids(index: &str, page: &Page, newest_first: bool) -> Result<Vec<String>, Failure> {
    let after = page.after.as_ref().map(|id| format!("({id}"));
    let mut arguments = vec![index.to_owned()];
    if newest_first {
        arguments.extend([after.unwrap_or_else(|| "+".to_owned()), "-".to_owned()]);
        arguments.extend(["BYLEX".to_owned(), "REV".to_owned()]);
    } else {
        arguments.extend([after.unwrap_or_else(|| "-".to_owned()), "+".to_owned()]);
        arguments.push("BYLEX".to_owned());
    }
    arguments.extend(["LIMIT".to_owned(), "0".to_owned(), (page.limit + 1).to_string()]);
    Ok(command("ZRANGE", arguments).await?.iter().map(as_text).collect())
}
