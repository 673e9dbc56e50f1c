//! The shop that everything is measured with: 100 products, orders of two lines, a tenth of them out of stock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::envelope;
use contracts::events::{OrderCompleted, OrderLine};
use contracts::names::{
    ORDER_COMPLETED, ORDER_FULFILLED, ORDER_PLACED, PAYMENT_GROUP, REFUND_ORDER, STORE_GROUP, WAREHOUSE_GROUP,
};
use redis::Connection;
use serde_json::{Value, json};

use crate::process::{eventually, pause};
use crate::system::{App, Folder, Fsync, Redis, Runtime, STORE, Sidecar, WAREHOUSE, http_client};

/// Products that there are.
const PRODUCTS: usize = 100;
/// The first product of which there is nothing.
const FIRST_EMPTY: usize = 90;
/// One order in so many asks for a product of which there is nothing.
const SHORT_EVERY: usize = 10;
/// Units of every other product: more than all orders of a run ask for.
const ON_HAND: u64 = 1_000_000_000;
/// Connections on which orders are placed.
const CLIENTS: usize = 16;
/// Commands per pipeline when data is put into Redis.
const PIPELINE: usize = 1_000;
/// How long a run may take.
const RUN_S_MAX: u64 = 1_800;
/// Time between two looks at a group, short beside a run and long beside what a look costs Redis.
const LOOK_EVERY: Duration = Duration::from_millis(2);

fn product_id(number: usize) -> String {
    format!("p-{number:02}")
}

/// The products and units that an order with this number asks for.
fn wish(number: usize) -> [(String, u32); 2] {
    let first = number * 7 % FIRST_EMPTY;
    let second = if number.is_multiple_of(SHORT_EVERY) {
        FIRST_EMPTY + number / SHORT_EVERY % (PRODUCTS - FIRST_EMPTY)
    } else {
        (first + 1 + number % (FIRST_EMPTY - 1)) % FIRST_EMPTY
    };
    [(product_id(first), 1), (product_id(second), 2)]
}

/// How many of the orders numbered from 0 cannot be fulfilled.
fn refunded(orders: usize) -> usize {
    orders.div_ceil(SHORT_EVERY)
}

/// The number of the n-th order that can be fulfilled.
pub(crate) fn fulfillable(n: usize) -> usize {
    n + n / (SHORT_EVERY - 1) + 1
}

/// The body of `POST /store/orders` for an order with this number.
pub(crate) fn order_body(number: usize) -> String {
    let lines = wish(number).map(|(product_id, qty)| json!({ "product_id": product_id, "qty": qty }));
    json!({ "customer_id": "ada", "lines": lines }).to_string()
}

/// Creates the products over HTTP.
pub(crate) fn create_products(app: &App) -> Result<()> {
    let client = http_client();
    for number in 0..PRODUCTS {
        let on_hand = if number < FIRST_EMPTY { ON_HAND } else { 0 };
        let id = product_id(number);
        let body = json!({
            "product_id": id, "sku": id, "name": format!("Product {number}"), "price_minor": 1_000 + number,
            "currency": "EUR", "on_hand": on_hand,
        });
        client.post(app.url("/warehouse/products")).send(body.to_string())?;
    }
    Ok(())
}

/// The data of a shop with products that the store knows, for others to start with.
pub(crate) fn stocked_shop() -> Result<Folder> {
    let redis = Redis::start(Fsync::Everysec, None)?;
    let app = App::start(Runtime::Devhost, &redis)?;
    let sidecar = Sidecar::start(&redis, &[], &[])?;
    create_products(&app)?;
    let client = http_client();
    eventually("the store knows the products", || {
        let mut answer = client.get(app.url("/store/products?limit=200")).call().ok()?;
        let page: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
        (page["items"].as_array()?.len() == PRODUCTS).then_some(())
    })?;
    sidecar.stop()?;
    drop(app);
    redis.into_data("stocked-shop")
}

/// The data of a shop in which orders wait for their stock, for others to start with.
pub(crate) fn waiting_shop(stocked: &Folder, orders: usize, name: &str) -> Result<Folder> {
    let redis = Redis::start(Fsync::Everysec, Some(stocked.path()))?;
    let mut store = redis.connect(STORE)?;
    append_completed(&mut store, 0, orders)?;
    redis::cmd("XGROUP")
        .arg(&["CREATE", ORDER_COMPLETED, WAREHOUSE_GROUP, "0", "MKSTREAM"])
        .exec(&mut store)
        // The stocked shop's sidecar may have made it.
        .or_else(|error| {
            if error.code() == Some("BUSYGROUP") {
                Ok(())
            } else {
                Err(error)
            }
        })?;
    redis.into_data(name)
}

/// Appends `order-completed` of orders with these numbers.
pub(crate) fn append_completed(store: &mut Connection, first: usize, count: usize) -> Result<()> {
    let last = first + count;
    for begin in (first..last).step_by(PIPELINE) {
        let mut pipeline = redis::pipe();
        for number in begin..last.min(begin + PIPELINE) {
            let lines = (1..).zip(wish(number)).map(|(line_id, (product_id, qty))| OrderLine {
                line_id,
                product_id,
                qty,
            });
            let event = OrderCompleted {
                order_id: order_id(number),
                customer_id: "ada".to_owned(),
                lines: lines.collect(),
            };
            let data = serde_json::to_string(&event)?;
            let event_id = format!("01KE{number:022}");
            let command = pipeline.cmd("XADD").arg(ORDER_COMPLETED).arg("*");
            command.arg(&envelope::header(
                &event_id,
                ORDER_COMPLETED,
                "2026-08-01T12:00:00.000Z",
            ));
            command.arg("data").arg(data).ignore();
        }
        pipeline.exec(store)?;
    }
    Ok(())
}

fn order_id(number: usize) -> String {
    format!("01KA{number:022}")
}

/// Fails unless every one of the waiting orders has come to its right end, and the stock with it.
pub(crate) fn check_fulfilment(redis: &Redis, orders: usize) -> Result<()> {
    let mut warehouse = redis.connect(WAREHOUSE)?;
    let fulfilled = stream_length(&mut warehouse, ORDER_FULFILLED)?;
    let refused = stream_length(&mut warehouse, REFUND_ORDER)?;
    ensure!(
        (fulfilled, refused) == (orders - refunded(orders), refunded(orders)),
        "of {orders} orders {fulfilled} were fulfilled and {refused} refunded, and {} should have been refunded",
        refunded(orders)
    );
    for begin in (0..orders).step_by(PIPELINE) {
        let mut pipeline = redis::pipe();
        let numbers = begin..orders.min(begin + PIPELINE);
        for number in numbers.clone() {
            pipeline.cmd("GET").arg(format!("allocation:{}", order_id(number)));
        }
        let allocations: Vec<Option<String>> = pipeline.query(&mut warehouse)?;
        for (number, allocation) in numbers.zip(allocations) {
            let allocation: Value = serde_json::from_str(&allocation.unwrap_or_default())
                .with_context(|| format!("the allocation of order {number}"))?;
            let outcome = allocation["outcome"].as_str();
            let right = if number.is_multiple_of(SHORT_EVERY) {
                "refunded"
            } else {
                "fulfilled"
            };
            ensure!(
                outcome == Some(right),
                "order {number} is {outcome:?} and should be {right}"
            );
        }
    }
    check_stock(&mut warehouse, orders)
}

/// How many entries a stream holds.
pub(crate) fn stream_length(connection: &mut Connection, stream: &str) -> Result<usize> {
    Ok(redis::cmd("XLEN").arg(stream).query(connection)?)
}

fn check_stock(warehouse: &mut Connection, orders: usize) -> Result<()> {
    let mut wanted = [0_u64; PRODUCTS];
    for number in (0..orders).filter(|number| !number.is_multiple_of(SHORT_EVERY)) {
        for (product_id, qty) in wish(number) {
            wanted[product_id[2..].parse::<usize>()?] += u64::from(qty);
        }
    }
    for (number, wanted) in wanted.iter().enumerate() {
        let (on_hand, supplied, sold): (u64, u64, u64) = redis::cmd("HMGET")
            .arg(format!("stock:{}", product_id(number)))
            .arg(&["on_hand", "supplied", "sold"])
            .query(warehouse)?;
        ensure!(
            sold == *wanted && on_hand + sold == supplied,
            "of product {number}, {sold} are sold and {on_hand} left of {supplied}, and {wanted} should be sold"
        );
    }
    Ok(())
}

/// Places orders with numbers from `first` on over HTTP, on several kept connections; answers with the seconds it took.
pub(crate) fn place_orders(app: &App, first: usize, count: usize) -> Result<f64> {
    let next = AtomicUsize::new(first);
    let begin = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let client = http_client();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= first + count {
                            return Ok(());
                        }
                        client.post(app.url("/store/orders")).send(order_body(number))?;
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })?;
    Ok(begin.elapsed().as_secs_f64())
}

/// How far a group is.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Progress {
    read: usize,
    settled: usize,
}

fn progress(connection: &mut Connection, stream: &str, group: &str) -> Result<Progress> {
    let groups: redis::RedisResult<Vec<redis::Value>> = redis::cmd("XINFO").arg(&["GROUPS", stream]).query(connection);
    for one in groups.unwrap_or_default() {
        let fields: std::collections::HashMap<String, redis::Value> = redis::from_redis_value(one)?;
        let number = |name: &str| -> Result<usize> {
            let value = fields.get(name).with_context(|| format!("XINFO GROUPS lacks {name}"))?;
            Ok(redis::from_redis_value_ref::<Option<usize>>(value)?.unwrap_or_default())
        };
        let name: String = redis::from_redis_value_ref(fields.get("name").context("XINFO GROUPS lacks name")?)?;
        if name == group {
            let read = number("entries-read")?;
            return Ok(Progress {
                read,
                settled: read - number("pending")?,
            });
        }
    }
    Ok(Progress::default())
}

/// Watches a group from the first entry that it is given to the last that it settles; answers with the seconds between
/// the two. What was settled before is counted in `settled_before`.
pub(crate) fn watch_group(
    connection: &mut Connection,
    (stream, group): (&str, &str),
    settled_before: usize,
    count: usize,
    mut still_well: impl FnMut() -> Result<()>,
) -> Result<f64> {
    let wait = Instant::now();
    let mut begin = None;
    loop {
        let now = progress(connection, stream, group)?;
        if now.read > settled_before && begin.is_none() {
            begin = Some(Instant::now());
        }
        if let Some(begin) = begin
            && now.settled >= settled_before + count
        {
            return Ok(begin.elapsed().as_secs_f64());
        }
        ensure!(
            wait.elapsed() < Duration::from_secs(RUN_S_MAX),
            "a run took over {RUN_S_MAX} s"
        );
        still_well()?;
        pause(LOOK_EVERY);
    }
}

/// Every stream of an order's way with its group, and the database that it is in.
const WAY: [(u8, &str, &str); 4] = [
    (STORE, ORDER_PLACED, PAYMENT_GROUP),
    (STORE, ORDER_COMPLETED, WAREHOUSE_GROUP),
    (WAREHOUSE, ORDER_FULFILLED, STORE_GROUP),
    (WAREHOUSE, REFUND_ORDER, PAYMENT_GROUP),
];

/// How many orders have come to their end, and how many have been begun with.
pub(crate) fn orders_begun_and_ended(redis: &Redis) -> Result<impl FnMut() -> Result<(usize, usize)>> {
    let mut connections = [redis.connect(STORE)?, redis.connect(WAREHOUSE)?];
    Ok(move || {
        let mut settled = [0; WAY.len()];
        let mut begun = 0;
        for (index, (database, stream, group)) in WAY.into_iter().enumerate() {
            let now = progress(&mut connections[usize::from(database)], stream, group)?;
            settled[index] = now.settled;
            if index == 0 {
                begun = now.read;
            }
        }
        Ok((begun, settled[2] + settled[3]))
    })
}

/// Fails unless the store lists this many orders, each fulfilled or refunded as it should be.
pub(crate) fn check_cycle(app: &App, orders: usize) -> Result<()> {
    let client = http_client();
    let mut cursor = String::new();
    let (mut fulfilled, mut refused) = (0, 0);
    loop {
        let mut answer = client
            .get(app.url(&format!("/store/orders?limit=200{cursor}")))
            .call()?;
        let page: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        for order in page["items"].as_array().context("the list of orders has no items")? {
            match order["status"].as_str() {
                Some("fulfilled") => fulfilled += 1,
                Some("refunded") => refused += 1,
                other => anyhow::bail!("the order {} is {other:?}", order["order_id"]),
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ensure!(
        (fulfilled, refused) == (orders - refunded(orders), refunded(orders)),
        "of {orders} orders {fulfilled} are fulfilled and {refused} refunded"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_orders_is_out_of_stock() {
        let is_short = |number: &usize| wish(*number).iter().any(|(id, _)| *id >= product_id(FIRST_EMPTY));
        assert_eq!((0..1_000).filter(is_short).count(), refunded(1_000));
        assert_eq!(refunded(1_001), 101);
        assert!((0..1_000).map(fulfillable).all(|number| !is_short(&number)));
        for number in 0..10_000 {
            let [first, second] = wish(number);
            assert_ne!(first.0, second.0);
        }
    }
}
