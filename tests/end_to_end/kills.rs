//! Any process may be killed at any instant.

use std::thread;

use crate::Test;
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("the runtime is killed in the middle of 200 orders", runtime_killed),
    ("the sidecar is killed in the middle of 200 orders", sidecar_killed),
];

/// Orders placed, of one unit each.
const ORDERS: usize = 200;
/// Units in stock: too few, so that some orders are refused.
const STOCK: u64 = 150;

fn runtime_killed(runtime: Runtime) {
    in_the_middle(runtime, |system| {
        system.kill_runtime();
        system.start_runtime();
    });
}

fn sidecar_killed(runtime: Runtime) {
    in_the_middle(runtime, |system| {
        system.kill_sidecar();
        system.start_sidecar();
    });
}

fn in_the_middle(runtime: Runtime, disturb: fn(&mut System)) {
    let mut system = System::start(runtime);
    system.stock("cup", STOCK);
    let first = place(&system, 0..ORDERS / 2);
    eventually("some orders are decided", || {
        let (fulfilled, refused) = system.outcomes_told();
        (fulfilled + refused > 0).then_some(())
    });
    // The rest is placed now, so that the kill meets work under way.
    let rest = place(&system, ORDERS / 2..ORDERS);
    disturb(&mut system);

    let ends: Vec<String> = first.iter().chain(&rest).map(|order| system.end_of(order)).collect();
    let count = |end: &str| ends.iter().filter(|other| *other == end).count() as u64;
    assert_eq!((count("fulfilled"), count("refunded")), (STOCK, ORDERS as u64 - STOCK));
    assert_eq!(system.stock_of("cup"), (0, STOCK, STOCK));
    assert_eq!(
        system.outcomes_told(),
        (STOCK, ORDERS as u64 - STOCK),
        "an outcome was told twice, or never"
    );
    system.assert_no_dead_letters();
}

/// Places orders from eight clients at once and gives their ids.
fn place(system: &System, numbers: std::ops::Range<usize>) -> Vec<String> {
    let body = order_body(&[("cup", 1)]).to_string();
    let numbers: Vec<_> = numbers.collect();
    thread::scope(|scope| {
        let clients: Vec<_> = numbers
            .chunks(numbers.len().div_ceil(8))
            .map(|numbers| {
                let body = &body;
                scope.spawn(move || {
                    let place = |number: &usize| {
                        let key = format!("order-{number}");
                        let answer = system.post_text("/store/orders", &[("Idempotency-Key", &key)], body);
                        assert_eq!(answer.status, 201, "{answer:?}");
                        answer.json()["order_id"].as_str().unwrap().to_owned()
                    };
                    numbers.iter().map(place).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}
