//! Redis out of memory: requests are refused, events wait, and nothing becomes a dead letter.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::Test;
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[("Redis is full for a while", full)];

fn full(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    system.signal_sidecar(Signal::SIGSTOP);
    let keyed = || {
        let body = order_body(&[("cup", 1)]).to_string();
        system.post_text("/store/orders", &[("Idempotency-Key", "k")], &body)
    };
    let placed = keyed();
    let order = placed.json()["order_id"].as_str().unwrap().to_owned();
    let _: String = system.store_redis(&["CONFIG", "SET", "maxmemory", "1"]);
    // A repeat needs no new memory, whether the instance has the product cached or not.
    assert_eq!(keyed().text, placed.text);

    let answer = system.post("/store/orders", &order_body(&[("cup", 1)]));
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (503, &json!("storage_full")),
        "{answer:?}"
    );
    assert_eq!(system.store_redis::<u64>(&["ZCARD", "orders"]), 1);
    assert_eq!(system.show(&order)["status"], "pending");

    system.signal_sidecar(Signal::SIGCONT);
    let said = eventually("the sidecar says why it waits", || {
        let log = system.read_log("sidecar");
        log.contains("Redis is full").then_some(log)
    });
    assert!(said.contains("maxmemory"), "{said}");
    let _: String = system.store_redis(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(system.end_of(&order), "fulfilled");
    system.assert_no_dead_letters();
}
