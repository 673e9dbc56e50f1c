//! Orders that come by themselves, so that the flow can be watched: most are ordinary, some ask for too much, some are
//! declined, cancelled or sent back.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{PRODUCTS, added, ids, seed};
use crate::cli::PlayArguments;
use crate::exit::Failure;
use crate::http;

/// Orders that may be on their way at once; beyond it, new ones wait.
const UNDER_WAY_MAX: usize = 256;
/// How long an order may take to its end.
const END_MS: u64 = 30_000;
/// The pause between two looks at an order.
const LOOK_PAUSE_MS: u64 = 20;
/// Units in an order that asks for too much.
const OVERSIZED_UNITS: u32 = 10_000;
/// Units that come in when an ordinary order found too few.
const SUPPLY_UNITS: u32 = 30;

const CUSTOMERS: [&str; 6] = ["ada", "alan", "edsger", "grace", "margaret", "niklaus"];

/// What is to happen to an order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Ordinary,
    /// For more than there is.
    Oversized,
    /// The payment is declined.
    Declined,
    /// The payment gets through at the second attempt.
    Slow,
    /// The customer wants out at once.
    Cancelled,
    /// A unit comes back.
    Returned,
}

impl Plan {
    /// The plan for the order of this number: of every twenty, eight are not ordinary.
    fn of(number: u64) -> Self {
        match number % 20 {
            3 | 13 => Self::Oversized,
            6 => Self::Declined,
            9 => Self::Slow,
            11 | 16 => Self::Cancelled,
            8 | 18 => Self::Returned,
            _ => Self::Ordinary,
        }
    }

    fn token(self) -> &'static str {
        match self {
            Self::Declined => "tok_decline",
            Self::Slow => "tok_retry_1",
            _ => "tok_visa",
        }
    }
}

/// Seeds the app if it is not seeded, then sends orders until there were enough or Ctrl-C.
pub(crate) fn play(arguments: PlayArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    Ok(runtime.block_on(run(arguments))?)
}

async fn run(arguments: PlayArguments) -> Result<()> {
    let app = arguments.app;
    let told = tell(&added(seed(app).await?));
    let told = match told {
        Ok(()) => tokio::select! {
            outcome = send(app, arguments.rate, arguments.orders.unwrap_or(u64::MAX)) => outcome,
            stopped = tokio::signal::ctrl_c() => return stopped.context("cannot wait for Ctrl-C"),
        },
        Err(error) => Err(error),
    };
    match told {
        // Behind `| head`, nobody is left to tell.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        told => told.context("cannot print"),
    }
}

fn tell(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

async fn send(app: SocketAddr, rate: f64, orders: u64) -> io::Result<()> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    for number in 0..orders {
        ticks.tick().await;
        while under_way.len() >= UNDER_WAY_MAX
            && let Some(told) = under_way.join_next().await
        {
            told??;
        }
        while let Some(told) = under_way.try_join_next() {
            told??;
        }
        under_way.spawn(async move {
            let line = follow(app, number).await;
            tell(&line.unwrap_or_else(|error| format!("order {number}: {error:#}")))
        });
    }
    while let Some(told) = under_way.join_next().await {
        told??;
    }
    Ok(())
}

/// Sends an order, does with it what is planned, and tells its end in one line.
async fn follow(app: SocketAddr, number: u64) -> Result<String> {
    let plan = Plan::of(number);
    let wanted = lines(plan, &mut Rng::new())?;
    let began = Instant::now();
    let customer = CUSTOMERS[fastrand::usize(..CUSTOMERS.len())];
    let order = expect(
        app,
        "/store/orders",
        None,
        &json!({ "customer_id": customer, "lines": wanted, "payment": { "token": plan.token() } }),
    )
    .await?;
    let order_id = order["order_id"].as_str().context("the order has no id")?;
    if plan == Plan::Cancelled {
        // Too late is an answer too.
        let path = format!("/store/orders/{order_id}/cancel");
        let body = json!({ "reason": "changed my mind" });
        http::request(app, Method::POST, &path, Some(&body)).await?;
    }
    let mut order = until(app, order_id, |order| is_end(&order["status"])).await?;
    if plan == Plan::Returned && order["status"] == "fulfilled" {
        let body = json!({ "order_id": order_id, "lines": [{ "line_id": 1, "qty": 1 }] });
        expect(app, "/warehouse/returns", Some(order_id), &body).await?;
        let is_refunded = |order: &Value| order["refunds"].as_array().is_some_and(|refunds| !refunds.is_empty());
        order = until(app, order_id, is_refunded).await?;
    }
    let line = format!(
        "{order_id}  {customer:<8}  {:<60}  {} after {} ms",
        text(&wanted),
        end(&order),
        began.elapsed().as_millis()
    );
    if plan != Plan::Oversized && order["reason"] == "insufficient_stock" {
        let supplied = supply(app, order_id).await?;
        return Ok(format!("{line}\n{supplied}"));
    }
    Ok(line)
}

/// The lines of an order, as the store's API takes them.
fn lines(plan: Plan, rng: &mut Rng) -> Result<Value> {
    let catalogue: Value = serde_json::from_str(PRODUCTS).context("demo-products.json")?;
    let catalogue = json!({ "items": catalogue });
    let count = rng.usize(1..=3);
    let products = rng.choose_multiple(ids(&catalogue), count);
    let units = |rng: &mut Rng| match plan {
        Plan::Oversized => OVERSIZED_UNITS,
        _ => rng.u32(1..=3),
    };
    let lines: Vec<_> = products
        .into_iter()
        .map(|product| json!({ "product_id": product, "qty": units(rng) }))
        .collect();
    Ok(lines.into())
}

fn text(lines: &Value) -> String {
    let lines = lines.as_array().map_or(&[][..], Vec::as_slice);
    let line = |line: &Value| format!("{} x {}", line["qty"], line["product_id"].as_str().unwrap_or_default());
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn is_end(status: &Value) -> bool {
    let ends = ["fulfilled", "refunded", "payment_failed", "cancelled", "returned"];
    status.as_str().is_some_and(|status| ends.contains(&status))
}

/// How an order ended, in words.
fn end(order: &Value) -> String {
    let status = order["status"].as_str().unwrap_or_default();
    let reason = order["reason"].as_str().map(|reason| format!(" ({reason})"));
    let cancel = match order["cancel"].as_str() {
        Some("refused") => ", too late to cancel",
        _ => "",
    };
    let back = match order["refunds"].as_array() {
        Some(refunds) if status == "fulfilled" && !refunds.is_empty() => ", a unit came back",
        _ => "",
    };
    format!("{status}{}{cancel}{back}", reason.unwrap_or_default())
}

/// Supplies what the order found too little of, and says so.
async fn supply(app: SocketAddr, order_id: &str) -> Result<String> {
    let path = format!("/warehouse/allocations/{order_id}");
    let (_, body) = http::request(app, Method::GET, &path, None).await?;
    let allocation: Value = serde_json::from_slice(&body)?;
    let mut supplied = Vec::new();
    for line in allocation["lines"].as_array().map_or(&[][..], Vec::as_slice) {
        let Some(product) = line["product_id"].as_str() else {
            continue;
        };
        let path = format!("/warehouse/products/{product}/movements");
        let body = json!({ "type": "supply", "qty": SUPPLY_UNITS });
        expect(app, &path, Some(order_id), &body).await?;
        supplied.push(format!("{SUPPLY_UNITS} x {product}"));
    }
    Ok(format!("{:28}a supply: {}", "", supplied.join(", ")))
}

/// Waits until an order is as wanted.
async fn until(app: SocketAddr, order_id: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("/store/orders/{order_id}");
    let patience = Instant::now() + Duration::from_millis(END_MS);
    loop {
        let (status, body) = http::request(app, Method::GET, &path, None).await?;
        ensure!(status == StatusCode::OK, "GET {path} answered {status}");
        let order: Value = serde_json::from_slice(&body)?;
        if is_wanted(&order) {
            return Ok(order);
        }
        if Instant::now() > patience {
            bail!("{order_id} is still {} after {} s", order["status"], END_MS / 1_000);
        }
        sleep(Duration::from_millis(LOOK_PAUSE_MS)).await;
    }
}

/// Posts a body, and wants it to create something.
async fn expect(app: SocketAddr, path: &str, key: Option<&str>, body: &Value) -> Result<Value> {
    let (status, answer) = http::request_once(app, Method::POST, path, key, Some(body)).await?;
    ensure!(
        status == StatusCode::CREATED,
        "POST {path} answered {status}: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(serde_json::from_slice(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_orders_are_ordinary() {
        let plans: Vec<_> = (0..20).map(Plan::of).collect();
        let count = |plan: Plan| plans.iter().filter(|other| **other == plan).count();
        assert_eq!(count(Plan::Ordinary), 12);
        assert_eq!(
            (count(Plan::Oversized), count(Plan::Declined), count(Plan::Slow)),
            (2, 1, 1)
        );
        assert_eq!((count(Plan::Cancelled), count(Plan::Returned)), (2, 2));
    }

    #[test]
    fn an_end_is_told_in_words() {
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
            assert_eq!(end(&order), words);
        }
    }
}
