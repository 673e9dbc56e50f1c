//! `devhost up` starts everything, restarts what dies, and stops everything.

use nix::sys::signal::Signal;

use crate::Test;
use crate::harness::System;
use crate::process::{eventually, is_clean};
use crate::redis_restart::supervise;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("up: demo products, an order, one clean stop", up)];

fn up(runtime: Runtime) {
    let system = System::with_redis(runtime);
    let supervisor = supervise(&system);
    let log = system.folder().join("up.log");
    let printed = eventually("up says what to do", || {
        let text = std::fs::read_to_string(&log).ok()?;
        text.contains("/store/orders").then_some(text)
    });
    assert!(printed.contains(&system.listen()), "{printed}");
    assert!(printed.contains(&system.redis_url()), "{printed}");

    let products = system.get("/store/products").json();
    let product = products["items"][0]["product_id"].as_str().unwrap().to_owned();
    let order = system.order(&[(&product, 1)]);
    assert_eq!(system.end_of(&order), "fulfilled");

    let status = supervisor.stop(Signal::SIGINT);
    assert!(is_clean(status), "{status:?}");
    assert!(
        system.try_get("/store/healthz").is_err(),
        "the runtime outlived the supervisor"
    );
}
