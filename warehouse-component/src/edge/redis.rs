//! The only file of the warehouse that knows Redis keys and commands.

use std::collections::HashMap;

use contracts::events::OrderCompleted;
use contracts::names::{ORDER_FULFILLED, PRODUCT_CHANGED, REFUND_ORDER};
use edge::idempotency::{KEPT_MS, Scope};
use edge::page::Page;
use edge::redis::{Failure, Hash, Script, as_text, command, read_hashes};

use crate::domain::allocate::needs;
use crate::domain::create_product::NewProduct;
use crate::domain::move_stock::Kind;
use crate::domain::stock::{ON_HAND_MAX, Stock};

static CREATE_PRODUCT: Script = Script::new(include_str!("create_product.lua"));
static MOVE_STOCK: Script = Script::new(include_str!("move_stock.lua"));
static ALLOCATE: Script = Script::new(include_str!("allocate.lua"));

/// All products, by id. Every member has the score 0.
const PRODUCTS: &str = "products";

fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}

fn stock_key(product_id: &str) -> String {
    format!("stock:{product_id}")
}

fn movements_key(product_id: &str) -> String {
    format!("movements:{product_id}")
}

fn allocation_key(order_id: &str) -> String {
    format!("allocation:{order_id}")
}

/// Something in Redis that is not as the warehouse writes it, in words.
pub(super) struct Corrupt(pub(super) String);

/// A product and its stock, as they are stored.
pub(super) struct StoredProduct {
    pub(super) product_id: String,
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) price_minor: u64,
    pub(super) currency: String,
    pub(super) active: bool,
    pub(super) low_stock_at: u64,
    pub(super) rev: u64,
    pub(super) stock: Stock,
}

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
pub(super) async fn products(ids: Vec<String>) -> Result<Result<Vec<Option<StoredProduct>>, Corrupt>, Failure> {
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
        name: name?,
        price_minor: price_minor?.parse().ok()?,
        currency: currency?,
        active: active? == "1",
        low_stock_at: low_stock_at?.parse().ok()?,
        rev: rev?.parse().ok()?,
        stock: Stock {
            on_hand: on_hand?.parse().ok()?,
            supplied: supplied?.parse().ok()?,
            sold: sold?.parse().ok()?,
            returned: returned?.parse().ok()?,
            written_off: written_off?.parse().ok()?,
        },
    })
}

/// A page of product ids in their order, and one id more if there is another page.
pub(super) async fn product_ids(page: &Page) -> Result<Vec<String>, Failure> {
    let after = page.after.as_ref().map_or("-".to_owned(), |id| format!("({id}"));
    let limit = (page.limit + 1).to_string();
    let arguments = [PRODUCTS, &after, "+", "BYLEX", "LIMIT", "0", &limit];
    Ok(command("ZRANGE", arguments).await?.iter().map(as_text).collect())
}

/// Creates a product; `false` when there is one with this id.
pub(super) async fn create_product(
    product: &NewProduct,
    first_supply: Option<String>,
    event_id: &str,
    event_data: String,
    now: &str,
) -> Result<Result<bool, Corrupt>, Failure> {
    let id = &product.product_id;
    let keys = vec![
        product_key(id),
        stock_key(id),
        movements_key(id),
        PRODUCTS.to_owned(),
        PRODUCT_CHANGED.to_owned(),
    ];
    let mut arguments = vec![
        id.clone(),
        product.on_hand.to_string(),
        first_supply.unwrap_or_default(),
        event_id.to_owned(),
        now.to_owned(),
        event_data,
    ];
    let fields = [
        ("sku", product.sku.clone()),
        ("name", product.name.clone()),
        ("price_minor", product.price_minor.to_string()),
        ("currency", product.currency.clone()),
        ("active", "1".to_owned()),
        ("low_stock_at", product.low_stock_at.to_string()),
        ("rev", "1".to_owned()),
    ];
    for (name, value) in fields {
        arguments.extend([name.to_owned(), value]);
    }
    let reply: Vec<String> = CREATE_PRODUCT.run(keys, arguments).await?.iter().map(as_text).collect();
    Ok(match &*reply {
        [word, ..] if word == "created" => Ok(true),
        [word, ..] if word == "exists" => Ok(false),
        other => Err(Corrupt(other.last().cloned().unwrap_or_default())),
    })
}

/// What became of a movement.
pub(super) enum Movement {
    /// It is made, now or by the same request before: the movement as JSON.
    Made(String),
    /// The idempotency key belongs to another request.
    KeyReused,
    /// There is no such product.
    UnknownProduct,
    /// Only so many units are there.
    InsufficientStock(String),
    /// There would be more units than the warehouse may hold.
    TooMuch,
}

/// Moves stock by hand. `movement` is JSON, open at its end for the units that are there afterwards.
pub(super) async fn move_stock(
    product_id: &str,
    kind: Kind,
    qty: u32,
    movement: String,
    scope: Scope,
) -> Result<Result<Movement, Corrupt>, Failure> {
    let keys = vec![stock_key(product_id), movements_key(product_id), scope.record];
    let arguments = vec![
        kind.as_str().to_owned(),
        qty.to_string(),
        ON_HAND_MAX.to_string(),
        movement,
        scope.request,
        KEPT_MS.to_string(),
    ];
    let reply: Vec<String> = MOVE_STOCK.run(keys, arguments).await?.iter().map(as_text).collect();
    let last = reply.last().cloned().unwrap_or_default();
    Ok(Ok(match reply.first().map_or("", |word| word) {
        "moved" | "stored" => Movement::Made(last),
        "key_reused" => Movement::KeyReused,
        "unknown" => Movement::UnknownProduct,
        "insufficient" => Movement::InsufficientStock(last),
        "too_much" => Movement::TooMuch,
        _ => return Ok(Err(Corrupt(last))),
    }))
}

/// An allocation, as it is stored.
pub(super) struct StoredAllocation {
    pub(super) outcome: String,
    pub(super) reason: Option<String>,
    /// JSON.
    pub(super) lines: String,
    pub(super) at: String,
}

/// The allocation of an order, if it is decided.
pub(super) async fn allocation(order_id: &str) -> Result<Result<Option<StoredAllocation>, Corrupt>, Failure> {
    let key = allocation_key(order_id);
    let hashes = read_hashes(vec![key.clone()], &["outcome", "reason", "lines", "at"]).await?;
    let Some(Hash::Fields(fields)) = hashes.into_iter().next() else {
        return Ok(Ok(None));
    };
    let allocation = <[Option<String>; 4]>::try_from(fields)
        .ok()
        .and_then(|[outcome, reason, lines, at]| {
            Some(StoredAllocation {
                outcome: outcome?,
                reason,
                lines: lines?,
                at: at?,
            })
        });
    Ok(match allocation {
        Some(allocation) => Ok(Some(allocation)),
        None => Err(Corrupt(format!("the key {key} lacks fields of an allocation"))),
    })
}

/// An order for which stock is wanted.
pub(super) struct Request {
    pub(super) order: OrderCompleted,
    /// The id of the event that will tell of the outcome.
    pub(super) event_id: String,
    /// The order's lines as JSON.
    pub(super) lines: String,
}

/// Takes the stock for orders; each is decided, now or before, or data in Redis is damaged.
pub(super) async fn allocate(now: &str, requests: Vec<Request>) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut product_ids = Vec::new();
    let mut number = |product_id: &str| -> String {
        let next = product_ids.len() + 1;
        let number = *numbers.entry(product_id.to_owned()).or_insert_with(|| {
            product_ids.push(product_id.to_owned());
            next
        });
        number.to_string()
    };
    let mut keys = vec![ORDER_FULFILLED.to_owned(), REFUND_ORDER.to_owned()];
    let mut orders = Vec::with_capacity(requests.len() * 13);
    let count = requests.len();
    for request in requests {
        let needs = needs(&request.order);
        keys.push(allocation_key(&request.order.order_id));
        orders.extend([
            request.order.order_id,
            request.event_id,
            request.lines,
            needs.len().to_string(),
        ]);
        for need in needs {
            orders.extend([number(&need.product_id), need.qty.to_string()]);
        }
        orders.push(request.order.lines.len().to_string());
        for line in &request.order.lines {
            orders.extend([line.line_id.to_string(), number(&line.product_id)]);
        }
    }
    keys.extend(product_ids.iter().map(|id| stock_key(id)));
    let mut arguments = vec![now.to_owned(), count.to_string()];
    arguments.extend(product_ids);
    arguments.extend(orders);
    let replies = ALLOCATE.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| match as_text(reply) {
            fault if fault.is_empty() => Ok(()),
            fault => Err(Corrupt(fault)),
        })
        .collect())
}
