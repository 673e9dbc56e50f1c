//! The random steps. Each acts on the warehouse, and notes in the model what must be added to Redis.

use std::collections::BTreeMap;

use contracts::events::{
    Event, OrderCancelRequested, OrderCompleted, OrderFulfilled, OrderLine, ProductChanged, RefundOrder, RefundReason,
    ReturnReceived, ShortLine,
};
use fastrand::Rng;
use serde_json::{Value, json};
use warehouse_component::domain::needs::needs;
use warehouse_component::domain::stock::{ON_HAND_MAX, Stock};

use super::allocate::allocate;
use crate::courier::{Courier, Settled};
use crate::harness::System;

/// Products, and their units at first.
const PRODUCTS: [(&str, u64); 5] = [
    ("cup", 0),
    ("jug", 3),
    ("pan", 20),
    ("pot", 20),
    ("tin", ON_HAND_MAX - 30),
];
/// No product.
const UNKNOWN: &str = "urn";

/// A product, but for its stock.
#[derive(Default)]
pub(super) struct Product {
    pub(super) low_stock_at: u64,
    /// Number of the last movement.
    pub(super) movements: u64,
}

/// The decision for an order.
#[derive(Default)]
pub(super) struct Decision {
    /// As it must be stored; `event_id` and `at` are added when its event is seen.
    pub(super) allocation: Value,
    /// Empty where the order was refunded.
    pub(super) sold: Vec<OrderLine>,
    /// Units that came back, by line.
    pub(super) returned: BTreeMap<u32, u32>,
    pub(super) returns: usize,
}

impl Decision {
    fn left(&self, line_id: u32) -> u32 {
        let sold = self.sold.iter().find(|line| line.line_id == line_id);
        sold.map_or(0, |line| line.qty) - self.returned.get(&line_id).copied().unwrap_or(0)
    }
}

/// A stream and entries of it, each with its event's id and data.
type Batch = (&'static str, Vec<(String, String)>);

pub(super) struct Run<'a> {
    system: &'a System,
    rng: Rng,
    count: u64,
    /// Deliveries, which may come again.
    batches: Vec<Batch>,
    /// Requests under idempotency keys that had an effect: path, key, body and answer.
    pub(super) requests: Vec<[String; 4]>,
    pub(super) courier: Courier,
    pub(super) products: BTreeMap<String, Product>,
    pub(super) stocks: BTreeMap<String, Stock>,
    pub(super) orders: BTreeMap<String, Decision>,
    /// The last entry of each stream that was checked.
    pub(super) seen: BTreeMap<&'static str, String>,
    /// Events that the last step must have appended: stream and data, to the letter.
    pub(super) events: Vec<(&'static str, String)>,
    /// Movements that the last step must have recorded, but for their ids and times.
    pub(super) movements: Vec<Value>,
}

impl<'a> Run<'a> {
    pub(super) fn new(system: &'a System, courier: Courier, seed: u64) -> Self {
        let mut run = Self {
            system,
            rng: Rng::with_seed(seed),
            count: 0,
            batches: Vec::new(),
            requests: Vec::new(),
            courier,
            products: BTreeMap::new(),
            stocks: BTreeMap::new(),
            orders: BTreeMap::new(),
            seen: BTreeMap::new(),
            events: Vec::new(),
            movements: Vec::new(),
        };
        for (id, on_hand) in PRODUCTS {
            run.create(id, on_hand);
        }
        run.check("at the beginning");
        run
    }

    fn create(&mut self, id: &str, on_hand: u64) {
        let body = json!({
            "product_id": id, "sku": "S", "name": "\"Ä\\", "price_minor": 900, "currency": "EUR", "on_hand": on_hand,
        });
        let answer = self.system.post("/warehouse/products", &body);
        let event: ProductChanged = serde_json::from_str(&answer.text).unwrap();
        self.expect_event(&event);
        self.products.insert(id.to_owned(), Product::default());
        self.stocks.insert(id.to_owned(), Stock::default());
        if on_hand > 0 {
            self.moved(id, "supply", on_hand, None);
        }
    }

    /// One step, described for a failure's message.
    pub(super) fn step(&mut self) -> String {
        self.events.clear();
        self.movements.clear();
        match self.rng.u32(..100) {
            0..20 => self.move_stock(),
            20..32 => self.change_limit(),
            32..60 => self.complete(),
            60..68 => self.cancel(),
            68..75 => self.deliver_again(),
            75..94 => self.take_back(),
            _ => self.send_again(),
        }
    }

    /// A line for people: it tells whether the steps have met anything.
    pub(super) fn summary(&self) -> String {
        let fulfilled = self.orders.values().filter(|order| !order.sold.is_empty()).count();
        let returns: usize = self.orders.values().map(|order| order.returns).sum();
        format!("{} orders, {fulfilled} fulfilled, {returns} returns", self.orders.len())
    }

    fn next(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{:06}", self.count)
    }

    fn product(&mut self) -> &'static str {
        if self.rng.u32(..12) == 0 {
            return UNKNOWN;
        }
        self.rng.choice(PRODUCTS).unwrap().0
    }

    /// An order that is decided, mostly one of the last, or one that nobody knows.
    fn order(&mut self) -> String {
        let orders = self.orders.len();
        if orders == 0 || self.rng.u32(..20) == 0 {
            return "nobody".to_owned();
        }
        let back = if self.rng.bool() { orders.min(5) } else { orders };
        let index = orders - 1 - self.rng.usize(..back);
        self.orders.keys().nth(index).unwrap().clone()
    }

    fn expect_event<E: Event>(&mut self, event: &E) {
        self.events.push((E::STREAM, serde_json::to_string(event).unwrap()));
    }

    /// Moves stock in the model; `of_return` has the order and the id of a return.
    fn moved(&mut self, product_id: &str, kind: &str, qty: u64, of_return: Option<(&str, &str)>) {
        let stock = self.stocks.get_mut(product_id).unwrap();
        match kind {
            "supply" => stock.supplied += qty,
            "return" => stock.returned += qty,
            _ => stock.written_off += qty,
        }
        stock.on_hand = stock.supplied + stock.returned - stock.sold - stock.written_off;
        assert!(stock.on_hand <= ON_HAND_MAX, "{product_id}: {stock:?}");
        let mut movement = json!({ "product_id": product_id, "type": kind, "qty": qty, "on_hand": stock.on_hand });
        if let Some((order_id, return_id)) = of_return {
            movement["order_id"] = json!(order_id);
            movement["return_id"] = json!(return_id);
        }
        self.movements.push(movement);
    }

    /// Changes the number of units at which a product is low.
    fn change_limit(&mut self) -> String {
        let id = self.product();
        let low_stock_at = self.rng.choice([0, 3, 10, 15]).unwrap();
        let body = json!({ "low_stock_at": low_stock_at }).to_string();
        let path = format!("/warehouse/products/{id}");
        let answer = self.system.send("PATCH", &path, &[("If-Match", "*")], &body);
        let product = self.products.get_mut(id);
        assert_eq!(answer.status == 200, product.is_some(), "{answer:?}");
        if let Some(product) = product {
            product.low_stock_at = low_stock_at;
        }
        format!("change {id}: {body}")
    }

    /// Sends a request under a new key, and gives the answer if it had an effect.
    fn send(&mut self, path: &str, body: &str) -> Option<Value> {
        let key = self.next("key");
        let answer = self.system.post_text(path, &[("Idempotency-Key", &key)], body);
        if answer.status != 201 {
            assert!([404, 409, 422].contains(&answer.status), "{answer:?}");
            return None;
        }
        let value = answer.json();
        self.requests.push([path.to_owned(), key, body.to_owned(), answer.text]);
        Some(value)
    }

    /// Sends a request again: one key has one effect, and a repeat gets the same answer.
    fn send_again(&mut self) -> String {
        let Some([path, key, body, earlier]) = self.rng.choice(&self.requests) else {
            return "repeat nothing".to_owned();
        };
        let answer = self.system.post_text(path, &[("Idempotency-Key", key)], body);
        assert_eq!((answer.status, &answer.text), (201, earlier));
        format!("repeat {path} under {key}: {body}")
    }

    fn move_stock(&mut self) -> String {
        let id = self.product();
        let kind = self.rng.choice(["supply", "write_off"]).unwrap();
        let qty = self.rng.u64(1..=20);
        let body = json!({ "type": kind, "qty": qty }).to_string();
        if self
            .send(&format!("/warehouse/products/{id}/movements"), &body)
            .is_some()
        {
            self.moved(id, kind, qty, None);
        }
        format!("move {id}: {body}")
    }

    /// Returns lines of an order, mostly of a fulfilled one, and mostly no more than is left of them.
    fn take_back(&mut self) -> String {
        let has_left = |order: &Decision| (1..=3).any(|line_id| order.left(line_id) > 0);
        let open = self.orders.iter().filter(|(_, order)| has_left(order));
        let open: Vec<_> = open.map(|(id, _)| id).collect();
        let order_id = match self.rng.choice(&open) {
            Some(order_id) if self.rng.u32(..6) > 0 => (*order_id).clone(),
            _ => self.order(),
        };
        let mut lines = Vec::new();
        for line_id in 1..=4 {
            let left = self.orders.get(&order_id).map_or(1, |order| order.left(line_id));
            let bold = u32::from(self.rng.u32(..12) == 0);
            if left + bold > 0 && self.rng.bool() {
                lines.push(json!({ "line_id": line_id, "qty": self.rng.u32(1..=left + bold) }));
            }
        }
        self.rng.shuffle(&mut lines);
        let body = json!({ "order_id": order_id, "lines": lines }).to_string();
        if let Some(answer) = self.send("/warehouse/returns", &body) {
            let event: ReturnReceived = serde_json::from_value(answer).unwrap();
            let order = self.orders.get_mut(&order_id).unwrap();
            order.returns += 1;
            for line in &event.lines {
                assert!(line.qty <= order.left(line.line_id), "{body}");
                *order.returned.entry(line.line_id).or_default() += line.qty;
            }
            for need in needs(&event.lines) {
                self.moved(
                    &need.product_id,
                    "return",
                    need.qty,
                    Some((&order_id, &event.return_id)),
                );
            }
            self.expect_event(&event);
        }
        format!("take back {body}")
    }

    /// Delivers a batch of paid orders: some are decided already, some come twice, some are no orders at all.
    fn complete(&mut self) -> String {
        let mut entries = Vec::new();
        for _ in 0..self.rng.usize(1..12) {
            let is_known = self.rng.u32(..6) == 0;
            let order_id = if is_known { self.order() } else { self.next("order") };
            let lines = (1..=self.rng.u32(1..4)).map(|line_id| OrderLine {
                line_id,
                product_id: self.product().to_owned(),
                qty: self.rng.u32(1..5),
            });
            let order = OrderCompleted {
                lines: lines.collect(),
                order_id,
                customer_id: "ada".to_owned(),
            };
            let data = serde_json::to_string(&order).unwrap();
            let entry = (self.next("event"), data);
            match self.rng.u32(..10) {
                0 => entries.push((entry.0, r#"{"order_id":"bad"}"#.to_owned())),
                1 => entries.extend([entry.clone(), entry]),
                _ => entries.push(entry),
            }
        }
        self.deliver((OrderCompleted::STREAM, entries))
    }

    fn cancel(&mut self) -> String {
        let mut entries = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let is_known = self.rng.bool();
            let order_id = if is_known { self.order() } else { self.next("order") };
            let data = json!({ "order_id": order_id, "reason": "changed my mind" }).to_string();
            entries.push((self.next("event"), data));
        }
        self.deliver((OrderCancelRequested::STREAM, entries))
    }

    /// Delivers an earlier batch again, in another order.
    fn deliver_again(&mut self) -> String {
        let Some((stream, mut entries)) = self.rng.choice(&self.batches).cloned() else {
            return "deliver nothing again".to_owned();
        };
        self.rng.shuffle(&mut entries);
        format!("again: {}", self.deliver((stream, entries)))
    }

    fn deliver(&mut self, batch: Batch) -> String {
        let (stream, entries) = &batch;
        let settled = self.courier.deliver_data(stream, entries);
        for ((_, data), (settled, reason)) in entries.iter().zip(settled) {
            let is_event = if *stream == OrderCompleted::STREAM {
                serde_json::from_str(data).map(|order| self.take_stock(&order)).is_ok()
            } else {
                let cancel = |request: OrderCancelRequested| {
                    self.refund(request.order_id, RefundReason::CustomerCancelled, Vec::new());
                };
                serde_json::from_str(data).map(cancel).is_ok()
            };
            let expected = if is_event { Settled::Done } else { Settled::Reject };
            assert_eq!(settled, expected, "{data}: {reason}");
        }
        let description = format!("deliver {stream}: {entries:?}");
        self.batches.push(batch);
        description
    }

    fn take_stock(&mut self, order: &OrderCompleted) {
        let order_id = order.order_id.clone();
        if self.orders.contains_key(&order_id) {
            return;
        }
        match allocate(order, &mut self.stocks) {
            Err((reason, lines)) => self.refund(order_id, reason, lines),
            Ok(()) => {
                let (lines, sold) = (order.lines.clone(), order.lines.clone());
                let allocation = json!({ "outcome": "fulfilled", "lines": lines });
                let decision = Decision {
                    allocation,
                    sold,
                    ..Decision::default()
                };
                self.orders.insert(order_id.clone(), decision);
                self.expect_event(&OrderFulfilled { order_id, lines });
            }
        }
    }

    fn refund(&mut self, order_id: String, reason: RefundReason, lines: Vec<ShortLine>) {
        if !self.orders.contains_key(&order_id) {
            let allocation = json!({ "outcome": "refunded", "reason": reason, "lines": lines });
            let decision = Decision {
                allocation,
                ..Decision::default()
            };
            self.orders.insert(order_id.clone(), decision);
            self.expect_event(&RefundOrder {
                order_id,
                reason,
                lines,
            });
        }
    }
}
