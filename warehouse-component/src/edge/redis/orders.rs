//! What the warehouse decides for orders: stock taken, orders cancelled, units taken back.

use std::collections::HashMap;

use contracts::events::{OrderCompleted, OrderLine};
use contracts::names::{ORDER_FULFILLED, REFUND_ORDER, RETURN_RECEIVED};
use edge::idempotency::{KEPT_MS, Scope};
use edge::redis::{Failure, Reply, Script, as_text};

use super::{
    Corrupt, Found, LOW_STOCK, MOVEMENTS_KEPT, allocation_key, corrupt, movements_key, returns_key, run, stock_key,
};
use crate::domain::allocate::{Need, needs};
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};
use crate::domain::take_back::RETURNS_MAX;

static ALLOCATE: Script = Script::new(concat!(include_str!("stock.lua"), include_str!("allocate.lua")));
static CANCEL_ORDERS: Script = Script::new(include_str!("cancel_orders.lua"));
static TAKE_BACK: Script = Script::new(concat!(include_str!("stock.lua"), include_str!("take_back.lua")));
static SHOW_ALLOCATION: Script = Script::read_only(include_str!("show_allocation.lua"));
static ANNOUNCE_ALLOCATION: Script = Script::new(include_str!("announce_allocation.lua"));

/// An allocation, as it is stored.
pub(in crate::edge) struct StoredAllocation {
    pub(in crate::edge) outcome: String,
    pub(in crate::edge) reason: Option<String>,
    /// JSON.
    pub(in crate::edge) lines: String,
    pub(in crate::edge) at: String,
    /// Each as JSON, oldest first.
    pub(in crate::edge) returns: Vec<String>,
}

/// The allocation of an order, if it is decided.
pub(in crate::edge) async fn allocation(order_id: &str) -> Found<Option<StoredAllocation>> {
    let keys = vec![allocation_key(order_id), returns_key(order_id)];
    let (word, rest) = run(&SHOW_ALLOCATION, keys, Vec::new()).await?;
    if word == "unknown" {
        return Ok(Ok(None));
    }
    if word != "allocation" {
        return Ok(Err(corrupt(rest)));
    }
    let mut rest = rest.into_iter();
    let mut next = || rest.next().unwrap_or_default();
    let (outcome, reason, lines, at) = (next(), next(), next(), next());
    Ok(Ok(Some(StoredAllocation {
        outcome,
        reason: (!reason.is_empty()).then_some(reason),
        lines,
        at,
        returns: rest.collect(),
    })))
}

/// An order for which stock is wanted.
pub(in crate::edge) struct Request {
    pub(in crate::edge) order: OrderCompleted,
    /// The id of the event that will tell of the outcome.
    pub(in crate::edge) event_id: String,
    /// The order's lines as JSON.
    pub(in crate::edge) lines: String,
}

/// Takes the stock for orders; each is decided, now or before, or data in Redis is damaged.
pub(in crate::edge) async fn allocate(now: &str, requests: Vec<Request>) -> Result<Vec<Result<(), Corrupt>>, Failure> {
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
    let mut keys = vec![
        ORDER_FULFILLED.to_owned(),
        REFUND_ORDER.to_owned(),
        LOW_STOCK.to_owned(),
    ];
    let mut orders = Vec::with_capacity(requests.len() * 13);
    let count = requests.len();
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
    ALLOCATE.run(keys, arguments).await.map(settled)
}

/// Cancels orders, each given with the id of the event that will tell of it; each is decided, now or before, or data in
/// Redis is damaged.
pub(in crate::edge) async fn cancel(
    now: String,
    orders: Vec<(String, String)>,
) -> Result<Vec<Result<(), Corrupt>>, Failure> {
    let mut keys = vec![REFUND_ORDER.to_owned()];
    let mut arguments = vec![now];
    for (order_id, event_id) in orders {
        keys.push(allocation_key(&order_id));
        arguments.extend([order_id, event_id]);
    }
    CANCEL_ORDERS.run(keys, arguments).await.map(settled)
}

fn settled(replies: Vec<Reply>) -> Vec<Result<(), Corrupt>> {
    replies
        .iter()
        .map(|reply| match as_text(reply) {
            fault if fault.is_empty() => Ok(()),
            fault => Err(Corrupt(fault)),
        })
        .collect()
}

/// Units of a fulfilled order that come back.
pub(in crate::edge) struct Return<'a> {
    pub(in crate::edge) order_id: &'a str,
    /// The order's lines as JSON, as they were read.
    pub(in crate::edge) sold_json: &'a str,
    /// The order's lines.
    pub(in crate::edge) sold: &'a [OrderLine],
    /// What comes back, in the order of the request.
    pub(in crate::edge) back: &'a [OrderLine],
    /// Also the id of the event.
    pub(in crate::edge) return_id: &'a str,
    pub(in crate::edge) now: &'a str,
    pub(in crate::edge) event_data: String,
    /// The return as it is listed with its order, as JSON.
    pub(in crate::edge) entry: String,
    /// The answer, as JSON.
    pub(in crate::edge) answer: String,
    pub(in crate::edge) scope: Scope,
}

/// What became of a return.
pub(in crate::edge) enum TakenBack {
    /// The units are back, now or by the same request before: the answer as JSON.
    Taken(String),
    /// The idempotency key belongs to another request.
    KeyReused,
    /// Nothing is decided for the order.
    Unknown,
    /// The order was refunded.
    NotFulfilled,
    /// Lines of the request, by place, with the units that may still come back.
    TooMany(Vec<(usize, u64)>),
    /// The order came back in as many parts as it may.
    TooManyReturns,
    /// There would be more units of this product than the warehouse may hold or ever take back.
    StockTooLarge(String),
}

/// Takes units back. `movement` gives a product's movement as JSON, open at its end for the units that are there
/// afterwards.
pub(in crate::edge) async fn take_back(wanted: Return<'_>, movements: Vec<(Need, String)>) -> Found<TakenBack> {
    let mut keys = vec![
        allocation_key(wanted.order_id),
        returns_key(wanted.order_id),
        wanted.scope.record,
        RETURN_RECEIVED.to_owned(),
        LOW_STOCK.to_owned(),
    ];
    let mut arguments = vec![
        wanted.sold_json.to_owned(),
        wanted.return_id.to_owned(),
        wanted.now.to_owned(),
        wanted.event_data,
        wanted.entry,
        wanted.scope.request,
        wanted.answer,
        KEPT_MS.to_string(),
        ON_HAND_MAX.to_string(),
        LIFETIME_MAX.to_string(),
        MOVEMENTS_KEPT.to_string(),
        RETURNS_MAX.to_string(),
        wanted.back.len().to_string(),
    ];
    for line in wanted.back {
        let sold = wanted.sold.iter().find(|sold| sold.line_id == line.line_id);
        let sold = sold.map_or(0, |sold| sold.qty);
        arguments.extend([line.line_id.to_string(), sold.to_string(), line.qty.to_string()]);
    }
    for (need, movement) in movements {
        keys.extend([stock_key(&need.product_id), movements_key(&need.product_id)]);
        arguments.extend([need.product_id, need.qty.to_string(), movement]);
    }
    let (word, mut rest) = run(&TAKE_BACK, keys, arguments).await?;
    Ok(Ok(match &*word {
        "taken" | "stored" => TakenBack::Taken(rest.pop().unwrap_or_default()),
        "key_reused" => TakenBack::KeyReused,
        "unknown" => TakenBack::Unknown,
        "not_fulfilled" => TakenBack::NotFulfilled,
        "too_many" => {
            let number = |text: &String| text.parse().unwrap_or_default();
            let pairs = rest.chunks_exact(2);
            TakenBack::TooMany(
                pairs
                    .map(|pair| (pair[0].parse().unwrap_or_default(), number(&pair[1])))
                    .collect(),
            )
        }
        "too_many_returns" => TakenBack::TooManyReturns,
        "stock_too_large" => TakenBack::StockTooLarge(rest.pop().unwrap_or_default()),
        _ => return Ok(Err(corrupt(rest))),
    }))
}

/// An outcome that was told again.
pub(in crate::edge) struct Announced {
    pub(in crate::edge) outcome: String,
    /// The id that the event had and has.
    pub(in crate::edge) event_id: String,
    /// The returns that were told again with it.
    pub(in crate::edge) return_ids: Vec<String>,
}

/// Tells of an order's outcome and returns again; `None` when nothing is decided for the order.
pub(in crate::edge) async fn announce_allocation(order_id: &str, now: String) -> Found<Option<Announced>> {
    let keys = vec![
        allocation_key(order_id),
        returns_key(order_id),
        ORDER_FULFILLED.to_owned(),
        REFUND_ORDER.to_owned(),
        RETURN_RECEIVED.to_owned(),
    ];
    let (word, rest) = run(&ANNOUNCE_ALLOCATION, keys, vec![order_id.to_owned(), now]).await?;
    if word == "unknown" {
        return Ok(Ok(None));
    }
    if word != "announced" {
        return Ok(Err(corrupt(rest)));
    }
    let mut rest = rest.into_iter();
    let mut next = || rest.next().unwrap_or_default();
    let (outcome, event_id) = (next(), next());
    Ok(Ok(Some(Announced {
        outcome,
        event_id,
        return_ids: rest.collect(),
    })))
}
