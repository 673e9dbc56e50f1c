//! The demo: products that are loaded once, and generated orders.

use std::process::Command;

use serde_json::Value;

use crate::Test;
use crate::harness::System;
use crate::process::binary;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("seed and play", seed_and_play)];

fn seed_and_play(runtime: Runtime) {
    let system = System::start(runtime);
    let run = |arguments: &[&str]| -> String {
        let output = Command::new(binary("devhost"))
            .args(arguments)
            .args(["--app", &system.listen()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["seed"]), "30 demo products added\n");
    let supplied = || -> u64 {
        let products = system.get("/warehouse/products?limit=200").json();
        let units = |product: &Value| product["supplied"].as_u64().unwrap();
        products["items"].as_array().unwrap().iter().map(units).sum()
    };
    let before = supplied();
    assert_eq!(run(&["seed"]), "the demo products are already loaded\n");
    assert_eq!(supplied(), before);

    let played = run(&["play", "--rate", "50", "--orders", "40"]);
    let mut lines = played.lines();
    assert_eq!(lines.next(), Some("the demo products are already loaded"));
    let lines: Vec<_> = lines
        .filter(|line| !line.trim_start().starts_with("supplied: "))
        .collect();
    assert_eq!(lines.len(), 40, "{played}");
    let count = |end: &str| lines.iter().filter(|line| line.contains(end)).count();
    // After the order's id, customer and lines.
    let ends = [
        "  fulfilled",
        "  refunded",
        "  payment_failed",
        "  cancelled",
        "  returned",
    ]
    .map(count);
    assert_eq!(ends.iter().sum::<usize>(), 40, "{played}");
    assert_eq!(ends[2], 2, "{played}");
    assert!(count("refunded (insufficient_stock)") >= 4, "{played}");
    assert!(count("a unit came back") + ends[4] >= 1, "{played}");
    for product in system.get("/warehouse/products?limit=200").json()["items"]
        .as_array()
        .unwrap()
    {
        system.stock_of(product["product_id"].as_str().unwrap());
    }
    system.assert_no_dead_letters();
}
