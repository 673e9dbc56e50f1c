//! Lists of orders, filtered and a page at a time.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Test;
use crate::cancels::{placed, store};
use crate::courier::Courier;
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("orders by state and customer", filters),
    ("a customer with more orders than one page looks at", scanning),
    ("bad lists", bad_lists),
];

/// The ids on every page, in their order.
fn walk(system: &System, query: &str) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = system.get(&format!("/store/orders?{query}{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        pages += 1;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["order_id"].as_str().unwrap().to_owned()),
        );
        match &page["next_cursor"] {
            Value::Null => return (seen, pages),
            next => cursor = format!("&cursor={}", next.as_str().unwrap()),
        }
    }
}

fn order(system: &System, customer_id: &str) -> String {
    let body = json!({ "customer_id": customer_id, "lines": [{ "product_id": "cup", "qty": 1 }] });
    let answer = system.post("/store/orders", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["order_id"].as_str().unwrap().to_owned()
}

fn filters(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let (mut orders, mut of_ada, mut paid) = (vec![], vec![], vec![]);
    for number in 0..15 {
        let customer = if number % 3 == 0 { "bob" } else { "ada" };
        let id = order(&system, customer);
        if customer == "ada" {
            of_ada.push(id.clone());
        }
        if number % 2 == 0 {
            paid.push(id.clone());
        }
        orders.push(id);
    }
    courier.deliver(&paid.iter().map(|order| placed(order)).collect::<Vec<_>>());
    let both: Vec<_> = paid.iter().filter(|id| of_ada.contains(id)).cloned().collect();
    for (query, mut expected) in [
        ("limit=4", orders),
        ("limit=4&customer_id=ada", of_ada),
        ("limit=4&status=completed", paid),
        ("limit=2&status=completed&customer_id=ada", both),
        ("limit=4&status=refunded", vec![]),
        ("limit=4&status=completed&customer_id=nobody", vec![]),
    ] {
        expected.sort_unstable();
        expected.reverse();
        assert_eq!(walk(&system, query).0, expected, "{query}");
    }
}

fn scanning(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let mut ids = BTreeSet::new();
    for number in 0..2_500 {
        let id = format!("o-{number:05}");
        if number % 1_200 == 7 {
            ids.insert(id.clone());
        }
        load(
            &mut courier,
            &id,
            if ids.contains(&id) { "fulfilled" } else { "pending" },
        );
    }
    let (found, pages) = walk(&system, "status=fulfilled&customer_id=ada&limit=200");
    assert_eq!(found, ids.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(pages, 3, "a page looks at 1000 orders");
}

/// Puts an order into Redis as the store would.
fn load(courier: &mut Courier, id: &str, status: &str) {
    let key = format!("order:{id}");
    let lines = r#"[{"line_id":1,"product_id":"cup","name":"Cup","qty":1,"unit_price_minor":1000}]"#;
    let time = "2026-01-31T12:00:00.000Z";
    let text = format!(
        r#"{{"rev":1,"updated_at":"{time}","status":"{status}","customer_id":"ada","currency":"EUR","lines":{lines},"subtotal_minor":1000,"fee_minor":200,"total_minor":1200,"created_at":"{time}","history":[]}}"#
    );
    let _: String = courier.redis(&["SET", &key, &text]);
    for list in ["orders", "orders:customer:ada", &format!("orders:status:{status}")] {
        let _: u64 = courier.redis(&["ZADD", list, "0", id]);
    }
}

fn bad_lists(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    for (query, slug, named) in [
        ("limit=0", "invalid_field", "limit"),
        ("limit=201", "invalid_field", "limit"),
        ("limit=-1", "invalid_query", "limit"),
        ("limit=1.5", "invalid_query", "limit"),
        ("limit=99999999999999999999", "invalid_query", "limit"),
        ("cursor=a%20b", "invalid_field", "cursor"),
        ("cursor=", "invalid_field", "cursor"),
        ("status=lost", "invalid_field", "status"),
        ("customer_id=%00", "invalid_field", "customer_id"),
        ("customer_id=%ff", "invalid_field", "customer_id"),
        ("colour=red", "invalid_query", "colour"),
        ("limit=1&limit=2", "invalid_query", "limit"),
    ] {
        let answer = system.get(&format!("/store/orders?{query}"));
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (422, &json!(slug)),
            "{query}: {answer:?}"
        );
        assert!(
            answer.json()["detail"].as_str().unwrap().contains(named),
            "{query}: {answer:?}"
        );
    }
    for (key, query) in [
        ("orders", ""),
        ("orders:status:pending", "status=pending"),
        ("orders:customer:ada", "customer_id=ada"),
        ("orders:customer:ada", "customer_id=ada&status=pending"),
    ] {
        let _: String = courier.redis(&["SET", key, "hello"]);
        let answer = system.get(&format!("/store/orders?{query}"));
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{key}: {answer:?}"
        );
        let _: u64 = courier.redis(&["DEL", key]);
    }
}
