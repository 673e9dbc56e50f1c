//! The store's copy of the catalogue in Redis.

use std::cell::RefCell;
use std::collections::HashMap;

use contracts::envelope::to_json;
use kit::commit::{Commit, Expected};
use kit::redis::{StorageError, read_strings};

use super::{PRODUCTS, product_key};
use crate::domain::catalogue::Product;

/// Products that an instance remembers at most.
const REMEMBERED_MAX: usize = 1_000;

thread_local! {
    /// The part of the catalogue that this instance has read. It may be out of date, so whoever decides by it commits only if the
    /// products' texts are still these.
    static REMEMBERED: RefCell<HashMap<String, KnownProduct>> = RefCell::default();
}

/// A product of the store's copy of the catalogue, as it was read.
#[derive(Clone)]
pub(crate) struct KnownProduct {
    pub(crate) product_id: String,
    pub(crate) product: Product,
    /// Its form in Redis.
    pub(super) text: String,
}

/// The products of these ids as this instance remembers them; `None` when it does not know them all.
pub(crate) fn remembered(ids: &[&str]) -> Option<Vec<KnownProduct>> {
    REMEMBERED.with_borrow(|remembered| ids.iter().map(|id| remembered.get(*id).cloned()).collect())
}

/// The products of these ids, each where it is known; they are remembered. An error within the list says that this
/// product is damaged.
pub(crate) async fn read(ids: &[&str]) -> Result<Vec<Result<Option<KnownProduct>, StorageError>>, StorageError> {
    let keys: Vec<_> = ids.iter().map(|id| product_key(id)).collect();
    let texts = read_strings(&keys).await?;
    let products: Vec<_> = ids.iter().zip(texts).map(|(id, text)| parse(id, text?)).collect();
    REMEMBERED.with_borrow_mut(|remembered| {
        for known in products.iter().flatten().flatten() {
            if remembered.len() >= REMEMBERED_MAX && !remembered.contains_key(&known.product_id) {
                remembered.clear();
            }
            remembered.insert(known.product_id.clone(), known.clone());
        }
    });
    Ok(products)
}

fn parse(product_id: &str, text: Option<String>) -> Result<Option<KnownProduct>, StorageError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let product = serde_json::from_str(&text).map_err(|error| {
        StorageError::Corrupt(format!("the key {} holds no product: {error}", product_key(product_id)))
    })?;
    Ok(Some(KnownProduct {
        product_id: product_id.to_owned(),
        product,
        text,
    }))
}

/// Takes a product into the catalogue, if nobody else has changed it since it was read.
pub(crate) fn learn(commit: &mut Commit, product_id: &str, known: Option<&KnownProduct>, product: &Product) {
    let key = product_key(product_id);
    let expected = known.map_or(Expected::Absent, |known| Expected::Text(known.text.clone()));
    commit.expect(key.clone(), expected);
    commit.set(key, to_json(product));
    commit.insert(PRODUCTS, product_id);
}
