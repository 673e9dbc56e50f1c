//! Orders in Redis: read, and the commits that place, change and remove them.

use contracts::envelope::to_json;
use kit::commit::{Commit, Expected};
use kit::redis::{StorageError, as_text, command, read_strings};

use super::products::KnownProduct;
use super::stored_order::StoredOrder;
use super::{ORDERS, customer_index, order_key, product_key, status_index};
use crate::domain::order::{Order, Status, Transition};

/// An order's JSON has its revision within so many characters.
const REV_CHARS_MAX: usize = 32;

/// An order for a decision.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) stored: StoredOrder,
    pub(crate) order: Order,
}

/// The orders of these ids, each where there is one. An error within the list says that this order is damaged.
pub(crate) async fn read(ids: &[&str]) -> Result<Vec<Result<Option<StoredOrder>, StorageError>>, StorageError> {
    let keys: Vec<_> = ids.iter().map(|id| order_key(id)).collect();
    let texts = read_strings(&keys).await?;
    let parse = |(id, text): (&&str, Result<Option<String>, StorageError>)| {
        text?
            .map(|text| StoredOrder::parse(&text).map_err(|what| damaged(id, &what)))
            .transpose()
    };
    Ok(ids.iter().zip(texts).map(parse).collect())
}

/// The same for decisions.
pub(crate) async fn load(ids: &[&str]) -> Result<Vec<Result<Option<Loaded>, StorageError>>, StorageError> {
    let load = |(id, stored): (&&str, Result<Option<StoredOrder>, StorageError>)| {
        let Some(stored) = stored? else {
            return Ok(None);
        };
        match stored.order() {
            Some(order) => Ok(Some(Loaded { stored, order })),
            None => Err(damaged(id, "its fields are not a sound order's")),
        }
    };
    Ok(ids.iter().zip(read(ids).await?).map(load).collect())
}

/// The revision of an order, without reading all of it; `None` where there is no telling.
pub(crate) async fn rev(order_id: &str) -> Result<Option<u64>, StorageError> {
    let range = [order_key(order_id), "0".to_owned(), REV_CHARS_MAX.to_string()];
    let start = command("GETRANGE", range).await?;
    Ok(start.first().map(as_text).as_deref().and_then(StoredOrder::rev_of))
}

fn damaged(order_id: &str, what: &str) -> StorageError {
    StorageError::Corrupt(format!("the key {} holds no order: {what}", order_key(order_id)))
}

/// Places an order, if the products that it is priced by are still the same.
pub(crate) fn place(commit: &mut Commit, order_id: &str, order: &StoredOrder, products: &[KnownProduct]) {
    for product in products {
        // The whole text, since a Redis that was restored from a backup may give a revision a second time.
        commit.expect(product_key(&product.product_id), Expected::Text(product.text.clone()));
    }
    commit.set(order_key(order_id), to_json(order));
    commit.insert(ORDERS, order_id);
    commit.insert(status_index(Status::Pending), order_id);
    commit.insert(customer_index(&order.customer_id), order_id);
}

/// Changes an order to what the domain made of it, if nobody else has changed it since it was read. Each transition is
/// given with the id of the event that caused it. The result is the order as it then is.
pub(crate) fn change(
    commit: &mut Commit,
    order_id: &str,
    before: Loaded,
    after: Order,
    now: &str,
    steps: &[(Transition, &str)],
) -> StoredOrder {
    if before.order.status != after.status {
        commit.take_out(status_index(before.order.status), order_id);
        commit.insert(status_index(after.status), order_id);
    }
    let start = before.stored.start();
    let changed = before.stored.changed(after, now, steps);
    commit.replace(order_key(order_id), start, to_json(&changed));
    changed
}

/// Removes an order, if nobody has changed it since it was read.
pub(crate) fn remove(commit: &mut Commit, order_id: &str, order: &Loaded) {
    expect_unchanged(commit, order_id, &order.stored);
    commit.remove(order_key(order_id));
    commit.take_out(ORDERS, order_id);
    commit.take_out(status_index(order.order.status), order_id);
    commit.take_out(customer_index(&order.stored.customer_id), order_id);
}

/// Has a commit made only if nobody has changed the order since it was read.
pub(crate) fn expect_unchanged(commit: &mut Commit, order_id: &str, order: &StoredOrder) {
    commit.expect(order_key(order_id), Expected::Start(order.start()));
}
