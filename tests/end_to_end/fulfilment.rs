//! Paid orders take stock, whole or not at all.

use std::thread;

use serde_json::json;

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::stored::stored_order;

pub const TESTS: &[Test] = &[
    ("too little stock: refunded, and the stock stays", too_little),
    ("just enough stock: fulfilled, and the stock is gone", just_enough),
    ("twenty orders at once", twenty_at_once),
    ("one short line refunds the whole order", one_short_line),
    ("two lines of one product are counted together", counted_together),
];

fn too_little(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("teapot", 1);
    let order = system.order(&[("teapot", 5)]);
    assert_eq!(system.end_of(&order), "refunded");
    assert_eq!(system.show(&order)["reason"], "insufficient_stock");
    assert_eq!(system.stock_of("teapot"), (1, 1, 0));
    let allocation = system.allocation(&order);
    assert_eq!(allocation["outcome"], "refunded");
    assert_eq!(
        allocation["lines"],
        json!([{ "line_id": 1, "product_id": "teapot", "requested": 5, "available": 1 }])
    );
}

fn just_enough(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("teapot", 5);
    let order = system.order(&[("teapot", 5)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    assert_eq!(system.stock_of("teapot"), (0, 5, 5));
    let allocation = system.allocation(&order);
    assert_eq!(allocation["outcome"], "fulfilled");
    assert_eq!(
        allocation["lines"],
        json!([{ "line_id": 1, "product_id": "teapot", "qty": 5 }])
    );
    let shown = system.show(&order);
    assert_eq!(
        (&shown["subtotal_minor"], &shown["fee_minor"], &shown["total_minor"]),
        (&json!(5_000), &json!(1_000), &json!(6_000))
    );
    let history = stored_order(&system, &order)["history"].clone();
    let states: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["to"].clone())
        .collect();
    assert_eq!(states, ["pending", "completed", "fulfilled"]);
}

fn twenty_at_once(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 100);
    let orders: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..20).map(|_| scope.spawn(|| system.order(&[("cup", 1)]))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for order in &orders {
        assert_eq!(system.end_of(order), "fulfilled");
    }
    assert_eq!(system.stock_of("cup"), (80, 100, 20));
    assert_eq!(system.outcomes_told(), (20, 0));
}

fn one_short_line(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    system.stock("teapot", 1);
    let order = system.order(&[("cup", 2), ("teapot", 2)]);
    assert_eq!(system.end_of(&order), "refunded");
    assert_eq!(system.stock_of("cup"), (10, 10, 0));
    assert_eq!(system.stock_of("teapot"), (1, 1, 0));
}

fn counted_together(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 5);
    let too_many = system.order(&[("cup", 3), ("cup", 3)]);
    assert_eq!(system.end_of(&too_many), "refunded");
    assert_eq!(system.stock_of("cup"), (5, 5, 0));
    let enough = system.order(&[("cup", 3), ("cup", 2)]);
    assert_eq!(system.end_of(&enough), "fulfilled");
    assert_eq!(system.stock_of("cup"), (0, 5, 5));
}
