//! Deliveries over HTTP that the components accept, and others that they refuse without applying anything.

use serde_json::{Value, json};

use crate::Test;
use crate::harness::{Answer, DELIVERY_SECRET, System};
use crate::process::eventually;
use crate::runtime::Runtime;
use crate::shop::completed;

pub const TESTS: &[Test] = &[
    ("deliveries over HTTP are accepted by their signature", signatures),
    ("without a secret nobody delivers over HTTP", no_secret),
    ("a rotated secret delays events and spends no attempt", rotated),
];

const PATH: &str = "/warehouse/deliveries";

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A delivery of one `order-completed`.
fn delivery(id: &str, order_id: &str) -> String {
    json!({
        "delivery": id, "stream": "order-completed", "group": "warehouse-group", "receipts": "",
        "entries": [{ "entry": "1-1", "attempt": 1, "fields": { "data": completed(order_id, &[("cup", 1)]) } }],
    })
    .to_string()
}

fn post(system: &System, at: u64, signature: &str, body: &str) -> Answer {
    let at = at.to_string();
    let headers = [
        (protocol::TIMESTAMP_HEADER, at.as_str()),
        (protocol::SIGNATURE_HEADER, signature),
    ];
    system.post_text(PATH, &headers, body)
}

fn signed(system: &System, at: u64, body: &str) -> Answer {
    post(system, at, &protocol::sign(DELIVERY_SECRET, at, body.as_bytes()), body)
}

fn refused(answer: &Answer, detail: &str) {
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (401, &json!("unbelieved_delivery")),
        "{answer:?}"
    );
    assert!(answer.text.contains(detail), "{answer:?} does not say {detail:?}");
    assert_eq!(answer.www_authenticate.as_deref(), Some("Delivery-Signature"));
}

fn signatures(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET);
    // Deliveries have their signature, and need no token.
    system.set_variable("SPIN_VARIABLE_API_TOKEN", "s3cret");
    system.start_runtime();
    let product = json!({
        "product_id": "cup", "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 10,
    });
    let token = [("Authorization", "Bearer s3cret")];
    assert_eq!(
        system
            .post_text("/warehouse/products", &token, &product.to_string())
            .status,
        201
    );

    let body = delivery("first", "order-1");
    let now = now();
    let signature = protocol::sign(DELIVERY_SECRET, now, body.as_bytes());
    refused(&system.post_text(PATH, &[], &body), "wants the headers");
    refused(&system.post_text(PATH, &token, &body), "wants the headers");
    refused(
        &post(&system, now, &protocol::sign("another", now, body.as_bytes()), &body),
        "delivery_secret",
    );
    refused(
        &post(&system, now, &signature, &delivery("first", "order-2")),
        "does not fit",
    );
    refused(&post(&system, now + 1, &signature, &body), "does not fit");
    let at = now.to_string();
    for signatures in [[&*signature, "v1=00"], ["v1=00", &*signature]] {
        let [first, second] = signatures.map(|signature| (protocol::SIGNATURE_HEADER, signature));
        let headers = [(protocol::TIMESTAMP_HEADER, &*at), first, second];
        refused(&system.post_text(PATH, &headers, &body), "different values");
    }
    // This host's clock goes on, so the times begin at 120 s.
    refused(&signed(&system, now - 120, &body), "differs from this host's by 12");
    refused(&signed(&system, now + 1_000, &body), "correct the clocks");
    assert_eq!(system.get(PATH).status, 405);
    assert_eq!(signed(&system, now, "{}").status, 400);
    let large = signed(&system, now, &"x".repeat(2 * 1024 * 1024 + 1));
    assert_eq!(large.status, 413, "{large:?}");
    assert_eq!(system.stock_of("cup"), (10, 10, 0));
    assert_eq!(system.outcomes_told(), (0, 0));

    let receipt: Value = post(&system, now, &signature, &body).json();
    assert_eq!(
        receipt,
        json!({
            "delivery": "first", "stream": "order-completed", "group": "warehouse-group",
            "done": ["1-1"], "retry": [], "reject": [], "unavailable": null,
        })
    );
    refused(&post(&system, now, &signature, &body), "came before");
    // The same entry in another delivery, as after a lost answer, is done already.
    assert_eq!(
        signed(&system, now, &delivery("second", "order-1")).json()["done"],
        json!(["1-1"])
    );
    assert_eq!(system.stock_of("cup"), (9, 10, 1));
    assert_eq!(system.outcomes_told(), (1, 0));

    let handshake = json!({ "delivery": "h", "stream": "", "group": "", "receipts": "", "entries": [] }).to_string();
    for _ in 0..2 {
        let answer = signed(&system, now, &handshake);
        assert_eq!(
            (answer.status, &answer.json()["delivery"]),
            (200, &json!("h")),
            "{answer:?}"
        );
    }
    let elsewhere = signed(
        &system,
        now,
        &delivery("third", "order-3").replace("order-completed", "elsewhere"),
    );
    assert!(
        elsewhere.json()["unavailable"]
            .as_str()
            .unwrap()
            .contains("does not handle"),
        "{elsewhere:?}"
    );
}

fn no_secret(runtime: Runtime) {
    let mut system = System::with_redis(Runtime {
        over_http: false,
        ..runtime
    });
    system.start_runtime();
    let body = delivery("first", "order-1");
    for secret in ["", DELIVERY_SECRET] {
        let answer = post(&system, now(), &protocol::sign(secret, now(), body.as_bytes()), &body);
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (404, &json!("unknown_route")),
            "{answer:?}"
        );
    }
    assert_eq!(system.outcomes_told(), (0, 0));
}

fn rotated(runtime: Runtime) {
    let mut system = System::start(Runtime {
        over_http: true,
        ..runtime
    });
    system.stock("cup", 10);
    system.kill_runtime();
    system.set_variable(
        "SPIN_VARIABLE_DELIVERY_SECRET",
        "a secret that the sidecar does not know yet",
    );
    system.start_runtime();
    let orders: Vec<_> = (0..3).map(|_| system.order(&[("cup", 1)])).collect();
    eventually("the sidecar says what is wrong", || {
        system
            .read_log("sidecar")
            .contains("must be the app's delivery_secret")
            .then_some(())
    });
    system.kill_runtime();
    system.set_variable("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET);
    system.start_runtime();
    for order in &orders {
        assert_eq!(system.end_of(order), "fulfilled");
    }
    assert_eq!(system.stock_of("cup"), (7, 10, 3));
    system.assert_no_dead_letters();
}
