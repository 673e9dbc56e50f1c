//! Delivery is at least once, the effect exactly once.

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::completed;

pub const TESTS: &[Test] = &[("the same event twice, under one id and under two", twice)];

fn twice(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let fulfilled = completed("o-1", &[("cup", 4)]);
    let refused = completed("o-2", &[("cup", 40)]);
    for id in ["one", "one", "two"] {
        for data in [&fulfilled, &refused] {
            let fields = [("id", id), ("type", "order-completed"), ("v", "1"), ("data", data)];
            system.append_to_store("order-completed", &fields);
        }
    }
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.stock_of("cup"), (6, 10, 4));
    assert_eq!(system.outcomes_told(), (1, 1));
    assert_eq!(system.allocation("o-1")["outcome"], "fulfilled");
    assert_eq!(system.allocation("o-2")["outcome"], "refunded");
}
