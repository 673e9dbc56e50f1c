//! Events that a person appends with redis-cli.

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::completed;

pub const TESTS: &[Test] = &[("events by hand, before the sidecar's first start and after", by_hand)];

fn by_hand(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.append_to_store("order-completed", &[("data", &completed("early", &[("cup", 2)]))]);
    system.start_runtime();
    let product = serde_json::json!({
        "product_id": "cup", "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 10,
    });
    assert_eq!(system.post("/warehouse/products", &product).status, 201);
    system.start_sidecar();
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("early")["outcome"], "fulfilled");

    let data = completed("late", &[("cup", 3)]);
    system.append_to_store(
        "order-completed",
        &[
            ("v", "1"),
            ("type", "order-completed"),
            ("data", &data),
            ("note", "by hand"),
        ],
    );
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("late")["outcome"], "fulfilled");
    assert_eq!(system.stock_of("cup"), (5, 10, 5));
}
