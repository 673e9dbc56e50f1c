//! Delivery is at least once, the effect exactly once.

use serde_json::json;

use crate::Test;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::completed;

pub const TESTS: &[Test] = &[
    ("the same event twice, under one id and under two", twice),
    (
        "orders twice in one delivery, and damaged ones beside them",
        in_one_delivery,
    ),
];

fn twice(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let fulfilled = completed("o-1", &[("cup", 4)]);
    let refused = completed("o-2", &[("cup", 40)]);
    for id in ["one", "one", "two"] {
        for data in [&fulfilled, &refused] {
            let fields = [("id", id), ("type", "order-completed"), ("v", "1"), ("data", data)];
            system.append_to_store("order-completed", &fields);
        }
    }
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.stock_of("cup"), (6, 10, 4));
    assert_eq!(system.outcomes_told(), (1, 1));
    assert_eq!(system.allocation("o-1")["outcome"], "fulfilled");
    assert_eq!(system.allocation("o-2")["outcome"], "refunded");
}

fn in_one_delivery(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let product = json!({
        "product_id": "cup", "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR", "on_hand": 1_000,
    });
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    let mut courier = Courier::to_warehouse(&system);
    let _: u64 = courier.redis(&["RPUSH", "allocation:o-7", "hello"]);
    let _: String = courier.redis(&["SET", "allocation:o-8", "hello"]);
    let expected = |order: &str| match order {
        "o-7" => (
            Settled::Reject,
            "the key allocation:o-7 holds a list where a string belongs",
        ),
        "o-8" => (Settled::Reject, "the key allocation:o-8 holds no allocation"),
        _ => (Settled::Done, ""),
    };

    let cancelled = ["o-3", "o-7", "o-3", "o-8", "o-4"];
    let requests = cancelled.map(|order| {
        let request = json!({ "order_id": order, "reason": "changed my mind" });
        (order.to_owned(), request.to_string())
    });
    // More orders than a component handles at a time, and than fit into one command.
    let orders: Vec<_> = (0..600)
        .flat_map(|number| [(format!("o-{number}"), 1), (format!("o-{number}"), 2)])
        .map(|(order, qty)| (order.clone(), completed(&order, &[("cup", qty)])))
        .collect();
    for _ in 0..2 {
        for (stream, events) in [
            ("order-cancel-requested", &requests[..]),
            ("order-completed", &orders[..]),
        ] {
            let settled = courier.deliver_data(stream, events);
            for ((order, _), (settled, reason)) in events.iter().zip(&settled) {
                assert_eq!((*settled, reason.as_str()), expected(order), "{stream}: {order}");
            }
        }
        assert_eq!(system.stock_of("cup"), (404, 1_000, 596));
        assert_eq!(system.outcomes_told(), (596, 2));
        assert_eq!(system.allocation("o-3")["reason"], "customer_cancelled");
        let allocations: Vec<String> = courier.redis(&["KEYS", "allocation:*"]);
        assert_eq!(allocations.len(), 600);
        for order in ["o-0", "o-511", "o-599"] {
            assert_eq!(system.allocation(order)["lines"][0]["qty"], 1, "the first decides");
        }
    }
}
