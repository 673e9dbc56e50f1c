//! Orders in Redis: placed, and read.

use contracts::names::ORDER_PLACED;
use edge::idempotency::{KEPT_MS, Scope};
use edge::redis::{Failure, Script, as_text, command};
use edge::script;
use edge::texts::{Text, read_texts};

use super::stored_order::StoredOrder;
use super::{Corrupt, ORDERS, Product, customer_index, no_text, order_key, product_key, status_index, unwritable};
use crate::domain::order::Status;

/// In so many characters of an order's text its revision ends.
const REV_CHARS_MAX: usize = 32;

static PLACE_ORDER: Script = script!("place_order.lua");

/// The orders of these ids, each where there is one.
pub(in crate::edge) async fn orders(ids: &[&str]) -> Result<Vec<Result<Option<StoredOrder>, Corrupt>>, Failure> {
    let keys = ids.iter().map(|id| order_key(id)).collect();
    let texts = read_texts(keys).await?;
    Ok(ids
        .iter()
        .zip(texts)
        .map(|(id, text)| match text {
            Text::Absent => Ok(None),
            Text::Corrupt => Err(no_text(&order_key(id))),
            Text::Found(text) => match StoredOrder::parse(&text) {
                Ok(order) => Ok(Some(order)),
                Err(what) => Err(no_order(id, &what)),
            },
        })
        .collect())
}

/// The revision of the order of this id, without reading all of the order; `None` where there is no telling.
pub(in crate::edge) async fn order_rev(order_id: &str) -> Result<Option<u64>, Failure> {
    let first = [order_key(order_id), "0".to_owned(), REV_CHARS_MAX.to_string()];
    let beginning = command("GETRANGE", first).await?;
    Ok(beginning.first().map(as_text).as_deref().and_then(StoredOrder::rev_of))
}

/// What is at an order's key is no order: why.
pub(super) fn no_order(order_id: &str, what: &str) -> Corrupt {
    Corrupt(format!("the key {} holds no order: {what}", order_key(order_id)))
}

/// What became of a request that may have come before.
pub(in crate::edge) enum Placed {
    /// The order is placed.
    New,
    /// It is not: a product has changed since it was read.
    ProductChanged,
    /// The same request was answered before: location and body of that answer.
    Before(String, String),
    /// The idempotency key belongs to another request.
    KeyReused,
}

/// Everything that a new order leaves in Redis.
pub(in crate::edge) struct NewOrder<'a> {
    pub(in crate::edge) order_id: &'a str,
    pub(in crate::edge) order: &'a StoredOrder,
    /// The products by which it is priced.
    pub(in crate::edge) products: &'a [Product],
    pub(in crate::edge) event_id: &'a str,
    /// The data of the event `order-placed`.
    pub(in crate::edge) event_data: String,
    pub(in crate::edge) location: &'a str,
    pub(in crate::edge) answer: &'a str,
    pub(in crate::edge) scope: Option<&'a Scope>,
}

/// Places an order, if its products are still as they were when they were read.
pub(in crate::edge) async fn place_order(new: NewOrder<'_>) -> Result<Result<Placed, Corrupt>, Failure> {
    let mut keys = vec![
        order_key(new.order_id),
        ORDERS.to_owned(),
        status_index(Status::Pending),
        customer_index(&new.order.customer_id),
        ORDER_PLACED.to_owned(),
    ];
    keys.extend(new.products.iter().map(|product| product_key(&product.product_id)));
    keys.extend(new.scope.map(|scope| scope.record.clone()));
    let mut arguments: Vec<String> = vec![
        new.order_id.to_owned(),
        serde_json::to_string(new.order).map_err(|error| unwritable(&error))?,
        new.event_id.to_owned(),
        new.order.created_at.clone(),
        new.event_data,
    ];
    arguments.extend(match new.scope {
        Some(scope) => [
            scope.request.clone(),
            new.location.to_owned(),
            new.answer.to_owned(),
            KEPT_MS.to_string(),
        ],
        None => Default::default(),
    });
    arguments.extend(new.products.iter().map(|product| product.text.clone()));
    let reply: Vec<String> = PLACE_ORDER.run(keys, arguments).await?.iter().map(as_text).collect();
    Ok(match &*reply {
        [word, ..] if word == "placed" => Ok(Placed::New),
        [word, ..] if word == "changed" => Ok(Placed::ProductChanged),
        [word, location, body] if word == "stored" => Ok(Placed::Before(location.clone(), body.clone())),
        [word, ..] if word == "key_reused" => Ok(Placed::KeyReused),
        other => Err(Corrupt(other.last().cloned().unwrap_or_default())),
    })
}
