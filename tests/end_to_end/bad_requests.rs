//! Bad requests: each is answered with a problem that names the fault, and writes nothing.

use serde_json::json;

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("bad orders", bad_orders),
    ("bad products and movements", bad_products),
    ("names that nobody can see", unseen_names),
    ("bad paths, methods and queries", bad_paths),
];

fn bad_orders(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 10);
    let line = |line: &str| format!(r#"{{"customer_id":"ada","lines":[{line}]}}"#);
    let qty = |qty: &str| line(&format!(r#"{{"product_id":"cup","qty":{qty}}}"#));
    let many = order_body(&[("cup", 1); 101]).to_string();
    let large = format!(r#"{{"customer_id":"{}"}}"#, "x".repeat(300 * 1024));
    for (body, status, slug, named) in [
        (qty("0"), 422, "invalid_field", "lines[0].qty"),
        (qty("-3"), 422, "invalid_field", "lines[0].qty"),
        (qty("1.5"), 422, "invalid_field", "lines[0].qty"),
        (qty("1000000000"), 422, "invalid_field", "lines[0].qty"),
        (qty("99999999999999999999"), 422, "invalid_field", "lines[0].qty"),
        (qty("1e400"), 422, "invalid_field", "lines[0].qty"),
        (qty(r#""5""#), 422, "invalid_field", "lines[0].qty"),
        (
            line(r#"{"product_id":"cup","qty":1},{"product_id":"nothing","qty":1}"#),
            422,
            "unknown_product",
            "lines[1].product_id",
        ),
        (
            line(r#"{"product_id":"cup","qty":1,"colour":"red"}"#),
            422,
            "invalid_field",
            "lines[0].colour",
        ),
        (
            line(r#"{"product_id":"a b","qty":1}"#),
            422,
            "invalid_field",
            "lines[0].product_id",
        ),
        (line(""), 422, "invalid_field", "lines"),
        (many, 422, "invalid_field", "lines"),
        (r#"{"customer_id":"ada"}"#.to_owned(), 422, "invalid_field", "lines"),
        (
            r#"{"customer_id":"","lines":[{"product_id":"cup","qty":1}]}"#.to_owned(),
            422,
            "invalid_field",
            "customer_id",
        ),
        ("this is no JSON".to_owned(), 400, "malformed_json", "JSON"),
        (String::new(), 400, "malformed_json", "JSON"),
        ("[".repeat(100_000), 400, "malformed_json", "JSON"),
        (large, 413, "body_too_large", "262144"),
    ] {
        let answer = system.post_text("/store/orders", &[], &body);
        let short: String = body.chars().take(200).collect();
        assert_eq!(answer.status, status, "{short}: {answer:?}");
        assert_eq!(answer.content_type, "application/problem+json", "{short}");
        let problem = answer.json();
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&json!(slug), &json!(status)),
            "{short}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(named),
            "{short}: {problem}"
        );
        if status == 422 {
            assert_eq!(problem["errors"][0]["field"], named, "{short}: {problem}");
        }
        names_no_type(&answer.text);
    }
    let bad_key = system.post_text(
        "/store/orders",
        &[("Idempotency-Key", &"x".repeat(256))],
        &order_body(&[("cup", 1)]).to_string(),
    );
    assert_eq!(
        (bad_key.status, &bad_key.json()["type"]),
        (422, &json!("invalid_idempotency_key"))
    );
    let written = (
        system.store_redis::<u64>(&["ZCARD", "orders"]),
        system.store_redis::<u64>(&["XLEN", "order-placed"]),
    );
    assert_eq!(written, (0, 0), "something was written");

    let key = [("Idempotency-Key", "in any form")];
    let first = system.post_text("/store/orders", &key, &qty("2"));
    assert_eq!(
        (first.status, &first.json()["lines"][0]["qty"]),
        (201, &json!(2)),
        "{first:?}"
    );
    for body in [qty("2.0"), qty("2e0"), format!("\u{feff}{}", qty("2"))] {
        let same = system.post_text("/store/orders", &key, &body);
        assert_eq!((same.status, &same.text), (201, &first.text), "{body}");
    }
}

/// The words of a fault are the client's, not those of a program.
fn names_no_type(text: &str) {
    for word in [
        "u32",
        "u64",
        "usize",
        "struct",
        "EOF",
        "expected",
        "deserialize",
        "invalid type",
        "invalid digit",
    ] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

fn bad_products(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let product = |field: &str, value: serde_json::Value| {
        let mut product = json!({
            "product_id": "cup", "sku": "C", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 1,
        });
        product[field] = value;
        product
    };
    for (field, value) in [
        ("product_id", json!("-cup")),
        ("product_id", json!("")),
        ("sku", json!("")),
        ("name", json!(" ")),
        ("price_minor", json!(-1)),
        ("price_minor", json!(1.5)),
        ("price_minor", json!(1_000_000_001)),
        ("currency", json!("euro")),
        ("on_hand", json!(-1)),
        ("on_hand", json!(1.5)),
        ("on_hand", json!(1_000_000_000_001_u64)),
        ("colour", json!("red")),
    ] {
        let answer = system.post("/warehouse/products", &product(field, value.clone()));
        assert_eq!(answer.status, 422, "{field} {value}: {answer:?}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{answer:?}");
    }
    let keys: Vec<String> = system.warehouse_redis(&["KEYS", "*"]);
    assert_eq!(keys, Vec::<String>::new(), "something was written");

    assert_eq!(
        system.post("/warehouse/products", &product("on_hand", json!(5))).status,
        201
    );
    let again = system.post("/warehouse/products", &product("on_hand", json!(7)));
    assert_eq!((again.status, &again.json()["type"]), (409, &json!("product_exists")));

    let path = "/warehouse/products/cup/movements";
    for (path, key, body, status, slug) in [
        (
            path,
            None,
            r#"{"type":"supply","qty":1}"#,
            400,
            "idempotency_key_required",
        ),
        (path, Some("a"), r#"{"type":"supply","qty":0}"#, 422, "invalid_field"),
        (path, Some("a"), r#"{"type":"supply","qty":-3}"#, 422, "invalid_field"),
        (path, Some("a"), r#"{"type":"supply","qty":1.5}"#, 422, "invalid_field"),
        (
            path,
            Some("a"),
            r#"{"type":"supply","qty":1000001}"#,
            422,
            "invalid_field",
        ),
        (path, Some("a"), r#"{"type":"gift","qty":1}"#, 422, "invalid_field"),
        (
            path,
            Some("a"),
            r#"{"type":"write_off","qty":6}"#,
            409,
            "insufficient_stock",
        ),
        (
            "/warehouse/products/pan/movements",
            Some("a"),
            r#"{"type":"supply","qty":1}"#,
            404,
            "unknown_product",
        ),
    ] {
        let headers: Vec<_> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
        let answer = system.post_text(path, &headers, body);
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (status, &json!(slug)),
            "{body}: {answer:?}"
        );
    }
    assert_eq!(system.stock_of("cup"), (5, 5, 0));
}

fn unseen_names(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 1);
    let order = system.order(&[("cup", 1)]);
    let cancel = format!("/store/orders/{order}/cancel");
    let product = |name: &str| json!({ "sku": "C", "name": name, "price_minor": 1, "currency": "EUR" });
    for name in [
        "\u{200b}",
        "\u{2060}\u{feff}",
        "\u{ad}",
        "\u{3164}",
        "\u{2800} ",
        "cup\u{202e}puc",
        "a\u{2066}b",
    ] {
        let reason = json!({ "reason": name }).to_string();
        for (answer, field) in [
            (system.post("/warehouse/products", &product(name)), "name"),
            (
                system.send(
                    "PATCH",
                    "/warehouse/products/cup",
                    &[("If-Match", "*")],
                    &json!({ "name": name }).to_string(),
                ),
                "name",
            ),
            (system.post_text(&cancel, &[], &reason), "reason"),
        ] {
            assert_eq!(
                (answer.status, &answer.json()["errors"][0]["field"]),
                (422, &json!(field)),
                "{name:?}: {answer:?}"
            );
        }
    }
    for name in ["👩\u{200d}🚀", "می\u{200c}خواهم"] {
        let answer = system.post("/warehouse/products", &product(name));
        assert_eq!(
            (answer.status, &answer.json()["name"]),
            (201, &json!(name)),
            "{answer:?}"
        );
    }
}

fn bad_paths(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    for (path, status, slug) in [
        ("/store/nothing", 404, "unknown_route"),
        ("/warehouse/nothing", 404, "unknown_route"),
        ("/store/orders/nothing", 404, "unknown_order"),
        ("/store/orders/%ff", 404, "unknown_route"),
        ("/store/orders/%00", 404, "unknown_order"),
        ("/store/orders/a%2Fb", 404, "unknown_order"),
        ("/store/orders/%ff/history", 404, "unknown_route"),
        ("/store/orders/a%0Ab/events", 404, "unknown_order"),
        ("/store/orders/%00", 404, "unknown_order"),
        ("/warehouse/products/nothing", 404, "unknown_product"),
        ("/warehouse/allocations/nothing", 404, "unknown_allocation"),
        ("/store/orders?limit=0", 422, "invalid_field"),
        ("/store/orders?limit=201", 422, "invalid_field"),
        ("/store/orders?limit=many", 422, "invalid_query"),
        ("/store/orders?colour=red", 422, "invalid_query"),
        ("/store/orders?cursor=a%20b", 422, "invalid_field"),
        ("/store/archive", 422, "invalid_query"),
        ("/store/archive?older_than_days=", 422, "invalid_query"),
        ("/warehouse/products?low_stock=yes", 422, "invalid_query"),
        ("/warehouse/products?limit=1&limit=2", 422, "invalid_query"),
    ] {
        let answer = system.get(path);
        names_no_type(&answer.text);
        if slug == "invalid_query" {
            let query = path.split_once('?').map_or("older_than_days", |(_, query)| query);
            let field = query.split('=').next().unwrap();
            assert_eq!(answer.json()["errors"][0]["field"], field, "{path}: {answer:?}");
        }
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (status, &json!(slug)),
            "{path}: {answer:?}"
        );
    }
    let answer = system.post("/store/healthz", &json!({}));
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (405, &json!("method_not_allowed"))
    );
}
