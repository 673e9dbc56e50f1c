//! Many clients at once: whatever may happen once, or a number of times, happens no more often.

use std::thread;

use serde_json::json;

use crate::Test;
use crate::harness::{Answer, System};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("a hundred clients for the last ten units", last_units),
    ("one movement, however many clients send it", one_movement),
    ("ten units come back ten times at the most", one_return_each),
    ("one return, however many clients send it", one_return),
    ("twenty clients change the revision that they have seen", one_change),
];

fn at_once<T: Send>(clients: u32, act: impl Fn(u32) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let act = &act;
                scope.spawn(move || act(client))
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn last_units(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let orders = at_once(100, |_| system.order(&[("cup", 1)]));
    let ends: Vec<_> = orders.iter().map(|order| system.end_of(order)).collect();
    let count = |end: &str| ends.iter().filter(|other| *other == end).count();
    assert_eq!((count("fulfilled"), count("refunded")), (10, 90));
    assert_eq!(system.stock_of("cup"), (0, 10, 10));
    assert_eq!(system.outcomes_told(), (10, 90));
    system.assert_no_dead_letters();
}

fn one_movement(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let product = json!({ "product_id": "cup", "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR" });
    let created = at_once(10, |_| system.post("/warehouse/products", &product));
    assert_eq!((with_status(&created, 201), with_status(&created, 409)), (1, 9));
    let path = "/warehouse/products/cup/movements";
    let answers = at_once(50, |_| {
        system.post_text(path, &[("Idempotency-Key", "the same")], r#"{"type":"supply","qty":7}"#)
    });
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (201, &answers[0].text));
    }
    assert_eq!(system.stock_of("cup"), (7, 7, 0));
    assert_eq!(system.get(path).json()["items"].as_array().unwrap().len(), 1);
}

fn one_return_each(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let order = system.order(&[("cup", 10)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    let body = json!({ "order_id": order, "lines": [{ "line_id": 1, "qty": 1 }] }).to_string();
    let answers = at_once(40, |client| {
        let key = format!("client {client}");
        system.post_text("/warehouse/returns", &[("Idempotency-Key", &key)], &body)
    });
    assert_eq!((with_status(&answers, 201), with_status(&answers, 409)), (10, 30));
    assert_eq!(system.stock_of("cup"), (10, 10, 10));
    assert_eq!(system.warehouse_redis::<u64>(&["XLEN", "return-received"]), 10);
}

fn one_return(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 3);
    let order = system.order(&[("cup", 3)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    // All units that were sold: a second request would be refused, were it not the same one.
    let body = json!({ "order_id": order, "lines": [{ "line_id": 1, "qty": 3 }] }).to_string();
    let answers = at_once(40, |_| {
        system.post_text("/warehouse/returns", &[("Idempotency-Key", "the same")], &body)
    });
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (201, &answers[0].text));
    }
    assert_eq!(system.stock_of("cup"), (3, 3, 3));
    assert_eq!(system.allocation(&order)["returns"].as_array().unwrap().len(), 1);
    assert_eq!(system.warehouse_redis::<u64>(&["XLEN", "return-received"]), 1);
}

fn one_change(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let product = json!({ "product_id": "cup", "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR" });
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    let answers = at_once(20, |client| {
        let body = json!({ "price_minor": 100 + client }).to_string();
        system.send("PATCH", "/warehouse/products/cup", &[("If-Match", "\"1\"")], &body)
    });
    assert_eq!((with_status(&answers, 200), with_status(&answers, 412)), (1, 19));
    assert_eq!(system.get("/warehouse/products/cup").json()["rev"], 2);
    assert_eq!(system.warehouse_redis::<u64>(&["XLEN", "product-changed"]), 2);
}
