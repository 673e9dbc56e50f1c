//! The store's copy of the catalogue in Redis.

use std::cell::RefCell;
use std::collections::HashMap;

use contracts::events::ProductChanged;
use edge::page::Page;
use edge::redis::{Failure, Script, as_text};
use edge::script;
use edge::texts::{Text, read_texts};
use serde::{Deserialize, Serialize};

use super::{Corrupt, PRODUCTS, ids, no_text, product_key, unwritable};
use crate::domain::place_order::CatalogueProduct;

static LEARN_PRODUCTS: Script = script!("learn_products.lua");

/// Products that an instance remembers at the most.
const REMEMBERED_MAX: usize = 1_000;

thread_local! {
    /// What this instance has read of the catalogue. It may be out of date: whoever relies on it commits only if their
    /// texts are still these.
    static REMEMBERED: RefCell<HashMap<String, Product>> = RefCell::default();
}

/// A product of the store's copy of the catalogue.
#[derive(Clone)]
pub(in crate::edge) struct Product {
    pub(in crate::edge) product_id: String,
    pub(in crate::edge) rev: u64,
    pub(in crate::edge) known: CatalogueProduct,
    /// A [`StoredProduct`], as it is in Redis.
    pub(in crate::edge) text: String,
}

/// A product as it is stored: a JSON object, of which a script reads the beginning.
#[derive(Serialize, Deserialize)]
struct StoredProduct {
    /// The warehouse's revision. Stays the first field.
    rev: u64,
    name: String,
    price_minor: u64,
    currency: String,
    active: bool,
}

/// The products of these ids as this instance remembers them; `None` when it does not know them all.
pub(in crate::edge) fn remembered_products(ids: &[String]) -> Option<Vec<Product>> {
    REMEMBERED.with_borrow(|remembered| ids.iter().map(|id| remembered.get(id).cloned()).collect())
}

/// The products of these ids, each where it is known; they are remembered.
pub(in crate::edge) async fn products(ids: Vec<String>) -> Result<Result<Vec<Option<Product>>, Corrupt>, Failure> {
    let keys = ids.iter().map(|id| product_key(id)).collect();
    let texts = read_texts(keys).await?;
    let products: Result<Vec<_>, _> = ids
        .into_iter()
        .zip(texts)
        .map(|(product_id, text)| match text {
            Text::Absent => Ok(None),
            Text::Corrupt => Err(no_text(&product_key(&product_id))),
            Text::Found(text) => product(product_id, text).map(Some),
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

fn product(product_id: String, text: String) -> Result<Product, Corrupt> {
    match serde_json::from_str::<StoredProduct>(&text) {
        Ok(stored) => Ok(Product {
            product_id,
            rev: stored.rev,
            known: CatalogueProduct {
                name: stored.name,
                price_minor: stored.price_minor,
                currency: stored.currency,
                active: stored.active,
            },
            text,
        }),
        Err(error) => Err(Corrupt(format!(
            "the key {} holds no product: {error}",
            product_key(&product_id)
        ))),
    }
}

/// A page of product ids, in their order.
pub(in crate::edge) async fn product_ids(page: &Page) -> Result<Vec<String>, Failure> {
    ids(PRODUCTS, page, false).await
}

/// Takes over what the warehouse says of its products; each is in effect, or the data in Redis is damaged.
pub(in crate::edge) async fn learn_products(products: &[ProductChanged]) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let mut keys = vec![PRODUCTS.to_owned()];
    let mut arguments = Vec::with_capacity(products.len() * 3);
    for product in products {
        keys.push(product_key(&product.product_id));
        let text = serde_json::to_string(&StoredProduct {
            rev: product.rev,
            name: product.name.clone(),
            price_minor: product.price_minor,
            currency: product.currency.clone(),
            active: product.active,
        });
        arguments.extend([
            product.product_id.clone(),
            product.rev.to_string(),
            text.map_err(|error| unwritable(&error))?,
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
