//! Products: read, created, changed, told of again.

use contracts::names::PRODUCT_CHANGED;
use edge::if_match::IfMatch;
use edge::page::Page;
use edge::redis::{Hash, Script, read_hashes};
use edge::{read_only_script, script};

use super::{Corrupt, Found, LOW_STOCK, PRODUCTS, corrupt, movements_key, product_key, run, stock_key};
use crate::domain::change_product::{Change, Changeable};
use crate::domain::create_product::NewProduct;
use crate::domain::stock::Stock;

static LIST_IDS: Script = read_only_script!("list_ids.lua");
static CREATE_PRODUCT: Script = script!("stock.lua", "create_product.lua");
static CHANGE_PRODUCT: Script = script!("stock.lua", "change_product.lua");
static ANNOUNCE_PRODUCTS: Script = script!("announce_products.lua");

/// A product and its stock, as they are stored.
pub(in crate::edge) struct StoredProduct {
    pub(in crate::edge) product_id: String,
    pub(in crate::edge) sku: String,
    pub(in crate::edge) currency: String,
    pub(in crate::edge) own: Changeable,
    pub(in crate::edge) stock: Stock,
}

/// In the order in which `change_product.lua` answers too.
const PRODUCT_FIELDS: [&str; 12] = [
    "sku",
    "name",
    "price_minor",
    "currency",
    "active",
    "low_stock_at",
    "rev",
    "on_hand",
    "supplied",
    "sold",
    "returned",
    "written_off",
];

/// The products of these ids, each where there is one.
pub(in crate::edge) async fn products(ids: Vec<String>) -> Found<Vec<Option<StoredProduct>>> {
    // Product and stock are two hashes without a field in common; one call reads the fields of both from both.
    let keys = ids.iter().flat_map(|id| [product_key(id), stock_key(id)]).collect();
    let mut hashes = read_hashes(keys, &PRODUCT_FIELDS).await?.into_iter();
    let mut products = Vec::with_capacity(ids.len());
    for product_id in ids {
        let product = match (hashes.next(), hashes.next()) {
            (Some(Hash::Absent), Some(Hash::Absent)) => None,
            (Some(Hash::Fields(product)), Some(Hash::Fields(stock))) => {
                let fields = product.into_iter().zip(stock).map(|(product, stock)| product.or(stock));
                match stored_product(&product_id, fields.collect()) {
                    Some(product) => Some(product),
                    None => return Ok(Err(damaged(&product_id))),
                }
            }
            _ => return Ok(Err(damaged(&product_id))),
        };
        products.push(product);
    }
    Ok(Ok(products))
}

fn damaged(product_id: &str) -> Corrupt {
    let (product, stock) = (product_key(product_id), stock_key(product_id));
    Corrupt(format!("the keys {product} and {stock} are not both a whole product"))
}

fn stored_product(product_id: &str, fields: Vec<Option<String>>) -> Option<StoredProduct> {
    let [
        sku,
        name,
        price_minor,
        currency,
        active,
        low_stock_at,
        rev,
        on_hand,
        supplied,
        sold,
        returned,
        written_off,
    ]: [Option<String>; 12] = fields.try_into().ok()?;
    Some(StoredProduct {
        product_id: product_id.to_owned(),
        sku: sku?,
        currency: currency?,
        own: Changeable {
            name: name?,
            price_minor: price_minor?.parse().ok()?,
            active: active? == "1",
            low_stock_at: low_stock_at?.parse().ok()?,
            rev: rev?.parse().ok()?,
        },
        stock: Stock {
            on_hand: on_hand?.parse().ok()?,
            supplied: supplied?.parse().ok()?,
            sold: sold?.parse().ok()?,
            returned: returned?.parse().ok()?,
            written_off: written_off?.parse().ok()?,
        },
    })
}

/// A page of the ids of all products, or of those of which few units are left, in their order; and one id more if there
/// is another page.
pub(in crate::edge) async fn product_ids(page: &Page, low_stock: bool) -> Found<Vec<String>> {
    let list = if low_stock { LOW_STOCK } else { PRODUCTS };
    let after = page.after.as_ref().map_or("-".to_owned(), |id| format!("({id}"));
    let arguments = vec![after, (page.limit + 1).to_string()];
    let (word, rest) = run(&LIST_IDS, vec![list.to_owned()], arguments).await?;
    Ok(if word == "page" { Ok(rest) } else { Err(corrupt(rest)) })
}

/// Creates a product; `false` when there is one with this id.
pub(in crate::edge) async fn create_product(
    product: &NewProduct,
    first_supply: Option<String>,
    event_id: &str,
    event_data: String,
    now: &str,
) -> Found<bool> {
    let id = &product.product_id;
    let keys = vec![
        product_key(id),
        stock_key(id),
        movements_key(id),
        PRODUCTS.to_owned(),
        LOW_STOCK.to_owned(),
        PRODUCT_CHANGED.to_owned(),
    ];
    let mut arguments = vec![
        id.clone(),
        product.on_hand.to_string(),
        first_supply.unwrap_or_default(),
        product.low_stock_at.to_string(),
        event_id.to_owned(),
        now.to_owned(),
        event_data,
    ];
    let fields = [
        ("sku", product.sku.clone()),
        ("name", product.name.clone()),
        ("price_minor", product.price_minor.to_string()),
        ("currency", product.currency.clone()),
        ("active", flag(true)),
        ("rev", "1".to_owned()),
    ];
    for (name, value) in fields {
        arguments.extend([name.to_owned(), value]);
    }
    let (word, rest) = run(&CREATE_PRODUCT, keys, arguments).await?;
    Ok(match &*word {
        "created" => Ok(true),
        "exists" => Ok(false),
        _ => Err(corrupt(rest)),
    })
}

fn flag(value: bool) -> String {
    if value { "1" } else { "0" }.to_owned()
}

/// What became of a change.
pub(in crate::edge) enum Changed {
    /// The product is now as wanted.
    Done(StoredProduct),
    /// There is no such product.
    Unknown,
    /// The product has another revision than the client has seen: this one.
    Stale(String),
}

/// Changes a product's own fields.
pub(in crate::edge) async fn change_product(
    product_id: &str,
    change: &Change,
    expected: &IfMatch,
    event_id: &str,
    now: &str,
) -> Found<Changed> {
    let keys = vec![
        product_key(product_id),
        stock_key(product_id),
        LOW_STOCK.to_owned(),
        PRODUCT_CHANGED.to_owned(),
    ];
    let expected = match expected {
        IfMatch::Any => "*".to_owned(),
        IfMatch::Revisions(revisions) => revisions
            .iter()
            .fold(",".to_owned(), |list, rev| format!("{list}{rev},")),
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let arguments = vec![
        product_id.to_owned(),
        event_id.to_owned(),
        now.to_owned(),
        expected,
        change.name.clone().unwrap_or_default(),
        number(change.price_minor),
        change.active.map(flag).unwrap_or_default(),
        number(change.low_stock_at),
    ];
    let (word, rest) = run(&CHANGE_PRODUCT, keys, arguments).await?;
    Ok(match &*word {
        "ok" => match stored_product(product_id, rest.into_iter().map(Some).collect()) {
            Some(product) => Ok(Changed::Done(product)),
            None => Err(damaged(product_id)),
        },
        "unknown" => Ok(Changed::Unknown),
        "stale" => Ok(Changed::Stale(rest.into_iter().next().unwrap_or_default())),
        _ => Err(corrupt(rest)),
    })
}

/// Tells of these products again.
pub(in crate::edge) async fn announce_products(ids: Vec<String>, now: String) -> Found<()> {
    let mut keys = vec![PRODUCT_CHANGED.to_owned()];
    keys.extend(ids.iter().map(|id| product_key(id)));
    let mut arguments = vec![now];
    arguments.extend(ids);
    let (word, rest) = run(&ANNOUNCE_PRODUCTS, keys, arguments).await?;
    Ok(if word == "announced" {
        Ok(())
    } else {
        Err(corrupt(rest))
    })
}
