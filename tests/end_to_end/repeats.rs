//! A request that is sent again with its key has one effect and one answer, and headers that must be single are.

use serde_json::{Value, json};

use crate::Test;
use crate::cancels::{fulfilled, placed, store};
use crate::harness::{Answer, System};
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("every change may be repeated with its key", repeats),
    ("headers that may be there once", single_headers),
];

const CUP: &str = r#"{"sku":"C","name":"Cup","price_minor":900,"currency":"EUR","on_hand":5}"#;

/// All that a repeat must answer as before.
fn told(answer: &Answer) -> (u16, Option<&str>, Option<&str>, &str) {
    (
        answer.status,
        answer.location.as_deref(),
        answer.etag.as_deref(),
        &answer.text,
    )
}

fn repeats(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let send = |method: &str, path: &str, key: &str, revision: &str, body: &str| {
        let headers = [("Idempotency-Key", key), ("If-Match", revision)];
        system.send(method, path, &headers, body)
    };
    let written = || system.warehouse_redis::<u64>(&["XLEN", "product-changed"]);
    let key_reused = |answer: Answer| {
        let kind = (answer.status, answer.json()["type"].clone());
        assert_eq!(kind, (422, json!("idempotency_key_reused")), "{answer:?}");
    };

    // A product whose id the warehouse makes.
    let created = send("POST", "/warehouse/products", "a", "*", CUP);
    let path = created.location.clone().unwrap();
    assert_eq!(
        (created.status, created.etag.as_deref()),
        (201, Some("\"1\"")),
        "{created:?}"
    );
    let again = send("POST", "/warehouse/products", "a", "*", &CUP.replace(":5}", ":5.0}"));
    assert_eq!(told(&again), told(&created));
    key_reused(send(
        "POST",
        "/warehouse/products",
        "a",
        "*",
        &CUP.replace("Cup", "Mug"),
    ));
    let ids: Vec<String> = system.warehouse_redis(&["ZRANGE", "products", "0", "-1"]);
    assert_eq!((ids.len(), written()), (1, 1));
    // One whose id the client has chosen: no "product_exists" for a repeat.
    let pot = CUP.replace("{\"sku", "{\"product_id\":\"pot\",\"sku");
    let chosen = send("POST", "/warehouse/products", "b", "*", &pot);
    assert_eq!(
        told(&send("POST", "/warehouse/products", "b", "*", &pot)),
        told(&chosen)
    );
    assert_eq!(send("POST", "/warehouse/products", "c", "*", &pot).status, 409);

    // Changes: the revision that the client has seen is gone when it repeats them.
    let changed = send("PATCH", &path, "a", "\"1\"", r#"{"name":"Mug"}"#);
    assert_eq!(
        (changed.status, changed.etag.as_deref()),
        (200, Some("\"2\"")),
        "{changed:?}"
    );
    let other = send("PATCH", &path, "other", "\"2\"", r#"{"name":"Beaker"}"#);
    assert_eq!(other.status, 200);
    assert_eq!(
        told(&send("PATCH", &path, "a", "\"1\"", r#"{"name":"Mug"}"#)),
        told(&changed)
    );
    // What would take effect once more.
    assert_eq!(
        told(&send("PATCH", &path, "a", "*", r#"{"name":"Mug"}"#)),
        told(&changed)
    );
    assert_eq!(system.get(&path).json()["name"], "Beaker");
    key_reused(send("PATCH", &path, "a", "*", r#"{"name":"Pan"}"#));
    assert_eq!(send("PATCH", &path, "new", "\"1\"", r#"{"name":"Mug"}"#).status, 412);
    // What changes nothing is answered as before too.
    let same = send("PATCH", &path, "same", "*", r#"{"name":"Beaker"}"#);
    assert_eq!(send("PATCH", &path, "third", "*", r#"{"name":"Jug"}"#).status, 200);
    assert_eq!(
        told(&send("PATCH", &path, "same", "*", r#"{"name":"Beaker"}"#)),
        told(&same)
    );

    let removed = send("DELETE", &path, "a", "\"4\"", "");
    assert_eq!((removed.status, &*removed.text), (204, ""), "{removed:?}");
    assert_eq!(send("PATCH", &path, "on sale", "*", r#"{"active":true}"#).status, 200);
    assert_eq!(told(&send("DELETE", &path, "a", "\"4\"", "")), told(&removed));
    assert_eq!(system.get(&path).json()["active"], true, "the repeat took effect");

    // Cancels, before the payment and after it.
    let cancel = |order: &str, key: &str, body: &str| {
        let path = format!("/store/orders/{order}/cancel");
        system.post_text(&path, &[("Idempotency-Key", key)], body)
    };
    let early = system.order(&[("cup", 1)]);
    let first = cancel(&early, "a", "");
    assert_eq!(
        (first.status, &first.json()["status"]),
        (200, &json!("cancelled")),
        "{first:?}"
    );
    assert_eq!(told(&cancel(&early, "a", "")), told(&first));
    assert_eq!(cancel(&early, "b", "").status, 409);
    key_reused(cancel(&early, "a", r#"{"reason":"another"}"#));
    let late = system.order(&[("cup", 1)]);
    courier.deliver(&[placed(&late)]);
    let first = cancel(&late, "a", r#"{"reason":"late"}"#);
    assert_eq!(
        (first.status, &first.json()["cancel"]),
        (202, &json!("requested")),
        "{first:?}"
    );
    let second = cancel(&late, "b", r#"{"reason":"later"}"#);
    assert_eq!(told(&second), told(&first));
    courier.deliver(&[fulfilled(&late)]);
    for (key, reason) in [("a", "late"), ("b", "later")] {
        let again = cancel(&late, key, &json!({ "reason": reason }).to_string());
        assert_eq!(told(&again), told(&first), "{key}");
    }
    assert_eq!(cancel(&late, "c", "").status, 409);
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), 1);
    assert_eq!(cancel("nobody", "a", "").status, 404);
}

fn single_headers(runtime: Runtime) {
    let (system, _) = store(runtime);
    let body = order_body(&[("cup", 1)]).to_string();
    let orders = || system.store_redis::<u64>(&["ZCARD", "orders"]);
    let with = |path: &str, values: &[&str], body: &str| {
        let headers: Vec<_> = values.iter().map(|value| ("Idempotency-Key", *value)).collect();
        system.post_text(path, &headers, body)
    };
    let refused = |answer: Answer, status: u16, slug: &str| {
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (status, &json!(slug)),
            "{answer:?}"
        );
    };
    for path in ["/store/orders", "/warehouse/products"] {
        let body = if path == "/store/orders" { &body } else { CUP };
        refused(with(path, &["a", "b"], body), 422, "invalid_idempotency_key");
        refused(with(path, &["a", "b", "a"], body), 422, "invalid_idempotency_key");
    }
    assert_eq!(
        (orders(), system.warehouse_redis::<u64>(&["ZCARD", "products"])),
        (0, 0)
    );
    let first = with("/store/orders", &["a", "a"], &body);
    assert_eq!((first.status, orders()), (201, 1), "{first:?}");
    assert_eq!(told(&with("/store/orders", &["a"], &body)), told(&first));
    assert_eq!(orders(), 1);

    let order = first.json()["order_id"].as_str().unwrap().to_owned();
    let path = format!("/store/orders/{order}/events");
    let watched = system.send("GET", &path, &[("Last-Event-ID", "1"), ("Last-Event-ID", "2")], "");
    refused(watched, 422, "invalid_field");

    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_API_TOKEN", "s3cret");
    system.start_runtime();
    let token = |values: [&str; 2]| -> (u16, Value) {
        let headers = values.map(|value| ("Authorization", value));
        let answer = system.post_text("/warehouse/products", &headers, CUP);
        (answer.status, answer.json()["type"].clone())
    };
    for values in [["Bearer s3cret", "Bearer other"], ["Bearer other", "Bearer s3cret"]] {
        assert_eq!(token(values), (401, json!("unauthorized")), "{values:?}");
    }
    assert_eq!(token(["Bearer s3cret", "Bearer s3cret"]).0, 201);
}
