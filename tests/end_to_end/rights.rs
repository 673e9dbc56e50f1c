//! Each right of the services' users of Redis is taken away in turn, as after an upgrade that needs more of them: what
//! needs it is refused whole, and costs no attempt.

use std::collections::BTreeMap;

use contracts::events::{Event, ProductChanged, RefundReason};
use redis::Connection;
use serde_json::json;

use crate::Test;
use crate::archive::OLD;
use crate::cancels::{fulfilled, placed, refunded, store};
use crate::courier::Courier;
use crate::harness::System;
use crate::process::project;
use crate::returns::returned;
use crate::runtime::Runtime;
use crate::shop::{completed, order_body};
use crate::stored::date_back;

pub const TESTS: &[Test] = &[
    ("the store without one right", the_store),
    ("the warehouse without one right", the_warehouse),
];

/// A request to a service, or an event for it.
enum Deed {
    /// Method, path and body of a request.
    Request(&'static str, String, String),
    /// Stream, id and data of an event.
    Event(&'static str, String, String),
}

fn event<E: Event>((id, event): (String, E)) -> Deed {
    Deed::Event(E::STREAM, id, serde_json::to_string(&event).unwrap())
}

fn the_store(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = || system.order(&[("cup", 1)]);
    let (early, paid, closed, old) = (order(), order(), order(), order());
    for order in [&paid, &closed, &old] {
        courier.deliver(&[placed(order)]);
    }
    for order in [&closed, &old] {
        courier.deliver(&[fulfilled(order)]);
    }
    date_back(&mut courier, &old, OLD);
    let letter = |courier: &mut Courier| -> String {
        let own = "dead_cause rejected dead_reason r dead_attempts 1 dead_entry 1-0 dead_group g dead_at t data {}";
        let mut command = vec!["XADD", "order-placed.dead", "*"];
        command.extend(own.split(' '));
        courier.redis(&command)
    };
    let (replayed, dropped) = (letter(&mut courier), letter(&mut courier));
    let dead = |letter: &str| format!("/store/streams/order-placed/dead/{letter}");
    let remove = json!({ "older_than_days": 30, "order_ids": [old] });
    let changed = ProductChanged {
        product_id: "pot".to_owned(),
        rev: 1,
        name: "Pot".to_owned(),
        price_minor: 1,
        currency: "EUR".to_owned(),
        active: true,
    };
    let request = |method, path: &str, body: String| Deed::Request(method, path.to_owned(), body);
    let deeds = [
        request("POST", "/store/orders", order_body(&[("cup", 1)]).to_string()),
        request("POST", &format!("/store/orders/{early}/cancel"), String::new()),
        request("POST", &format!("/store/orders/{paid}/cancel"), String::new()),
        request("POST", "/store/archive/remove", remove.to_string()),
        request("POST", &format!("{}/replay", dead(&replayed)), String::new()),
        request("DELETE", &dead(&dropped), String::new()),
        event(placed(&early)),
        event(fulfilled(&paid)),
        event(refunded(&paid, RefundReason::InsufficientStock)),
        event(returned("r-1", &closed, &[(1, 1)])),
        event(("changed".to_owned(), changed)),
    ];
    take_away(&system, "store", 0, &mut courier, &deeds);
}

fn the_warehouse(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut courier = Courier::to_warehouse(&system);
    let product = |product_id: &str| {
        json!({
            "product_id": product_id, "sku": "C", "name": "Cup", "price_minor": 1, "currency": "EUR", "on_hand": 9,
            "low_stock_at": 8,
        })
    };
    for product_id in ["cup", "pot"] {
        assert_eq!(system.post("/warehouse/products", &product(product_id)).status, 201);
    }
    for order in ["o-1", "o-2"] {
        let sold = completed(order, &[("cup", 1), ("pot", 1)]);
        courier.deliver_data("order-completed", &[("event".to_owned(), sold)]);
    }
    // One that may be archived.
    let text: String = courier.redis(&["GET", "allocation:o-2"]);
    let at = text.find("\"at\":\"").unwrap() + 6;
    let aged = format!("{}{OLD}{}", &text[..at], &text[at + OLD.len()..]);
    let _: String = courier.redis(&["SET", "allocation:o-2", &aged]);
    let request = |method, path: &str, body: &str| Deed::Request(method, path.to_owned(), body.to_owned());
    let cup = "/warehouse/products/cup";
    let movements = &format!("{cup}/movements");
    let back = r#"{"order_id":"o-1","lines":[{"line_id":1,"qty":1},{"line_id":2,"qty":1}]}"#;
    let removal = r#"{"older_than_days":30,"order_ids":["o-2"]}"#;
    let deeds = [
        request("POST", "/warehouse/products", &product("pan").to_string()),
        request("PATCH", cup, r#"{"name":"Mug","low_stock_at":5}"#),
        request("POST", movements, r#"{"type":"supply","qty":5}"#),
        request("POST", movements, r#"{"type":"write_off","qty":2}"#),
        request("POST", "/warehouse/returns", back),
        request("POST", "/warehouse/archive/remove", removal),
        request("POST", "/warehouse/repair/allocations/o-1", ""),
        request("POST", "/warehouse/repair/products", ""),
        Deed::Event(
            "order-completed",
            "e".to_owned(),
            completed("o-3", &[("cup", 2), ("pot", 2)]),
        ),
        Deed::Event("order-completed", "e".to_owned(), completed("o-4", &[("cup", 100)])),
        Deed::Event(
            "order-cancel-requested",
            "e".to_owned(),
            r#"{"order_id":"o-5","reason":"customer_cancelled"}"#.to_owned(),
        ),
    ];
    take_away(&system, "warehouse", 1, &mut courier, &deeds);
}

/// Tries each deed without each of the user's rights: all of it is done, or nothing.
fn take_away(system: &System, user: &str, database: u8, courier: &mut Courier, deeds: &[Deed]) {
    let url = format!("{}/{database}", system.redis_url());
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    // Without events of its orders, so that what is old may be archived.
    for stream in ["order-placed", "order-completed", "order-fulfilled"] {
        let _: u64 = courier.redis(&["XTRIM", stream, "MAXLEN", "0"]);
    }
    let kept = everything(&mut redis);
    let rights = rights(user);
    for (number, deed) in deeds.iter().enumerate() {
        let mut needed = Vec::new();
        for right in &rights {
            allow(&mut redis, &format!("-{right}"));
            let refused = is_refused(system, courier, deed);
            allow(&mut redis, &format!("+{right}"));
            if refused {
                needed.push(right);
                assert!(
                    everything(&mut redis) == kept,
                    "deed {number} is half done without {right}"
                );
            }
            restore(&mut redis, &kept);
        }
        assert!(!needed.is_empty(), "deed {number} needs no right");
        assert!(!is_refused(system, courier, deed), "deed {number} with all rights");
        assert!(everything(&mut redis) != kept, "deed {number} does nothing");
        restore(&mut redis, &kept);
    }
}

/// True if Redis's refusal is the answer; any other answer must be success.
fn is_refused(system: &System, courier: &mut Courier, deed: &Deed) -> bool {
    match deed {
        Deed::Request(method, path, body) => {
            let answer = system.send(method, path, &[("Idempotency-Key", "k"), ("If-Match", "*")], body);
            if answer.status < 300 {
                return false;
            }
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (503, &json!("storage_unavailable")),
                "{method} {path}: {answer:?}"
            );
            true
        }
        Deed::Event(stream, id, data) => {
            let (_, receipt) = courier.deliver_for_receipt(stream, &[(id.clone(), data.clone())]);
            assert!(receipt.retry.is_empty() && receipt.reject.is_empty(), "{receipt:?}");
            assert_eq!(receipt.unavailable.is_none(), receipt.done.len() == 1, "{receipt:?}");
            receipt.unavailable.is_some()
        }
    }
}

/// The commands that the service's user may run, but for those that the test itself needs.
fn rights(user: &str) -> Vec<String> {
    let users = std::fs::read_to_string(project().join("deploy/redis/users.acl")).unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with(&format!("user {user} ")))
        .unwrap();
    let asking = [
        "select",
        "ping",
        "eval",
        "evalsha",
        "subscribe",
        "unsubscribe",
        "publish",
    ];
    line.split(' ')
        .filter_map(|word| word.strip_prefix('+'))
        .filter(|right| !asking.contains(right))
        .map(str::to_owned)
        .collect()
}

fn allow(redis: &mut Connection, rule: &str) {
    redis::cmd("ACL")
        .arg(&["SETUSER", "default", rule])
        .exec(redis)
        .unwrap();
}

/// Every key with its value.
fn everything(redis: &mut Connection) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(redis).unwrap();
    keys.into_iter()
        .map(|key| {
            let value = redis::cmd("DUMP").arg(&key).query(redis).unwrap();
            (key, value)
        })
        .collect()
}

fn restore(redis: &mut Connection, kept: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut pipe = redis::pipe();
    pipe.cmd("FLUSHDB").ignore();
    for (key, value) in kept {
        pipe.cmd("RESTORE").arg(key).arg(0).arg(value).ignore();
    }
    pipe.exec(redis).unwrap();
}
