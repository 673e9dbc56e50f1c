//! What the warehouse decides for orders: stock taken, orders cancelled.

use std::collections::BTreeSet;

use contracts::events::OrderCompleted;
use contracts::names::{ORDER_FULFILLED, REFUND_ORDER};
use edge::redis::{Failure, Reply, Script, as_text};
use edge::script;

use super::{Corrupt, LOW_STOCK, allocation_key, stock_key};
use crate::domain::allocate::needs;

static ALLOCATE: Script = script!("stock.lua", "allocation.lua", "allocate.lua");
static CANCEL_ORDERS: Script = script!("allocation.lua", "cancel_orders.lua");

/// An order for which stock is wanted.
pub(in crate::edge) struct Request {
    pub(in crate::edge) order: OrderCompleted,
    /// The id of the event that will tell of the outcome.
    pub(in crate::edge) event_id: String,
    /// The order's lines as JSON.
    pub(in crate::edge) lines: String,
}

/// Takes the stock for orders; each is decided, now or before, or data in Redis is damaged.
pub(in crate::edge) async fn allocate(
    now: String,
    requests: Vec<Request>,
) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let count = requests.len();
    let mut keys = Vec::with_capacity(3 + 2 * count);
    keys.extend([ORDER_FULFILLED, REFUND_ORDER, LOW_STOCK].map(str::to_owned));
    let mut product_ids = BTreeSet::new();
    let mut orders = Vec::with_capacity(8 * count);
    for request in requests {
        let needs = needs(&request.order.lines);
        keys.push(allocation_key(&request.order.order_id));
        orders.extend([
            request.order.order_id,
            request.event_id,
            request.lines,
            needs.len().to_string(),
        ]);
        for need in needs {
            if !product_ids.contains(&need.product_id) {
                product_ids.insert(need.product_id.clone());
            }
            orders.extend([need.product_id, need.qty.to_string()]);
        }
    }
    let mut arguments = Vec::with_capacity(2 + product_ids.len() + orders.len());
    arguments.extend([now, count.to_string()]);
    for product_id in product_ids {
        keys.push(stock_key(&product_id));
        arguments.push(product_id);
    }
    arguments.extend(orders);
    settled(count, &ALLOCATE.run(keys, arguments).await?)
}

/// Cancels orders, each given with the id of the event that will tell of it; each is decided, now or before, or data in
/// Redis is damaged.
pub(in crate::edge) async fn cancel(
    now: String,
    orders: Vec<(String, String)>,
) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let count = orders.len();
    let mut keys = vec![REFUND_ORDER.to_owned()];
    let mut arguments = vec![now];
    for (order_id, event_id) in orders {
        keys.push(allocation_key(&order_id));
        arguments.extend([order_id, event_id]);
    }
    settled(count, &CANCEL_ORDERS.run(keys, arguments).await?)
}

/// What became of each order: a script names those that it could not decide, by their numbers from 1.
fn settled(count: usize, damaged: &[Reply]) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let mut outcomes: Vec<Result<(), Corrupt>> = (0..count).map(|_| Ok(())).collect();
    for pair in damaged.chunks(2) {
        let outcome = match pair {
            [Reply::Int64(number), what] => usize::try_from(number - 1)
                .ok()
                .and_then(|index| outcomes.get_mut(index))
                .map(|outcome| (outcome, what)),
            _ => None,
        };
        let Some((outcome, what)) = outcome else {
            return Err(Failure::Unavailable(
                "a reply had another form than expected".to_owned(),
            ));
        };
        *outcome = Err(Corrupt(as_text(what)));
    }
    Ok(outcomes)
}
