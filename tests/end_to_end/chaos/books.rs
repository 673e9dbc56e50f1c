//! The checks at the end of a round: of the orders, the stock and the streams.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use redis::Value as Reply;
use serde_json::{Value, json};

use super::fleet::{Fleet, SERVICES};
use crate::process::eventually;

/// The products with their units; of some there are too few for all orders.
pub(super) const PRODUCTS: [(&str, u64); 4] = [("cup", 100_000), ("pot", 100_000), ("tray", 150), ("kettle", 40)];

/// The streams and the groups that read them, by the service in whose database they are.
const GROUPS: [(usize, &str, &str); 7] = [
    (0, "order-placed", "payment-group"),
    (0, "order-completed", "warehouse-group"),
    (0, "order-cancel-requested", "warehouse-group"),
    (1, "refund-order", "payment-group"),
    (1, "return-received", "payment-group"),
    (1, "order-fulfilled", "store-group"),
    (1, "product-changed", "store-group"),
];
const STORE: usize = 0;
const WAREHOUSE: usize = 1;

/// A shop whose products both services know.
pub(super) struct Shop(());

pub(super) fn open(fleet: &Fleet) -> Shop {
    let address = &fleet.addresses()[0];
    for (product, on_hand) in PRODUCTS {
        let body = json!({
            "product_id": product, "sku": product, "name": product, "price_minor": 1_000, "currency": "EUR",
            "on_hand": on_hand,
        });
        let answer = ureq::post(format!("{address}/warehouse/products")).send(body.to_string());
        assert_eq!(answer.unwrap().status(), 201);
        eventually("the store knows the product", || {
            let known: bool = fleet.redis(STORE, &["EXISTS", &format!("product:{product}")]);
            known.then_some(())
        });
    }
    Shop(())
}

/// True once every group has acknowledged every entry of its stream.
pub(super) fn is_all_handled(fleet: &Fleet) -> bool {
    // Twice, in the order in which events cause others: an entry missed by the first look shows in the second.
    let looks = GROUPS.iter().chain(&GROUPS);
    looks
        .into_iter()
        .all(|(service, stream, group)| waiting(fleet, *service, stream, group) == Some((0, 0)))
}

/// A report of the entries that are left.
pub(super) fn what_waits(fleet: &Fleet) -> String {
    let mut text = "not all was handled:\n".to_owned();
    for (service, stream, group) in GROUPS {
        let waiting = waiting(fleet, service, stream, group);
        let pending: Reply = fleet.redis(service, &["XPENDING", stream, group, "-", "+", "5"]);
        let _ = writeln!(text, "{stream} for {group}: (pending, lag) {waiting:?}, {pending:?}");
    }
    text
}

/// The group's pending entries and its lag.
fn waiting(fleet: &Fleet, service: usize, stream: &str, group: &str) -> Option<(i64, i64)> {
    let groups: Vec<HashMap<String, Reply>> = fleet.redis(service, &["XINFO", "GROUPS", stream]);
    let is_it = |info: &&HashMap<String, Reply>| info.get("name") == Some(&Reply::BulkString(group.into()));
    let info = groups.iter().find(is_it)?;
    match (info.get("pending")?, info.get("lag")?) {
        (Reply::Int(pending), Reply::Int(lag)) => Some((*pending, *lag)),
        _ => None,
    }
}

/// The data of every event in a stream, by its order.
fn events(fleet: &Fleet, service: usize, stream: &str) -> BTreeMap<String, Vec<Value>> {
    let entries: Vec<(String, HashMap<String, String>)> = fleet.redis(service, &["XRANGE", stream, "-", "+"]);
    let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (_, fields) in entries {
        let data: Value = serde_json::from_str(&fields["data"]).unwrap();
        let order = data["order_id"].as_str().unwrap().to_owned();
        events.entry(order).or_default().push(data);
    }
    events
}

impl Shop {
    /// Checks everything, and gives a summary.
    pub(super) fn check(&self, fleet: &Fleet, acknowledged: &[String]) -> String {
        let keys: Vec<String> = fleet.redis(STORE, &["KEYS", "order:*"]);
        let orders: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix("order:")).collect();
        for order in acknowledged {
            assert!(orders.contains(&order.as_str()), "the order {order} is lost");
        }
        let placed = events(fleet, STORE, "order-placed");
        let completed = events(fleet, STORE, "order-completed");
        let fulfilled = events(fleet, WAREHOUSE, "order-fulfilled");
        let refunded = events(fleet, WAREHOUSE, "refund-order");
        for (name, stream) in [
            ("order-placed", &placed),
            ("order-completed", &completed),
            ("order-fulfilled", &fulfilled),
            ("refund-order", &refunded),
        ] {
            let twice = stream.iter().find(|(_, events)| events.len() != 1);
            assert_eq!(twice, None, "{name} was told more than once");
        }
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for order in &orders {
            let text: String = fleet.redis(STORE, &["GET", &format!("order:{order}")]);
            let stored: Value = serde_json::from_str(&text).unwrap();
            let told = [&placed, &completed, &fulfilled, &refunded].map(|stream| stream.contains_key(*order));
            let (end, expected) = match stored["status"].as_str().unwrap() {
                "fulfilled" => ("fulfilled", [true, true, true, false]),
                "refunded" => ("refunded", [true, true, false, true]),
                "payment_failed" => ("payment_failed", [true, false, false, false]),
                other => panic!("the order {order} is {other}; (placed, completed, fulfilled, refunded): {told:?}"),
            };
            assert_eq!(
                told, expected,
                "(placed, completed, fulfilled, refunded) of {order}, which is {end}"
            );
            *ends.entry(end).or_default() += 1;
        }
        assert_eq!(placed.len(), orders.len(), "an event of an order that does not exist");
        self.check_stock(fleet, &fulfilled);
        for (service, name) in SERVICES.iter().enumerate() {
            let dead: Vec<String> = fleet.redis(service, &["KEYS", "*.dead"]);
            let letters: Vec<Reply> = dead
                .iter()
                .map(|key| fleet.redis(service, &["XRANGE", key, "-", "+"]))
                .collect();
            assert!(dead.is_empty(), "dead letters of the {name}: {letters:?}");
        }
        format!(
            "{} orders were acknowledged, {} made: {ends:?}",
            acknowledged.len(),
            orders.len()
        )
    }

    /// Checks that the units sold are those of the fulfilled orders.
    fn check_stock(&self, fleet: &Fleet, fulfilled: &BTreeMap<String, Vec<Value>>) {
        let mut sold: HashMap<&str, u64> = HashMap::new();
        let lines = fulfilled
            .values()
            .flatten()
            .filter_map(|event| event["lines"].as_array())
            .flatten();
        for line in lines {
            *sold.entry(line["product_id"].as_str().unwrap()).or_default() += line["qty"].as_u64().unwrap();
        }
        let address = &fleet.addresses()[0];
        for (product, supplied) in PRODUCTS {
            let answer = eventually("the warehouse answers", || {
                let mut answer = ureq::get(format!("{address}/warehouse/products/{product}"))
                    .call()
                    .ok()?;
                answer.body_mut().read_to_string().ok()
            });
            let shown: Value = serde_json::from_str(&answer).unwrap();
            let sold = sold.get(product).copied().unwrap_or(0);
            assert_eq!(shown["sold"], sold, "{shown}");
            assert_eq!(shown["supplied"], supplied, "{shown}");
            assert_eq!(shown["on_hand"], supplied - sold, "{shown}");
        }
    }
}
