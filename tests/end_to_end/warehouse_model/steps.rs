//! The random steps: each is done to the warehouse and to the model, and the answers are compared.

use contracts::events::{Event, OrderCancelRequested, OrderCompleted, OrderLine};
use fastrand::Rng;
use serde_json::{Map, Value, json};
use warehouse_component::domain::change_product::Change;
use warehouse_component::domain::create_product::NewProduct;
use warehouse_component::domain::move_stock::{Kind, MoveStockError};
use warehouse_component::domain::stock::ON_HAND_MAX;
use warehouse_component::domain::take_back::{ReturnLine, TakeBackError};

use super::model::{Decision, Model, Told};
use crate::courier::{Courier, Settled};
use crate::harness::{Answer, System};

const PRODUCTS: [&str; 6] = ["cup", "jug", "pan", "pot", "tin", "urn"];
/// What a JSON text has to escape, and what it need not.
const NAMES: [&str; 5] = [
    "Cup",
    "Cup, \"large\"",
    "back\\slash\\",
    "Tasse Ä 茶 \u{2028}",
    "%0 %d '",
];

/// What is delivered may be delivered again.
struct Delivered {
    stream: &'static str,
    entries: Vec<(String, String)>,
}

pub struct Run<'a> {
    pub(super) system: &'a System,
    pub(super) courier: Courier,
    pub(super) model: Model,
    /// Events that the last step should have appended.
    pub(super) told: Vec<Told>,
    /// Orders that the last step may have changed.
    pub(super) touched: Vec<String>,
    /// For each stream the last entry that was looked at.
    pub(super) seen: Vec<(&'static str, String)>,
    rng: Rng,
    delivered: Vec<Delivered>,
    count: u64,
}

impl<'a> Run<'a> {
    pub fn new(system: &'a System, courier: Courier, seed: u64) -> Self {
        Self {
            system,
            courier,
            model: Model::default(),
            told: Vec::new(),
            touched: Vec::new(),
            seen: Vec::new(),
            rng: Rng::with_seed(seed),
            delivered: Vec::new(),
            count: 0,
        }
    }

    /// One step; says what it was.
    pub fn step(&mut self) -> String {
        self.told.clear();
        self.touched.clear();
        match self.rng.u32(..100) {
            0..6 => self.create(),
            6..24 => self.move_stock(),
            24..34 => self.change(),
            34..37 => self.deactivate(),
            37..60 => self.complete(),
            60..68 => self.cancel(),
            68..74 => self.deliver_again(),
            74..90 => self.take_back(),
            90..93 => self.announce_products(),
            93..96 => self.announce_order(),
            _ => self.read(),
        }
    }

    fn next(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    fn product(&mut self) -> &'static str {
        self.rng.choice(PRODUCTS).unwrap()
    }

    /// An order that was heard of, mostly one of the last.
    fn order(&mut self) -> String {
        let orders = u64::try_from(self.model.orders.len()).unwrap();
        if orders == 0 || self.rng.u32(..20) == 0 {
            return "nobody".to_owned();
        }
        let back = if self.rng.bool() { orders.min(5) } else { orders };
        let place = usize::try_from(orders - 1 - self.rng.u64(..back)).unwrap();
        self.model.orders.keys().nth(place).unwrap().clone()
    }

    /// The headers with an idempotency key: a new one, or one that was used.
    fn key(&mut self) -> String {
        let used = self.model.keys.len();
        if used > 0 && self.rng.u32(..6) == 0 {
            let place = self.rng.usize(..used);
            let key = self.model.keys.keys().nth(place).unwrap();
            return key.rsplit(' ').next().unwrap().to_owned();
        }
        self.next("key")
    }

    /// What the model says of a key that was used for this path; `true` when it was, and the answer is compared.
    fn was_used(&self, path: &str, key: &str, body: &str, answer: &Answer) -> bool {
        match self.model.keys.get(&format!("{path} {key}")) {
            Some((request, earlier)) if request == body => {
                assert_eq!((answer.status, &answer.text), (201, earlier));
                true
            }
            Some(_) => {
                assert_problem(answer, 422, "idempotency_key_reused");
                true
            }
            None => false,
        }
    }

    fn keep(&mut self, path: &str, key: &str, body: String, answer: &Answer) {
        let kept = (body, answer.text.clone());
        self.model.keys.insert(format!("{path} {key}"), kept);
    }

    fn create(&mut self) -> String {
        let product = NewProduct {
            product_id: self.product().to_owned(),
            sku: "SKU".to_owned(),
            name: self.rng.choice(NAMES).unwrap().to_owned(),
            price_minor: self.rng.choice([0, 900, 1_000_000_000]).unwrap(),
            currency: "EUR".to_owned(),
            on_hand: self.rng.choice([0, 3, 20, ON_HAND_MAX - 30]).unwrap(),
            low_stock_at: self.rng.choice([0, 3, 10]).unwrap(),
        };
        let answer = self.system.post(
            "/warehouse/products",
            &json!({
                "product_id": product.product_id, "sku": product.sku, "name": product.name,
                "price_minor": product.price_minor, "currency": product.currency, "on_hand": product.on_hand,
                "low_stock_at": product.low_stock_at,
            }),
        );
        match self.model.create(&product) {
            Some(told) => {
                assert_eq!(answer.json(), self.view(&product.product_id), "{answer:?}");
                self.told.push(told);
            }
            None => assert_problem(&answer, 409, "product_exists"),
        }
        format!("create {}", product.product_id)
    }

    fn move_stock(&mut self) -> String {
        let product = self.product();
        let (kind, word) = self
            .rng
            .choice([(Kind::Supply, "supply"), (Kind::WriteOff, "write_off")])
            .unwrap();
        let qty = self.rng.u32(1..=20);
        let body = json!({ "type": word, "qty": qty }).to_string();
        let path = format!("/warehouse/products/{product}/movements");
        let key = self.key();
        let answer = self.system.post_text(&path, &[("Idempotency-Key", &key)], &body);
        let said = format!("{word} {qty} {product} under {key}");
        if self.was_used(&path, &key, &body, &answer) {
            return said;
        }
        if !self.model.products.contains_key(product) {
            assert_problem(&answer, 404, "unknown_product");
            return said;
        }
        match self.model.move_stock(product, kind, qty) {
            Ok(on_hand) => {
                assert_eq!((answer.status, &answer.json()["on_hand"]), (201, &json!(on_hand)));
                self.keep(&path, &key, body, &answer);
            }
            Err(MoveStockError::InsufficientStock) => assert_problem(&answer, 409, "insufficient_stock"),
            Err(MoveStockError::TooMuch) => assert_problem(&answer, 409, "stock_too_large"),
        }
        said
    }

    fn change(&mut self) -> String {
        let product = self.product();
        let rng = &mut self.rng;
        let wanted = Change {
            name: rng.bool().then(|| rng.choice(NAMES).unwrap().to_owned()),
            price_minor: rng.bool().then(|| rng.choice([900, 901]).unwrap()),
            active: rng.bool().then(|| rng.bool()),
            low_stock_at: rng.bool().then(|| rng.choice([0, 3, 10, 15]).unwrap()),
        };
        let mut body = Map::new();
        let fields = [
            ("name", wanted.name.clone().map(Value::from)),
            ("price_minor", wanted.price_minor.map(Value::from)),
            ("active", wanted.active.map(Value::from)),
            ("low_stock_at", wanted.low_stock_at.map(Value::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        let body = Value::from(body).to_string();
        let rev = self.model.products.get(product).map_or(1, |product| product.own.rev);
        let (tag, is_seen) = match rng.u32(..6) {
            0 => ("*".to_owned(), true),
            1 => (format!("\"{}\"", rev + 1), false),
            2 => (format!("W/\"{rev}\""), false),
            3 => (format!("\"other\", \"{rev}\""), true),
            _ => (format!("\"{rev}\""), true),
        };
        let path = format!("/warehouse/products/{product}");
        let answer = self.system.send("PATCH", &path, &[("If-Match", &tag)], &body);
        if !self.model.products.contains_key(product) {
            assert_problem(&answer, 404, "unknown_product");
        } else if is_seen {
            self.told.extend(self.model.change(product, &wanted));
            assert_eq!((answer.status, answer.json()), (200, self.view(product)));
            let rev = self.model.products[product].own.rev;
            assert_eq!(answer.etag, Some(format!("\"{rev}\"")));
        } else {
            assert_problem(&answer, 412, "stale_revision");
        }
        format!("change {product} at {tag}: {body}")
    }

    fn deactivate(&mut self) -> String {
        let product = self.product();
        let answer = self
            .system
            .send("DELETE", &format!("/warehouse/products/{product}"), &[], "");
        if self.model.products.contains_key(product) {
            self.told.extend(self.model.change(product, &Change::deactivation()));
            assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        } else {
            assert_problem(&answer, 404, "unknown_product");
        }
        format!("deactivate {product}")
    }

    /// Delivers a batch of paid orders, some of them known, some of them twice, some no orders at all.
    fn complete(&mut self) -> String {
        let mut entries = Vec::new();
        for _ in 0..self.rng.usize(1..12) {
            if self.rng.u32(..10) == 0 {
                entries.push((self.next("event"), r#"{"order_id":"bad"}"#.to_owned()));
                continue;
            }
            let order_id = if self.rng.u32(..6) == 0 {
                self.order()
            } else {
                self.next("order")
            };
            let order = OrderCompleted {
                order_id,
                customer_id: "ada".to_owned(),
                lines: (1..=self.rng.u32(1..4))
                    .map(|line_id| OrderLine {
                        line_id,
                        product_id: self.product().to_owned(),
                        qty: self.rng.u32(1..5),
                    })
                    .collect(),
            };
            let entry = (self.next("event"), serde_json::to_string(&order).unwrap());
            if self.rng.u32(..8) == 0 {
                entries.push(entry.clone());
            }
            entries.push(entry);
        }
        self.deliver(OrderCompleted::STREAM, entries)
    }

    fn cancel(&mut self) -> String {
        let mut entries = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let order_id = if self.rng.bool() {
                self.order()
            } else {
                self.next("order")
            };
            let wish = OrderCancelRequested {
                order_id,
                reason: "a \"why\"".to_owned(),
            };
            entries.push((self.next("event"), serde_json::to_string(&wish).unwrap()));
        }
        self.deliver(OrderCancelRequested::STREAM, entries)
    }

    /// What was delivered once comes again, in another order.
    fn deliver_again(&mut self) -> String {
        if self.delivered.is_empty() {
            return "deliver nothing again".to_owned();
        }
        let place = self.rng.usize(..self.delivered.len());
        let Delivered { stream, entries } = &self.delivered[place];
        let (stream, mut entries) = (*stream, entries.clone());
        self.rng.shuffle(&mut entries);
        format!("again: {}", self.deliver(stream, entries))
    }

    fn deliver(&mut self, stream: &'static str, entries: Vec<(String, String)>) -> String {
        let settled = self.courier.deliver_data(stream, &entries);
        for ((_, data), (settled, reason)) in entries.iter().zip(settled) {
            let told = if stream == OrderCompleted::STREAM {
                serde_json::from_str(data).ok().map(|order: OrderCompleted| {
                    self.touched.push(order.order_id.clone());
                    self.model.complete(&order)
                })
            } else {
                serde_json::from_str(data).ok().map(|wish: OrderCancelRequested| {
                    self.touched.push(wish.order_id.clone());
                    self.model.cancel(&wish.order_id)
                })
            };
            match told {
                Some(told) => {
                    assert_eq!(settled, Settled::Done, "{data}: {reason}");
                    self.told.extend(told);
                }
                None => assert_eq!(settled, Settled::Reject, "{data}"),
            }
        }
        let said = format!("deliver {stream}: {entries:?}");
        self.delivered.push(Delivered { stream, entries });
        said
    }

    /// An order, mostly a fulfilled one, and some of its lines, mostly with units that may come back.
    fn some_return(&mut self) -> (String, Vec<ReturnLine>) {
        let fulfilled: Vec<_> = self
            .model
            .orders
            .iter()
            .filter_map(|(id, order)| match order {
                Decision::Fulfilled(sold) if (1..=3).any(|line_id| sold.left(line_id) > 0) => Some(id),
                _ => None,
            })
            .collect();
        let order_id = match self.rng.choice(&fulfilled) {
            Some(order_id) if self.rng.u32(..6) > 0 => (*order_id).clone(),
            _ => self.order(),
        };
        let mut lines = Vec::new();
        for line_id in 1..=4 {
            let left = match self.model.orders.get(&order_id) {
                Some(Decision::Fulfilled(sold)) => u32::try_from(sold.left(line_id)).unwrap(),
                _ => 1,
            };
            let is_bold = self.rng.u32(..12) == 0;
            if is_bold || left > 0 && self.rng.bool() {
                let qty = self.rng.u32(1..=left.max(1)) + u32::from(is_bold);
                lines.push(ReturnLine { line_id, qty });
            }
        }
        self.rng.shuffle(&mut lines);
        (order_id, lines)
    }

    fn take_back(&mut self) -> String {
        let (order_id, lines) = self.some_return();
        let items: Vec<_> = lines
            .iter()
            .map(|line| json!({ "line_id": line.line_id, "qty": line.qty }))
            .collect();
        let body = json!({ "order_id": order_id, "lines": items }).to_string();
        let path = "/warehouse/returns";
        let key = self.key();
        let answer = self.system.post_text(path, &[("Idempotency-Key", &key)], &body);
        let said = format!("take back {body} under {key}");
        if lines.is_empty() {
            assert_problem(&answer, 422, "invalid_field");
            return said;
        }
        if self.was_used(path, &key, &body, &answer) {
            return said;
        }
        match self.model.orders.get(&order_id) {
            None => assert_problem(&answer, 404, "unknown_allocation"),
            Some(Decision::Refunded(..)) => assert_problem(&answer, 409, "not_fulfilled"),
            Some(Decision::Fulfilled(_)) => match self.model.take_back(&order_id, &lines) {
                Ok(back) => {
                    let said = answer.json();
                    assert_eq!(
                        (answer.status, &said["order_id"], &said["lines"]),
                        (201, &json!(order_id), &lines_json(&back))
                    );
                    let return_id = said["return_id"].as_str().unwrap();
                    let told = self.model.tell_return(&order_id, return_id, back);
                    self.told.push(told);
                    self.touched.push(order_id.clone());
                    self.keep(path, &key, body, &answer);
                }
                Err(TakeBackError::UnknownLines(_)) => assert_problem(&answer, 422, "unknown_line"),
                Err(TakeBackError::TooMany(places)) => {
                    assert_problem(&answer, 409, "return_too_large");
                    let errors = answer.json()["errors"].clone();
                    let expected: Vec<_> = places
                        .iter()
                        .map(|(place, left)| {
                            json!({
                                "field": format!("lines[{place}].qty"),
                                "reason": format!("at most {left} may still come back"),
                            })
                        })
                        .collect();
                    assert_eq!(errors, json!(expected));
                }
                Err(TakeBackError::TooManyReturns) => assert_problem(&answer, 409, "too_many_returns"),
                Err(TakeBackError::StockTooLarge(_)) => assert_problem(&answer, 409, "stock_too_large"),
            },
        }
        said
    }

    fn announce_products(&mut self) -> String {
        let limit = self.rng.usize(1..4);
        let mut cursor = String::new();
        loop {
            let answer = self
                .system
                .post_text(&format!("/warehouse/repair/products?limit={limit}{cursor}"), &[], "");
            assert_eq!(answer.status, 200, "{answer:?}");
            let after = cursor.rsplit('=').next().unwrap();
            let ids = self.model.products.keys().filter(|id| id.as_str() > after);
            let ids: Vec<_> = ids.take(limit).cloned().collect();
            self.told.extend(self.model.announce_products(&ids));
            let said = answer.json();
            assert_eq!(said["announced"], json!(ids.len()), "{answer:?}");
            match said["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return format!("announce products, {limit} at a time"),
            }
        }
    }

    fn announce_order(&mut self) -> String {
        let order_id = self.order();
        let path = format!("/warehouse/repair/allocations/{order_id}");
        let answer = self.system.post_text(&path, &[], "");
        if !self.model.orders.contains_key(&order_id) {
            assert_problem(&answer, 404, "unknown_allocation");
            return format!("announce {order_id}");
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        self.touched.push(order_id.clone());
        let told = self.model.announce_order(&order_id);
        self.told.push(told);
        let shown = self.system.get(&format!("/warehouse/allocations/{order_id}")).json();
        let returns = shown["returns"].as_array().cloned().unwrap_or_default();
        let ids: Vec<_> = returns.iter().map(|entry| entry["return_id"].clone()).collect();
        assert_eq!(answer.json()["return_ids"], json!(ids));
        for entry in returns {
            let lines: Vec<OrderLine> = serde_json::from_value(entry["lines"].clone()).unwrap();
            let return_id = entry["return_id"].as_str().unwrap();
            let told = self.model.tell_return(&order_id, return_id, lines);
            self.told.push(told);
        }
        format!("announce {order_id}")
    }

    /// Reads through every route, and changes nothing.
    fn read(&mut self) -> String {
        let product = self.product();
        let answer = self.system.get(&format!("/warehouse/products/{product}"));
        if self.model.products.contains_key(product) {
            assert_eq!(answer.json(), self.view(product));
        } else {
            assert_problem(&answer, 404, "unknown_product");
        }
        let low = self.system.get("/warehouse/products?low_stock=true&limit=200").json();
        let expected: Vec<_> = self.model.low_stock().iter().map(|id| self.view(id)).collect();
        assert_eq!(low["items"], json!(expected));

        let limit = self.rng.usize(1..8);
        let mut walked = Vec::new();
        let mut cursor = String::new();
        while self.model.products.contains_key(product) && walked.len() < 40 {
            let path = format!("/warehouse/products/{product}/movements?limit={limit}{cursor}");
            let page = self.system.get(&path).json();
            walked.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let all = self.model.movements.get(product).map_or(&[][..], Vec::as_slice);
        for (shown, movement) in walked.iter().zip(all.iter().rev()) {
            assert_eq!(
                (
                    &shown["type"],
                    &shown["qty"],
                    &shown["on_hand"],
                    shown["order_id"].as_str()
                ),
                (
                    &json!(movement.kind),
                    &json!(movement.qty),
                    &json!(movement.on_hand),
                    movement.order_id.as_deref()
                )
            );
        }
        assert!(walked.len() == all.len() || walked.len() >= 40);
        format!("read {product}, {limit} movements at a time")
    }

    /// A product as the warehouse should show it.
    fn view(&self, product_id: &str) -> Value {
        let (product, stock) = (&self.model.products[product_id], &self.model.stocks[product_id]);
        json!({
            "product_id": product_id, "sku": product.sku, "name": product.own.name,
            "price_minor": product.own.price_minor, "currency": product.currency, "active": product.own.active,
            "on_hand": stock.on_hand, "supplied": stock.supplied, "sold": stock.sold, "returned": stock.returned,
            "written_off": stock.written_off, "low_stock_at": product.own.low_stock_at, "rev": product.own.rev,
        })
    }
}

fn lines_json(lines: &[OrderLine]) -> Value {
    serde_json::to_value(lines).unwrap()
}

fn assert_problem(answer: &Answer, status: u16, slug: &str) {
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (status, &json!(slug)),
        "{answer:?}"
    );
}
