//! The store's scripts against the model that the domain is: random requests and events, and after every step what is in
//! Redis equals what the domain says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::events::{
    OrderCancelRequested, OrderCompleted, OrderFulfilled, OrderLine, OrderPlaced, RefundOrder, RefundReason,
    ReturnReceived,
};
use fastrand::Rng;
use serde_json::{Value, json};
use store_component::domain::cancel_order::{Answer as CancelAnswer, cancel};
use store_component::domain::charge_order::{Charged, charge_order};
use store_component::domain::order::{Contradiction, Effect, Line, Order, Status, Steps, Transition};
use store_component::domain::pricing;
use store_component::domain::refund_order::{ReturnedLine, refund, take_back};

use crate::Test;
use crate::catalogue::learn;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("the store's scripts do what the model says", scripts)];

const SEEDS: [u64; 6] = [1, 2, 3, 4, 5, 6];
const STEPS: usize = 200;
const CUSTOMERS: [&str; 3] = ["ada", "bob", "eve"];
const PRODUCTS: [(&str, u64); 3] = [("cup", 333), ("pot", 1_000_000_000), ("gift", 0)];

/// An order as the model knows it.
struct Known {
    customer_id: String,
    order: Order,
    /// Each with the event's id, where the test knows it.
    history: Vec<(Transition, Option<String>)>,
}

#[derive(Default)]
struct Model {
    orders: BTreeMap<String, Known>,
    /// The answers under idempotency keys.
    answers: HashMap<String, (String, String)>,
    completed: BTreeSet<String>,
    cancel_requested: BTreeSet<String>,
    /// Returns that were told of, to tell of them again.
    returns: Vec<ReturnReceived>,
    count: u64,
}

fn scripts(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    for seed in SEEDS {
        run(&system, seed);
    }
}

fn run(system: &System, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut courier = Courier::new(system);
    let _: String = courier.redis(&["FLUSHDB"]);
    for (id, price) in PRODUCTS {
        learn(system, id, 1, id, price, true);
    }
    let mut model = Model::default();
    for step in 0..STEPS {
        let what = match rng.u32(..100) {
            0..20 => model.place(system, &mut rng),
            20..35 => model.cancel(system, &mut rng),
            35..60 => model.pay(&mut courier, &mut rng),
            60..75 => model.fulfil(&mut courier, &mut rng),
            75..82 => model.refund(&mut courier, &mut rng),
            _ => model.take_back(&mut courier, &mut rng),
        };
        model.check(&mut courier, &format!("seed {seed}, step {step}: {what}"));
    }
    let ends: BTreeSet<_> = model.orders.values().map(|known| known.order.status.as_str()).collect();
    assert!(ends.len() >= 4, "seed {seed} reaches only {ends:?}");
}

impl Model {
    fn any_order(&self, rng: &mut Rng) -> String {
        let ids: Vec<_> = self.orders.keys().collect();
        if ids.is_empty() || rng.u32(..20) == 0 {
            return "nobody".to_owned();
        }
        // The newest ones more often, so that orders go all the way.
        let back = rng.usize(..ids.len().min(6));
        ids[ids.len() - 1 - if rng.bool() { back } else { rng.usize(..ids.len()) }].clone()
    }

    fn event_id(&mut self) -> String {
        self.count += 1;
        format!("event \"{}\"", self.count)
    }

    fn place(&mut self, system: &System, rng: &mut Rng) -> String {
        let lines: Vec<_> = (0..rng.usize(1..4))
            .map(|_| (rng.choice(PRODUCTS).unwrap(), rng.u32(1..5)))
            .collect();
        let customer_id = rng.choice(CUSTOMERS).unwrap();
        let token = rng
            .choice(["tok_visa", "tok_visa", "tok_visa", "tok_decline", "tok_retry_1"])
            .unwrap();
        let items: Vec<_> = lines
            .iter()
            .map(|((id, _), qty)| json!({ "product_id": id, "qty": qty }))
            .collect();
        let body = json!({ "customer_id": customer_id, "lines": items, "payment": { "token": token } }).to_string();
        let key = (rng.u32(..3) == 0).then(|| format!("key-{}", rng.u32(..4)));
        let headers: Vec<_> = key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
        let answer = system.post_text("/store/orders", &headers, &body);
        if let Some((request, earlier)) = key.as_ref().and_then(|key| self.answers.get(key)) {
            if *request == body {
                assert_eq!((answer.status, &answer.text), (201, earlier));
            } else {
                assert_eq!(
                    (answer.status, &answer.json()["type"]),
                    (422, &json!("idempotency_key_reused"))
                );
            }
            return format!("place under the used key {key:?}");
        }
        assert_eq!(answer.status, 201, "{answer:?}");
        let order_id = answer.json()["order_id"].as_str().unwrap().to_owned();
        let price = pricing::price(lines.iter().map(|((_, price), qty)| (*qty, *price))).unwrap();
        let lines = (1..)
            .zip(lines)
            .map(|(line_id, ((product_id, unit_price_minor), qty))| Line {
                line_id,
                product_id: product_id.to_owned(),
                qty,
                unit_price_minor,
                returned: 0,
            });
        let order = Order {
            status: Status::Pending,
            rev: 1,
            price,
            lines: lines.collect(),
            token: token.to_owned(),
            payment_failures: 0,
            reason: None,
            cancel: None,
            cancel_reason: None,
            cancelled_by: None,
            refunds: Vec::new(),
        };
        let known = Known {
            customer_id: customer_id.to_owned(),
            order,
            history: Vec::new(),
        };
        assert!(
            self.orders.insert(order_id.clone(), known).is_none(),
            "{order_id} is there twice"
        );
        if let Some(key) = key {
            self.answers.insert(key, (body, answer.text));
        }
        format!("place {order_id}")
    }

    fn cancel(&mut self, system: &System, rng: &mut Rng) -> String {
        let order_id = self.any_order(rng);
        let answer = system.post_text(
            &format!("/store/orders/{order_id}/cancel"),
            &[],
            r#"{"reason":"a \"why\""}"#,
        );
        let request_id = self.event_id();
        let Some(known) = self.orders.get_mut(&order_id) else {
            assert_eq!(answer.status, 404, "{answer:?}");
            return "cancel nobody".to_owned();
        };
        match cancel(&mut known.order, &request_id, "a \"why\"") {
            Ok((said, steps)) => {
                let status = if said == CancelAnswer::Cancelled { 200 } else { 202 };
                assert_eq!(answer.status, status, "{answer:?}");
                assert_eq!(answer.json()["status"], known.order.status.as_str());
                if said == CancelAnswer::Requested {
                    self.cancel_requested.insert(order_id.clone());
                }
                known.history.extend(steps.into_iter().map(|step| (step, None)));
            }
            Err(_) => assert_eq!(
                (answer.status, &answer.json()["type"]),
                (409, &json!("not_cancellable"))
            ),
        }
        format!("cancel {order_id}")
    }

    fn pay(&mut self, courier: &mut Courier, rng: &mut Rng) -> String {
        let events: Vec<_> = (0..rng.usize(1..5))
            .map(|_| {
                (
                    self.event_id(),
                    OrderPlaced {
                        order_id: self.any_order(rng),
                    },
                )
            })
            .collect();
        self.deliver(
            courier,
            &events,
            |event| &event.order_id,
            |order, _| {
                let (charged, steps) = charge_order(order)?;
                Ok((charged == Charged::Settled, steps))
            },
        )
    }

    fn fulfil(&mut self, courier: &mut Courier, rng: &mut Rng) -> String {
        let lines = || {
            vec![OrderLine {
                line_id: 1,
                product_id: "cup".to_owned(),
                qty: 1,
            }]
        };
        let events: Vec<_> = (0..rng.usize(1..4))
            .map(|_| {
                (
                    self.event_id(),
                    OrderFulfilled {
                        order_id: self.any_order(rng),
                        lines: lines(),
                    },
                )
            })
            .collect();
        self.deliver(
            courier,
            &events,
            |event| &event.order_id,
            |order, _| Ok((true, order.fulfil()?)),
        )
    }

    fn refund(&mut self, courier: &mut Courier, rng: &mut Rng) -> String {
        let reasons = [
            RefundReason::InsufficientStock,
            RefundReason::UnknownProduct,
            RefundReason::CustomerCancelled,
        ];
        let events: Vec<_> = (0..rng.usize(1..4))
            .map(|_| {
                let reason = rng.choice(reasons).unwrap();
                (
                    self.event_id(),
                    RefundOrder {
                        order_id: self.any_order(rng),
                        reason,
                        lines: vec![],
                    },
                )
            })
            .collect();
        self.deliver(
            courier,
            &events,
            |event| &event.order_id,
            |order, event| Ok((true, refund(order, event.reason.as_str(), "now")?)),
        )
    }

    fn take_back(&mut self, courier: &mut Courier, rng: &mut Rng) -> String {
        let mut events = Vec::new();
        for _ in 0..rng.usize(1..5) {
            let event = if !self.returns.is_empty() && rng.u32(..4) == 0 {
                self.returns[rng.usize(..self.returns.len())].clone()
            } else {
                self.some_return(rng)
            };
            self.returns.push(event.clone());
            events.push((self.event_id(), event));
        }
        self.deliver(
            courier,
            &events,
            |event| &event.order_id,
            |order, event| {
                let lines: Vec<_> = event
                    .lines
                    .iter()
                    .map(|line| ReturnedLine {
                        line_id: line.line_id,
                        product_id: &line.product_id,
                        qty: line.qty,
                    })
                    .collect();
                Ok((true, take_back(order, &event.return_id, &lines, "now")?))
            },
        )
    }

    /// A return of some units, at times of more than were bought or of another product.
    fn some_return(&mut self, rng: &mut Rng) -> ReturnReceived {
        let order_id = self.any_order(rng);
        self.count += 1;
        let mut lines = Vec::new();
        for line in self.orders.get(&order_id).map_or(&[][..], |known| &known.order.lines) {
            if rng.bool() {
                let all = rng.bool();
                lines.push(OrderLine {
                    line_id: line.line_id,
                    product_id: line.product_id.clone(),
                    qty: if all {
                        (line.qty - line.returned).max(1)
                    } else {
                        rng.u32(1..3)
                    },
                });
            }
        }
        if lines.is_empty() || rng.u32(..15) == 0 {
            lines = vec![OrderLine {
                line_id: 2,
                product_id: "cup".to_owned(),
                qty: 1,
            }];
        }
        ReturnReceived {
            order_id,
            return_id: format!("return-{}", self.count),
            lines,
        }
    }

    /// Delivers events and has the model do the same; `apply` tells whether the event is done or to be tried again.
    fn deliver<E: contracts::events::Event + std::fmt::Debug>(
        &mut self,
        courier: &mut Courier,
        events: &[(String, E)],
        order_id: fn(&E) -> &String,
        apply: impl Fn(&mut Order, &E) -> Result<(bool, Steps), Contradiction>,
    ) -> String {
        let settled = courier.deliver(events);
        for ((event_id, event), (settled, reason)) in events.iter().zip(settled) {
            let order_id = order_id(event);
            let Some(known) = self.orders.get_mut(order_id) else {
                assert_eq!(settled, Settled::Reject, "{event:?}");
                assert!(reason.contains("unknown_order"), "{reason}");
                continue;
            };
            match apply(&mut known.order, event) {
                Ok((done, steps)) => {
                    let expected = if done { Settled::Done } else { Settled::Retry };
                    assert_eq!(settled, expected, "{event:?} at {}: {reason}", known.order.status);
                    if steps.iter().any(|step| step.to == Status::Completed) {
                        self.completed.insert(order_id.clone());
                    }
                    known
                        .history
                        .extend(steps.into_iter().map(|step| (step, Some(event_id.clone()))));
                }
                Err(what) => {
                    assert_eq!(
                        settled,
                        Settled::Reject,
                        "{event:?} at {}: {what:?}",
                        known.order.status
                    );
                    assert!(reason.contains("contradiction"), "{reason}");
                }
            }
        }
        format!("{events:?}")
    }

    /// Whether what is in Redis is what the model says.
    fn check(&self, courier: &mut Courier, step: &str) {
        for (order_id, known) in &self.orders {
            check_order(courier, order_id, known, step);
        }
        let keys: Vec<String> = courier.redis(&["KEYS", "order:*"]);
        assert_eq!(keys.len(), self.orders.len(), "{step}");
        self.check_lists(courier, step);
        let streams = [
            ("order-placed", self.orders.keys().cloned().collect()),
            ("order-completed", self.completed.clone()),
            ("order-cancel-requested", self.cancel_requested.clone()),
        ];
        for (stream, expected) in streams {
            let entries: Vec<(String, HashMap<String, String>)> = courier.redis(&["XRANGE", stream, "-", "+"]);
            let mut told = BTreeSet::new();
            for (_, fields) in entries {
                let order_id = self.check_event(courier, stream, &fields, step);
                assert!(
                    told.insert(order_id.clone()),
                    "{step}: {stream} tells of {order_id} twice"
                );
            }
            assert_eq!(told, expected, "{step}: {stream}");
        }
    }

    fn check_event(&self, courier: &mut Courier, stream: &str, fields: &HashMap<String, String>, step: &str) -> String {
        let data = &fields["data"];
        match stream {
            "order-completed" => {
                let event: OrderCompleted = serde_json::from_str(data).unwrap();
                let known = &self.orders[&event.order_id];
                assert_eq!(event.customer_id, known.customer_id, "{step}");
                let bought: Vec<_> = known.order.lines.iter().map(|line| (line.line_id, line.qty)).collect();
                let told: Vec<_> = event.lines.iter().map(|line| (line.line_id, line.qty)).collect();
                assert_eq!(told, bought, "{step}");
                event.order_id
            }
            "order-cancel-requested" => {
                let event: OrderCancelRequested = serde_json::from_str(data).unwrap();
                assert_eq!(event.reason, "a \"why\"", "{step}");
                let history = history(courier, &event.order_id);
                assert!(
                    history.iter().any(|entry| entry["event_id"] == fields["id"].as_str()),
                    "{step}"
                );
                event.order_id
            }
            _ => serde_json::from_str::<OrderPlaced>(data).unwrap().order_id,
        }
    }

    fn check_lists(&self, courier: &mut Courier, step: &str) {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (order_id, known) in &self.orders {
            let names = [
                "orders".to_owned(),
                format!("orders:status:{}", known.order.status),
                format!("orders:customer:{}", known.customer_id),
            ];
            for name in names {
                lists.entry(name).or_default().push(order_id.clone());
            }
        }
        let keys: BTreeSet<String> = courier.redis(&["KEYS", "orders*"]);
        assert_eq!(keys, lists.keys().cloned().collect(), "{step}");
        for (name, expected) in lists {
            let found: Vec<String> = courier.redis(&["ZRANGE", &name, "0", "-1"]);
            assert_eq!(found, expected, "{step}: {name}");
        }
    }
}

fn history(courier: &mut Courier, order_id: &str) -> Vec<Value> {
    stored(courier, order_id)["history"].as_array().unwrap().clone()
}

fn stored(courier: &mut Courier, order_id: &str) -> Value {
    let text: String = courier.redis(&["GET", &format!("order:{order_id}")]);
    serde_json::from_str(&text).unwrap()
}

fn check_order(courier: &mut Courier, order_id: &str, known: &Known, step: &str) {
    let order = &known.order;
    let stored = stored(courier, order_id);
    for (name, expected) in [
        ("status", json!(order.status.as_str())),
        ("rev", json!(order.rev)),
        ("reason", json!(order.reason)),
        ("cancel", json!(order.cancel.map(|cancel| cancel.as_str()))),
        ("cancel_reason", json!(order.cancel_reason)),
        (
            "payment_failures",
            json!((order.payment_failures > 0).then_some(order.payment_failures)),
        ),
    ] {
        // What is absent reads as null.
        assert_eq!(stored[name], expected, "{step}: {name} of {order_id}");
    }

    let history = history(courier, order_id);
    assert_eq!(history.len() as u64, order.rev, "{step}: {order_id}: {history:?}");
    assert_eq!(
        (&history[0]["from"], &history[0]["to"]),
        (&Value::Null, &json!("pending")),
        "{step}"
    );
    let mut last = Status::Pending;
    for (entry, (transition, event_id)) in history[1..].iter().zip(&known.history) {
        let words = [
            transition.from.as_str(),
            transition.to.as_str(),
            transition.cause.as_str(),
        ];
        assert_eq!(
            ["from", "to", "cause"].map(|name| entry[name].as_str().unwrap()),
            words,
            "{step}: {order_id}"
        );
        assert_eq!(transition.from, last, "{step}: the history of {order_id} has a gap");
        assert_eq!(
            transition.from.on(transition.cause),
            Effect::Move(transition.to),
            "{step}: {order_id}"
        );
        if let Some(event_id) = event_id {
            assert_eq!(entry["event_id"], event_id.as_str(), "{step}: {order_id}");
        }
        last = transition.to;
    }
    assert_eq!(last, order.status, "{step}: {order_id}");

    let refunds = stored["refunds"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = refunds
        .iter()
        .map(|refund| {
            (
                refund["amount_minor"].as_u64().unwrap(),
                refund["return_id"].as_str(),
                refund["reason"].as_str(),
            )
        })
        .collect();
    let expected: Vec<_> = order
        .refunds
        .iter()
        .map(|refund| {
            (
                refund.amount_minor,
                refund.return_id.as_deref(),
                Some(refund.reason.as_str()),
            )
        })
        .collect();
    assert_eq!(found, expected, "{step}: {order_id}");
    let sum: u64 = found.iter().map(|(amount, ..)| amount).sum();
    assert!(
        sum <= order.price.total,
        "{step}: more went back than was paid for {order_id}"
    );
    if matches!(order.status, Status::Refunded | Status::Returned) {
        assert_eq!(sum, order.price.total, "{step}: {order_id}");
    }
    let returned: Vec<u32> = match &stored["returned"] {
        Value::Null => vec![0; order.lines.len()],
        returned => serde_json::from_value(returned.clone()).unwrap(),
    };
    let expected: Vec<_> = order.lines.iter().map(|line| line.returned).collect();
    assert_eq!(returned, expected, "{step}: {order_id}");
}
