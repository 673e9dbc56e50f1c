//! Places orders so that the flow can be watched: most are ordinary, some ask for too much, some are declined, cancelled
//! or returned.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::products::{PRODUCTS, add_products, product_ids};
use crate::http::Client;

/// Orders under way at once; further ones wait.
const UNDER_WAY_MAX: usize = 256;
/// Time for an order to reach its final status.
const ORDER_MS_MAX: u64 = 30_000;
const POLL_PAUSE_MS: u64 = 20;
/// Units in an order that asks for too much.
const OVERSIZED_UNITS: u32 = 10_000;
/// Units to supply when an ordinary order found too few.
const SUPPLY_UNITS: u32 = 30;

const CUSTOMERS: [&str; 6] = ["ada", "alan", "edsger", "grace", "margaret", "niklaus"];
const FINAL_STATUSES: [&str; 5] = ["fulfilled", "refunded", "payment_failed", "cancelled", "returned"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Ordinary,
    /// Asks for more than is in stock.
    Oversized,
    PaymentDeclined,
    /// The payment succeeds at the second attempt.
    PaymentRetried,
    /// The customer cancels at once.
    Cancelled,
    /// The customer returns a unit.
    Returned,
}

impl Plan {
    /// The plan for an order by its number: of every twenty, eight are not ordinary.
    fn of(number: u64) -> Self {
        match number % 20 {
            3 | 13 => Self::Oversized,
            6 => Self::PaymentDeclined,
            9 => Self::PaymentRetried,
            11 | 16 => Self::Cancelled,
            8 | 18 => Self::Returned,
            _ => Self::Ordinary,
        }
    }

    fn payment_token(self) -> &'static str {
        match self {
            Self::PaymentDeclined => "tok_decline",
            Self::PaymentRetried => "tok_retry_1",
            _ => "tok_visa",
        }
    }
}

/// Adds the demo products, then places orders until there are enough or Ctrl-C.
pub(super) async fn run(app: Client, rate: f64, orders: Option<u64>) -> Result<()> {
    print(&add_products(&app).await?);
    tokio::select! {
        () = place_orders(&app, rate, orders.unwrap_or(u64::MAX)) => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
    }
}

/// Prints a line, and ends the process when nobody reads it, as behind `| head`.
fn print(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

async fn place_orders(app: &Client, rate: f64, orders: u64) {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    for number in 0..orders {
        ticks.tick().await;
        while under_way.len() >= UNDER_WAY_MAX {
            under_way.join_next().await;
        }
        while under_way.try_join_next().is_some() {}
        let app = app.clone();
        under_way.spawn(async move {
            let line = place_and_follow(&app, number).await;
            print(&line.unwrap_or_else(|error| format!("order {number}: {error:#}")));
        });
    }
    under_way.join_all().await;
}

/// Places an order, carries out its plan, and describes its end in one line.
async fn place_and_follow(app: &Client, number: u64) -> Result<String> {
    let plan = Plan::of(number);
    let lines = order_lines(plan, &mut Rng::new())?;
    let started = Instant::now();
    let customer = CUSTOMERS[fastrand::usize(..CUSTOMERS.len())];
    let request = json!({ "customer_id": customer, "lines": lines, "payment": { "token": plan.payment_token() } });
    let order = create(app, "/store/orders", None, &request).await?;
    let order_id = order["order_id"].as_str().context("the order has no id")?;
    if plan == Plan::Cancelled {
        // It may be too late, which the final line says.
        let path = format!("/store/orders/{order_id}/cancel");
        app.post(&path, None, &json!({ "reason": "changed my mind" })).await?;
    }
    let is_final = |order: &Value| FINAL_STATUSES.iter().any(|status| order["status"] == *status);
    let mut order = wait_for_order(app, order_id, is_final).await?;
    if plan == Plan::Returned && order["status"] == "fulfilled" {
        let body = json!({ "order_id": order_id, "lines": [{ "line_id": 1, "qty": 1 }] });
        create(app, "/warehouse/returns", Some(order_id), &body).await?;
        let has_refund = |order: &Value| order["refunds"].as_array().is_some_and(|refunds| !refunds.is_empty());
        order = wait_for_order(app, order_id, has_refund).await?;
    }
    let line = format!(
        "{order_id}  {customer:<8}  {:<60}  {} after {} ms",
        describe_lines(&lines),
        describe_end(&order),
        started.elapsed().as_millis()
    );
    if plan != Plan::Oversized && order["reason"] == "insufficient_stock" {
        return Ok(format!("{line}\n{}", supply(app, order_id).await?));
    }
    Ok(line)
}

/// One to three lines of an order, as the store's API takes them.
fn order_lines(plan: Plan, rng: &mut Rng) -> Result<Vec<Value>> {
    let products: Value = serde_json::from_str(PRODUCTS).context("demo-products.json")?;
    let count = rng.usize(1..=3);
    let chosen = rng.choose_multiple(product_ids(&products), count);
    Ok(chosen
        .into_iter()
        .map(|product| {
            let qty = match plan {
                Plan::Oversized => OVERSIZED_UNITS,
                _ => rng.u32(1..=3),
            };
            json!({ "product_id": product, "qty": qty })
        })
        .collect())
}

fn describe_lines(lines: &[Value]) -> String {
    let line = |line: &Value| format!("{} x {}", line["qty"], line["product_id"].as_str().unwrap_or_default());
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn describe_end(order: &Value) -> String {
    let status = order["status"].as_str().unwrap_or_default();
    let reason = order["reason"].as_str().map(|reason| format!(" ({reason})"));
    let cancel = match order["cancel"].as_str() {
        Some("refused") => ", too late to cancel",
        _ => "",
    };
    let returned = match order["refunds"].as_array() {
        Some(refunds) if status == "fulfilled" && !refunds.is_empty() => ", a unit came back",
        _ => "",
    };
    format!("{status}{}{cancel}{returned}", reason.unwrap_or_default())
}

/// Supplies the products that an order found too few of, and describes that in one line.
async fn supply(app: &Client, order_id: &str) -> Result<String> {
    let allocation = app.get(&format!("/warehouse/allocations/{order_id}")).await?.json()?;
    let mut supplied = Vec::new();
    for product in product_ids(&allocation["lines"]) {
        let path = format!("/warehouse/products/{product}/movements");
        let body = json!({ "type": "supply", "qty": SUPPLY_UNITS });
        create(app, &path, Some(order_id), &body).await?;
        supplied.push(format!("{SUPPLY_UNITS} x {product}"));
    }
    Ok(format!("{:28}supplied: {}", "", supplied.join(", ")))
}

async fn wait_for_order(app: &Client, order_id: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("/store/orders/{order_id}");
    let deadline = Instant::now() + Duration::from_millis(ORDER_MS_MAX);
    loop {
        let answer = app.get(&path).await?;
        ensure!(answer.status == StatusCode::OK, "GET {path} answered {}", answer.status);
        let order = answer.json()?;
        if condition(&order) {
            return Ok(order);
        }
        if Instant::now() > deadline {
            bail!(
                "{order_id} is still {} after {} s",
                order["status"],
                ORDER_MS_MAX / 1_000
            );
        }
        sleep(Duration::from_millis(POLL_PAUSE_MS)).await;
    }
}

/// Posts a body, and fails unless that creates something.
async fn create(app: &Client, path: &str, key: Option<&str>, body: &Value) -> Result<Value> {
    let answer = app.post(path, key, body).await?;
    ensure!(
        answer.status == StatusCode::CREATED,
        "POST {path} answered {}: {}",
        answer.status,
        answer.text()
    );
    Ok(answer.json()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_orders_are_ordinary() {
        let plans: Vec<_> = (0..20).map(Plan::of).collect();
        let count = |plan: Plan| plans.iter().filter(|other| **other == plan).count();
        assert_eq!(count(Plan::Ordinary), 12);
        assert_eq!(count(Plan::PaymentDeclined) + count(Plan::PaymentRetried), 2);
        assert_eq!(
            (count(Plan::Oversized), count(Plan::Cancelled), count(Plan::Returned)),
            (2, 2, 2)
        );
    }

    #[test]
    fn describes_ends() {
        for (order, words) in [
            (json!({ "status": "fulfilled" }), "fulfilled"),
            (
                json!({ "status": "refunded", "reason": "insufficient_stock" }),
                "refunded (insufficient_stock)",
            ),
            (
                json!({ "status": "fulfilled", "cancel": "refused" }),
                "fulfilled, too late to cancel",
            ),
            (
                json!({ "status": "fulfilled", "refunds": [{}] }),
                "fulfilled, a unit came back",
            ),
        ] {
            assert_eq!(describe_end(&order), words);
        }
    }
}
