//! Cancels, and races with them: before the payment the store decides, after it the warehouse.

use std::thread;

use contracts::events::{OrderFulfilled, OrderLine, OrderPlaced, RefundOrder, RefundReason};
use serde_json::{Value, json};

use crate::Test;
use crate::catalogue::learn;
use crate::courier::{Courier, Settled};
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("a cancel at every state", every_state),
    ("bad cancels", bad_cancels),
    ("cancels against payments", against_payments),
    ("cancels against fulfilments", against_fulfilments),
    ("fifty cancels of one order", fifty),
    ("cancels against everything", against_everything),
];

/// The store alone with a product; the test delivers in the sidecar's place.
pub fn store(runtime: Runtime) -> (System, Courier) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    learn(&system, "cup", 1, "Cup", 1_000, true);
    let courier = Courier::new(&system);
    (system, courier)
}

pub fn placed(order_id: &str) -> (String, OrderPlaced) {
    let order_id = order_id.to_owned();
    (format!("p-{order_id}"), OrderPlaced { order_id })
}

pub fn fulfilled(order_id: &str) -> (String, OrderFulfilled) {
    let lines = vec![OrderLine {
        line_id: 1,
        product_id: "cup".to_owned(),
        qty: 1,
    }];
    let order_id = order_id.to_owned();
    (format!("f-{order_id}"), OrderFulfilled { order_id, lines })
}

pub fn refunded(order_id: &str, reason: RefundReason) -> (String, RefundOrder) {
    let order_id = order_id.to_owned();
    let lines = vec![];
    (
        format!("r-{order_id}"),
        RefundOrder {
            order_id,
            reason,
            lines,
        },
    )
}

fn cancel(system: &System, order_id: &str) -> (u16, Value) {
    let answer = system.post_text(&format!("/store/orders/{order_id}/cancel"), &[], "");
    (answer.status, answer.json())
}

fn every_state(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = || system.order(&[("cup", 2)]);

    let early = order();
    let (status, shown) = cancel(&system, &early);
    assert_eq!(
        (status, &shown["status"], &shown["reason"]),
        (200, &json!("cancelled"), &json!("customer_cancelled"))
    );
    assert_eq!(shown["refunds"], json!([]));
    assert_eq!(cancel(&system, &early).0, 409);
    assert_eq!(
        courier.deliver(&[placed(&early)])[0].0,
        Settled::Done,
        "order-placed is late"
    );
    assert_eq!(system.show(&early)["status"], "cancelled");
    assert_eq!(courier.deliver(&[fulfilled(&early)])[0].0, Settled::Reject);

    let granted = order();
    courier.deliver(&[placed(&granted)]);
    let path = format!("/store/orders/{granted}/cancel");
    let first = system.post_text(&path, &[], r#"{"reason":"changed my mind"}"#);
    assert_eq!(
        (first.status, &first.json()["cancel"]),
        (202, &json!("requested")),
        "{first:?}"
    );
    assert_eq!(first.json()["cancel_reason"], "changed my mind");
    let second = system.post_text(&path, &[], r#"{"reason":"and again"}"#);
    assert_eq!((second.status, &second.text), (202, &first.text));
    courier.deliver(&[refunded(&granted, RefundReason::CustomerCancelled)]);
    let shown = system.show(&granted);
    assert_eq!(
        (&shown["status"], &shown["reason"]),
        (&json!("refunded"), &json!("customer_cancelled"))
    );
    assert_eq!(shown["refunds"][0]["amount_minor"], shown["total_minor"]);
    assert_eq!(cancel(&system, &granted).0, 409);

    let refused = order();
    courier.deliver(&[placed(&refused)]);
    assert_eq!(cancel(&system, &refused).0, 202);
    courier.deliver(&[fulfilled(&refused)]);
    let shown = system.show(&refused);
    assert_eq!(
        (&shown["status"], &shown["cancel"]),
        (&json!("fulfilled"), &json!("refused"))
    );
    let (status, problem) = cancel(&system, &refused);
    assert_eq!((status, &problem["type"]), (409, &json!("not_cancellable")));

    let failed = system.order_paid_with(&[("cup", 1)], "tok_decline");
    courier.deliver(&[placed(&failed)]);
    assert_eq!(cancel(&system, &failed).0, 409);
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), 2);
}

fn bad_cancels(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let path = format!("/store/orders/{order}/cancel");
    for (path, body, status, slug) in [
        ("/store/orders/nobody/cancel", "", 404, "unknown_order"),
        ("/store/orders/a%20b/cancel", "", 404, "unknown_order"),
        (&path, "{", 400, "malformed_json"),
        (&path, "[]", 422, "invalid_field"),
        (&path, r#"{"reason":""}"#, 422, "invalid_field"),
        (&path, r#"{"reason":7}"#, 422, "invalid_field"),
        (&path, r#"{"why":"x"}"#, 422, "invalid_field"),
        (
            &path,
            &json!({ "reason": "x".repeat(201) }).to_string(),
            422,
            "invalid_field",
        ),
    ] {
        let answer = system.post_text(path, &[], body);
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (status, &json!(slug)),
            "{path} {body}: {answer:?}"
        );
    }
    assert_eq!(system.show(&order)["status"], "pending");

    // A wrong type at each key that a cancel writes: nothing is half done.
    for key in ["orders:status:pending".to_owned(), "orders:status:cancelled".to_owned()] {
        let aside = format!("aside:{key}");
        let had: bool = courier.redis(&["EXISTS", &key]);
        if had {
            let _: String = courier.redis(&["RENAME", &key, &aside]);
        }
        let _: String = courier.redis(&["SET", &key, "hello"]);
        let answer = system.post_text(&path, &[], "");
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{key}: {answer:?}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(&key), "{answer:?}");
        let _: u64 = courier.redis(&["DEL", &key]);
        if had {
            let _: String = courier.redis(&["RENAME", &aside, &key]);
        }
        assert_eq!(system.show(&order)["status"], "pending", "{key}");
    }
    assert_eq!(cancel(&system, &order).0, 200);
}

fn against_payments(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let orders: Vec<_> = (0..40).map(|_| system.order(&[("cup", 1)])).collect();
    let answers: Vec<_> = thread::scope(|scope| {
        let payments = scope.spawn(|| {
            for batch in orders.chunks(4) {
                let events: Vec<_> = batch.iter().map(|order| placed(order)).collect();
                assert!(
                    courier
                        .deliver(&events)
                        .iter()
                        .all(|(settled, _)| *settled == Settled::Done)
                );
            }
        });
        let answers = orders.iter().rev().map(|order| cancel(&system, order).0).collect();
        payments.join().unwrap();
        answers
    });
    let mut asked = 0;
    for (order, answer) in orders.iter().rev().zip(answers) {
        let shown = system.show(order);
        match answer {
            200 => assert_eq!(
                (&shown["status"], &shown["rev"]),
                (&json!("cancelled"), &json!(2)),
                "{shown}"
            ),
            202 => {
                asked += 1;
                assert_eq!(
                    (&shown["status"], &shown["cancel"]),
                    (&json!("completed"), &json!("requested")),
                    "{shown}"
                );
            }
            other => panic!("{order}: {other}"),
        }
    }
    let count = |stream: &str| system.store_redis::<u64>(&["XLEN", stream]);
    assert_eq!(
        (count("order-completed"), count("order-cancel-requested")),
        (asked, asked)
    );
}

fn against_fulfilments(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let orders: Vec<_> = (0..40).map(|_| system.order(&[("cup", 1)])).collect();
    courier.deliver(&orders.iter().map(|order| placed(order)).collect::<Vec<_>>());
    let answers: Vec<_> = thread::scope(|scope| {
        let fulfilments = scope.spawn(|| {
            for batch in orders.chunks(4) {
                let events: Vec<_> = batch.iter().map(|order| fulfilled(order)).collect();
                assert!(
                    courier
                        .deliver(&events)
                        .iter()
                        .all(|(settled, _)| *settled == Settled::Done)
                );
            }
        });
        let answers = orders.iter().rev().map(|order| cancel(&system, order).0).collect();
        fulfilments.join().unwrap();
        answers
    });
    let mut asked = 0;
    for (order, answer) in orders.iter().rev().zip(answers) {
        let shown = system.show(order);
        assert_eq!(shown["status"], "fulfilled");
        match answer {
            // Requested in time, then overtaken by the fulfilment.
            202 => {
                asked += 1;
                assert_eq!(
                    (&shown["cancel"], &shown["rev"]),
                    (&json!("refused"), &json!(4)),
                    "{shown}"
                );
            }
            409 => assert_eq!((&shown["cancel"], &shown["rev"]), (&Value::Null, &json!(3)), "{shown}"),
            other => panic!("{order}: {other}"),
        }
    }
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), asked);
}

fn fifty(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let (unpaid, paid) = (system.order(&[("cup", 1)]), system.order(&[("cup", 1)]));
    courier.deliver(&[placed(&paid)]);
    let all = |order: &str| -> Vec<u16> {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| cancel(&system, order).0)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        })
    };
    let answers = all(&unpaid);
    let count = |answers: &[u16], status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 49), "{answers:?}");
    assert_eq!(system.show(&unpaid)["rev"], 2);
    assert_eq!(count(&all(&paid), 202), 50);
    assert_eq!(system.show(&paid)["rev"], 3);
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), 1);
}

fn against_everything(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 1_000);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let system = &system;
                scope.spawn(move || {
                    let cancelled = |number: u64| {
                        let order = system.order(&[("cup", 1)]);
                        // Some at once, some after the order has got a little further, some after its end.
                        let wanted = [1, 2, 3][usize::try_from((number + client) % 3).unwrap()];
                        eventually("the order gets further", || {
                            (system.show(&order)["rev"].as_u64()? >= wanted).then_some(())
                        });
                        let answer = cancel(system, &order).0;
                        (order, answer)
                    };
                    (0..8).map(cancelled).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut sold = 0;
    for (order, answer) in &outcomes {
        let end = system.end_of(order);
        let shown = system.show(order);
        match (*answer, end.as_str(), shown["cancel"].as_str()) {
            (200, "cancelled", None) => assert_eq!(shown["refunds"], json!([])),
            (202, "refunded", Some("requested")) => {
                assert_eq!(shown["reason"], "customer_cancelled");
                assert_eq!(shown["refunds"][0]["amount_minor"], shown["total_minor"]);
            }
            (202, "fulfilled", Some("refused")) | (409, "fulfilled", None) => sold += 1,
            other => panic!("{other:?}: {shown}"),
        }
    }
    let asked = outcomes.iter().filter(|(_, answer)| *answer == 202).count() as u64;
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), asked);
    assert_eq!(system.stock_of("cup"), (1_000 - sold, 1_000, sold));
    system.assert_no_dead_letters();
}
