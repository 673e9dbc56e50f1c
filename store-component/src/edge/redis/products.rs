//! The store's copy of the catalogue in Redis.

use std::cell::RefCell;
use std::collections::HashMap;

use contracts::events::ProductChanged;
use edge::page::Page;
use edge::redis::{Failure, Hash, Script, as_text, read_hashes};

use super::{Corrupt, PRODUCTS, ids, no_hash, product_key};
use crate::domain::place_order::CatalogueProduct;

static LEARN_PRODUCTS: Script = Script::new(include_str!("learn_products.lua"));

/// Products that an instance remembers at the most.
const REMEMBERED_MAX: usize = 1_000;

thread_local! {
    /// What this instance has read of the catalogue. It may be out of date: whoever relies on it commits only if the
    /// fields are still these.
    static REMEMBERED: RefCell<HashMap<String, Product>> = RefCell::default();
}

/// A product of the store's copy of the catalogue.
#[derive(Clone)]
pub(in crate::edge) struct Product {
    pub(in crate::edge) product_id: String,
    pub(in crate::edge) rev: u64,
    /// The values of [`PRODUCT_FIELDS`] as they are stored.
    pub(in crate::edge) stored: [String; 5],
    pub(in crate::edge) known: CatalogueProduct,
}

const PRODUCT_FIELDS: [&str; 5] = ["rev", "name", "price_minor", "currency", "active"];

/// The products of these ids as this instance remembers them; `None` when it does not know them all.
pub(in crate::edge) fn remembered_products(ids: &[String]) -> Option<Vec<Product>> {
    REMEMBERED.with_borrow(|remembered| ids.iter().map(|id| remembered.get(id).cloned()).collect())
}

/// The products of these ids, each where it is known; they are remembered.
pub(in crate::edge) async fn products(ids: Vec<String>) -> Result<Result<Vec<Option<Product>>, Corrupt>, Failure> {
    let keys = ids.iter().map(|id| product_key(id)).collect();
    let hashes = read_hashes(keys, &PRODUCT_FIELDS).await?;
    let products: Result<Vec<_>, _> = ids
        .into_iter()
        .zip(hashes)
        .map(|(product_id, hash)| match hash {
            Hash::Absent => Ok(None),
            Hash::Corrupt => Err(no_hash(&product_key(&product_id))),
            Hash::Fields(fields) => match product(&product_id, fields) {
                Some(product) => Ok(Some(product)),
                None => Err(Corrupt(format!(
                    "the key {} lacks fields of a product",
                    product_key(&product_id)
                ))),
            },
        })
        .collect();
    if let Ok(products) = &products {
        remember(products.iter().flatten());
    }
    Ok(products)
}

fn remember<'a>(products: impl Iterator<Item = &'a Product>) {
    REMEMBERED.with_borrow_mut(|remembered| {
        for product in products {
            if remembered.len() >= REMEMBERED_MAX && !remembered.contains_key(&product.product_id) {
                remembered.clear();
            }
            remembered.insert(product.product_id.clone(), product.clone());
        }
    });
}

fn product(product_id: &str, fields: Vec<Option<String>>) -> Option<Product> {
    let fields: Option<Vec<String>> = fields.into_iter().collect();
    let stored: [String; 5] = fields?.try_into().ok()?;
    let [rev, name, price_minor, currency, active] = &stored;
    Some(Product {
        product_id: product_id.to_owned(),
        rev: rev.parse().ok()?,
        known: CatalogueProduct {
            name: name.clone(),
            price_minor: price_minor.parse().ok()?,
            currency: currency.clone(),
            active: active == "1",
        },
        stored,
    })
}

/// A page of product ids, in their order.
pub(in crate::edge) async fn product_ids(page: &Page) -> Result<Vec<String>, Failure> {
    ids(PRODUCTS, page, false).await
}

/// Takes over what the warehouse says of its products; each is in effect, or the data in Redis is damaged.
pub(in crate::edge) async fn learn_products(products: &[ProductChanged]) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let mut keys = vec![PRODUCTS.to_owned()];
    let mut arguments = Vec::with_capacity(products.len() * 6);
    for product in products {
        keys.push(product_key(&product.product_id));
        arguments.extend([
            product.product_id.clone(),
            product.rev.to_string(),
            product.name.clone(),
            product.price_minor.to_string(),
            product.currency.clone(),
            u8::from(product.active).to_string(),
        ]);
    }
    let replies = LEARN_PRODUCTS.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| match as_text(reply).strip_prefix("corrupt ") {
            Some(what) => Err(Corrupt(what.to_owned())),
            None => Ok(()),
        })
        .collect())
}
