//! The store under random requests and events: after every step each order's states, money and returned units are
//! sound, every list is right, and every event is appended once with the right data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::events::{Event, OrderCancelRequested, OrderCompleted, OrderLine, OrderPlaced};
use fastrand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use store_component::domain::order::{Cause, Effect, Refund, Status};

use crate::Test;
use crate::catalogue::learn;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("orders stay sound under random requests and events", random_steps)];

const SEEDS: [u64; 6] = [1, 2, 3, 4, 5, 6];
const STEPS: usize = 200;
const CUSTOMERS: [&str; 3] = ["ada", "bob", "eve"];
const PRODUCTS: [(&str, u64); 3] = [("cup", 333), ("pot", 1_000_000_000), ("gift", 0)];
const TOKENS: [&str; 5] = ["tok_visa", "tok_visa", "tok_visa", "tok_decline", "tok_retry_1"];
const CANCEL_REASON: &str = "a \"why\"";

/// An order as it is stored.
#[derive(Deserialize)]
struct Order {
    rev: usize,
    status: String,
    customer_id: String,
    lines: Vec<OrderLine>,
    total_minor: u64,
    #[serde(default)]
    returned: Vec<u32>,
    #[serde(default)]
    refunds: Vec<Refund>,
    history: Vec<Transition>,
}

#[derive(Debug, Deserialize)]
struct Transition {
    from: Option<String>,
    to: String,
    cause: String,
    event_id: String,
}

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
                35..60 => run.deliver("order-placed"),
                60..75 => run.deliver("order-fulfilled"),
                75..82 => run.deliver("refund-order"),
                _ => run.deliver("return-received"),
            };
            run.check(&format!("seed {seed}, step {step}: {done}"), &mut states);
        }
    }
    assert_eq!(
        states,
        Status::ALL.map(Status::as_str).into(),
        "not every state was reached"
    );
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

    fn stored(&mut self, order_id: &str) -> Option<Order> {
        let text: Option<String> = self.courier.redis(&["GET", &format!("order:{order_id}")]);
        text.map(|text| serde_json::from_str(&text).unwrap())
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
        let path = format!("/store/orders/{order_id}/cancel");
        let answer = self.system.post(&path, &json!({ "reason": CANCEL_REASON }));
        assert!([200, 202, 404, 409].contains(&answer.status), "{answer:?}");
        format!("cancel {order_id}")
    }

    /// Delivers some events of one kind. Only an event that is done leaves a trace in its order's history.
    fn deliver(&mut self, stream: &'static str) -> String {
        let mut events = Vec::new();
        for _ in 0..self.rng.usize(1..5) {
            let order_id = self.order();
            let line = json!({ "line_id": 1, "product_id": "cup", "qty": 1 });
            let data = match stream {
                "order-placed" => json!({ "order_id": order_id }),
                "order-fulfilled" => json!({ "order_id": order_id, "lines": [line] }),
                "refund-order" => json!({ "order_id": order_id, "reason": "unknown_product", "lines": [] }),
                _ => self.some_return(&order_id),
            };
            self.count += 1;
            events.push((format!("event \"{}\"", self.count), data.to_string()));
        }
        let settled = self.courier.deliver_data(stream, &events);
        for ((event_id, data), (settled, reason)) in events.iter().zip(settled) {
            let context = format!("{data}: {settled:?} {reason}");
            let data: Value = serde_json::from_str(data).unwrap();
            let Some(order) = self.stored(data["order_id"].as_str().unwrap()) else {
                assert!(
                    settled == Settled::Reject && reason.contains("unknown_order"),
                    "{context}"
                );
                continue;
            };
            let mut refunds = order.refunds.iter().filter_map(|refund| refund.return_id.as_ref());
            let is_refunded = data["return_id"]
                .as_str()
                .is_none_or(|id| refunds.any(|other| other == id));
            let has_trace = order.history.iter().any(|transition| transition.event_id == *event_id);
            match settled {
                Settled::Done => assert!(is_refunded, "{context}"),
                Settled::Retry => assert!(stream == "order-placed" && !has_trace, "{context}"),
                Settled::Reject => assert!(reason.contains("contradiction") && !has_trace, "{context}"),
            }
        }
        format!("deliver {stream}: {events:?}")
    }

    /// A return of some units, at times one that came before, of more than were bought, or of another product.
    fn some_return(&mut self, order_id: &str) -> Value {
        if !self.returns.is_empty() && self.rng.u32(..4) == 0 {
            return self.rng.choice(&self.returns).unwrap().clone();
        }
        let mut lines = self.stored(order_id).map(|order| order.lines).unwrap_or_default();
        lines.retain(|_| self.rng.bool());
        for line in &mut lines {
            line.qty = self.rng.u32(1..=line.qty + u32::from(line.qty == 1));
        }
        if lines.is_empty() || self.rng.u32(..15) == 0 {
            let product_id = "cup".to_owned();
            lines = vec![OrderLine {
                line_id: 2,
                product_id,
                qty: 1,
            }];
        }
        let return_id = format!("return-{}", self.count);
        self.returns
            .push(json!({ "order_id": order_id, "return_id": return_id, "lines": lines }));
        self.returns[self.returns.len() - 1].clone()
    }

    /// Checks everything, and adds the states of the orders.
    fn check(&mut self, context: &str, states: &mut BTreeSet<&'static str>) {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut events = BTreeSet::new();
        for id in self.ids.clone() {
            let order = self.stored(&id).unwrap();
            states.insert(order.check(&format!("{context}: {id}")).as_str());
            let of_status = format!("orders:status:{}", order.status);
            for list in [
                "orders".to_owned(),
                of_status,
                format!("orders:customer:{}", order.customer_id),
            ] {
                lists.entry(list).or_default().push(id.clone());
            }
            events.extend(order.events(&id));
        }
        let keys: BTreeSet<String> = self.courier.redis(&["KEYS", "orders*"]);
        assert_eq!(keys, lists.keys().cloned().collect(), "{context}");
        for (list, expected) in lists {
            let found: Vec<String> = self.courier.redis(&["ZRANGE", &list, "0", "-1"]);
            assert_eq!(found, expected, "{context}: {list}");
        }
        for stream in [
            OrderPlaced::STREAM,
            OrderCompleted::STREAM,
            OrderCancelRequested::STREAM,
        ] {
            let entries: Vec<(String, HashMap<String, String>)> = self.courier.redis(&["XRANGE", stream, "-", "+"]);
            for (_, fields) in entries {
                // Only the id of a paid order's event is not in the order's history.
                let id = if stream == OrderCompleted::STREAM {
                    ""
                } else {
                    &fields["id"]
                };
                let event = (stream, id.to_owned(), fields["data"].clone());
                assert!(events.remove(&event), "{context}: {event:?}");
            }
        }
        assert!(events.is_empty(), "{context}: not appended: {events:?}");
    }
}

impl Order {
    /// The events that the history must have caused: stream, id where the history has it, and data to the letter.
    fn events(&self, id: &str) -> Vec<(&'static str, String, String)> {
        let mut events = Vec::new();
        for Transition { cause, event_id, .. } in &self.history {
            let (order_id, event_id) = (id.to_owned(), event_id.clone());
            match cause.as_str() {
                "placed" => events.push(written(event_id, &OrderPlaced { order_id })),
                "payment_approved" => {
                    let (customer_id, lines) = (self.customer_id.clone(), self.lines.clone());
                    let event = OrderCompleted {
                        order_id,
                        customer_id,
                        lines,
                    };
                    events.push(written(String::new(), &event));
                }
                "cancel_requested" => {
                    let reason = CANCEL_REASON.to_owned();
                    events.push(written(event_id, &OrderCancelRequested { order_id, reason }));
                }
                _ => {}
            }
        }
        events
    }

    /// Checks the order by itself, and gives its state.
    fn check(&self, context: &str) -> Status {
        let context = format!("{context}: {:?}", self.history);
        let placed = &self.history[0];
        assert_eq!((&placed.from, placed.to.as_str()), (&None, "pending"), "{context}");
        let mut status = Status::Pending;
        for Transition { from, to, cause, .. } in &self.history[1..] {
            let cause = Cause::ALL.into_iter().find(|known| known.as_str() == cause).unwrap();
            assert_eq!(from.as_deref(), Some(status.as_str()), "{context}");
            let after = Status::parse(to).unwrap();
            assert_eq!(status.on(cause), Effect::Move(after), "{context}");
            status = after;
        }
        assert_eq!(
            (self.rev, self.status.as_str()),
            (self.history.len(), status.as_str()),
            "{context}"
        );

        let returns: BTreeSet<_> = self.refunds.iter().map(|refund| &refund.return_id).collect();
        assert_eq!(returns.len(), self.refunds.len(), "{context}: {:?}", self.refunds);
        let back: u64 = self.refunds.iter().map(|refund| refund.amount_minor).sum();
        let is_all = matches!(status, Status::Refunded | Status::Returned);
        assert!(
            back == self.total_minor || !is_all && back < self.total_minor,
            "{context}: {:?}",
            self.refunds
        );
        let bought: Vec<_> = self.lines.iter().map(|line| line.qty).collect();
        assert!(
            self.returned
                .iter()
                .zip(&bought)
                .all(|(returned, bought)| returned <= bought),
            "{context}"
        );
        assert_eq!(self.returned == bought, status == Status::Returned, "{context}");
        status
    }
}

fn written<E: Event>(event_id: String, event: &E) -> (&'static str, String, String) {
    (E::STREAM, event_id, serde_json::to_string(event).unwrap())
}
