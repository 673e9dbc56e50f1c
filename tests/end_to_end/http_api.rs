//! The routes when all is well.

use serde_json::{Value, json};

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("products and movements", products),
    ("lists, a page at a time", pages),
    ("the same idempotency key gives one order", one_key),
];

fn products(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let made = system.post(
        "/warehouse/products",
        &json!({ "sku": "C", "name": "Cup \"Ä\"", "price_minor": 900, "currency": "EUR", "on_hand": 3 }),
    );
    assert_eq!((made.status, made.etag.as_deref()), (201, Some("\"1\"")));
    let product_id = made.json()["product_id"].as_str().unwrap().to_owned();
    let location = made.location.clone().unwrap();
    assert_eq!(location, format!("/warehouse/products/{product_id}"));
    let shown = system.get(&location);
    assert_eq!((shown.status, shown.etag.as_deref()), (200, Some("\"1\"")));
    assert_eq!(shown.json(), made.json());
    assert_eq!(
        shown.json(),
        json!({
            "product_id": product_id, "sku": "C", "name": "Cup \"Ä\"", "price_minor": 900, "currency": "EUR",
            "active": true, "on_hand": 3, "supplied": 3, "sold": 0, "returned": 0, "written_off": 0,
            "low_stock_at": 0, "rev": 1,
        })
    );

    let path = format!("{location}/movements");
    let supply = |key: &str, body: &str| system.post_text(&path, &[("Idempotency-Key", key)], body);
    let first = supply("k-1", r#"{"type":"supply","qty":7}"#);
    assert_eq!((first.status, &first.json()["on_hand"]), (201, &json!(10)));
    let again = supply("k-1", r#"{"qty":7,"type":"supply"}"#);
    assert_eq!((again.status, &again.text), (201, &first.text));
    let other = supply("k-1", r#"{"type":"supply","qty":8}"#);
    assert_eq!(
        (other.status, &other.json()["type"]),
        (422, &json!("idempotency_key_reused"))
    );
    let gone = supply("k-2", r#"{"type":"write_off","qty":4}"#);
    assert_eq!((gone.status, &gone.json()["on_hand"]), (201, &json!(6)));
    let product = system.get(&location).json();
    assert_eq!(
        (&product["on_hand"], &product["supplied"], &product["written_off"]),
        (&json!(6), &json!(10), &json!(4))
    );
}

fn pages(runtime: Runtime) {
    let system = System::start(runtime);
    for number in 0..5 {
        system.stock(&format!("cup-{number}"), 10);
    }
    let placed: Vec<String> = (0..5).map(|_| system.order(&[("cup-0", 1)])).collect();
    let walk = |path: &str, id: &str| -> Vec<String> {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = system.get(&format!("{path}?limit=2{cursor}")).json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            seen.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
            match &page["next_cursor"] {
                Value::Null => return seen,
                next => cursor = format!("&cursor={}", next.as_str().unwrap()),
            }
        }
    };
    let mut newest_first = placed;
    newest_first.sort_unstable();
    newest_first.reverse();
    assert_eq!(walk("/store/orders", "order_id"), newest_first);
    let products: Vec<_> = (0..5).map(|number| format!("cup-{number}")).collect();
    assert_eq!(walk("/warehouse/products", "product_id"), products);
    assert_eq!(walk("/store/products", "product_id"), products);
}

fn one_key(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let body = order_body(&[("cup", 1)]).to_string();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let place = || system.post_text("/store/orders", &[("Idempotency-Key", "the same")], &body);
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(place)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (201, &answers[0].text));
        assert_eq!(answer.location, answers[0].location);
    }
    let other = system.post_text(
        "/store/orders",
        &[("Idempotency-Key", "the same")],
        &order_body(&[("cup", 2)]).to_string(),
    );
    assert_eq!(
        (other.status, &other.json()["type"]),
        (422, &json!("idempotency_key_reused"))
    );
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-placed"]), 1);
}
