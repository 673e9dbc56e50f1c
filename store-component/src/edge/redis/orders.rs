//! Orders in Redis: placed, and read for an answer.

use contracts::names::ORDER_PLACED;
use edge::idempotency::{KEPT_MS, Scope};
use edge::redis::{Failure, Hash, Script, as_text, read_hashes};

use super::{Corrupt, ORDERS, Product, customer_index, history_key, no_hash, order_key, product_key, status_index};
use crate::domain::order::Status;
use crate::domain::place_order::{PricedOrder, Wish};

static PLACE_ORDER: Script = Script::new(include_str!("place_order.lua"));

/// An order as it is stored.
pub(in crate::edge) struct StoredOrder {
    pub(in crate::edge) order_id: String,
    pub(in crate::edge) status: String,
    pub(in crate::edge) customer_id: String,
    pub(in crate::edge) currency: String,
    /// JSON.
    pub(in crate::edge) lines: String,
    pub(in crate::edge) subtotal_minor: u64,
    pub(in crate::edge) fee_minor: u64,
    pub(in crate::edge) total_minor: u64,
    pub(in crate::edge) reason: Option<String>,
    pub(in crate::edge) cancel: Option<String>,
    pub(in crate::edge) cancel_reason: Option<String>,
    /// JSON.
    pub(in crate::edge) refunds: Option<String>,
    pub(in crate::edge) rev: u64,
    pub(in crate::edge) created_at: String,
    pub(in crate::edge) updated_at: String,
}

const ORDER_FIELDS: [&str; 14] = [
    "status",
    "customer_id",
    "currency",
    "lines",
    "subtotal_minor",
    "fee_minor",
    "total_minor",
    "reason",
    "cancel",
    "cancel_reason",
    "refunds",
    "rev",
    "created_at",
    "updated_at",
];

/// The orders of these ids, each where there is one.
pub(in crate::edge) async fn orders(ids: Vec<String>) -> Result<Result<Vec<Option<StoredOrder>>, Corrupt>, Failure> {
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
        cancel,
        cancel_reason,
        refunds,
        rev,
        created_at,
        updated_at,
    ]: [Option<String>; 14] = fields.try_into().ok()?;
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
        cancel,
        cancel_reason,
        refunds,
        rev: rev?.parse().ok()?,
        created_at: created_at?,
        updated_at: updated_at?,
    })
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
    pub(in crate::edge) wish: &'a Wish,
    /// The products by which it is priced.
    pub(in crate::edge) products: &'a [Product],
    pub(in crate::edge) order: &'a PricedOrder,
    /// The lines as JSON.
    pub(in crate::edge) lines: String,
    pub(in crate::edge) now: &'a str,
    pub(in crate::edge) event_id: &'a str,
    /// The data of the event `order-placed`.
    pub(in crate::edge) event_data: String,
    /// The history's first entry.
    pub(in crate::edge) history: String,
    pub(in crate::edge) location: &'a str,
    pub(in crate::edge) answer: &'a str,
    pub(in crate::edge) scope: Option<&'a Scope>,
}

/// Places an order, if its products are still as they were when they were read.
pub(in crate::edge) async fn place_order(new: NewOrder<'_>) -> Result<Result<Placed, Corrupt>, Failure> {
    let mut keys = vec![
        order_key(new.order_id),
        history_key(new.order_id),
        ORDERS.to_owned(),
        status_index(Status::Pending),
        customer_index(&new.wish.customer_id),
        ORDER_PLACED.to_owned(),
    ];
    keys.extend(new.products.iter().map(|product| product_key(&product.product_id)));
    keys.extend(new.scope.map(|scope| scope.record.clone()));
    let price = new.order.price;
    let mut arguments: Vec<String> = vec![
        new.order_id.to_owned(),
        new.history,
        new.event_id.to_owned(),
        new.now.to_owned(),
        new.event_data,
        Status::Pending.as_str().to_owned(),
        new.wish.customer_id.clone(),
        new.order.currency.clone(),
        new.lines,
        price.subtotal.to_string(),
        price.fee.to_string(),
        price.total.to_string(),
        new.wish.token.clone().unwrap_or_default(),
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
    arguments.extend(new.products.iter().flat_map(|product| product.stored.iter().cloned()));
    let reply: Vec<String> = PLACE_ORDER.run(keys, arguments).await?.iter().map(as_text).collect();
    Ok(match &*reply {
        [word, ..] if word == "placed" => Ok(Placed::New),
        [word, ..] if word == "changed" => Ok(Placed::ProductChanged),
        [word, location, body] if word == "stored" => Ok(Placed::Before(location.clone(), body.clone())),
        [word, ..] if word == "key_reused" => Ok(Placed::KeyReused),
        other => Err(Corrupt(other.last().cloned().unwrap_or_default())),
    })
}
