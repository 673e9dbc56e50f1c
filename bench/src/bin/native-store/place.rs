//! The commit of a placed order, as `store-component/src/storage/orders.rs` makes it, on a connection of redis-rs.

use std::sync::Arc;

use anyhow::{Context, Result};
use contracts::envelope::to_json;
use contracts::events::OrderPlaced;
use kit::commit::{self, Commit, Expected, IdempotencyRecord, Outcome};
use redis::aio::MultiplexedConnection;
use sha1_smol::Sha1;

use crate::order::{NewOrder, PlaceOrder};
use crate::{Product, Store};

pub(crate) fn idempotency_record(key: &str, request: &PlaceOrder) -> IdempotencyRecord {
    IdempotencyRecord {
        key: format!("idem:POST:/store/orders:{key}"),
        fingerprint: Sha1::from(to_json(request)).hexdigest(),
    }
}

pub(crate) fn product_key(id: &str) -> String {
    format!("product:{id}")
}

pub(crate) async fn load_script(redis: &mut MultiplexedConnection) -> Result<String> {
    let sha1 = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(commit::SCRIPT)
        .query_async(redis)
        .await?;
    Ok(sha1)
}

/// Places the order, if its products are still as they were when they were read.
pub(crate) async fn place(
    store: &Store,
    new: &NewOrder,
    products: &[Arc<Product>],
    record: Option<&IdempotencyRecord>,
) -> Result<Outcome> {
    let mut placing = Commit::new();
    for product in products {
        placing.expect(product_key(&product.id), Expected::Text(product.stored.clone()));
    }
    placing.set(format!("order:{}", new.id), to_json(&new.order));
    placing.insert("orders", &new.id);
    placing.insert("orders:status:pending", &new.id);
    placing.insert(format!("orders:customer:{}", new.order.customer_id), &new.id);
    let event = OrderPlaced {
        order_id: new.id.clone(),
    };
    placing.append(&new.event_id, &new.now, &event);
    if let Some(record) = record {
        placing.answer(record, &new.location, &new.answer);
    }
    let (keys, arguments) = commit::encode(vec![placing]);
    let mut command = redis::cmd("EVALSHA");
    command.arg(&store.script_sha1).arg(keys.len()).arg(keys).arg(arguments);
    let reply: Vec<String> = command.query_async(&mut store.redis.clone()).await?;
    let outcomes = commit::outcomes(1, reply.into_iter()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let outcome = outcomes.into_iter().next().context("the script answered nothing")?;
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}
