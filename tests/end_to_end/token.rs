//! With a token set, every request that changes something needs it.

use serde_json::json;

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("a token is wanted of whoever changes something", wanted),
    ("without a token set, all is open", open),
];

const PRODUCT: &str = r#"{"product_id":"cup","sku":"C","name":"Cup","price_minor":1,"currency":"EUR"}"#;

fn wanted(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_API_TOKEN", "s3cret");
    system.start_runtime();
    for (path, body) in [
        ("/store/orders", "{}"),
        ("/store/nothing", ""),
        ("/store/healthz", ""),
        ("/warehouse/products", PRODUCT),
        ("/warehouse/products", &"x".repeat(300 * 1024)),
    ] {
        for given in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer s3cre"),
            Some("Bearer s3cret2"),
            Some("Bearer S3cret"),
            Some("Basic s3cret"),
            Some("s3cret"),
        ] {
            let headers: Vec<_> = given.map(|given| ("Authorization", given)).into_iter().collect();
            let answer = system.post_text(path, &headers, body);
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (401, &json!("unauthorized")),
                "{path} {given:?}: {answer:?}"
            );
            assert_eq!(answer.content_type, "application/problem+json");
            assert_eq!(answer.www_authenticate.as_deref(), Some("Bearer"), "{answer:?}");
        }
    }
    for service in ["store", "warehouse"] {
        every_change_wants_it(&system, service);
    }
    let keys: Vec<String> = system.warehouse_redis(&["KEYS", "*"]);
    assert_eq!(keys, Vec::<String>::new(), "something was written");

    for path in [
        "/store/orders",
        "/store/products",
        "/warehouse/products",
        "/store/healthz",
    ] {
        assert_eq!(system.get(path).status, 200, "{path}");
    }
    for (scheme, product) in [("Bearer", "cup"), ("bearer", "pot")] {
        let body = PRODUCT.replace("cup", product);
        let headers = [("Authorization", &*format!("{scheme} s3cret"))];
        let answer = system.post_text("/warehouse/products", &headers, &body);
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

/// Every operation of the service's OpenAPI document that is no GET is refused without the token.
fn every_change_wants_it(system: &System, service: &str) {
    let document = system.get(&format!("/{service}/openapi.json")).json();
    let mut changes = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        let path: String = template
            .split('/')
            .map(|part| if part.starts_with('{') { "some" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            let answer = system.send(&method.to_uppercase(), &path, &[], "");
            assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
            changes += 1;
        }
    }
    assert!(changes >= 4, "{service} has {changes} operations that change something");
}

fn open(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let answer = system.post_text("/warehouse/products", &[("Authorization", "Bearer any")], PRODUCT);
    assert_eq!(answer.status, 201, "{answer:?}");
}
