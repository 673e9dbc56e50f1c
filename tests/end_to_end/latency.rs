//! Answers on a kept-alive connection leave at once, rather than after the client's delayed acknowledgement (40 ms).

use std::time::{Duration, Instant};

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[(
    "answers on a kept-alive connection take about a millisecond",
    kept_alive,
)];

/// Between a millisecond or two on a busy machine and the 40 of a delayed acknowledgement.
const MEDIAN_MS_MAX: u64 = 15;

fn kept_alive(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 1_000);
    let order = system.order(&[("cup", 1)]);
    let body = crate::shop::order_body(&[("cup", 1)]);
    let paths = [
        "/store/healthz",
        "/warehouse/products/cup",
        &format!("/store/orders/{order}"),
        "/store/orders",
    ];
    for path in paths {
        check(path, || assert_eq!(system.get(path).status, 200));
    }
    check("POST /store/orders", || {
        assert_eq!(system.post("/store/orders", &body).status, 201)
    });
}

fn check(what: &str, request: impl Fn()) {
    let mut times: Vec<Duration> = (0..60)
        .map(|_| {
            let begin = Instant::now();
            request();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[times.len() / 2];
    assert!(
        median < Duration::from_millis(MEDIAN_MS_MAX),
        "{what}: a median of {median:?}"
    );
}
