//! Units that come back, and the money for them.

use contracts::events::{OrderLine, RefundReason, ReturnReceived};
use serde_json::json;

use crate::Test;
use crate::cancels::{fulfilled, placed, refunded, store};
use crate::courier::Settled;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::field;

pub const TESTS: &[Test] = &[
    ("returns, one after the other", one_by_one),
    ("a return that overtakes the fulfilment", overtaking),
    ("returns that contradict", contradictions),
    ("a return through the sidecar", through_the_sidecar),
];

pub fn returned(return_id: &str, order_id: &str, lines: &[(u32, u32)]) -> (String, ReturnReceived) {
    let lines = lines.iter().map(|(line_id, qty)| OrderLine {
        line_id: *line_id,
        product_id: "cup".to_owned(),
        qty: *qty,
    });
    let event = ReturnReceived {
        order_id: order_id.to_owned(),
        return_id: return_id.to_owned(),
        lines: lines.collect(),
    };
    (format!("event of {return_id}"), event)
}

fn one_by_one(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 2), ("cup", 1)]);
    courier.deliver(&[placed(&order)]);
    courier.deliver(&[fulfilled(&order)]);

    let first = returned("t-1", &order, &[(1, 1)]);
    assert_eq!(
        courier.deliver(&[first.clone(), first.clone()]),
        vec![(Settled::Done, String::new()); 2]
    );
    let shown = system.show(&order);
    assert_eq!((&shown["status"], &shown["rev"]), (&json!("fulfilled"), &json!(4)));
    assert_eq!(shown["refunds"].as_array().unwrap().len(), 1);
    let refund = &shown["refunds"][0];
    assert_eq!(
        (&refund["amount_minor"], &refund["reason"], &refund["return_id"]),
        (&json!(1_200), &json!("returned"), &json!("t-1"))
    );

    courier.deliver(&[returned("t-2", &order, &[(1, 1), (2, 1)])]);
    let shown = system.show(&order);
    assert_eq!(
        (&shown["status"], &shown["refunds"][1]["amount_minor"]),
        (&json!("returned"), &json!(2_400))
    );
    assert_eq!(
        courier.deliver(&[first])[0].0,
        Settled::Done,
        "a duplicate after the end"
    );
    assert_eq!(courier.deliver(&[fulfilled(&order)])[0].0, Settled::Done);
    assert_eq!(
        courier.deliver(&[returned("t-3", &order, &[(1, 1)])])[0].0,
        Settled::Reject
    );
    assert_eq!(system.show(&order), shown);
    let history = system.get(&format!("/store/orders/{order}/history")).json();
    let causes: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["cause"].as_str().unwrap())
        .collect();
    assert_eq!(
        causes,
        ["placed", "payment_approved", "fulfilled", "partly_returned", "returned"]
    );
}

fn overtaking(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    for (units, status, rev) in [(1, "fulfilled", 4), (2, "returned", 4)] {
        let order = system.order(&[("cup", 2)]);
        courier.deliver(&[placed(&order)]);
        courier.deliver(&[returned("t-1", &order, &[(1, units)])]);
        let shown = system.show(&order);
        assert_eq!((&shown["status"], &shown["rev"]), (&json!(status), &json!(rev)));
        assert_eq!(shown["refunds"][0]["amount_minor"], 1_200 * units);
        assert_eq!(courier.deliver(&[fulfilled(&order)])[0].0, Settled::Done);
        assert_eq!(system.show(&order), shown);
    }
}

fn contradictions(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let [pending, fulfilled_one, refunded_one] = [(); 3].map(|()| system.order(&[("cup", 2)]));
    courier.deliver(&[placed(&fulfilled_one), placed(&refunded_one)]);
    courier.deliver(&[fulfilled(&fulfilled_one)]);
    courier.deliver(&[refunded(&refunded_one, RefundReason::InsufficientStock)]);
    for (order, lines, named) in [
        ("nobody", [(1, 1)], "unknown_order"),
        (&pending, [(1, 1)], "pending"),
        (&refunded_one, [(1, 1)], "refunded"),
        (&fulfilled_one, [(1, 3)], "3 units"),
        (&fulfilled_one, [(2, 1)], "no line 2"),
    ] {
        let (settled, reason) = courier.deliver(&[returned("t-1", order, &lines)]).remove(0);
        assert_eq!(settled, Settled::Reject, "{named}");
        assert!(reason.contains(named), "{reason} does not say {named}");
    }
    assert_eq!(system.show(&fulfilled_one)["refunds"], json!([]));
}

fn through_the_sidecar(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let order = system.order(&[("cup", 2)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    let append = |event: &ReturnReceived| {
        let data = serde_json::to_string(event).unwrap();
        let _: String = system.warehouse_redis(&["XADD", "return-received", "*", "data", &data]);
    };
    append(&returned("t-1", "nobody", &[(1, 1)]).1);
    append(&returned("t-1", &order, &[(1, 2)]).1);
    crate::process::eventually("the order is returned", || {
        (system.show(&order)["status"] == "returned").then_some(())
    });
    let letters: Vec<(String, Vec<(String, String)>)> =
        system.warehouse_redis(&["XRANGE", "return-received.dead", "-", "+"]);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(
        field(&letters[0].1, "dead_reason").contains("unknown_order"),
        "{letters:?}"
    );
}
