//! Pages of other sites make a visitor's browser send nothing that an open service takes.

use serde_json::json;

use crate::Test;
use crate::harness::{Answer, System};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("pages of other sites change nothing", change_nothing),
    ("a local service goes by local names only", local_names),
    ("with a token, the token decides", token_decides),
];

const PRODUCTS: &str = "/warehouse/products";
const EVIL: (&str, &str) = ("Origin", "https://evil.example");

fn product(product_id: &str) -> String {
    json!({ "product_id": product_id, "sku": product_id, "name": "Cup", "price_minor": 1, "currency": "EUR" })
        .to_string()
}

fn refused(answer: &Answer, slug: &str) {
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (403, &json!(slug)),
        "{answer:?}"
    );
}

fn change_nothing(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let own = format!("http://{}", system.listen());
    let neighbour = "http://127.0.0.1:1";
    for headers in [
        &[EVIL, ("Sec-Fetch-Site", "cross-site"), ("Content-Type", "text/plain")][..],
        &[EVIL],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", neighbour), ("Sec-Fetch-Site", "same-site")],
        &[("Origin", neighbour)],
        &[("Origin", "null")],
    ] {
        refused(
            &system.post_text(PRODUCTS, headers, &product("cup")),
            "cross_site_request",
        );
    }
    for service in ["store", "warehouse"] {
        every_change_is_refused(&system, service);
    }
    let keys: Vec<String> = system.warehouse_redis(&["KEYS", "*"]);
    assert_eq!(keys, Vec::<String>::new(), "something was written");

    // The page, by whatever name the browser has it; and what is no browser.
    for (product_id, headers) in [
        ("a", &[("Origin", &*own), ("Sec-Fetch-Site", "same-origin")][..]),
        ("b", &[("Origin", &*own)]),
        (
            "c",
            &[("Origin", "https://public.example"), ("Sec-Fetch-Site", "same-origin")],
        ),
        ("d", &[("Sec-Fetch-Site", "none")]),
        ("e", &[]),
    ] {
        let made = system.post_text(PRODUCTS, headers, &product(product_id));
        assert_eq!(made.status, 201, "{headers:?}: {made:?}");
    }
    // A link to it is a cross-site request too, and changes nothing.
    let read = system.send("GET", PRODUCTS, &[("Sec-Fetch-Site", "cross-site")], "");
    assert_eq!(read.status, 200, "{read:?}");
}

/// Every operation of the service's OpenAPI document that is no GET.
fn every_change_is_refused(system: &System, service: &str) {
    let document = system.get(&format!("/{service}/openapi.json")).json();
    let mut changes = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = template.replace(['{', '}'], "");
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            refused(
                &system.send(&method.to_uppercase(), &path, &[EVIL], ""),
                "cross_site_request",
            );
            changes += 1;
        }
    }
    assert!(changes >= 4, "{service} has {changes} operations that change something");
}

fn local_names(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let port = system.listen().rsplit(':').next().unwrap().to_owned();
    let ask = |method: &str, path: &str, host: &str, body: &str| {
        let host = host.replace("PORT", &port);
        // A page at that name may send any header of the host's.
        let headers = [
            ("Host", &*host),
            ("spin-client-addr", "192.168.1.7:5000"),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        system.send(method, path, &headers, body)
    };
    for host in ["evil.example:PORT", "evil.example", "localhost.evil.example:PORT"] {
        refused(&ask("POST", PRODUCTS, host, &product("cup")), "foreign_host");
        refused(&ask("GET", PRODUCTS, host, ""), "foreign_host");
        refused(&ask("GET", "/store/orders", host, ""), "foreign_host");
    }
    for (product_id, host) in [
        ("a", "localhost:PORT"),
        ("b", "127.0.0.1:PORT"),
        ("c", "shop.localhost:PORT"),
        ("d", "[::1]:PORT"),
    ] {
        assert_eq!(ask("POST", PRODUCTS, host, &product(product_id)).status, 201, "{host}");
        assert_eq!(ask("GET", "/store/orders", host, "").status, 200, "{host}");
    }
}

fn token_decides(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_API_TOKEN", "s3cret");
    system.start_runtime();
    // As through a proxy on this machine, which passes the public name on, or does not.
    let token = ("Authorization", "Bearer s3cret");
    let (origin, name) = (("Origin", "https://shop.example"), ("Host", "shop.example"));
    assert_eq!(
        system.post_text(PRODUCTS, &[origin, name, token], &product("a")).status,
        201
    );
    assert_eq!(system.post_text(PRODUCTS, &[origin, token], &product("b")).status, 201);
    assert_eq!(system.send("GET", PRODUCTS, &[name], "").status, 200);
    assert_eq!(system.send("GET", "/", &[name], "").status, 200);
    assert_eq!(system.post_text(PRODUCTS, &[EVIL], &product("c")).status, 401);
}
