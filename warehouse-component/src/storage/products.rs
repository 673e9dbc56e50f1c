//! Products in Redis: read, and the commits that create and change them.

use kit::commit::{Commit, Expected};
use kit::lists::{Direction, page_of_ids};
use kit::redis::{StorageError, read_hashes};
use kit::web::page::Page;

use super::stock::{StoredStock, expect_unchanged, keep_low_stock};
use super::{LOW_STOCK, PRODUCTS, movements_key, product_key, stock_key};
use crate::domain::change_product::Changeable;

/// A product and its stock.
#[derive(Clone)]
pub(crate) struct StoredProduct {
    pub(crate) product_id: String,
    pub(crate) sku: String,
    pub(crate) currency: String,
    pub(crate) own: Changeable,
    /// The event of the last change, which is its mark: a revision may be given a second time by a Redis that was restored.
    pub(crate) changed_by: String,
    pub(crate) stock: StoredStock,
}

const PRODUCT_FIELDS: [&str; 7] = ["sku", "name", "price_minor", "currency", "active", "rev", "changed_by"];

/// The products of these ids, each where there is one. An error within the list says that this product is damaged.
pub(crate) async fn read(ids: &[&str]) -> Result<Vec<Result<Option<StoredProduct>, StorageError>>, StorageError> {
    // Product and stock are two hashes without a field in common; one call reads the fields of both from both.
    let keys: Vec<_> = ids.iter().flat_map(|id| [product_key(id), stock_key(id)]).collect();
    let fields = [&PRODUCT_FIELDS[..], &StoredStock::FIELDS].concat();
    let mut hashes = read_hashes(&keys, &fields).await?.into_iter();
    let product = |id: &&str| match (hashes.next(), hashes.next()) {
        (Some(Ok(None)), Some(Ok(None))) => Ok(None),
        (Some(Ok(Some(mut product))), Some(Ok(Some(mut stock)))) => {
            let stock = stock.split_off(PRODUCT_FIELDS.len());
            product.truncate(PRODUCT_FIELDS.len());
            stored_product(id, product, stock).map(Some).ok_or_else(|| damaged(id))
        }
        _ => Err(damaged(id)),
    };
    Ok(ids.iter().map(product).collect())
}

/// The keys of a product do not fit together.
pub(crate) fn damaged(product_id: &str) -> StorageError {
    let keys = [
        product_key(product_id),
        stock_key(product_id),
        movements_key(product_id),
    ]
    .join(", ");
    StorageError::Corrupt(format!("the keys {keys} are not those of one whole product"))
}

/// The product of this id, if there is one.
pub(crate) async fn read_one(product_id: &str) -> Result<Option<StoredProduct>, StorageError> {
    read(&[product_id]).await?.pop().transpose().map(Option::flatten)
}

fn stored_product(product_id: &str, product: Vec<Option<String>>, stock: Vec<Option<String>>) -> Option<StoredProduct> {
    let stock = StoredStock::parse(stock)?;
    let [sku, name, price_minor, currency, active, rev, changed_by] = <[_; 7]>::try_from(product).ok()?;
    Some(StoredProduct {
        product_id: product_id.to_owned(),
        sku: sku?,
        currency: currency?,
        own: Changeable {
            name: name?,
            price_minor: price_minor?.parse().ok()?,
            active: active? == "1",
            low_stock_at: stock.low_stock_at,
            rev: rev?.parse().ok()?,
        },
        changed_by: changed_by?,
        stock,
    })
}

/// The fields of a product that can be changed, but those of its stock.
fn changeable(own: &Changeable, event_id: &str) -> Vec<(&'static str, String)> {
    vec![
        ("name", own.name.clone()),
        ("price_minor", own.price_minor.to_string()),
        ("active", if own.active { "1" } else { "0" }.to_owned()),
        ("rev", own.rev.to_string()),
        ("changed_by", event_id.to_owned()),
    ]
}

/// Creates a product with its stock, if there is none of this id. The event's id marks it.
pub(crate) fn create(commit: &mut Commit, product: &StoredProduct) {
    let id = &product.product_id;
    commit.mark(product_key(id), "created_by", &product.changed_by);
    for key in [product_key(id), stock_key(id), movements_key(id)] {
        commit.expect(key, Expected::Absent);
    }
    let mut fields = changeable(&product.own, &product.changed_by);
    fields.extend([
        ("sku", product.sku.clone()),
        ("currency", product.currency.clone()),
        ("created_by", product.changed_by.clone()),
    ]);
    commit.set_fields(product_key(id), fields);
    commit.set_fields(stock_key(id), product.stock.fields());
    commit.insert(PRODUCTS, id);
    keep_low_stock(commit, id, false, product.stock.is_low());
}

/// Changes a product's own fields, if nobody else has changed them since they were read. The event's id marks the change.
pub(crate) fn change(commit: &mut Commit, before: &StoredProduct, after: &Changeable, event_id: &str) {
    let id = &before.product_id;
    commit.mark(product_key(id), "changed_by", event_id);
    expect_same(commit, before);
    commit.set_fields(product_key(id), changeable(after, event_id));
    if after.low_stock_at != before.own.low_stock_at {
        expect_unchanged(commit, id, &before.stock);
        commit.set_fields(stock_key(id), vec![("low_stock_at", after.low_stock_at.to_string())]);
        let is_low = before.stock.units.is_low(after.low_stock_at);
        keep_low_stock(commit, id, before.stock.is_low(), is_low);
    }
}

/// Has a commit made only if nobody has changed the product's own fields since they were read.
pub(crate) fn expect_same(commit: &mut Commit, product: &StoredProduct) {
    let changed_by = vec![("changed_by", product.changed_by.clone())];
    commit.expect(product_key(&product.product_id), Expected::Fields(changed_by));
}

/// A page of the ids of all products, or of those with few units left, and the cursor of the next page.
pub(crate) async fn ids(page: &Page, low_stock: bool) -> Result<(Vec<String>, Option<String>), StorageError> {
    let list = if low_stock { LOW_STOCK } else { PRODUCTS };
    page_of_ids(list, page, Direction::Ascending).await
}
