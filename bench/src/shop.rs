//! The shop that everything is measured with: 100 products, orders of two lines, a tenth of them out of stock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use contracts::envelope;
use contracts::events::{OrderCompleted, OrderLine};
use contracts::names::{ORDER_COMPLETED, ORDER_FULFILLED, REFUND_ORDER, WAREHOUSE_GROUP};
use redis::{Commands, Connection};
use serde_json::{Value, json};

use crate::client::{get_json, http_client, read_json};
use crate::folder::Folder;
use crate::process::eventually;
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar, WAREHOUSE};

const PRODUCTS: usize = 100;
/// Products from this one on are out of stock.
const FIRST_EMPTY: usize = 90;
/// One order in so many asks for a product that is out of stock.
const SHORT_EVERY: usize = 10;
/// Units of every other product: more than all orders of a run ask for.
const ON_HAND: u64 = 1_000_000_000;
/// Connections on which orders are placed.
const CLIENTS: usize = 16;
/// Time of events that the benchmark appends itself.
const APPENDED_AT: &str = "2026-08-01T12:00:00.000Z";
/// Commands per pipeline when data is put into Redis.
const PIPELINE: usize = 1_000;

fn product_id(number: usize) -> String {
    format!("p-{number:02}")
}

/// Products and units of the order with this number.
fn requested(number: usize) -> [(String, u32); 2] {
    let first = number * 7 % FIRST_EMPTY;
    let second = if number.is_multiple_of(SHORT_EVERY) {
        FIRST_EMPTY + number / SHORT_EVERY % (PRODUCTS - FIRST_EMPTY)
    } else {
        (first + 1 + number % (FIRST_EMPTY - 1)) % FIRST_EMPTY
    };
    [(product_id(first), 1), (product_id(second), 2)]
}

/// Orders that cannot be fulfilled, of those numbered from 0.
fn refunded(orders: usize) -> usize {
    orders.div_ceil(SHORT_EVERY)
}

/// The number of the n-th order that can be fulfilled.
pub(crate) fn fulfillable(n: usize) -> usize {
    n + n / (SHORT_EVERY - 1) + 1
}

/// The body of `POST /store/orders`.
pub(crate) fn order_body(number: usize) -> String {
    let lines = requested(number).map(|(product_id, qty)| json!({ "product_id": product_id, "qty": qty }));
    json!({ "customer_id": "ada", "lines": lines }).to_string()
}

/// Places the order with this number on any service that takes such orders; returns the order's id.
pub(crate) fn place_order(client: &ureq::Agent, url: &str, number: usize) -> Result<String> {
    let request = client.post(url).content_type("application/json");
    let order = read_json(request.send(order_body(number))?)?;
    let id = order["order_id"].as_str().context("the answer has no order_id")?;
    Ok(id.to_owned())
}

fn create_products(app: &App) -> Result<()> {
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

/// Data of a shop whose store knows the products, made by the components themselves.
pub(crate) fn stocked_shop() -> Result<Folder> {
    let redis = Redis::start(Fsync::Everysec, None)?;
    let app = App::start(Runtime::Devhost, &redis)?;
    let sidecar = Sidecar::start(&redis, &[], &[])?;
    create_products(&app)?;
    let client = http_client();
    eventually("the store knows the products", || {
        let page = get_json(&client, &app.url("/store/products?limit=200")).ok()?;
        (page["items"].as_array()?.len() == PRODUCTS).then_some(())
    })?;
    sidecar.stop()?;
    drop(app);
    redis.into_data("stocked-shop")
}

/// Data of a shop in which paid orders wait for their stock.
pub(crate) fn waiting_shop(stocked: &Folder, orders: usize, name: &str) -> Result<Folder> {
    let redis = Redis::start(Fsync::Everysec, Some(stocked.path()))?;
    let mut store = redis.connect(STORE)?;
    append_completed(&mut store, 0, orders)?;
    let created: redis::RedisResult<()> = store.xgroup_create_mkstream(ORDER_COMPLETED, WAREHOUSE_GROUP, "0");
    // The stocked shop's sidecar may have created it.
    if let Err(error) = created
        && error.code() != Some("BUSYGROUP")
    {
        return Err(error.into());
    }
    redis.into_data(name)
}

/// Appends `order-completed` of the orders with these numbers.
pub(crate) fn append_completed(store: &mut Connection, first: usize, count: usize) -> Result<()> {
    let last = first + count;
    for begin in (first..last).step_by(PIPELINE) {
        let mut pipeline = redis::pipe();
        for number in begin..last.min(begin + PIPELINE) {
            let lines = (1..)
                .zip(requested(number))
                .map(|(line_id, (product_id, qty))| OrderLine {
                    line_id,
                    product_id,
                    qty,
                });
            let event = OrderCompleted {
                order_id: order_id(number),
                customer_id: "ada".to_owned(),
                lines: lines.collect(),
            };
            let event_id = format!("01KE{number:022}");
            let command = pipeline.cmd("XADD").arg(ORDER_COMPLETED).arg("*");
            command.arg(&envelope::write(&event_id, APPENDED_AT, &event)).ignore();
        }
        pipeline.exec(store)?;
    }
    Ok(())
}

fn order_id(number: usize) -> String {
    format!("01KA{number:022}")
}

/// Fails unless each waiting order has its right outcome, and each product the stock that the orders leave.
pub(crate) fn check_fulfilment(redis: &Redis, orders: usize) -> Result<()> {
    let mut warehouse = redis.connect(WAREHOUSE)?;
    check_outcomes(orders, warehouse.xlen(ORDER_FULFILLED)?, warehouse.xlen(REFUND_ORDER)?)?;
    for begin in (0..orders).step_by(PIPELINE) {
        let numbers = begin..orders.min(begin + PIPELINE);
        let keys: Vec<String> = numbers
            .clone()
            .map(|number| format!("allocation:{}", order_id(number)))
            .collect();
        let allocations: Vec<Option<String>> = warehouse.mget(keys)?;
        for (number, allocation) in numbers.zip(allocations) {
            let allocation: Value = serde_json::from_str(&allocation.unwrap_or_default())
                .with_context(|| format!("the allocation of order {number}"))?;
            let outcome = allocation["outcome"].as_str();
            let is_short = number.is_multiple_of(SHORT_EVERY);
            let right = Some(if is_short { "refunded" } else { "fulfilled" });
            ensure!(
                outcome == right,
                "order {number} is {outcome:?} and should be {right:?}"
            );
        }
    }
    check_stock(&mut warehouse, orders)
}

fn check_outcomes(orders: usize, fulfilled: usize, refunds: usize) -> Result<()> {
    let expected = refunded(orders);
    ensure!(
        (fulfilled, refunds) == (orders - expected, expected),
        "of {orders} orders {fulfilled} were fulfilled and {refunds} refunded; {expected} should have been refunded"
    );
    Ok(())
}

fn check_stock(warehouse: &mut Connection, orders: usize) -> Result<()> {
    let mut wanted = [0_u64; PRODUCTS];
    for number in (0..orders).filter(|number| !number.is_multiple_of(SHORT_EVERY)) {
        for (product_id, qty) in requested(number) {
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

/// Places orders with numbers from `first` on over HTTP, on several kept connections; returns the seconds it took.
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
                        place_order(&client, &app.url("/store/orders"), number)?;
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

/// Fails unless the store lists this many orders, each fulfilled or refunded as it should be.
pub(crate) fn check_cycle(app: &App, orders: usize) -> Result<()> {
    let client = http_client();
    let mut cursor = String::new();
    let (mut fulfilled, mut refunds) = (0, 0);
    loop {
        let page = get_json(&client, &app.url(&format!("/store/orders?limit=200{cursor}")))?;
        for order in page["items"].as_array().context("the list of orders has no items")? {
            match order["status"].as_str() {
                Some("fulfilled") => fulfilled += 1,
                Some("refunded") => refunds += 1,
                other => anyhow::bail!("the order {} is {other:?}", order["order_id"]),
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return check_outcomes(orders, fulfilled, refunds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_orders_is_out_of_stock() {
        let is_short = |number: &usize| requested(*number).iter().any(|(id, _)| *id >= product_id(FIRST_EMPTY));
        assert_eq!((0..1_000).filter(is_short).count(), refunded(1_000));
        assert_eq!(refunded(1_001), 101);
        assert!((0..1_000).map(fulfillable).all(|number| !is_short(&number)));
        for number in 0..10_000 {
            let [first, second] = requested(number);
            assert_ne!(first.0, second.0);
        }
    }
}
