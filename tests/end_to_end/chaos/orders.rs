//! Customers who order at a steady rate, and repeat a request until the order is acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::books::PRODUCTS;
use crate::process::pause;

const CUSTOMERS: u64 = 6;
/// Between two orders of a customer.
const ORDER_EVERY: Duration = Duration::from_millis(150);
/// A customer repeats a request after this time without an answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Customers {
    over: Arc<AtomicBool>,
    ordering: Arc<AtomicUsize>,
    /// The ids of orders that were acknowledged.
    orders: Arc<Mutex<Vec<String>>>,
}

impl Customers {
    /// Each customer begins with another address, and takes the next one after each failure.
    pub(super) fn start(addresses: Vec<String>, seed: u64) -> Self {
        let customers = Self {
            over: Arc::default(),
            ordering: Arc::default(),
            orders: Arc::default(),
        };
        for number in 0..CUSTOMERS {
            let customer = Customer {
                number,
                rng: Rng::with_seed(seed ^ (number << 32)),
                agent: ureq::Agent::config_builder()
                    .http_status_as_error(false)
                    .timeout_global(Some(PATIENCE))
                    .build()
                    .new_agent(),
                addresses: addresses.clone(),
                address: number as usize % addresses.len(),
            };
            let (over, ordering, orders) = (
                customers.over.clone(),
                customers.ordering.clone(),
                customers.orders.clone(),
            );
            ordering.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                customer.order_until(&over, &orders);
                ordering.fetch_sub(1, Ordering::SeqCst);
            });
        }
        customers
    }

    /// Places no new orders, and repeats the requests under way until they are acknowledged.
    pub(super) fn stop_ordering(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn are_done(&self) -> bool {
        self.ordering.load(Ordering::SeqCst) == 0
    }

    pub(super) fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.stop_ordering();
    }
}

struct Customer {
    number: u64,
    rng: Rng,
    agent: ureq::Agent,
    addresses: Vec<String>,
    address: usize,
}

impl Customer {
    fn order_until(mut self, over: &AtomicBool, orders: &Mutex<Vec<String>>) {
        let mut next = Instant::now();
        for count in 0.. {
            while Instant::now() < next {
                pause();
            }
            if over.load(Ordering::SeqCst) {
                return;
            }
            next = Instant::now() + ORDER_EVERY;
            let key = format!("customer-{}-order-{count}", self.number);
            let body = self.body();
            // At most as long as the round can take; then the order counts as not acknowledged.
            let give_up = Instant::now() + Duration::from_secs(120);
            while Instant::now() < give_up {
                if let Some(order) = self.place(&key, &body) {
                    orders.lock().unwrap().push(order);
                    break;
                }
                self.address = (self.address + 1) % self.addresses.len();
                pause();
            }
        }
    }

    /// One product or two, sometimes the same twice; mostly paid at once.
    fn body(&mut self) -> Value {
        let mut lines = Vec::new();
        for _ in 0..self.rng.usize(1..3) {
            let product = PRODUCTS[self.rng.usize(..PRODUCTS.len())].0;
            lines.push(json!({ "product_id": product, "qty": self.rng.u32(1..4) }));
        }
        let token = match self.rng.u8(..20) {
            0 => "tok_decline",
            1 => "tok_retry_1",
            _ => "tok_visa",
        };
        json!({ "customer_id": format!("c{}", self.number), "lines": lines, "payment": { "token": token } })
    }

    /// The order's id, if it is acknowledged.
    fn place(&self, key: &str, body: &Value) -> Option<String> {
        let url = format!("{}/store/orders", self.addresses[self.address]);
        let request = self.agent.post(url).header("Idempotency-Key", key);
        let mut answer = request.send(body.to_string()).ok()?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().ok()?;
        assert!(!(400..500).contains(&status), "{status}: {text}");
        (status == 201).then(|| {
            let order: Value = serde_json::from_str(&text).unwrap();
            order["order_id"].as_str().unwrap().to_owned()
        })
    }
}
