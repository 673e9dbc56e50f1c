//! The simulated payment.

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::field;

pub const TESTS: &[Test] = &[
    ("a declined payment ends the order", declined),
    ("a payment provider that answers at the third try", third_try),
    ("a payment provider that never answers", never),
];

fn declined(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 5);
    let order = system.order_paid_with(&[("cup", 1)], "tok_decline");
    assert_eq!(system.end_of(&order), "payment_failed");
    assert_eq!(system.show(&order)["reason"], "payment_declined");
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-completed"]), 0);
    assert_eq!(system.stock_of("cup"), (5, 5, 0));
}

fn third_try(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 5);
    let order = system.order_paid_with(&[("cup", 1)], "tok_retry_2");
    assert_eq!(system.end_of(&order), "fulfilled");
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-completed"]), 1);
    system.assert_no_dead_letters();
}

fn never(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 5);
    let order = system.order_paid_with(&[("cup", 1)], "tok_retry_99");
    let letter = system.first_dead_letter("order-placed");
    assert_eq!(field(&letter, "dead_cause"), "exhausted");
    assert!(field(&letter, "dead_reason").contains("payment provider"), "{letter:?}");
    assert_eq!(field(&letter, "data"), format!(r#"{{"order_id":"{order}"}}"#));
    assert_eq!(system.show(&order)["status"], "pending");
}
