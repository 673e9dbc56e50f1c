//! What is in Redis, compared with the model.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::RefundReason;
use serde_json::{Value, json};
use warehouse_component::domain::stock::Stock;

use super::model::{Decision, Movement, Told};
use super::steps::Run;

type Hash = BTreeMap<String, String>;
type Entries = Vec<(String, Hash)>;

const STREAMS: [&str; 4] = ["order-fulfilled", "refund-order", "return-received", "product-changed"];

impl Run<'_> {
    /// Compares what a step may have changed, and counts the rest.
    pub fn look(&mut self, context: &str) {
        let products: Vec<_> = self.model.products.keys().cloned().collect();
        for product in &products {
            self.look_at_product(product, context);
        }
        let low: BTreeSet<String> = self.courier.redis(&["ZRANGE", "low-stock", "0", "-1"]);
        assert_eq!(low, self.model.low_stock(), "{context}");
        let listed: Vec<String> = self.courier.redis(&["ZRANGE", "products", "0", "-1"]);
        assert_eq!(listed, products, "{context}");
        self.look_at_events(context);
        for order in std::mem::take(&mut self.touched) {
            if self.model.orders.contains_key(&order) {
                self.look_at_order(&order, context);
            }
        }
        let keys: usize = self.courier.redis(&["DBSIZE"]);
        assert_eq!(keys, self.model.count_keys(), "{context}");
    }

    /// Compares all there is.
    pub fn look_at_everything(&mut self, context: &str) {
        self.model.check_invariants();
        let orders: Vec<_> = self.model.orders.keys().cloned().collect();
        for order in &orders {
            self.look_at_order(order, context);
        }
        let movements = self.model.movements.clone();
        for (product, movements) in &movements {
            let key = format!("movements:{product}");
            let kept: Vec<String> = self.courier.redis(&["ZRANGE", &key, "0", "-1"]);
            let kept: Vec<_> = kept.iter().map(|text| movement(text)).collect();
            assert_eq!(&kept, movements, "{context}: {product}");
        }
        for stream in STREAMS {
            let count: u64 = self.courier.redis(&["XLEN", stream]);
            assert_eq!(
                count,
                self.model.told.get(stream).copied().unwrap_or(0),
                "{context}: {stream}"
            );
        }
        let refunds = |reason: RefundReason| {
            let refunded = |order: &&Decision| matches!(order, Decision::Refunded(why, _) if *why == reason);
            self.model.orders.values().filter(refunded).count()
        };
        println!(
            "the warehouse's model: {} orders, {} refunded for little stock, {} cancelled, {} returns",
            orders.len(),
            refunds(RefundReason::InsufficientStock),
            refunds(RefundReason::CustomerCancelled),
            self.model.told.get("return-received").copied().unwrap_or(0),
        );
    }

    fn look_at_product(&mut self, product_id: &str, context: &str) {
        let own: Hash = self.courier.redis(&["HGETALL", &format!("product:{product_id}")]);
        let stock: Hash = self.courier.redis(&["HGETALL", &format!("stock:{product_id}")]);
        let model = &self.model.products[product_id];
        let expected = [
            ("sku", model.sku.clone()),
            ("name", model.own.name.clone()),
            ("price_minor", model.own.price_minor.to_string()),
            ("currency", model.currency.clone()),
            ("active", u8::from(model.own.active).to_string()),
            ("rev", model.own.rev.to_string()),
        ];
        for (field, value) in expected {
            assert_eq!(own.get(field), Some(&value), "{context}: {product_id}");
        }
        let number = |field: &str| -> u64 { stock[field].parse().unwrap() };
        let found = Stock {
            on_hand: number("on_hand"),
            supplied: number("supplied"),
            sold: number("sold"),
            returned: number("returned"),
            written_off: number("written_off"),
        };
        assert_eq!(found, self.model.stocks[product_id], "{context}: {product_id}");
        assert!(found.is_balanced(), "{context}: {product_id}");
        assert_eq!(
            number("low_stock_at"),
            model.own.low_stock_at,
            "{context}: {product_id}"
        );

        let movements = self.model.movements.get(product_id).map_or(&[][..], Vec::as_slice);
        assert_eq!(number("movements"), movements.len() as u64, "{context}: {product_id}");
        let last: Vec<(String, u64)> =
            self.courier
                .redis(&["ZRANGE", &format!("movements:{product_id}"), "-1", "-1", "WITHSCORES"]);
        let last = last.into_iter().next().map(|(text, number)| (movement(&text), number));
        let expected = movements.last().map(|last| (last.clone(), movements.len() as u64));
        assert_eq!(last, expected, "{context}: {product_id}");
    }

    fn allocation(&mut self, order_id: &str) -> Value {
        let text: String = self.courier.redis(&["GET", &format!("allocation:{order_id}")]);
        serde_json::from_str(&text).unwrap()
    }

    /// Compares an allocation, its returns and the ids of its events.
    fn look_at_order(&mut self, order_id: &str, context: &str) {
        let found = self.allocation(order_id);
        let returns: Vec<String> = self
            .courier
            .redis(&["LRANGE", &format!("returns:{order_id}"), "0", "-1"]);
        let lines = &found["lines"];
        let outcome = found["outcome"].as_str().unwrap();
        let reason = found.get("reason").map(|reason| reason.as_str().unwrap());
        let fields: Vec<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
        match &self.model.orders[order_id] {
            Decision::Fulfilled(sold) => {
                assert_eq!((outcome, reason), ("fulfilled", None), "{context}: {order_id}");
                assert_eq!(fields, ["at", "event_id", "lines", "outcome"], "{context}: {order_id}");
                assert_eq!(
                    lines,
                    &json!(serde_json::to_value(&sold.lines).unwrap()),
                    "{context}: {order_id}"
                );
                assert_eq!(returns.len(), sold.returns, "{context}: {order_id}");
                let mut listed: BTreeMap<u32, u64> = BTreeMap::new();
                for entry in &returns {
                    let entry: Value = serde_json::from_str(entry).unwrap();
                    for line in entry["lines"].as_array().unwrap() {
                        let line_id = u32::try_from(line["line_id"].as_u64().unwrap()).unwrap();
                        *listed.entry(line_id).or_default() += line["qty"].as_u64().unwrap();
                    }
                }
                assert_eq!(listed, sold.returned, "{context}: {order_id}");
            }
            Decision::Refunded(why, short) => {
                assert_eq!(
                    (outcome, reason),
                    ("refunded", Some(why.as_str())),
                    "{context}: {order_id}"
                );
                assert_eq!(
                    fields,
                    ["at", "event_id", "lines", "outcome", "reason"],
                    "{context}: {order_id}"
                );
                assert_eq!(lines, &serde_json::to_value(short).unwrap(), "{context}: {order_id}");
                assert_eq!(returns.len(), 0, "{context}: {order_id}");
            }
        }
    }

    /// Compares the events that were appended since the last look.
    fn look_at_events(&mut self, context: &str) {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for stream in STREAMS {
            let place = self.seen.iter().position(|(name, _)| *name == stream);
            let after = place.map_or("-".to_owned(), |place| format!("({}", self.seen[place].1));
            let entries: Entries = self.courier.redis(&["XRANGE", stream, &after, "+"]);
            if let Some((last, _)) = entries.last() {
                match place {
                    Some(place) => self.seen[place].1.clone_from(last),
                    None => self.seen.push((stream, last.clone())),
                }
            }
            let expected: Vec<_> = self.told.iter().filter(|told| told.stream == stream).collect();
            assert_eq!(entries.len(), expected.len(), "{context}: {stream}");
            for ((_, fields), Told { data, .. }) in entries.iter().zip(expected) {
                assert_eq!(&fields["data"], data, "{context}: {stream}");
                assert_eq!((fields["type"].as_str(), fields["v"].as_str()), (stream, "1"));
                assert!(fields["time"].ends_with('Z'), "{fields:?}");
                ids.insert(fields["id"].clone(), data.clone());
            }
        }
        // An event has the id that is kept with what it tells of, and so has it again.
        for (id, data) in ids {
            let data: Value = serde_json::from_str(&data).unwrap();
            let order_id = data["order_id"].as_str();
            let kept: String = match (order_id, data["product_id"].as_str(), data["return_id"].as_str()) {
                (_, _, Some(return_id)) => return_id.to_owned(),
                (Some(order_id), ..) => self.allocation(order_id)["event_id"].as_str().unwrap().to_owned(),
                (_, Some(product_id), _) => {
                    self.courier
                        .redis(&["HGET", &format!("product:{product_id}"), "changed_by"])
                }
                _ => panic!("{context}: {data}"),
            };
            assert_eq!(id, kept, "{context}: {data}");
        }
    }
}

fn movement(text: &str) -> Movement {
    let shown: Value = serde_json::from_str(text).unwrap();
    let kind = ["supply", "write_off", "return"]
        .into_iter()
        .find(|kind| shown["type"] == *kind);
    Movement {
        kind: kind.unwrap(),
        qty: shown["qty"].as_u64().unwrap(),
        on_hand: shown["on_hand"].as_u64().unwrap(),
        order_id: shown["order_id"].as_str().map(str::to_owned),
    }
}
