//! A wrong type at any key that a script touches: nothing is half done, and the entries beside it are.

use serde_json::json;

use crate::Test;
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;
use crate::shop::{completed, field, order_body};

pub const TESTS: &[Test] = &[
    ("wrong types at the warehouse's keys, by event", warehouse_events),
    ("wrong types at the store's keys, by event", store_events),
    ("wrong types at the keys of requests", requests),
];

fn warehouse_events(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    system.stock("pot", 10);
    system.stock("pan", 10);
    let spoil = |key: &str| {
        let _: u64 = system.warehouse_redis(&["DEL", key]);
        let _: String = system.warehouse_redis(&["SET", key, "hello"]);
    };
    spoil("stock:pot");
    spoil("allocation:o-2");
    let _: u64 = system.warehouse_redis(&["HSET", "stock:pan", "on_hand", "many"]);
    for (order, lines) in [
        ("o-1", [("cup", 1), ("pot", 1)]),
        ("o-2", [("cup", 1), ("cup", 1)]),
        ("o-3", [("cup", 1), ("cup", 1)]),
        ("o-4", [("cup", 1), ("pan", 1)]),
    ] {
        system.append_to_store("order-completed", &[("data", &completed(order, &lines))]);
    }
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("o-3")["outcome"], "fulfilled");
    assert_eq!(system.stock_of("cup"), (8, 10, 2));
    assert_eq!(system.outcomes_told(), (1, 0));
    let letters = system.store_dead_letters("order-completed");
    let reasons: Vec<_> = letters.iter().map(|letter| field(letter, "dead_reason")).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for (key, reason) in ["stock:pot", "allocation:o-2", "stock:pan"].iter().zip(&reasons) {
        assert!(reason.contains(key), "{reason} does not name {key}");
    }

    spoil("refund-order");
    system.append_to_store("order-completed", &[("data", &completed("o-5", &[("cup", 100)]))]);
    system.append_to_store("order-completed", &[("data", &completed("o-6", &[("cup", 1)]))]);
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("o-6")["outcome"], "fulfilled");
    assert_eq!(system.get("/warehouse/allocations/o-5").status, 404);
    let letters = system.store_dead_letters("order-completed");
    assert!(
        field(&letters[3], "dead_reason").contains("refund-order"),
        "{letters:?}"
    );
    let _: u64 = system.warehouse_redis(&["DEL", "refund-order"]);

    // The other stream: nothing can be fulfilled, and no stock is taken.
    spoil("order-fulfilled");
    system.append_to_store("order-completed", &[("data", &completed("o-7", &[("cup", 1)]))]);
    eventually("the order is a dead letter", || {
        (system.store_dead_letters("order-completed").len() == 5).then_some(())
    });
    assert_eq!(system.stock_of("cup"), (7, 10, 3));
    assert_eq!(system.get("/warehouse/allocations/o-7").status, 404);
}

fn store_events(runtime: Runtime) {
    let mut system = System::start(runtime);
    system.stock("cup", 10);
    system.kill_sidecar();
    let orders: Vec<_> = (0..3).map(|_| system.order(&[("cup", 1)])).collect();
    let (hash, history) = (format!("order:{}", orders[0]), format!("history:{}", orders[1]));
    for key in [&hash, &history] {
        let _: u64 = system.store_redis(&["DEL", key]);
        let _: String = system.store_redis(&["SET", key, "hello"]);
    }
    system.start_sidecar();
    assert_eq!(system.end_of(&orders[2]), "fulfilled");
    let letters = eventually("both orders are dead letters", || {
        let letters = system.store_dead_letters("order-placed");
        (letters.len() == 2).then_some(letters)
    });
    for (key, letter) in [hash, history].iter().zip(&letters) {
        assert!(field(letter, "dead_reason").contains(key.as_str()), "{letter:?}");
    }
    assert_eq!(system.show(&orders[1])["status"], "pending");
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-completed"]), 1);
    let answer = system.get(&format!("/store/orders/{}", orders[0]));
    assert_eq!((answer.status, &answer.json()["type"]), (500, &json!("corrupt_data")));

    // The stream that follows a payment.
    let stuck = {
        let _: u64 = system.store_redis(&["DEL", "order-completed"]);
        let _: String = system.store_redis(&["SET", "order-completed", "hello"]);
        system.order(&[("cup", 1)])
    };
    let letters = eventually("the order is a dead letter", || {
        let letters = system.store_dead_letters("order-placed");
        (letters.len() == 3).then_some(letters)
    });
    assert!(
        field(&letters[2], "dead_reason").contains("order-completed"),
        "{letters:?}"
    );
    assert_eq!(system.show(&stuck)["status"], "pending");
}

fn requests(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let _: u64 = system.store_redis(&[
        "HSET",
        "product:cup",
        "rev",
        "1",
        "name",
        "Cup",
        "price_minor",
        "900",
        "currency",
        "EUR",
        "active",
        "1",
    ]);
    for key in ["orders", "order-placed", "product:cup"] {
        let kept: Option<Vec<u8>> = system.store_redis(&["DUMP", key]);
        let _: u64 = system.store_redis(&["DEL", key]);
        let _: String = system.store_redis(&["SET", key, "hello"]);
        let answer = system.post("/store/orders", &order_body(&[("cup", 1)]));
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{key}: {answer:?}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(key), "{answer:?}");
        let left: Vec<String> = system.store_redis(&["KEYS", "order:*"]);
        assert_eq!(left, Vec::<String>::new(), "{key}");
        let _: u64 = system.store_redis(&["DEL", key]);
        if kept.is_some() {
            let _: u64 = system.store_redis(&[
                "HSET",
                "product:cup",
                "rev",
                "1",
                "name",
                "Cup",
                "price_minor",
                "900",
                "currency",
                "EUR",
                "active",
                "1",
            ]);
        }
    }
    let product = json!({ "product_id": "cup", "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR" });
    for key in [
        "product:cup",
        "stock:cup",
        "movements:cup",
        "products",
        "product-changed",
    ] {
        let _: String = system.warehouse_redis(&["SET", key, "hello"]);
        let answer = system.post("/warehouse/products", &product);
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{key}: {answer:?}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(key), "{answer:?}");
        let left: Vec<String> = system.warehouse_redis(&["KEYS", "*"]);
        assert_eq!(left, [key]);
        let _: u64 = system.warehouse_redis(&["DEL", key]);
    }
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    for (key, spoilt) in [("stock:cup", true), ("movements:cup", true), ("stock:cup", false)] {
        let kept: Vec<String> = system.warehouse_redis(&["HGETALL", "stock:cup"]);
        if spoilt {
            let _: u64 = system.warehouse_redis(&["DEL", key]);
            let _: String = system.warehouse_redis(&["SET", key, "hello"]);
        }
        let answer = system.post_text(
            "/warehouse/products/cup/movements",
            &[("Idempotency-Key", "k")],
            r#"{"type":"supply","qty":1}"#,
        );
        assert_eq!(answer.status, if spoilt { 500 } else { 201 }, "{key}: {answer:?}");
        if spoilt {
            let _: u64 = system.warehouse_redis(&["DEL", key]);
            let mut command = vec!["HSET", "stock:cup"];
            command.extend(kept.iter().map(String::as_str));
            let _: u64 = system.warehouse_redis(&command);
        }
    }
    assert_eq!(system.stock_of("cup"), (1, 1, 0));
}
