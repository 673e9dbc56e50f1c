//! The warehouse's routes: products changed, stock listed, units taken back, outcomes announced again.

use contracts::events::{OrderCancelRequested, OrderCompleted, OrderLine};
use serde_json::{Value, json};

use crate::Test;
use crate::courier::{Courier, Settled};
use crate::harness::{Answer, System};
use crate::process::eventually;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("products are changed only at the revision that was seen", changing),
    ("the list of low stock", low_stock),
    ("movements, newest first", movements),
    ("units come back to the stock", taking_back),
    ("a return, from the shelf to the refund", through_the_system),
    ("returns that are refused", refused_returns),
    ("limits of stock", limits),
    ("cancels at the warehouse", cancels),
    ("paid orders are fulfilled, their products on sale or not", off_sale),
    ("outcomes and products are announced again", repair),
    ("bad requests to the warehouse", bad_requests),
];

/// The warehouse alone with a product; the test delivers in the sidecar's place.
fn warehouse(runtime: Runtime, on_hand: u64) -> (System, Courier) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    create(&system, "cup", on_hand, 0);
    let courier = Courier::to_warehouse(&system);
    (system, courier)
}

fn create(system: &System, product_id: &str, on_hand: u64, low_stock_at: u64) {
    let answer = system.post(
        "/warehouse/products",
        &json!({
            "product_id": product_id, "sku": "S", "name": product_id, "price_minor": 900, "currency": "EUR",
            "on_hand": on_hand, "low_stock_at": low_stock_at,
        }),
    );
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn completed(order_id: &str, lines: &[(&str, u32)]) -> (String, OrderCompleted) {
    let lines = (1..).zip(lines).map(|(line_id, (product_id, qty))| OrderLine {
        line_id,
        product_id: (*product_id).to_owned(),
        qty: *qty,
    });
    let event = OrderCompleted {
        order_id: order_id.to_owned(),
        customer_id: "ada".to_owned(),
        lines: lines.collect(),
    };
    (format!("event of {order_id}"), event)
}

fn take_back(system: &System, key: &str, order_id: &str, lines: &[(u32, u32)]) -> Answer {
    let lines: Vec<_> = lines
        .iter()
        .map(|(line_id, qty)| json!({ "line_id": line_id, "qty": qty }))
        .collect();
    let body = json!({ "order_id": order_id, "lines": lines }).to_string();
    system.post_text("/warehouse/returns", &[("Idempotency-Key", key)], &body)
}

fn supply(system: &System, product_id: &str, key: &str, qty: u64) -> Answer {
    let path = format!("/warehouse/products/{product_id}/movements");
    let body = json!({ "type": "supply", "qty": qty }).to_string();
    system.post_text(&path, &[("Idempotency-Key", key)], &body)
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, slug: &str) {
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (status, &json!(slug)),
        "{answer:?}"
    );
    assert_eq!(answer.content_type, "application/problem+json");
}

fn count(system: &System, stream: &str) -> u64 {
    system.warehouse_redis(&["XLEN", stream])
}

fn changing(runtime: Runtime) {
    let (system, _) = warehouse(runtime, 5);
    let path = "/warehouse/products/cup";
    let patch = |tag: &str, body: &str| system.send("PATCH", path, &[("If-Match", tag)], body);
    assert_problem(&system.send("PATCH", path, &[], "{}"), 428, "if_match_required");
    for malformed in ["", "1", "\"1", "\"1\" \"2\"", "*, \"1\""] {
        assert_problem(&patch(malformed, "{}"), 400, "malformed_if_match");
    }
    for stale in ["\"2\"", "\"01\"", "W/\"1\"", "\"\"", "\"2\", \"3\""] {
        assert_problem(&patch(stale, r#"{"name":"Mug"}"#), 412, "stale_revision");
    }
    for (altered, told) in [
        ("W/\"1\"", "W/\"1\" is none"),
        ("\"1-gzip\"", "\"1-gzip\" is none"),
        ("\"7\"", "read it again, and"),
    ] {
        let answer = patch(altered, r#"{"name":"Mug"}"#);
        assert_problem(&answer, 412, "stale_revision");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{altered}: {detail}");
    }
    let changed = patch("\"1\"", r#"{"name":"Mug \"Ä\"","price_minor":0}"#);
    assert_eq!(
        (changed.status, changed.etag.as_deref()),
        (200, Some("\"2\"")),
        "{changed:?}"
    );
    assert_eq!(system.get(path).text, changed.text);
    assert_eq!(
        (
            &changed.json()["name"],
            &changed.json()["price_minor"],
            &changed.json()["on_hand"]
        ),
        (&json!("Mug \"Ä\""), &json!(0), &json!(5))
    );
    assert_eq!(count(&system, "product-changed"), 2);

    // A movement changes the stock, and not the revision.
    assert_eq!(supply(&system, "cup", "k-1", 1).status, 201);
    let same = patch("\"9\", \"2\"", r#"{"price_minor":0}"#);
    assert_eq!((same.status, same.etag.as_deref()), (200, Some("\"2\"")), "{same:?}");
    assert_eq!(patch("*", "{}").etag.as_deref(), Some("\"2\""));
    let limit = patch("*", r#"{"low_stock_at":6}"#);
    assert_eq!((limit.status, limit.etag.as_deref()), (200, Some("\"3\"")), "{limit:?}");
    assert_eq!(
        count(&system, "product-changed"),
        2,
        "the store knows no limits of low stock"
    );

    assert_problem(
        &system.send("DELETE", path, &[("If-Match", "\"2\"")], ""),
        412,
        "stale_revision",
    );
    assert_problem(
        &system.send("DELETE", path, &[("If-Match", "x")], ""),
        400,
        "malformed_if_match",
    );
    for _ in 0..2 {
        let gone = system.send("DELETE", path, &[], "");
        assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    }
    assert_eq!(count(&system, "product-changed"), 3);
    let shown = system.get(path);
    assert_eq!(
        (&shown.json()["active"], shown.etag.as_deref()),
        (&json!(false), Some("\"4\""))
    );
    assert_eq!(patch("\"4\"", r#"{"active":true}"#).json()["active"], true);
    let told: Vec<(String, Vec<(String, String)>)> =
        system.warehouse_redis(&["XREVRANGE", "product-changed", "+", "-"]);
    let data = &told[0].1.iter().find(|(name, _)| name == "data").unwrap().1;
    assert_eq!(
        data,
        r#"{"product_id":"cup","rev":5,"name":"Mug \"Ä\"","price_minor":0,"currency":"EUR","active":true}"#
    );
    for nobody in ["pan", "a%20b", "-"] {
        let path = format!("/warehouse/products/{nobody}");
        assert_problem(
            &system.send("PATCH", &path, &[("If-Match", "*")], "{}"),
            404,
            "unknown_product",
        );
        assert_problem(&system.send("DELETE", &path, &[], ""), 404, "unknown_product");
    }
}

/// The ids of all pages.
fn walk(system: &System, path: &str, limit: usize, id: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = system.get(&format!("{path}limit={limit}{cursor}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        seen.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
        match &page["next_cursor"] {
            Value::Null => return seen,
            next => cursor = format!("&cursor={}", next.as_str().unwrap()),
        }
    }
}

fn low_stock(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 10);
    create(&system, "jug", 3, 3);
    create(&system, "pan", 0, 0);
    create(&system, "pot", 4, 3);
    let low = || walk(&system, "/warehouse/products?low_stock=true&", 1, "product_id");
    assert_eq!(low(), ["jug", "pan"]);
    courier.deliver(&[completed("o-1", &[("pot", 1)])]);
    assert_eq!(low(), ["jug", "pan", "pot"]);
    assert_eq!(supply(&system, "pan", "k", 1).status, 201);
    assert_eq!(low(), ["jug", "pot"]);
    assert_eq!(take_back(&system, "k", "o-1", &[(1, 1)]).status, 201);
    assert_eq!(low(), ["jug"]);
    let raised = system.send(
        "PATCH",
        "/warehouse/products/cup",
        &[("If-Match", "*")],
        r#"{"low_stock_at":10}"#,
    );
    assert_eq!(raised.status, 200, "{raised:?}");
    assert_eq!(low(), ["cup", "jug"]);
    assert_problem(&system.get("/warehouse/products?low_stock=false"), 422, "invalid_field");
    assert_problem(&system.get("/warehouse/products?low_stock=maybe"), 422, "invalid_query");
}

fn movements(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 5);
    let path = "/warehouse/products/cup/movements?";
    let mut made: Vec<String> = (0..6)
        .map(|number| {
            let answer = supply(&system, "cup", &format!("k-{number}"), 1);
            answer.json()["movement_id"].as_str().unwrap().to_owned()
        })
        .collect();
    for limit in [1, 3, 7, 200] {
        let seen = walk(&system, path, limit, "movement_id");
        assert_eq!(seen.len(), 7);
        assert!(seen.iter().take(6).eq(made.iter().rev()), "{seen:?}");
    }
    courier.deliver(&[completed("o-1", &[("cup", 2)])]);
    assert_eq!(walk(&system, path, 3, "movement_id").len(), 7, "a sale is no movement");
    let back = take_back(&system, "k", "o-1", &[(1, 2)]).json();
    let newest = system.get(&format!("{path}limit=1")).json()["items"][0].clone();
    assert_eq!(
        (
            &newest["type"],
            &newest["qty"],
            &newest["on_hand"],
            &newest["order_id"],
            &newest["return_id"]
        ),
        (
            &json!("return"),
            &json!(2),
            &json!(11),
            &json!("o-1"),
            &back["return_id"]
        )
    );
    made.push(newest["movement_id"].as_str().unwrap().to_owned());

    // The next page begins where the last one ended, whatever was added meanwhile.
    let first = system.get(&format!("{path}limit=2")).json();
    assert_eq!(supply(&system, "cup", "k-meanwhile", 1).status, 201);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = system.get(&format!("{path}limit=1&cursor={cursor}")).json();
    assert_eq!(second["items"][0]["movement_id"], json!(made[made.len() - 3]));

    // The newest 10,000 are kept.
    let _: u64 = system.warehouse_redis(&["HSET", "stock:cup", "movements", "10003"]);
    assert_eq!(supply(&system, "cup", "k-many", 1).status, 201);
    let kept: Vec<(String, u64)> = system.warehouse_redis(&["ZRANGE", "movements:cup", "0", "-1", "WITHSCORES"]);
    let numbers: Vec<_> = kept.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [5, 6, 7, 8, 9, 10_004]);

    for (query, status, slug) in [
        ("limit=0", 422, "invalid_field"),
        ("limit=201", 422, "invalid_field"),
        ("cursor=x", 422, "invalid_field"),
        ("cursor=-1", 422, "invalid_field"),
        ("cursor=01", 422, "invalid_field"),
        ("cursor=99999999999999999999", 422, "invalid_field"),
        ("limit=x", 422, "invalid_query"),
    ] {
        assert_problem(&system.get(&format!("{path}{query}")), status, slug);
    }
    assert_problem(&system.get("/warehouse/products/pan/movements"), 404, "unknown_product");
}

fn taking_back(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 10);
    create(&system, "pot", 10, 0);
    courier.deliver(&[completed("o-1", &[("cup", 3), ("pot", 1), ("cup", 2)])]);
    let first = take_back(&system, "k-1", "o-1", &[(3, 2), (1, 1)]);
    let expected = json!([
        { "line_id": 3, "product_id": "cup", "qty": 2 },
        { "line_id": 1, "product_id": "cup", "qty": 1 },
    ]);
    assert_eq!((first.status, &first.json()["lines"]), (201, &expected), "{first:?}");
    let again = take_back(&system, "k-1", "o-1", &[(3, 2), (1, 1)]);
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_problem(
        &take_back(&system, "k-1", "o-1", &[(1, 1)]),
        422,
        "idempotency_key_reused",
    );
    assert_eq!(system.stock_of("cup"), (8, 10, 5));
    let refused = take_back(&system, "k-2", "o-1", &[(2, 1), (1, 3)]);
    assert_problem(&refused, 409, "return_too_large");
    assert_eq!(
        refused.json()["errors"],
        json!([{ "field": "lines[1].qty", "reason": "at most 2 may still come back" }])
    );
    // A refused request is not stored, so its key is free.
    assert_eq!(take_back(&system, "k-2", "o-1", &[(2, 1), (1, 2)]).status, 201);
    assert_eq!(
        (system.stock_of("cup"), system.stock_of("pot")),
        ((10, 10, 5), (10, 10, 1))
    );
    assert_problem(&take_back(&system, "k-3", "o-1", &[(2, 1)]), 409, "return_too_large");
    let shown = system.allocation("o-1");
    assert_eq!(shown["returns"].as_array().unwrap().len(), 2);
    assert_eq!(shown["returns"][0]["lines"], expected);
    assert_eq!(shown["returns"][0]["return_id"], first.json()["return_id"]);
    assert_eq!(count(&system, "return-received"), 2);
    assert_eq!(
        walk(&system, "/warehouse/products/cup/movements?", 9, "movement_id").len(),
        3
    );
}

fn through_the_system(runtime: Runtime) {
    let system = System::start(runtime);
    system.stock("cup", 5);
    let order = system.order(&[("cup", 3)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    assert_eq!(take_back(&system, "k-1", &order, &[(1, 1)]).status, 201);
    eventually("the first refund is there", || {
        (system.show(&order)["refunds"].as_array()?.len() == 1).then_some(())
    });
    assert_eq!(system.show(&order)["status"], "fulfilled");
    assert_eq!(take_back(&system, "k-2", &order, &[(1, 2)]).status, 201);
    eventually("all of it is back", || {
        (system.show(&order)["status"] == "returned").then_some(())
    });
    let shown = system.show(&order);
    let refunded: u64 = shown["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| refund["amount_minor"].as_u64().unwrap())
        .sum();
    assert_eq!(json!(refunded), shown["total_minor"]);
    assert_eq!(system.stock_of("cup"), (5, 5, 3));
    // Announced again, it changes nothing.
    let rev = shown["rev"].clone();
    let told = system.post_text(&format!("/warehouse/repair/allocations/{order}"), &[], "");
    assert_eq!(told.json()["return_ids"].as_array().unwrap().len(), 2, "{told:?}");
    assert_eq!(system.post_text("/warehouse/repair/products", &[], "").status, 200);
    let next = system.order(&[("cup", 1)]);
    assert_eq!(system.end_of(&next), "fulfilled");
    assert_eq!(system.show(&order)["rev"], rev);
    system.assert_no_dead_letters();
}

fn refused_returns(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 200);
    courier.deliver(&[completed("o-1", &[("cup", 200)]), completed("o-2", &[("cup", 1)])]);
    for (order, lines, status, slug) in [
        ("nobody", vec![(1, 1)], 404, "unknown_allocation"),
        ("o-2", vec![(1, 1)], 409, "not_fulfilled"),
        ("o-1", vec![(2, 1)], 422, "unknown_line"),
        ("o-1", vec![(0, 1)], 422, "unknown_line"),
        ("o-1", vec![(1, 201)], 409, "return_too_large"),
        ("o-1", vec![(1, 0)], 422, "invalid_field"),
        ("o-1", vec![(1, 1_000_001)], 422, "invalid_field"),
        ("o-1", vec![(1, 1), (1, 1)], 422, "invalid_field"),
        ("o-1", vec![], 422, "invalid_field"),
        ("o-1", vec![(1, 1); 101], 422, "invalid_field"),
        ("a b", vec![(1, 1)], 422, "invalid_field"),
    ] {
        assert_problem(&take_back(&system, "k", order, &lines), status, slug);
    }
    for body in [
        r#"{"order_id":"o-1"}"#,
        r#"{"lines":[{"line_id":1,"qty":1}]}"#,
        r#"{"order_id":"o-1","lines":[{"line_id":1,"qty":1,"colour":1}]}"#,
        r#"{"order_id":"o-1","lines":[{"line_id":-1,"qty":1}]}"#,
        r#"{"order_id":"o-1","lines":[{"line_id":1,"qty":1.5}]}"#,
    ] {
        let answer = system.post_text("/warehouse/returns", &[("Idempotency-Key", "k")], body);
        assert_problem(&answer, 422, "invalid_field");
    }
    let body = r#"{"order_id":"o-1","lines":[{"line_id":1,"qty":1}]}"#;
    assert_problem(
        &system.post_text("/warehouse/returns", &[], body),
        400,
        "idempotency_key_required",
    );
    let bad_key = system.post_text("/warehouse/returns", &[("Idempotency-Key", &"x".repeat(256))], body);
    assert_problem(&bad_key, 422, "invalid_idempotency_key");
    assert_eq!(count(&system, "return-received"), 0);
    for part in 0..100 {
        assert_eq!(
            take_back(&system, &format!("part {part}"), "o-1", &[(1, 1)]).status,
            201
        );
    }
    assert_problem(
        &take_back(&system, "one more", "o-1", &[(1, 1)]),
        409,
        "too_many_returns",
    );
    assert_eq!(system.allocation("o-1")["returns"].as_array().unwrap().len(), 100);
    assert_eq!(system.stock_of("cup"), (100, 200, 200));
}

fn limits(runtime: Runtime) {
    const ON_HAND_MAX: u64 = 1_000_000_000_000;
    const LIFETIME_MAX: u64 = 400_000_000_000_000;
    let (system, mut courier) = warehouse(runtime, 5);
    courier.deliver(&[completed("o-1", &[("cup", 5)])]);
    let set = |fields: &[(&str, u64)]| {
        for (field, value) in fields {
            let _: u64 = system.warehouse_redis(&["HSET", "stock:cup", field, &value.to_string()]);
        }
    };
    set(&[("on_hand", ON_HAND_MAX - 1), ("supplied", ON_HAND_MAX + 4)]);
    assert_problem(&supply(&system, "cup", "k", 2), 409, "stock_too_large");
    assert_problem(&take_back(&system, "k", "o-1", &[(1, 2)]), 409, "stock_too_large");
    assert_eq!(supply(&system, "cup", "k", 1).status, 201);
    let all = (LIFETIME_MAX, LIFETIME_MAX);
    set(&[("on_hand", 0), ("supplied", all.0), ("sold", all.0)]);
    assert_problem(&supply(&system, "cup", "k-2", 1), 409, "stock_too_large");
    set(&[("returned", all.1), ("sold", all.0 + all.1)]);
    assert_problem(&take_back(&system, "k", "o-1", &[(1, 1)]), 409, "stock_too_large");
    set(&[("returned", all.1 - 5), ("sold", all.0 + all.1 - 5)]);
    assert_eq!(take_back(&system, "k", "o-1", &[(1, 5)]).status, 201);
    // The largest sums there can be stay exact.
    courier.deliver(&[completed("o-2", &[("cup", 5)])]);
    let shown = system.get("/warehouse/products/cup").json();
    assert_eq!(
        (&shown["on_hand"], &shown["returned"], &shown["sold"]),
        (&json!(0), &json!(all.1), &json!(all.0 + all.1))
    );
}

fn cancels(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 10);
    let cancel = |order_id: &str| {
        let request = OrderCancelRequested {
            order_id: order_id.to_owned(),
            reason: "changed my mind".to_owned(),
        };
        (format!("cancel of {order_id}"), request)
    };
    let done = |count: usize| vec![(Settled::Done, String::new()); count];
    // First the cancel: the order is refunded, and its completion changes nothing.
    assert_eq!(courier.deliver(&[cancel("o-1"), cancel("o-1")]), done(2));
    assert_eq!(courier.deliver(&[completed("o-1", &[("cup", 1)])]), done(1));
    let shown = system.allocation("o-1");
    assert_eq!(
        (&shown["outcome"], &shown["reason"], &shown["lines"]),
        (&json!("refunded"), &json!("customer_cancelled"), &json!([]))
    );
    // First the completion: it stands, whether it took stock or not.
    let orders = [completed("o-2", &[("cup", 1)]), completed("o-3", &[("cup", 100)])];
    assert_eq!(courier.deliver(&orders), done(2));
    assert_eq!(courier.deliver(&[cancel("o-2"), cancel("o-3")]), done(2));
    assert_eq!(system.allocation("o-2")["outcome"], "fulfilled");
    assert_eq!(system.allocation("o-3")["reason"], "insufficient_stock");
    assert_eq!(system.outcomes_told(), (1, 2));
    assert_eq!(system.stock_of("cup"), (9, 10, 1));
    let bad = courier.deliver_data(
        "order-cancel-requested",
        &[("event".to_owned(), r#"{"order_id":"o-9","reason":"\n"}"#.to_owned())],
    );
    assert_eq!(bad[0].0, Settled::Reject);
    assert!(bad[0].1.starts_with("data.reason: "), "{bad:?}");
}

fn off_sale(runtime: Runtime) {
    let mut system = System::start(runtime);
    system.stock("cup", 5);
    system.kill_sidecar();
    let paid = system.order(&[("cup", 1)]);
    assert_eq!(system.send("DELETE", "/warehouse/products/cup", &[], "").status, 204);
    system.start_sidecar();
    assert_eq!(system.end_of(&paid), "fulfilled");
    let body = json!({ "customer_id": "ada", "lines": [{ "product_id": "cup", "qty": 1 }] });
    let refused = eventually("the store knows that it is off sale", || {
        let answer = system.post("/store/orders", &body);
        (answer.status != 201).then_some(answer)
    });
    assert_problem(&refused, 422, "inactive_product");
    system.assert_no_dead_letters();
}

fn repair(runtime: Runtime) {
    let (system, mut courier) = warehouse(runtime, 5);
    create(&system, "jug", 1, 0);
    create(&system, "pot", 1, 0);
    courier.deliver(&[completed("o-1", &[("cup", 2)]), completed("o-2", &[("cup", 9)])]);
    assert_eq!(take_back(&system, "k", "o-1", &[(1, 1)]).status, 201);
    for (order, stream) in [("o-1", "order-fulfilled"), ("o-2", "refund-order")] {
        let answer = system.post_text(&format!("/warehouse/repair/allocations/{order}"), &[], "");
        assert_eq!(
            (answer.status, &answer.json()["order_id"]),
            (200, &json!(order)),
            "{answer:?}"
        );
        let told: Vec<(String, Vec<(String, String)>)> = system.warehouse_redis(&["XRANGE", stream, "-", "+"]);
        assert_eq!(told.len(), 2);
        let but_time = |entry: &(String, Vec<(String, String)>)| {
            let fields = entry.1.iter().filter(|(name, _)| name != "time");
            fields.cloned().collect::<Vec<_>>()
        };
        assert_eq!(but_time(&told[0]), but_time(&told[1]));
        let id = &told[0].1.iter().find(|(name, _)| name == "id").unwrap().1;
        assert_eq!(answer.json()["event_id"], json!(id));
    }
    assert_eq!(count(&system, "return-received"), 2);
    assert_eq!(system.stock_of("cup"), (4, 5, 2));
    let first = system.post_text("/warehouse/repair/products?limit=2", &[], "").json();
    assert_eq!(first, json!({ "announced": 2, "next_cursor": "jug" }));
    let second = system
        .post_text("/warehouse/repair/products?limit=2&cursor=jug", &[], "")
        .json();
    assert_eq!(second, json!({ "announced": 1, "next_cursor": null }));
    assert_eq!(count(&system, "product-changed"), 6);
    for nobody in ["nobody", "a%20b"] {
        let answer = system.post_text(&format!("/warehouse/repair/allocations/{nobody}"), &[], "");
        assert_problem(&answer, 404, "unknown_allocation");
    }
    let bad = system.post_text("/warehouse/repair/products?limit=201", &[], "");
    assert_problem(&bad, 422, "invalid_field");
}

fn bad_requests(runtime: Runtime) {
    let (system, _) = warehouse(runtime, 1);
    let before: Vec<String> = system.warehouse_redis(&["HGETALL", "product:cup"]);
    let tag = [("If-Match", "*")];
    for (body, status, slug, field) in [
        ("", 400, "malformed_json", None),
        ("no JSON", 400, "malformed_json", None),
        ("[]", 422, "invalid_field", Some("body")),
        (r#"{"name":""}"#, 422, "invalid_field", Some("name")),
        (r#"{"name":null}"#, 422, "invalid_field", Some("name")),
        (r#"{"price_minor":-1}"#, 422, "invalid_field", Some("price_minor")),
        (r#"{"price_minor":1.5}"#, 422, "invalid_field", Some("price_minor")),
        (
            r#"{"price_minor":1000000001}"#,
            422,
            "invalid_field",
            Some("price_minor"),
        ),
        (r#"{"active":1}"#, 422, "invalid_field", Some("active")),
        (r#"{"active":null}"#, 422, "invalid_field", Some("active")),
        (
            r#"{"low_stock_at":1000000000001}"#,
            422,
            "invalid_field",
            Some("low_stock_at"),
        ),
        (r#"{"on_hand":1}"#, 422, "invalid_field", Some("on_hand")),
        (r#"{"sku":"x"}"#, 422, "invalid_field", Some("sku")),
        (r#"{"currency":"USD"}"#, 422, "invalid_field", Some("currency")),
    ] {
        let answer = system.send("PATCH", "/warehouse/products/cup", &tag, body);
        assert_problem(&answer, status, slug);
        assert_eq!(answer.json()["errors"][0]["field"].as_str(), field, "{answer:?}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(300 * 1024));
    let answer = system.send("PATCH", "/warehouse/products/cup", &tag, &large);
    assert_problem(&answer, 413, "body_too_large");
    let after: Vec<String> = system.warehouse_redis(&["HGETALL", "product:cup"]);
    assert_eq!(after, before);
    for path in [
        "/warehouse/returns",
        "/warehouse/repair/products",
        "/warehouse/archive/remove",
    ] {
        assert_problem(&system.get(path), 405, "method_not_allowed");
    }
    for query in ["limit=0", "limit=201", "cursor=a%20b"] {
        assert_problem(
            &system.get(&format!("/warehouse/products?{query}")),
            422,
            "invalid_field",
        );
    }
    for body in [
        r"{}",
        r#"{"order_ids":[]}"#,
        r#"{"order_ids":["a b"]}"#,
        r#"{"order_ids":["a"],"older_than_days":0}"#,
        r#"{"order_ids":["a"],"older_than_days":3651}"#,
    ] {
        let answer = system.post_text("/warehouse/archive/remove", &[], body);
        assert_problem(&answer, 422, "invalid_field");
    }
    let many = json!({ "order_ids": vec!["a"; 201] }).to_string();
    assert_problem(
        &system.post_text("/warehouse/archive/read", &[], &many),
        422,
        "invalid_field",
    );
}
