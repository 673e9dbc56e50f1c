//! Redis compared with the model.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use warehouse_component::domain::stock::Stock;

use super::steps::Run;

type Hash = HashMap<String, String>;

const STREAMS: [&str; 4] = ["order-fulfilled", "refund-order", "return-received", "product-changed"];

impl Run<'_> {
    /// Checks the events and movements that the last step has added, every product, and that there is nothing else.
    pub(super) fn check(&mut self, context: &str) {
        for stream in STREAMS {
            self.check_events(stream, context);
        }
        let mut low = BTreeSet::new();
        for id in self.products.keys().cloned().collect::<Vec<_>>() {
            self.check_movements(&id, context);
            if self.check_stock(&id, context) {
                low.insert(id);
            }
        }
        let found: BTreeSet<String> = self.courier.redis(&["ZRANGE", "low-stock", "0", "-1"]);
        assert_eq!(found, low, "{context}");
        let found: BTreeSet<String> = self.courier.redis(&["ZRANGE", "products", "0", "-1"]);
        assert_eq!(found, self.products.keys().cloned().collect(), "{context}");

        let with_movements = self.products.values().filter(|product| product.movements > 0).count();
        let with_returns = self.orders.values().filter(|order| order.returns > 0).count();
        let of_products = 1 + 2 * self.products.len() + with_movements + usize::from(!low.is_empty());
        let expected = of_products + self.orders.len() + with_returns + self.requests.len() + self.seen.len();
        let keys: usize = self.courier.redis(&["DBSIZE"]);
        assert_eq!(keys, expected, "{context}");
    }

    /// Checks that nothing has touched an allocation or its returns since they were stored.
    pub(super) fn check_orders(&mut self, context: &str) {
        for order_id in self.orders.keys().cloned().collect::<Vec<_>>() {
            self.check_order(&order_id, context);
        }
    }

    /// Checks that the expected events were appended, once and in order, each under the id that is kept with its cause.
    fn check_events(&mut self, stream: &'static str, context: &str) {
        let after = self.seen.get(stream).map_or("-".to_owned(), |last| format!("({last}"));
        let entries: Vec<(String, Hash)> = self.courier.redis(&["XRANGE", stream, &after, "+"]);
        let found: Vec<_> = entries
            .iter()
            .map(|(_, fields)| (stream, fields["data"].clone()))
            .collect();
        let mut expected = self.events.clone();
        expected.retain(|(name, _)| *name == stream);
        assert_eq!(found, expected, "{context}: {stream}");
        for (entry, fields) in entries {
            assert_eq!((&*fields["type"], &*fields["v"]), (stream, "1"), "{context}");
            let (id, at) = (&fields["id"], &fields["time"]);
            let data: Value = serde_json::from_str(&fields["data"]).unwrap();
            let text = |name: &str| data[name].as_str().unwrap().to_owned();
            match stream {
                "product-changed" => {
                    let key = format!("product:{}", text("product_id"));
                    let changed_by: String = self.courier.redis(&["HGET", &key, "changed_by"]);
                    assert_eq!(*id, changed_by, "{context}");
                }
                "return-received" => {
                    assert_eq!(*id, text("return_id"), "{context}");
                    let key = format!("returns:{}", text("order_id"));
                    let last: String = self.courier.redis(&["LINDEX", &key, "-1"]);
                    let last: Value = serde_json::from_str(&last).unwrap();
                    let expected = json!({ "return_id": id, "at": at, "lines": data["lines"] });
                    assert_eq!(last, expected, "{context}");
                    self.check_order(&text("order_id"), context);
                }
                _ => {
                    let decision = self.orders.get_mut(&text("order_id")).unwrap();
                    decision.allocation["event_id"] = json!(id);
                    decision.allocation["at"] = json!(at);
                    self.check_order(&text("order_id"), context);
                }
            }
            self.seen.insert(stream, entry);
        }
    }

    fn check_order(&mut self, order_id: &str, context: &str) {
        let order = &self.orders[order_id];
        let stored: String = self.courier.redis(&["GET", &format!("allocation:{order_id}")]);
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored, order.allocation, "{context}: {order_id}");
        let returns: usize = self.courier.redis(&["LLEN", &format!("returns:{order_id}")]);
        assert_eq!(returns, order.returns, "{context}: {order_id}");
    }

    /// Checks that exactly the expected movements of a product were recorded, numbered one after the other.
    fn check_movements(&mut self, id: &str, context: &str) {
        let product = self.products.get_mut(id).unwrap();
        let (key, after) = (format!("movements:{id}"), format!("({}", product.movements));
        let range = ["ZRANGE", &key, &after, "+inf", "BYSCORE", "WITHSCORES"];
        let new: Vec<(String, u64)> = self.courier.redis(&range);
        let mut found = Vec::new();
        for (text, number) in new {
            product.movements += 1;
            assert_eq!(number, product.movements, "{context}: {id}");
            let mut movement: Value = serde_json::from_str(&text).unwrap();
            let fields = movement.as_object_mut().unwrap();
            assert_eq!(
                (fields.remove("movement_id").is_some(), fields.remove("at").is_some()),
                (true, true)
            );
            found.push(movement);
        }
        let mut expected = self.movements.clone();
        expected.retain(|movement| movement["product_id"] == id);
        assert_eq!(found, expected, "{context}: {id}");
    }

    /// Checks a product's stock, and tells whether it is low. Each number is a `u64`: none is negative.
    fn check_stock(&mut self, id: &str, context: &str) -> bool {
        let stored: HashMap<String, u64> = self.courier.redis(&["HGETALL", &format!("stock:{id}")]);
        let found = Stock {
            on_hand: stored["on_hand"],
            supplied: stored["supplied"],
            sold: stored["sold"],
            returned: stored["returned"],
            written_off: stored["written_off"],
        };
        assert_eq!(found, self.stocks[id], "{context}: {id}");
        assert!(found.is_balanced(), "{context}: {id}");
        let product = &self.products[id];
        let rest = (product.low_stock_at, product.movements);
        assert_eq!((stored["low_stock_at"], stored["movements"]), rest, "{context}: {id}");
        found.on_hand <= product.low_stock_at
    }
}
