//! Where a token is set, whoever changes something needs it.

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

fn open(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let answer = system.post_text("/warehouse/products", &[("Authorization", "Bearer any")], PRODUCT);
    assert_eq!(answer.status, 201, "{answer:?}");
}
