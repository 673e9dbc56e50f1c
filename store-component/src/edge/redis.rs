//! The only file of the store that knows Redis keys and commands.

use std::collections::HashMap;

use contracts::events::{OrderLine, ProductChanged};
use contracts::names::{ORDER_COMPLETED, ORDER_PLACED};
use edge::idempotency::{KEPT_MS, Scope};
use edge::page::Page;
use edge::redis::{Failure, Hash, Script, as_text, command, read_hashes};
use serde::Deserialize;

use crate::domain::order::{Cause, Effect, Status};
use crate::domain::place_order::{CatalogueProduct, PricedOrder, Wish};

static PLACE_ORDER: Script = Script::new(include_str!("place_order.lua"));
static MOVE_ORDERS: Script = Script::new(include_str!("move_orders.lua"));
static NOTE_PAYMENT_FAILURES: Script = Script::new(include_str!("note_payment_failures.lua"));
static LEARN_PRODUCTS: Script = Script::new(include_str!("learn_products.lua"));

/// All orders, by id, which is by time. Every member has the score 0.
const ORDERS: &str = "orders";
/// All products that the store knows, by id. Every member has the score 0.
const PRODUCTS: &str = "products";

fn order_key(order_id: &str) -> String {
    format!("order:{order_id}")
}

fn history_key(order_id: &str) -> String {
    format!("history:{order_id}")
}

fn product_key(product_id: &str) -> String {
    format!("product:{product_id}")
}

/// Something in Redis that is not as the store writes it, in words.
pub(super) struct Corrupt(pub(super) String);

/// A product of the store's copy of the catalogue.
pub(super) struct Product {
    pub(super) product_id: String,
    pub(super) rev: u64,
    pub(super) known: CatalogueProduct,
}

const PRODUCT_FIELDS: [&str; 5] = ["rev", "name", "price_minor", "currency", "active"];

/// The products of these ids, each where it is known.
pub(super) async fn products(ids: Vec<String>) -> Result<Result<Vec<Option<Product>>, Corrupt>, Failure> {
    let keys = ids.iter().map(|id| product_key(id)).collect();
    let hashes = read_hashes(keys, &PRODUCT_FIELDS).await?;
    Ok(ids
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
        .collect())
}

fn product(product_id: &str, fields: Vec<Option<String>>) -> Option<Product> {
    let [rev, name, price_minor, currency, active]: [Option<String>; 5] = fields.try_into().ok()?;
    Some(Product {
        product_id: product_id.to_owned(),
        rev: rev?.parse().ok()?,
        known: CatalogueProduct {
            name: name?,
            price_minor: price_minor?.parse().ok()?,
            currency: currency?,
            active: active? == "1",
        },
    })
}

fn no_hash(key: &str) -> Corrupt {
    Corrupt(format!("the key {key} holds something else than a hash"))
}

/// A page of product ids, in their order.
pub(super) async fn product_ids(page: &Page) -> Result<Vec<String>, Failure> {
    ids(PRODUCTS, page, false).await
}

/// A page of order ids, newest first.
pub(super) async fn order_ids(page: &Page) -> Result<Vec<String>, Failure> {
    ids(ORDERS, page, true).await
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

/// An order as it is stored.
pub(super) struct StoredOrder {
    pub(super) order_id: String,
    pub(super) status: String,
    pub(super) customer_id: String,
    pub(super) currency: String,
    /// JSON.
    pub(super) lines: String,
    pub(super) subtotal_minor: u64,
    pub(super) fee_minor: u64,
    pub(super) total_minor: u64,
    pub(super) reason: Option<String>,
    pub(super) rev: u64,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

const ORDER_FIELDS: [&str; 11] = [
    "status",
    "customer_id",
    "currency",
    "lines",
    "subtotal_minor",
    "fee_minor",
    "total_minor",
    "reason",
    "rev",
    "created_at",
    "updated_at",
];

/// The orders of these ids, each where there is one.
pub(super) async fn orders(ids: Vec<String>) -> Result<Result<Vec<Option<StoredOrder>>, Corrupt>, Failure> {
    let keys = ids.iter().map(|id| order_key(id)).collect();
    let hashes = read_hashes(keys, &ORDER_FIELDS).await?;
    Ok(ids
        .into_iter()
        .zip(hashes)
        .map(|(order_id, hash)| match hash {
            Hash::Absent => Ok(None),
            Hash::Corrupt => Err(no_hash(&order_key(&order_id))),
            Hash::Fields(fields) => match stored_order(&order_id, fields) {
                Some(order) => Ok(Some(order)),
                None => Err(Corrupt(format!(
                    "the key {} lacks fields of an order",
                    order_key(&order_id)
                ))),
            },
        })
        .collect())
}

fn stored_order(order_id: &str, fields: Vec<Option<String>>) -> Option<StoredOrder> {
    let [
        status,
        customer_id,
        currency,
        lines,
        subtotal_minor,
        fee_minor,
        total_minor,
        reason,
        rev,
        created_at,
        updated_at,
    ]: [Option<String>; 11] = fields.try_into().ok()?;
    Some(StoredOrder {
        order_id: order_id.to_owned(),
        status: status?,
        customer_id: customer_id?,
        currency: currency?,
        lines: lines?,
        subtotal_minor: subtotal_minor?.parse().ok()?,
        fee_minor: fee_minor?.parse().ok()?,
        total_minor: total_minor?.parse().ok()?,
        reason,
        rev: rev?.parse().ok()?,
        created_at: created_at?,
        updated_at: updated_at?,
    })
}

/// What became of a request that may have come before.
pub(super) enum Placed {
    /// The order is placed.
    New,
    /// The same request was answered before: location and body of that answer.
    Before(String, String),
    /// The idempotency key belongs to another request.
    KeyReused,
}

/// Everything that a new order leaves in Redis.
pub(super) struct NewOrder<'a> {
    pub(super) order_id: &'a str,
    pub(super) wish: &'a Wish,
    pub(super) order: &'a PricedOrder,
    /// The lines as JSON.
    pub(super) lines: String,
    pub(super) now: &'a str,
    pub(super) event_id: &'a str,
    /// The data of the event `order-placed`.
    pub(super) event_data: String,
    /// The history's first entry.
    pub(super) history: String,
    pub(super) location: &'a str,
    pub(super) answer: &'a str,
    pub(super) scope: Option<Scope>,
}

/// Places an order.
pub(super) async fn place_order(new: NewOrder<'_>) -> Result<Result<Placed, Corrupt>, Failure> {
    let mut keys = vec![
        order_key(new.order_id),
        history_key(new.order_id),
        ORDERS.to_owned(),
        ORDER_PLACED.to_owned(),
    ];
    let mut request = String::new();
    if let Some(scope) = new.scope {
        keys.push(scope.record);
        request = scope.request;
    }
    let mut arguments: Vec<String> = vec![
        new.order_id.to_owned(),
        new.history,
        new.event_id.to_owned(),
        new.now.to_owned(),
        new.event_data,
        request,
        new.location.to_owned(),
        new.answer.to_owned(),
        KEPT_MS.to_string(),
    ];
    let price = new.order.price;
    let fields = [
        ("status", Status::Pending.as_str().to_owned()),
        ("customer_id", new.wish.customer_id.clone()),
        ("currency", new.order.currency.clone()),
        ("lines", new.lines),
        ("subtotal_minor", price.subtotal.to_string()),
        ("fee_minor", price.fee.to_string()),
        ("total_minor", price.total.to_string()),
        ("payment_token", new.wish.token.clone().unwrap_or_default()),
        ("rev", "1".to_owned()),
        ("created_at", new.now.to_owned()),
        ("updated_at", new.now.to_owned()),
    ];
    for (name, value) in fields {
        arguments.extend([name.to_owned(), value]);
    }
    let reply: Vec<String> = PLACE_ORDER.run(keys, arguments).await?.iter().map(as_text).collect();
    Ok(match &*reply {
        [word, ..] if word == "placed" => Ok(Placed::New),
        [word, location, body] if word == "stored" => Ok(Placed::Before(location.clone(), body.clone())),
        [word, ..] if word == "key_reused" => Ok(Placed::KeyReused),
        other => Err(Corrupt(other.last().cloned().unwrap_or_default())),
    })
}

/// What is needed to charge for an order.
pub(super) struct Payable {
    pub(super) status: String,
    pub(super) token: String,
    pub(super) earlier_failures: u32,
    pub(super) customer_id: String,
    pub(super) lines: Vec<OrderLine>,
}

/// What the store knows of the orders that are to be charged for; `None` for an unknown one.
pub(super) async fn payables(order_ids: &[&str]) -> Result<Vec<Result<Option<Payable>, Corrupt>>, Failure> {
    /// The part of a stored line that the warehouse needs.
    #[derive(Deserialize)]
    struct Line {
        line_id: u32,
        product_id: String,
        qty: u32,
    }

    let payable = |fields: Vec<Option<String>>| -> Option<Payable> {
        let [status, token, failures, customer_id, lines]: [Option<String>; 5] = fields.try_into().ok()?;
        let lines: Vec<Line> = serde_json::from_str(&lines?).ok()?;
        Some(Payable {
            status: status?,
            token: token.unwrap_or_default(),
            earlier_failures: failures.and_then(|count| count.parse().ok()).unwrap_or(0),
            customer_id: customer_id?,
            lines: lines
                .into_iter()
                .map(|line| OrderLine {
                    line_id: line.line_id,
                    product_id: line.product_id,
                    qty: line.qty,
                })
                .collect(),
        })
    };
    let keys = order_ids.iter().map(|id| order_key(id)).collect();
    let fields = ["status", "payment_token", "payment_failures", "customer_id", "lines"];
    let hashes = read_hashes(keys, &fields).await?;
    Ok(order_ids
        .iter()
        .zip(hashes)
        .map(|(id, hash)| match hash {
            Hash::Absent => Ok(None),
            Hash::Corrupt => Err(no_hash(&order_key(id))),
            Hash::Fields(fields) => match payable(fields) {
                Some(payable) => Ok(Some(payable)),
                None => Err(Corrupt(format!("the key {} lacks fields of an order", order_key(id)))),
            },
        })
        .collect())
}

/// Remembers how often the payment provider was not reached, for each order.
pub(super) async fn note_payment_failures(failures: &[(&str, u32)]) -> Result<(), Failure> {
    let keys = failures.iter().map(|(id, _)| order_key(id)).collect();
    let counts = failures.iter().map(|(_, count)| count.to_string()).collect();
    NOTE_PAYMENT_FAILURES.run(keys, counts).await?;
    Ok(())
}

/// Something that happened to an order.
pub(super) struct Move {
    pub(super) order_id: String,
    pub(super) cause: Cause,
    /// The id of the event that says so.
    pub(super) event_id: String,
    /// The reason to keep with the order.
    pub(super) reason: Option<&'static str>,
    /// The event `order-completed` that follows: its id and data.
    pub(super) follows: Option<(String, String)>,
}

/// What became of a [`Move`].
pub(super) enum Moved {
    /// It is in effect, now or from before.
    Done,
    /// There is no such order.
    Unknown,
    /// The order is in a state, named here, that contradicts it.
    Contradiction(String),
    /// Data in Redis is damaged.
    Corrupt(Corrupt),
}

/// Moves orders along the transition table.
pub(super) async fn move_orders(now: &str, moves: &[Move]) -> Result<Vec<Moved>, Failure> {
    let mut keys = vec![ORDER_COMPLETED.to_owned()];
    let mut causes: HashMap<&str, usize> = HashMap::new();
    let mut table = Vec::new();
    let mut items = Vec::with_capacity(moves.len() * 5);
    for step in moves {
        keys.extend([order_key(&step.order_id), history_key(&step.order_id)]);
        let next = causes.len() + 1;
        let number = *causes.entry(step.cause.as_str()).or_insert_with(|| {
            table.extend(effects(step.cause));
            next
        });
        let (event_id, data) = step.follows.clone().unwrap_or_default();
        items.extend([
            number.to_string(),
            serde_json::Value::from(step.event_id.as_str()).to_string(),
            step.reason.unwrap_or_default().to_owned(),
            event_id,
            data,
        ]);
    }
    let mut arguments = vec![now.to_owned(), causes.len().to_string()];
    arguments.extend(table);
    arguments.extend(items);
    let replies = MOVE_ORDERS.run(keys, arguments).await?;
    Ok(replies
        .iter()
        .map(|reply| {
            let reply = as_text(reply);
            match reply.split_once(' ').unwrap_or((&reply, "")) {
                ("moved" | "nothing", _) => Moved::Done,
                ("unknown", _) => Moved::Unknown,
                ("contradiction", status) => Moved::Contradiction(status.to_owned()),
                (_, what) => Moved::Corrupt(Corrupt(what.to_owned())),
            }
        })
        .collect())
}

/// One cause of the transition table, as the script takes it.
fn effects(cause: Cause) -> Vec<String> {
    let mut effects = Vec::new();
    for status in Status::ALL {
        let to = match status.on(cause) {
            Effect::Move(to) => to.as_str(),
            Effect::Nothing => "",
            Effect::Contradiction => continue,
        };
        effects.extend([status.as_str().to_owned(), to.to_owned()]);
    }
    let count = (effects.len() / 2).to_string();
    [cause.as_str().to_owned(), count].into_iter().chain(effects).collect()
}

/// Takes over what the warehouse says of its products; each is in effect, or the data in Redis is damaged.
pub(super) async fn learn_products(products: &[ProductChanged]) -> Result<Vec<Result<(), Corrupt>>, Failure> {
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
