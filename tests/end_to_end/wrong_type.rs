//! A wrong type at any key that a script touches: nothing is half done, and the entries beside it are handled.

use std::collections::BTreeMap;

use contracts::events::ProductChanged;
use serde_json::json;

use crate::Test;
use crate::archive::OLD;
use crate::cancels::{fulfilled, placed};
use crate::catalogue::learn;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;
use crate::shop::{completed, field, order_body};
use crate::stored::date_back;

pub const TESTS: &[Test] = &[
    ("wrong types at the warehouse's keys, by event", warehouse_events),
    ("wrong types at the store's keys, by event", store_events),
    ("damage that entries share is no fault of theirs", shared_keys),
    ("wrong types at the keys of requests", requests),
    ("wrong types at the keys of an order that leaves", removals),
    ("wrong types at the keys of products that are announced", products),
    ("wrong types at the warehouse's other keys", warehouse_requests),
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
    let _: u64 = system.warehouse_redis(&["HSET", "allocation:o-8", "outcome", "fulfilled"]);
    let _: u64 = system.warehouse_redis(&["HSET", "stock:pan", "on_hand", "many"]);
    for (order, lines) in [
        ("o-1", [("cup", 1), ("pot", 1)]),
        ("o-2", [("cup", 1), ("cup", 1)]),
        ("o-3", [("cup", 1), ("cup", 1)]),
        ("o-4", [("cup", 1), ("pan", 1)]),
        ("o-8", [("cup", 1), ("cup", 1)]),
    ] {
        system.append_to_store("order-completed", &[("data", &completed(order, &lines))]);
    }
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("o-3")["outcome"], "fulfilled");
    assert_eq!(system.stock_of("cup"), (8, 10, 2));
    assert_eq!(system.outcomes_told(), (1, 0));
    let letters = system.store_dead_letters("order-completed");
    let reasons: Vec<_> = letters.iter().map(|letter| field(letter, "dead_reason")).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for (words, reason) in [
        "stock:pot",
        "the key allocation:o-2 holds no allocation",
        "stock:pan",
        "the key allocation:o-8 holds a hash where a string belongs",
    ]
    .iter()
    .zip(&reasons)
    {
        assert!(reason.contains(words), "{reason} does not say {words}");
    }

    // What all orders share is no fault of one: they wait until it is repaired.
    for (stream, order, units, outcome) in [
        ("refund-order", "o-5", 100, "refunded"),
        ("order-fulfilled", "o-7", 1, "fulfilled"),
    ] {
        spoil(stream);
        system.append_to_store("order-completed", &[("data", &completed(order, &[("cup", units)]))]);
        eventually("the sidecar says what is in the way", || {
            let words = format!("the stream {stream} takes no event");
            system.read_log("sidecar").contains(&words).then_some(())
        });
        assert_eq!(system.stock_of("cup"), (8, 10, 2));
        assert_eq!(system.get(&format!("/warehouse/allocations/{order}")).status, 404);
        let _: u64 = system.warehouse_redis(&["DEL", stream]);
        system.wait_until_handled("order-completed", "warehouse-group");
        assert_eq!(system.allocation(order)["outcome"], outcome);
    }
    assert_eq!(system.store_dead_letters("order-completed").len(), 4);
}

/// Damage to what entries share: the words for it, once a delivery has settled neither of these.
fn unavailable(courier: &mut Courier, stream: &str, events: &[(String, String)]) -> String {
    let (_, receipt) = courier.deliver_for_receipt(stream, events);
    let settled = receipt.done.len() + receipt.retry.len() + receipt.reject.len();
    assert_eq!(settled, 0, "{receipt:?}");
    receipt.unavailable.unwrap_or_else(|| panic!("{stream} is taken"))
}

/// A stream whose ids are used up.
const LAST_ID: &str = "18446744073709551615-18446744073709551615";

fn shared_keys(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut store = Courier::new(&system);
    learn(&system, "cup", 1, "Cup", 900, true);
    let data = |order: &str| (format!("p-{order}"), json!({ "order_id": order }).to_string());
    for (command, key) in [
        (
            &["SET", "orders:status:completed", "hello"][..],
            "orders:status:completed",
        ),
        (&["XADD", "order-completed", LAST_ID, "a", "b"], "order-completed"),
    ] {
        let [good, spoilt] = [(); 2].map(|()| system.order(&[("cup", 1)]));
        let _: String = store.redis(&["SET", &format!("order:{spoilt}"), "hello"]);
        let _: redis::Value = store.redis(command);
        // Only its own damage rejects an entry, also beside one that has to wait.
        let (names, receipt) = store.deliver_for_receipt("order-placed", &[data(&good), data(&spoilt)]);
        let rejected: Vec<_> = receipt.reject.iter().map(|refusal| &refusal.entry).collect();
        assert_eq!(
            (rejected, receipt.done.len(), receipt.retry.len()),
            (vec![&names[1]], 0, 0),
            "{receipt:?}"
        );
        let words = receipt.unavailable.unwrap();
        assert!(words.contains(key) && words.contains("repair"), "{words}");
        assert_eq!(system.show(&good)["status"], "pending");
        let _: u64 = store.redis(&["DEL", key]);
        assert_eq!(store.deliver_data("order-placed", &[data(&good)])[0].0, Settled::Done);
        assert_eq!(system.show(&good)["status"], "completed");
    }

    let mut warehouse = Courier::to_warehouse(&system);
    let product =
        json!({ "product_id": "cup", "sku": "C", "name": "C", "price_minor": 1, "currency": "EUR", "on_hand": 9 });
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    let order = |id: &str, units: u32| (id.to_owned(), completed(id, &[("cup", units)]));
    let _: String = warehouse.redis(&["XADD", "order-fulfilled", LAST_ID, "a", "b"]);
    let (names, receipt) = warehouse.deliver_for_receipt("order-completed", &[order("o-1", 1), order("o-2", 99)]);
    assert_eq!(
        (&receipt.done, receipt.reject.len()),
        (&vec![names[1].clone()], 0),
        "{receipt:?}"
    );
    let words = receipt.unavailable.unwrap();
    assert!(words.contains("order-fulfilled") && words.contains("repair"), "{words}");
    let _: u64 = warehouse.redis(&["DEL", "order-fulfilled"]);
    let settled = warehouse.deliver_data("order-completed", &[order("o-1", 1), order("o-2", 99)]);
    assert!(
        settled.iter().all(|(settled, _)| *settled == Settled::Done),
        "{settled:?}"
    );
    assert_eq!((system.stock_of("cup"), system.outcomes_told()), ((8, 9, 1), (1, 1)));
}

fn store_events(runtime: Runtime) {
    let mut system = System::start(runtime);
    system.stock("cup", 10);
    system.kill_sidecar();
    let orders: Vec<_> = (0..4).map(|_| system.order(&[("cup", 1)])).collect();
    let keys: Vec<_> = orders[..3].iter().map(|order| format!("order:{order}")).collect();
    let _: u64 = system.store_redis(&["DEL", &keys[0]]);
    let _: u64 = system.store_redis(&["RPUSH", &keys[0], "hello"]);
    let _: String = system.store_redis(&["SET", &keys[1], "hello"]);
    // An order that was edited by hand, so that its revision cannot be compared.
    let edited = format!(" {}", system.store_redis::<String>(&["GET", &keys[2]]));
    let _: String = system.store_redis(&["SET", &keys[2], &edited]);
    system.start_sidecar();
    assert_eq!(system.end_of(&orders[3]), "fulfilled");
    let letters = eventually("the orders are dead letters", || {
        let letters = system.store_dead_letters("order-placed");
        (letters.len() == 3).then_some(letters)
    });
    for (key, letter) in keys.iter().zip(&letters) {
        assert!(field(letter, "dead_reason").contains(key.as_str()), "{letter:?}");
    }
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-completed"]), 1);
    for order in &orders[..3] {
        let answer = system.get(&format!("/store/orders/{order}"));
        assert_eq!((answer.status, &answer.json()["type"]), (500, &json!("corrupt_data")));
    }

    // The stream that follows a payment.
    let stuck = {
        let _: u64 = system.store_redis(&["DEL", "order-completed"]);
        let _: String = system.store_redis(&["SET", "order-completed", "hello"]);
        system.order(&[("cup", 1)])
    };
    eventually("the sidecar says what is in the way", || {
        let log = system.read_log("sidecar");
        log.contains("the key order-completed holds a string").then_some(())
    });
    assert_eq!(system.show(&stuck)["status"], "pending");
    let _: u64 = system.store_redis(&["DEL", "order-completed"]);
    eventually("the order is paid", || {
        (system.show(&stuck)["status"] != "pending").then_some(())
    });
    assert_eq!(system.store_dead_letters("order-placed").len(), 3);
}

fn requests(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    learn(&system, "cup", 1, "Cup", 900, true);
    let keys = [
        "orders",
        "orders:status:pending",
        "orders:customer:ada",
        "order-placed",
        "product:cup",
    ];
    for key in keys {
        let kept: Option<Vec<u8>> = system.store_redis(&["DUMP", key]);
        let _: u64 = system.store_redis(&["DEL", key]);
        let _: u64 = system.store_redis(&["RPUSH", key, "hello"]);
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
        for list in &keys[..3] {
            assert_eq!(system.store_redis::<u64>(&["ZCARD", list]), 0, "{key}: {list}");
        }
        assert_eq!(system.store_redis::<u64>(&["XLEN", "order-placed"]), 0, "{key}");
        if kept.is_some() {
            learn(&system, "cup", 1, "Cup", 900, true);
        }
    }
    assert_eq!(system.post("/store/orders", &order_body(&[("cup", 1)])).status, 201);
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

fn products(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut courier = Courier::new(&system);
    let event = ProductChanged {
        product_id: "cup".to_owned(),
        rev: 2,
        name: "Cup".to_owned(),
        price_minor: 1,
        currency: "EUR".to_owned(),
        active: true,
    };
    for (command, key, words) in [
        ("RPUSH", "product:cup", "holds a list"),
        ("SET", "product:cup", "holds no product"),
        ("SET", "products", "holds a string"),
    ] {
        let _: redis::Value = courier.redis(&[command, key, "hello"]);
        let reason = if key == "products" {
            let data = serde_json::to_string(&event).unwrap();
            unavailable(&mut courier, "product-changed", &[("event".to_owned(), data)])
        } else {
            let (settled, reason) = courier.deliver(&[("event".to_owned(), event.clone())]).remove(0);
            assert_eq!(settled, Settled::Reject, "{key}: {reason}");
            reason
        };
        assert!(reason.contains(key) && reason.contains(words), "{reason}");
        let _: u64 = courier.redis(&["DEL", key]);
        let left: Vec<String> = courier.redis(&["KEYS", "product*"]);
        assert_eq!(left, Vec::<String>::new(), "{key}");
    }
    // A revision that is too large to be kept exact.
    let event = ProductChanged {
        rev: 1_000_000_000_000_000,
        ..event
    };
    let (settled, reason) = courier.deliver(&[("event".to_owned(), event)]).remove(0);
    assert_eq!(settled, Settled::Reject, "{reason}");
    assert!(reason.contains("data.rev"), "{reason}");
}

fn removals(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    learn(&system, "cup", 1, "Cup", 900, true);
    let order = system.order(&[("cup", 1)]);
    let mut courier = Courier::new(&system);
    courier.deliver(&[placed(&order)]);
    courier.deliver(&[fulfilled(&order)]);
    let key_of_order = format!("order:{order}");
    date_back(&mut courier, &order, OLD);
    let remove = || {
        let body = json!({ "older_than_days": 30, "order_ids": [order] });
        system.post("/store/archive/remove", &body)
    };
    let keys = ["orders", "orders:status:fulfilled", "orders:customer:ada"];
    for key in keys {
        let _: String = system.store_redis(&["RENAME", key, "kept"]);
        let _: String = system.store_redis(&["SET", key, "hello"]);
        let answer = remove();
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{key}: {answer:?}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(key), "{answer:?}");
        assert_eq!(system.store_redis::<u64>(&["EXISTS", &key_of_order]), 1, "{key}");
        let _: String = system.store_redis(&["RENAME", "kept", key]);
    }
    assert_eq!(remove().json(), json!({ "removed": [order], "kept": [] }));
    assert_eq!(system.store_redis::<u64>(&["EXISTS", &key_of_order]), 0);
}

/// Everything in the warehouse's database, so that a change shows.
fn everything(system: &System) -> BTreeMap<String, String> {
    let keys: Vec<String> = system.warehouse_redis(&["KEYS", "*"]);
    let read = |key: &str| -> String {
        let kind: String = system.warehouse_redis(&["TYPE", key]);
        let command: &[&str] = match kind.as_str() {
            "hash" => {
                let fields: BTreeMap<String, String> = system.warehouse_redis(&["HGETALL", key]);
                return format!("{fields:?}");
            }
            "list" => &["LRANGE", key, "0", "-1"],
            "zset" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
            "stream" => &["XRANGE", key, "-", "+"],
            _ => &["GET", key],
        };
        format!("{:?}", system.warehouse_redis::<redis::Value>(command))
    };
    keys.into_iter()
        .map(|key| {
            let value = read(&key);
            (key, value)
        })
        .collect()
}

fn warehouse_requests(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut courier = Courier::to_warehouse(&system);
    for product_id in ["cup", "pot"] {
        let product = json!({
            "product_id": product_id, "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR", "on_hand": 9,
        });
        assert_eq!(system.post("/warehouse/products", &product).status, 201);
    }
    let sold = completed("o-1", &[("cup", 1), ("pot", 1)]);
    courier.deliver_data("order-completed", &[("event".to_owned(), sold)]);
    let patch = |body: &'static str| ("PATCH", "/warehouse/products/cup", body);
    let back = r#"{"order_id":"o-1","lines":[{"line_id":1,"qty":1},{"line_id":2,"qty":1}]}"#;
    let take_back = ("POST", "/warehouse/returns", back);
    let supply = (
        "POST",
        "/warehouse/products/cup/movements",
        r#"{"type":"supply","qty":1}"#,
    );
    let announce = ("POST", "/warehouse/repair/allocations/o-1", "");
    let remove = (
        "POST",
        "/warehouse/archive/remove",
        r#"{"older_than_days":1,"order_ids":["o-1"]}"#,
    );
    for (key, (method, path, body)) in [
        ("product:cup", patch(r#"{"name":"Mug"}"#)),
        ("stock:cup", patch(r#"{"name":"Mug"}"#)),
        ("low-stock", patch(r#"{"low_stock_at":9}"#)),
        ("product-changed", patch(r#"{"name":"Mug"}"#)),
        ("movements:cup", supply),
        ("idem:POST:/warehouse/products/cup/movements:k", supply),
        ("allocation:o-1", take_back),
        ("returns:o-1", take_back),
        ("return-received", take_back),
        ("stock:cup", take_back),
        ("stock:pot", take_back),
        ("movements:pot", take_back),
        ("idem:POST:/warehouse/returns:k", take_back),
        ("allocation:o-1", announce),
        ("returns:o-1", announce),
        ("order-fulfilled", announce),
        ("product:pot", ("POST", "/warehouse/repair/products", "")),
        ("products", ("POST", "/warehouse/repair/products", "")),
        ("allocation:o-1", remove),
        ("returns:o-1", remove),
        ("low-stock", ("GET", "/warehouse/products?low_stock=true", "")),
        ("products", ("GET", "/warehouse/products", "")),
        ("movements:cup", ("GET", "/warehouse/products/cup/movements", "")),
        ("allocation:o-1", ("GET", "/warehouse/allocations/o-1", "")),
    ] {
        let kept: Option<Vec<u8>> = system.warehouse_redis(&["DUMP", key]);
        // Even if one of the two is of the right type, the warehouse does not write such data.
        for spoil in ["SET", "RPUSH"] {
            let _: u64 = system.warehouse_redis(&["DEL", key]);
            let _: redis::Value = system.warehouse_redis(&[spoil, key, "hello"]);
            let before = everything(&system);
            let answer = system.send(method, path, &[("Idempotency-Key", "k"), ("If-Match", "*")], body);
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (500, &json!("corrupt_data")),
                "{spoil} {key}, {method} {path}: {answer:?}"
            );
            assert!(answer.json()["detail"].as_str().unwrap().contains(key), "{answer:?}");
            assert_eq!(everything(&system), before, "{spoil} {key}, {method} {path}");
        }
        let _: u64 = system.warehouse_redis(&["DEL", key]);
        if let Some(kept) = kept {
            system.restore_in_warehouse(key, &kept);
        }
    }

    // Numbers that are none, and events at keys of a wrong type.
    for (key, field, value) in [
        ("stock:pot", "on_hand", "-1"),
        ("stock:pot", "returned", "1e3"),
        ("stock:pot", "movements", "0x10"),
        ("stock:pot", "low_stock_at", "9999999999999999"),
    ] {
        let kept: Option<String> = system.warehouse_redis(&["HGET", key, field]);
        let _: u64 = system.warehouse_redis(&["HSET", key, field, value]);
        let before = everything(&system);
        let answer = system.send(take_back.0, take_back.1, &[("Idempotency-Key", "k")], take_back.2);
        assert!([422, 500].contains(&answer.status), "{key} {field}: {answer:?}");
        assert_eq!(everything(&system), before, "{key} {field}");
        let _: u64 = match kept {
            Some(kept) => system.warehouse_redis(&["HSET", key, field, &kept]),
            None => system.warehouse_redis(&["HDEL", key, field]),
        };
    }
    // Allocations and returns that are damaged, or do not fit together.
    let kept: String = system.warehouse_redis(&["GET", "allocation:o-1"]);
    for (from, to, status) in [
        ("\"fulfilled\"", "\"refunded\"", 500),
        ("\"fulfilled\"", "\"fulfilled\",\"reason\":\"customer_cancelled\"", 500),
        ("\"event_id\"", "\"event\"", 500),
        ("\"qty\"", "\"requested\"", 500),
        ("\"line_id\":2", "\"line_id\":3", 422),
    ] {
        let _: String = system.warehouse_redis(&["SET", "allocation:o-1", &kept.replace(from, to)]);
        let before = everything(&system);
        let answer = system.send(take_back.0, take_back.1, &[("Idempotency-Key", "k")], take_back.2);
        assert_eq!(answer.status, status, "{to}: {answer:?}");
        assert_eq!(everything(&system), before, "{to}");
    }
    let _: String = system.warehouse_redis(&["SET", "allocation:o-1", &kept]);
    let too_much =
        r#"{"return_id":"r","at":"2020-01-31T12:00:00.000Z","lines":[{"line_id":2,"product_id":"pot","qty":2}]}"#;
    let _: u64 = system.warehouse_redis(&["RPUSH", "returns:o-1", too_much]);
    let before = everything(&system);
    let answer = system.send(take_back.0, take_back.1, &[("Idempotency-Key", "k")], take_back.2);
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(everything(&system), before);
    let _: u64 = system.warehouse_redis(&["DEL", "returns:o-1"]);

    for (key, stream, data) in [
        ("low-stock", "order-completed", completed("o-2", &[("cup", 1)])),
        (
            "allocation:o-3",
            "order-cancel-requested",
            r#"{"order_id":"o-3","reason":"x"}"#.to_owned(),
        ),
        (
            "refund-order",
            "order-cancel-requested",
            r#"{"order_id":"o-4","reason":"x"}"#.to_owned(),
        ),
    ] {
        for spoil in ["SET", "RPUSH"] {
            let _: redis::Value = system.warehouse_redis(&[spoil, key, "hello"]);
            let before = everything(&system);
            let events = [("event".to_owned(), data.clone())];
            let reason = if key.starts_with("allocation") {
                let (settled, reason) = courier.deliver_data(stream, &events).remove(0);
                assert_eq!(settled, Settled::Reject, "{spoil} {key}");
                reason
            } else {
                unavailable(&mut courier, stream, &events)
            };
            assert!(reason.contains(key), "{reason}");
            assert_eq!(everything(&system), before, "{spoil} {key}");
            let _: u64 = system.warehouse_redis(&["DEL", key]);
        }
    }
    assert_eq!(
        system
            .send(take_back.0, take_back.1, &[("Idempotency-Key", "k")], take_back.2)
            .status,
        201
    );
}
