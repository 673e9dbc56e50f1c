//! A test's requests to the shop, and checks after them.

use serde_json::{Value, json};

use crate::harness::System;
use crate::process::eventually;

impl System {
    /// Creates a product and waits until the store knows it.
    pub fn stock(&self, product_id: &str, on_hand: u64) {
        let body = json!({
            "product_id": product_id, "sku": product_id, "name": product_id, "price_minor": 1_000, "currency": "EUR",
            "on_hand": on_hand,
        });
        let answer = self.post("/warehouse/products", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        eventually("the store knows the product", || {
            let known: bool = self.store_redis(&["EXISTS", &format!("product:{product_id}")]);
            known.then_some(())
        });
    }

    /// Places an order and gives its id.
    pub fn order(&self, lines: &[(&str, u32)]) -> String {
        self.order_paid_with(lines, "tok_visa")
    }

    /// Places an order paid with this token, and gives its id.
    pub fn order_paid_with(&self, lines: &[(&str, u32)], token: &str) -> String {
        let mut body = order_body(lines);
        body["payment"] = json!({ "token": token });
        let answer = self.post("/store/orders", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["status"], "pending");
        answer.json()["order_id"].as_str().unwrap().to_owned()
    }

    /// The order as the store shows it.
    pub fn show(&self, order_id: &str) -> Value {
        let answer = self.get(&format!("/store/orders/{order_id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until the order is in a state that it does not leave, and gives the state.
    pub fn end_of(&self, order_id: &str) -> String {
        eventually(&format!("the order {order_id} comes to its end"), || {
            // The runtime may be away for a moment.
            let order = self.try_get(&format!("/store/orders/{order_id}")).ok()?;
            let order: Value = serde_json::from_str(&order.text).ok()?;
            let status = order["status"].as_str()?;
            ["fulfilled", "refunded", "payment_failed", "cancelled", "returned"]
                .contains(&status)
                .then(|| status.to_owned())
        })
    }

    /// The product's `(on_hand, supplied, sold)`, after a check that the stock is balanced.
    pub fn stock_of(&self, product_id: &str) -> (u64, u64, u64) {
        let answer = self.get(&format!("/warehouse/products/{product_id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let product = answer.json();
        let number = |field: &str| product[field].as_u64().unwrap();
        let (on_hand, supplied, sold) = (number("on_hand"), number("supplied"), number("sold"));
        assert_eq!(
            on_hand + sold + number("written_off"),
            supplied + number("returned"),
            "{product}"
        );
        (on_hand, supplied, sold)
    }

    /// The warehouse's decision for an order.
    pub fn allocation(&self, order_id: &str) -> Value {
        let answer = self.get(&format!("/warehouse/allocations/{order_id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Appends an event to a stream of the store by hand, and gives the entry's id.
    pub fn append_to_store(&self, stream: &str, fields: &[(&str, &str)]) -> String {
        let mut command = vec!["XADD", stream, "*"];
        command.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        self.store_redis(&command)
    }

    /// Waits until the group has handled all that is in the stream of the store's database.
    pub fn wait_until_handled(&self, stream: &str, group: &str) {
        eventually(&format!("{group} has handled {stream}"), || {
            // The lag first: what is not read yet may be pending a moment later, and done only after that.
            let info: Vec<Vec<redis::Value>> = self.store_redis(&["XINFO", "GROUPS", stream]);
            let lag = info.iter().find_map(|pairs| {
                let pairs: Vec<String> = pairs.iter().map(text).collect();
                let value = |name: &str| Some(pairs.get(pairs.iter().position(|pair| pair == name)? + 1)?.clone());
                (value("name")? == group).then(|| value("lag"))?
            })?;
            let pending: Vec<redis::Value> = self.store_redis(&["XPENDING", stream, group]);
            (text(&pending[0]) == "0" && lag == "0").then_some(())
        });
    }

    /// The dead letters beside a stream of the store, each as its fields.
    pub fn store_dead_letters(&self, stream: &str) -> Vec<Vec<(String, String)>> {
        let entries: Vec<(String, Vec<(String, String)>)> =
            self.store_redis(&["XRANGE", &format!("{stream}.dead"), "-", "+"]);
        entries.into_iter().map(|(_, fields)| fields).collect()
    }

    /// Waits for the first dead letter beside a stream of the store.
    pub fn first_dead_letter(&self, stream: &str) -> Vec<(String, String)> {
        eventually(&format!("there is a dead letter beside {stream}"), || {
            self.store_dead_letters(stream).into_iter().next()
        })
    }

    /// Asserts that no stream has a dead letter.
    pub fn assert_no_dead_letters(&self) {
        let store: Vec<String> = self.store_redis(&["KEYS", "*.dead"]);
        let warehouse: Vec<String> = self.warehouse_redis(&["KEYS", "*.dead"]);
        assert_eq!((store, warehouse), (vec![], vec![]));
    }

    /// Number of outcomes that the warehouse has published: `(order-fulfilled, refund-order)`.
    pub fn outcomes_told(&self) -> (u64, u64) {
        (
            self.warehouse_redis(&["XLEN", "order-fulfilled"]),
            self.warehouse_redis(&["XLEN", "refund-order"]),
        )
    }
}

/// The body of an order.
pub fn order_body(lines: &[(&str, u32)]) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(product_id, qty)| json!({ "product_id": product_id, "qty": qty }))
        .collect();
    json!({ "customer_id": "ada", "lines": lines })
}

/// The data of an `order-completed` event.
pub fn completed(order_id: &str, lines: &[(&str, u32)]) -> String {
    let lines: Vec<_> = (1..)
        .zip(lines)
        .map(|(line_id, (product_id, qty))| json!({ "line_id": line_id, "product_id": product_id, "qty": qty }))
        .collect();
    json!({ "order_id": order_id, "customer_id": "ada", "lines": lines }).to_string()
}

/// A field of a dead letter.
pub fn field<'a>(letter: &'a [(String, String)], name: &str) -> &'a str {
    letter
        .iter()
        .find_map(|(key, value)| (key == name).then_some(&**value))
        .unwrap_or_else(|| panic!("no {name} in {letter:?}"))
}

fn text(value: &redis::Value) -> String {
    redis::from_redis_value_ref::<Option<String>>(value)
        .ok()
        .flatten()
        .unwrap_or_default()
}
