//! A malformed entry never stops the entries beside it.

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::{completed, field};

pub const TESTS: &[Test] = &[
    ("a malformed entry between good ones", between_good_ones),
    ("events for an unknown order, and one that contradicts", contradictions),
];

fn between_good_ones(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    let in_another_form = completed("good-5", &[("cup", 1)]).replace("\"qty\":1", "\"qty\":1.0");
    // Appended before anything reads, so that all are in one batch.
    let good = |number: u32| completed(&format!("good-{number}"), &[("cup", 1)]);
    let bad = [
        (completed("bad-1", &[("cup", 0)]), "data.lines[0].qty"),
        (
            completed("bad-2", &[("cup", 1)]).replace("\"qty\":1", "\"qty\":1e400"),
            "data.lines[0].qty: must be an integer",
        ),
        ("no JSON".to_owned(), "data: must be one JSON object"),
        (
            r#"{"order_id":"bad-3","lines":[]}"#.to_owned(),
            "data.customer_id: is required",
        ),
    ];
    for (number, (data, _)) in (0..).zip(&bad) {
        system.append_to_store("order-completed", &[("data", &good(number))]);
        system.append_to_store("order-completed", &[("data", data)]);
    }
    system.append_to_store("order-completed", &[("data", &good(99)), ("v", "7")]);
    system.append_to_store("order-completed", &[("note", "no data at all")]);
    system.append_to_store("order-completed", &[("data", &good(4))]);
    system.append_to_store("order-completed", &[("data", &format!("\u{feff}{in_another_form}"))]);
    system.start_runtime();
    let product = serde_json::json!({
        "product_id": "cup", "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 10,
    });
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    system.start_sidecar();
    system.wait_until_handled("order-completed", "warehouse-group");

    for number in 0..6 {
        assert_eq!(system.allocation(&format!("good-{number}"))["outcome"], "fulfilled");
    }
    assert_eq!(system.stock_of("cup"), (4, 10, 6));
    let letters = system.store_dead_letters("order-completed");
    assert_eq!(letters.len(), 6, "{letters:?}");
    for ((data, start), letter) in bad.iter().zip(&letters) {
        assert_eq!(field(letter, "dead_cause"), "rejected");
        assert!(field(letter, "dead_reason").starts_with(start), "{letter:?}");
        assert_eq!(field(letter, "data"), data);
    }
    assert!(field(&letters[4], "dead_reason").starts_with("v: "), "{letters:?}");
    assert!(field(&letters[5], "dead_reason").starts_with("data: "), "{letters:?}");
}

fn contradictions(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 1);
    let order = system.order(&[("cup", 1)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    let refund = |order: &str| format!(r#"{{"order_id":"{order}","reason":"unknown_product","lines":[]}}"#);
    for data in [refund(&order), refund("nobody")] {
        let _: String = system.warehouse_redis(&["XADD", "refund-order", "*", "data", &data]);
    }
    let letters: Vec<(String, Vec<(String, String)>)> = crate::process::eventually("both are dead letters", || {
        let letters: Vec<_> = system.warehouse_redis(&["XRANGE", "refund-order.dead", "-", "+"]);
        (letters.len() == 2).then_some(letters)
    });
    assert!(
        field(&letters[0].1, "dead_reason").starts_with("contradiction: "),
        "{letters:?}"
    );
    assert!(
        field(&letters[1].1, "dead_reason").starts_with("unknown_order: "),
        "{letters:?}"
    );
    assert_eq!(system.show(&order)["status"], "fulfilled");
}
