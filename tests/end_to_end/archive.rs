//! Closed orders leave the store for a file, and paid orders are announced again.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::Test;
use crate::cancels::{fulfilled, placed, store};
use crate::catalogue::learn;
use crate::courier::Courier;
use crate::harness::System;
use crate::process::project;
use crate::runtime::Runtime;
use crate::shop::completed;
use crate::stored::{date_back, set_field};

pub const TESTS: &[Test] = &[
    ("only closed and old orders leave", leaving),
    ("the archive's tool writes before it removes", tool),
    (
        "allocations leave when they are old and out of the streams",
        allocations,
    ),
    ("bad archives", bad_archives),
    ("orders that wait too long are announced again", resending),
];

pub const OLD: &str = "2020-01-31T12:00:00.000Z";

/// Makes an allocation old.
fn age(warehouse: &mut Courier, order: &str) {
    let key = format!("allocation:{order}");
    let allocation: String = warehouse.redis(&["GET", &key]);
    let (start, rest) = allocation.split_once("\"at\":\"").unwrap();
    let (_, end) = rest.split_once('"').unwrap();
    let _: String = warehouse.redis(&["SET", &key, &format!("{start}\"at\":\"{OLD}\"{end}")]);
}

/// An order that reached its state long ago, by its times in Redis.
fn old(system: &System, courier: &mut Courier, closed: bool) -> String {
    let order = system.order(&[("cup", 1)]);
    courier.deliver(&[placed(&order)]);
    if closed {
        courier.deliver(&[fulfilled(&order)]);
    }
    date_back(courier, &order, OLD);
    order
}

fn trim(courier: &mut Courier) {
    for stream in ["order-placed", "order-completed", "order-cancel-requested"] {
        let _: u64 = courier.redis(&["XTRIM", stream, "MAXLEN", "0"]);
    }
}

fn remove(system: &System, ids: &[&str]) -> Value {
    let answer = system.post(
        "/store/archive/remove",
        &json!({ "older_than_days": 30, "order_ids": ids }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn page(system: &System) -> Vec<String> {
    let answer = system.get("/store/archive?older_than_days=30");
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/x-ndjson"),
        "{answer:?}"
    );
    let line = |line: &str| -> String {
        let line: Value = serde_json::from_str(line).unwrap();
        let history = line["history"].as_array().unwrap();
        assert_eq!(line["order"]["rev"], history.len());
        line["order"]["order_id"].as_str().unwrap().to_owned()
    };
    answer.text.lines().map(line).collect()
}

fn leaving(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let closed = old(&system, &mut courier, true);
    let open = old(&system, &mut courier, false);
    let young = system.order(&[("cup", 1)]);
    courier.deliver(&[placed(&young)]);
    courier.deliver(&[fulfilled(&young)]);

    // An event from before the order's end is still in a stream.
    let _: u64 = courier.redis(&["DEL", "order-placed"]);
    let _: String = courier.redis(&["XADD", "order-placed", "1-1", "data", "x"]);
    assert_eq!(page(&system), Vec::<String>::new());
    let stays = |id: &str, reason: &str| {
        let answer = remove(&system, &[id]);
        assert_eq!(
            answer,
            json!({ "removed": [], "kept": [{ "order_id": id, "reason": reason }] })
        );
        assert_eq!(system.show(id)["order_id"], id);
    };
    stays(&closed, "in_streams");
    trim(&mut courier);
    stays(&open, "open");
    stays(&young, "too_young");
    assert_eq!(page(&system), std::slice::from_ref(&closed));
    assert_eq!(page(&system), std::slice::from_ref(&closed), "reading removes nothing");

    for _ in 0..2 {
        let answer = remove(&system, &[&closed, &open, "nobody"]);
        assert_eq!(
            answer["kept"],
            json!([{ "order_id": open, "reason": "open" }]),
            "{answer}"
        );
        assert_eq!(answer["removed"].as_array().unwrap().len(), 2, "{answer}");
    }
    assert_eq!(system.get(&format!("/store/orders/{closed}")).status, 404);
    assert_eq!(system.get(&format!("/store/orders/{closed}/history")).status, 404);
    let left: Vec<String> = courier.redis(&["KEYS", &format!("*{closed}*")]);
    assert_eq!(left, Vec::<String>::new());
    for list in ["orders", "orders:status:fulfilled", "orders:customer:ada"] {
        let score: Option<f64> = courier.redis(&["ZSCORE", list, &closed]);
        assert_eq!(score, None, "{list}");
    }
    assert_eq!(system.show(&young)["status"], "fulfilled");
}

/// The contents of every file in the archive's folder whose name begins with this.
fn files(folder: &Path, kind: &str) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(kind))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

fn ids_in(text: &str, kind: &str) -> Vec<String> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()[kind]["order_id"].clone();
    let mut ids: Vec<_> = text.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn tool(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_API_TOKEN", "s3cret");
    system.start_runtime();
    let mut courier = Courier::new(&system);
    learn(&system, "cup", 1, "Cup", 1_000, true);
    let mut warehouse = Courier::to_warehouse(&system);
    let body = json!({ "customer_id": "ada", "lines": [{ "product_id": "cup", "qty": 1 }] }).to_string();
    let mut orders = Vec::new();
    for _ in 0..7 {
        let answer = system.post_text("/store/orders", &[("Authorization", "Bearer s3cret")], &body);
        let order = answer.json()["order_id"].as_str().unwrap().to_owned();
        courier.deliver(&[placed(&order)]);
        courier.deliver(&[fulfilled(&order)]);
        date_back(&mut courier, &order, OLD);
        warehouse.deliver_data(
            "order-completed",
            &[("event".to_owned(), completed(&order, &[("cup", 1)]))],
        );
        age(&mut warehouse, &order);
        orders.push(order);
    }
    trim(&mut courier);
    let _: u64 = warehouse.redis(&["XTRIM", "refund-order", "MAXLEN", "0"]);
    let folder = system.folder().join("archive");
    let run = |token: &str| {
        Command::new(project().join("tools/archive.sh"))
            .args([&format!("http://{}", system.listen()), "30"])
            .arg(&folder)
            .env("API_TOKEN", token)
            .env("PAGE_LIMIT", "3")
            .output()
            .unwrap()
    };
    let allocations = || system.warehouse_redis::<Vec<String>>(&["KEYS", "allocation:*"]).len();
    let refused = run("wrong");
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!((system.store_redis::<u64>(&["ZCARD", "orders"]), allocations()), (7, 7));
    // After a run that was cut short when it had removed an order.
    let cut = orders.remove(0);
    let _: u64 = courier.redis(&["DEL", &format!("order:{cut}")]);
    for list in ["orders", "orders:status:fulfilled", "orders:customer:ada"] {
        let _: u64 = courier.redis(&["ZREM", list, &cut]);
    }
    std::fs::write(folder.join("cut-short.removed"), format!("\"{cut}\"")).unwrap();
    let ran = run("s3cret");
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(
        (system.store_redis::<u64>(&["ZCARD", "orders"]), allocations()),
        (0, 0),
        "{ran:?}"
    );
    assert_eq!(ids_in(&files(&folder, "orders-"), "order"), orders);
    assert_eq!(ids_in(&files(&folder, "allocations-"), "allocation"), orders);
    assert!(!folder.join("cut-short.removed").exists());
    assert!(run("s3cret").status.success(), "with nothing to do");
}

fn allocations(runtime: Runtime) {
    let (system, _) = store(runtime);
    let mut warehouse = Courier::to_warehouse(&system);
    for order in ["old", "back", "young"] {
        warehouse.deliver_data(
            "order-completed",
            &[("event".to_owned(), completed(order, &[("cup", 1)]))],
        );
    }
    for order in ["old", "back"] {
        age(&mut warehouse, order);
    }
    let entry = r#"{"return_id":"r-1","at":"2999-01-31T12:00:00.000Z","lines":[]}"#;
    let _: u64 = warehouse.redis(&["RPUSH", "returns:back", entry]);
    let remove = || {
        let body = json!({ "older_than_days": 30, "order_ids": ["old", "back", "young", "nobody", "old"] });
        let answer = system.post("/warehouse/archive/remove", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let kept = |order: &str, reason: &str| json!({ "order_id": order, "reason": reason });
    // An event from before the decision is still in a stream.
    let _: u64 = warehouse.redis(&["DEL", "refund-order"]);
    let _: String = warehouse.redis(&["XADD", "refund-order", "1-1", "data", "x"]);
    let young = [kept("back", "too_young"), kept("young", "too_young")];
    let in_streams = [&[young[0].clone(), kept("old", "in_streams")][..], &young[1..]].concat();
    assert_eq!(remove(), json!({ "removed": ["nobody"], "kept": in_streams }));
    let _: u64 = warehouse.redis(&["XTRIM", "refund-order", "MAXLEN", "0"]);
    let read = system.post(
        "/warehouse/archive/read",
        &json!({ "order_ids": ["old", "nobody", "back"] }),
    );
    assert_eq!((read.status, read.content_type.as_str()), (200, "application/x-ndjson"));
    assert_eq!(ids_in(&read.text, "allocation"), ["back", "old"]);
    assert!(read.text.contains(entry), "{read:?}");
    for _ in 0..2 {
        assert_eq!(remove(), json!({ "removed": ["nobody", "old"], "kept": young }));
    }
    let _: u64 = warehouse.redis(&["DEL", "allocation:back", "returns:back"]);
    let left: Vec<String> = warehouse.redis(&["KEYS", "*:*"]);
    assert_eq!(left, ["allocation:young"]);
}

fn bad_archives(runtime: Runtime) {
    let (system, _) = store(runtime);
    for query in [
        "",
        "?older_than_days=0",
        "?older_than_days=3651",
        "?older_than_days=x",
        "?older_than_days=30&limit=0",
    ] {
        assert_eq!(system.get(&format!("/store/archive{query}")).status, 422, "{query}");
    }
    let many = json!({ "older_than_days": 30, "order_ids": vec!["a"; 201] }).to_string();
    for body in [
        "{}",
        r#"{"older_than_days":0,"order_ids":["a"]}"#,
        r#"{"older_than_days":30,"order_ids":[]}"#,
        r#"{"older_than_days":30,"order_ids":["a b"]}"#,
        &many,
    ] {
        let answer = system.post_text("/store/archive/remove", &[], body);
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
    }
    for body in [
        "{}",
        r#"{"older_than_s":-1}"#,
        r#"{"older_than_s":315360001}"#,
        r#"{"older_than_s":1,"limit":0}"#,
        r#"{"older_than_s":1,"limit":201}"#,
        r#"{"older_than_s":1,"cursor":"a b"}"#,
    ] {
        let answer = system.post_text("/store/repair/completed-orders", &[], body);
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
    }
}

fn resending(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let waiting: Vec<_> = (0..5).map(|_| old(&system, &mut courier, false)).collect();
    let closed = old(&system, &mut courier, true);
    let young = system.order(&[("cup", 1)]);
    courier.deliver(&[placed(&young)]);
    assert_eq!(
        system
            .post_text(&format!("/store/orders/{}/cancel", waiting[0]), &[], "")
            .status,
        202
    );
    set_field(&mut courier, &waiting[0], "updated_at", OLD);
    trim(&mut courier);
    let (mut resent, mut cursor, mut calls) = (0, Value::Null, 0);
    loop {
        let body = json!({ "older_than_s": 600, "limit": 4, "cursor": cursor });
        let answer = system.post("/store/repair/completed-orders", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        resent += answer.json()["resent"].as_u64().unwrap();
        cursor = answer.json()["next_cursor"].clone();
        calls += 1;
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((resent, calls), (5, 2));
    let entries: Vec<(String, Vec<(String, String)>)> = courier.redis(&["XRANGE", "order-completed", "-", "+"]);
    let told: Vec<_> = entries
        .iter()
        .map(|(_, fields)| {
            let data = &fields.iter().find(|(name, _)| name == "data").unwrap().1;
            serde_json::from_str::<Value>(data).unwrap()["order_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(told, waiting, "not {closed}, not {young}");
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-cancel-requested"]), 1);
    for order in &waiting[1..] {
        assert_eq!(system.show(order)["rev"], 2, "a second announcement changes nothing");
    }
}
