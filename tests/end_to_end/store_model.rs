//! The store under random requests and events: after every step each order's states, money and returned units are
//! sound, every list is right, and every event is appended once with the right data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fastrand::Rng;
use serde_json::{Value, json};
use store_component::domain::order::{Cause, Effect, Status};

use crate::Test;
use crate::catalogue::learn;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("orders stay sound, whatever comes in whichever order", random_steps)];

const SEEDS: [u64; 6] = [1, 2, 3, 4, 5, 6];
const STEPS: usize = 200;
const CUSTOMERS: [&str; 3] = ["ada", "bob", "eve"];
const PRODUCTS: [(&str, u64); 3] = [("cup", 333), ("pot", 1_000_000_000), ("gift", 0)];
const TOKENS: [&str; 5] = ["tok_visa", "tok_visa", "tok_visa", "tok_decline", "tok_retry_1"];
const KINDS: [&str; 8] = [
    "order-placed",
    "order-placed",
    "order-placed",
    "order-fulfilled",
    "order-fulfilled",
    "refund-order",
    "return-received",
    "return-received",
];
const REFUND_REASONS: [&str; 3] = ["insufficient_stock", "unknown_product", "customer_cancelled"];
const REASON: &str = "a \"why\"";

struct Run<'a> {
    system: &'a System,
    courier: Courier,
    rng: Rng,
    ids: BTreeSet<String>,
    /// Returns that were delivered, to deliver some of them again.
    returns: Vec<Value>,
    count: u64,
}

fn random_steps(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut states = BTreeSet::new();
    for seed in SEEDS {
        let mut courier = Courier::new(&system);
        let _: String = courier.redis(&["FLUSHDB"]);
        for (id, price) in PRODUCTS {
            learn(&system, id, 1, id, price, true);
        }
        let mut run = Run {
            system: &system,
            courier,
            rng: Rng::with_seed(seed),
            ids: BTreeSet::new(),
            returns: Vec::new(),
            count: 0,
        };
        for step in 0..STEPS {
            let done = match run.rng.u32(..100) {
                0..20 => run.place(),
                20..35 => run.cancel(),
                _ => run.deliver(),
            };
            states.extend(run.check(&format!("seed {seed}, step {step}: {done}")));
        }
    }
    let all = Status::ALL.map(Status::as_str);
    assert_eq!(states, all.into(), "not every state was reached");
}

impl Run<'_> {
    /// An order, the newest ones more often, so that orders go all the way; or one that nobody knows.
    fn order(&mut self) -> String {
        let count = self.ids.len();
        if count == 0 || self.rng.u32(..20) == 0 {
            return "nobody".to_owned();
        }
        let back = if self.rng.bool() { count.min(6) } else { count };
        let index = count - 1 - self.rng.usize(..back);
        self.ids.iter().nth(index).unwrap().clone()
    }

    fn stored(&mut self, order_id: &str) -> Value {
        let text: Option<String> = self.courier.redis(&["GET", &format!("order:{order_id}")]);
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    fn place(&mut self) -> String {
        let mut lines = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let (product_id, _) = self.rng.choice(PRODUCTS).unwrap();
            lines.push(json!({ "product_id": product_id, "qty": self.rng.u32(1..5) }));
        }
        let (customer, token) = (self.rng.choice(CUSTOMERS), self.rng.choice(TOKENS));
        let body = json!({ "customer_id": customer, "lines": lines, "payment": { "token": token } });
        let answer = self.system.post("/store/orders", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        let order_id = answer.json()["order_id"].as_str().unwrap().to_owned();
        assert!(self.ids.insert(order_id.clone()), "{order_id} is there twice");
        format!("place {order_id}")
    }

    fn cancel(&mut self) -> String {
        let order_id = self.order();
        let before = self.stored(&order_id);
        let path = format!("/store/orders/{order_id}/cancel");
        let answer = self.system.post(&path, &json!({ "reason": REASON }));
        let expected = match before["status"].as_str() {
            None => 404,
            Some("pending") => 200,
            Some("completed") => 202,
            Some(_) => 409,
        };
        assert_eq!(answer.status, expected, "{answer:?}");
        format!("cancel {order_id}")
    }

    /// Delivers some events of one kind. Only an event that is done leaves a trace in its order's history.
    fn deliver(&mut self) -> String {
        let stream = self.rng.choice(KINDS).unwrap();
        let mut events = Vec::new();
        for _ in 0..self.rng.usize(1..5) {
            let order_id = self.order();
            let reason = self.rng.choice(REFUND_REASONS);
            let line = json!({ "line_id": 1, "product_id": "cup", "qty": 1 });
            let data = match stream {
                "order-placed" => json!({ "order_id": order_id }),
                "order-fulfilled" => json!({ "order_id": order_id, "lines": [line] }),
                "refund-order" => json!({ "order_id": order_id, "reason": reason, "lines": [] }),
                _ => self.some_return(&order_id),
            };
            self.count += 1;
            events.push((format!("event \"{}\"", self.count), data.to_string()));
        }
        let settled = self.courier.deliver_data(stream, &events);
        for ((event_id, data), (settled, reason)) in events.iter().zip(settled) {
            let context = format!("{data}: {settled:?} {reason}");
            let data: Value = serde_json::from_str(data).unwrap();
            let order = self.stored(data["order_id"].as_str().unwrap());
            let is_among = |name: &str, field: &str, value: &Value| {
                let list = order[name].as_array().map_or(&[][..], Vec::as_slice);
                list.iter().any(|item| item[field] == *value)
            };
            let is_in_history = is_among("history", "event_id", &json!(event_id));
            match settled {
                Settled::Done if stream == "return-received" => {
                    assert!(is_among("refunds", "return_id", &data["return_id"]), "{context}");
                }
                Settled::Done => assert_ne!(order, Value::Null, "{context}"),
                Settled::Retry => assert!(stream == "order-placed" && !is_in_history, "{context}"),
                Settled::Reject => {
                    let named = ["contradiction", "unknown_order"][usize::from(order == Value::Null)];
                    assert!(reason.contains(named) && !is_in_history, "{context}");
                }
            }
        }
        format!("deliver {stream}: {events:?}")
    }

    /// A return of some units, at times one that came before, of more than were bought, or of another product.
    fn some_return(&mut self, order_id: &str) -> Value {
        if !self.returns.is_empty() && self.rng.u32(..4) == 0 {
            return self.rng.choice(&self.returns).unwrap().clone();
        }
        let order = self.stored(order_id);
        let mut lines = Vec::new();
        for (index, line) in order["lines"].as_array().into_iter().flatten().enumerate() {
            let left = units(&line["qty"]) - units(&order["returned"][index]);
            let qty = self.rng.u64(1..=left + 1);
            if self.rng.bool() {
                lines.push(json!({ "line_id": line["line_id"], "product_id": line["product_id"], "qty": qty }));
            }
        }
        if lines.is_empty() || self.rng.u32(..15) == 0 {
            lines = vec![json!({ "line_id": 2, "product_id": "cup", "qty": 1 })];
        }
        let return_id = format!("return-{}", self.count);
        let event = json!({ "order_id": order_id, "return_id": return_id, "lines": lines });
        self.returns.push(event.clone());
        event
    }

    /// Checks everything, and gives the states of the orders.
    fn check(&mut self, context: &str) -> BTreeSet<&'static str> {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut streams: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut states = BTreeSet::new();
        for order_id in self.ids.clone() {
            let order = self.stored(&order_id);
            let status = check_order(&order, &format!("{context}: {order_id}"));
            states.insert(status);
            let customer = order["customer_id"].as_str().unwrap();
            for list in [
                "orders",
                &format!("orders:status:{status}"),
                &format!("orders:customer:{customer}"),
            ] {
                lists.entry(list.to_owned()).or_default().push(order_id.clone());
            }
            for (stream, data) in events(&order_id, &order) {
                streams.entry(stream).or_default().push(data.to_string());
            }
        }
        let keys: BTreeSet<String> = self.courier.redis(&["KEYS", "orders*"]);
        assert_eq!(keys, lists.keys().cloned().collect(), "{context}");
        for (list, expected) in lists {
            let found: Vec<String> = self.courier.redis(&["ZRANGE", &list, "0", "-1"]);
            assert_eq!(found, expected, "{context}: {list}");
        }
        for stream in ["order-placed", "order-completed", "order-cancel-requested"] {
            let entries: Vec<(String, HashMap<String, String>)> = self.courier.redis(&["XRANGE", stream, "-", "+"]);
            let mut found = Vec::new();
            for (_, fields) in entries {
                let data: Value = serde_json::from_str(&fields["data"]).unwrap();
                found.push(data.to_string());
            }
            found.sort_unstable();
            let mut expected = streams.remove(stream).unwrap_or_default();
            expected.sort_unstable();
            assert_eq!(found, expected, "{context}: {stream}");
        }
        states
    }
}

/// The events that an order's history must have caused: stream and data.
fn events(order_id: &str, order: &Value) -> Vec<(&'static str, Value)> {
    let mut lines = order["lines"].clone();
    for line in lines.as_array_mut().unwrap() {
        line.as_object_mut()
            .unwrap()
            .retain(|name, _| ["line_id", "product_id", "qty"].contains(&name.as_str()));
    }
    let of_cause = |step: &Value| match step["cause"].as_str().unwrap() {
        "placed" => Some(("order-placed", json!({ "order_id": order_id }))),
        "payment_approved" => Some((
            "order-completed",
            json!({ "order_id": order_id, "customer_id": order["customer_id"], "lines": lines }),
        )),
        "cancel_requested" => Some((
            "order-cancel-requested",
            json!({ "order_id": order_id, "reason": REASON }),
        )),
        _ => None,
    };
    order["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(of_cause)
        .collect()
}

/// A number, 0 where there is none.
fn units(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Checks an order by itself, and gives its state.
fn check_order(order: &Value, context: &str) -> &'static str {
    let history = order["history"].as_array().unwrap();
    assert_eq!(order["rev"], json!(history.len()), "{context}: {history:?}");
    assert_eq!(
        (&history[0]["from"], &history[0]["to"]),
        (&Value::Null, &json!("pending")),
        "{context}"
    );
    let mut status = Status::Pending;
    for step in &history[1..] {
        let cause = Cause::ALL
            .into_iter()
            .find(|cause| step["cause"] == cause.as_str())
            .unwrap();
        assert_eq!(step["from"], status.as_str(), "{context}: {history:?}");
        let Effect::Move(to) = status.on(cause) else {
            panic!("{context}: {status} does not allow {cause}: {history:?}");
        };
        assert_eq!(step["to"], to.as_str(), "{context}: {history:?}");
        status = to;
    }
    assert_eq!(order["status"], status.as_str(), "{context}");

    let refunds = order["refunds"].as_array().map_or(&[][..], Vec::as_slice);
    let returns: Vec<_> = refunds
        .iter()
        .filter_map(|refund| refund["return_id"].as_str())
        .collect();
    assert_eq!(
        returns.iter().collect::<BTreeSet<_>>().len(),
        returns.len(),
        "{context}: {refunds:?}"
    );
    let back: u64 = refunds.iter().map(|refund| units(&refund["amount_minor"])).sum();
    let total = units(&order["total_minor"]);
    assert!(back <= total, "{context}: {refunds:?} is more than {total}");
    let mut is_all_back = true;
    for (index, line) in order["lines"].as_array().unwrap().iter().enumerate() {
        let (bought, returned) = (units(&line["qty"]), units(&order["returned"][index]));
        assert!(returned <= bought, "{context}: {returned} units of {line} came back");
        is_all_back &= returned == bought;
    }
    assert_eq!(is_all_back, status == Status::Returned, "{context}");
    if matches!(status, Status::Refunded | Status::Returned) {
        assert_eq!(back, total, "{context}");
    }
    status.as_str()
}
