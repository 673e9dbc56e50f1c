//! Taking the stock for orders: the one rule that is decided in Redis, see `take_stock.lua`.

use std::collections::BTreeSet;

use contracts::envelope::to_json;
use contracts::events::OrderCompleted;
use contracts::names::{ORDER_FULFILLED, REFUND_ORDER};
use kit::clock;
use kit::redis::{Reply, Script, StorageError, as_text, unexpected_reply};
use kit::script;

use super::{LOW_STOCK, allocation_key, stock_key};
use crate::domain::needs::needs;

static TAKE_STOCK: Script = script!("take_stock.lua");

/// Takes the stock for orders, or decides that they are refunded. Each is decided then, now or from before.
///
/// # Errors
/// When Redis is away or full. An error within the list says that data of this order is damaged.
pub(crate) async fn take_stock(orders: Vec<OrderCompleted>) -> Result<Vec<Result<(), StorageError>>, StorageError> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let count = orders.len();
    let mut keys = Vec::with_capacity(3 + 2 * count);
    keys.extend([ORDER_FULFILLED, REFUND_ORDER, LOW_STOCK].map(str::to_owned));
    let mut product_ids = BTreeSet::new();
    let mut requests = Vec::with_capacity(8 * count);
    for order in orders {
        let needs = needs(&order.lines);
        keys.push(allocation_key(&order.order_id));
        requests.extend([
            order.order_id,
            clock::new_id(),
            to_json(&order.lines),
            needs.len().to_string(),
        ]);
        for need in needs {
            if !product_ids.contains(&need.product_id) {
                product_ids.insert(need.product_id.clone());
            }
            requests.extend([need.product_id, need.qty.to_string()]);
        }
    }
    let mut arguments = Vec::with_capacity(2 + product_ids.len() + requests.len());
    arguments.extend([clock::now(), count.to_string()]);
    for product_id in product_ids {
        keys.push(stock_key(&product_id));
        arguments.push(product_id);
    }
    arguments.extend(requests);
    outcomes(count, &TAKE_STOCK.run(keys, arguments).await?)
}

/// The outcome of each order: the script names those that it could not decide, by their numbers from 1, and by negative ones
/// where what is damaged is shared.
fn outcomes(count: usize, damaged: &[Reply]) -> Result<Vec<Result<(), StorageError>>, StorageError> {
    let mut outcomes: Vec<Result<(), StorageError>> = (0..count).map(|_| Ok(())).collect();
    for pair in damaged.chunks(2) {
        let [Reply::Int64(number), what] = pair else {
            return Err(unexpected_reply());
        };
        let is_shared = *number < 0;
        let index = usize::try_from(number.abs() - 1).map_err(|_| unexpected_reply())?;
        let what = as_text(what);
        *outcomes.get_mut(index).ok_or_else(unexpected_reply)? = Err(if is_shared {
            StorageError::SharedCorrupt(what)
        } else {
            StorageError::Corrupt(what)
        });
    }
    Ok(outcomes)
}
