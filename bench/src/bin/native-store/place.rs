//! The commit of a placed order: the only file here that knows the component's script, with its keys and arguments as
//! `store-component/src/edge/redis/orders.rs` sends them.

use std::sync::Arc;

use anyhow::{Result, bail};
use contracts::events::OrderPlaced;
use contracts::names::ORDER_PLACED;
use redis::aio::MultiplexedConnection;

use crate::order::{NewOrder, PlaceOrder};
use crate::{Product, Store};

const SCRIPT: &str = concat!(
    "#!lua\n",
    include_str!("../../../../edge/src/prelude.lua"),
    include_str!("../../../../store-component/src/edge/redis/place_order.lua")
);

/// A day.
const IDEMPOTENCY_TTL_MS: u64 = 24 * 60 * 60 * 1_000;

/// The answer to a request with an idempotency key is kept here, with the request.
pub(crate) struct IdempotencyRecord {
    key: String,
    request: String,
}

impl IdempotencyRecord {
    pub(crate) fn new(key: &str, request: &PlaceOrder) -> Result<Self> {
        Ok(Self {
            key: format!("idem:POST:/store/orders:{key}"),
            request: serde_json::to_string(request)?,
        })
    }
}

pub(crate) enum Placed {
    New,
    /// The same request was answered before.
    Before {
        location: String,
        answer: String,
    },
    KeyReused,
    ProductChanged,
}

pub(crate) fn product_key(id: &str) -> String {
    format!("product:{id}")
}

pub(crate) async fn load_script(redis: &mut MultiplexedConnection) -> Result<String> {
    let sha1 = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(redis).await?;
    Ok(sha1)
}

/// Places the order, if its products are still as they were when they were read.
pub(crate) async fn place(
    store: &Store,
    new: &NewOrder,
    products: &[Arc<Product>],
    record: Option<&IdempotencyRecord>,
) -> Result<Placed> {
    let mut command = redis::cmd("EVALSHA");
    command
        .arg(&store.script_sha1)
        .arg(5 + products.len() + usize::from(record.is_some()))
        .arg(format!("order:{}", new.id))
        .arg("orders")
        .arg("orders:status:pending")
        .arg(format!("orders:customer:{}", new.order.customer_id))
        .arg(ORDER_PLACED);
    for product in products {
        command.arg(product_key(&product.id));
    }
    if let Some(record) = record {
        command.arg(&record.key);
    }
    let event = OrderPlaced {
        order_id: new.id.clone(),
    };
    command
        .arg(&new.id)
        .arg(serde_json::to_string(&new.order)?)
        .arg(&new.event_id)
        .arg(&new.now)
        .arg(serde_json::to_string(&event)?);
    match record {
        Some(record) => command
            .arg(&record.request)
            .arg(&new.location)
            .arg(&new.answer)
            .arg(IDEMPOTENCY_TTL_MS),
        None => command.arg(&[""; 4]),
    };
    for product in products {
        command.arg(&product.stored);
    }
    let reply: Vec<String> = command.query_async(&mut store.redis.clone()).await?;
    Ok(match reply.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["placed"] => Placed::New,
        ["changed"] => Placed::ProductChanged,
        ["stored", location, answer] => Placed::Before {
            location: (*location).to_owned(),
            answer: (*answer).to_owned(),
        },
        ["key_reused"] => Placed::KeyReused,
        other => bail!("the script says {other:?}"),
    })
}
