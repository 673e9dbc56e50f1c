//! A service's streams and dead letters over HTTP.

use std::process::Command;

use serde_json::{Value, json};

use crate::Test;
use crate::harness::System;
use crate::process::{binary, eventually, project};
use crate::runtime::Runtime;
use crate::shop::completed;

pub const TESTS: &[Test] = &[
    ("streams: length, lag, pending, age", state),
    ("streams: dead letters paged, dropped, bounded", listed_and_dropped),
    ("streams: dead letters replayed over HTTP as by the sidecar", replayed),
    ("streams: nothing but the service's own", own_only),
];

const DEAD: &str = "/store/streams/order-completed/dead";

fn stream(system: &System, path: &str, name: &str) -> Value {
    let answer = system.get(path);
    assert_eq!(answer.status, 200, "{answer:?}");
    let streams = answer.json()["items"].as_array().unwrap().clone();
    streams
        .into_iter()
        .find(|stream| stream["stream"] == name)
        .unwrap_or_else(|| panic!("no {name} in {answer:?}"))
}

fn state(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let empty = json!({ "stream": "order-completed", "length": 0, "dead": 0, "groups": [] });
    assert_eq!(stream(&system, "/store/streams", "order-completed"), empty);

    let group = [
        "XGROUP",
        "CREATE",
        "order-completed",
        "warehouse-group",
        "0",
        "MKSTREAM",
    ];
    let _: String = system.store_redis(&group);
    for number in 0..5 {
        system.append_to_store("order-completed", &[("data", &number.to_string())]);
    }
    // Three are delivered, one of which waits for its next attempt.
    let read = [
        "XREADGROUP",
        "GROUP",
        "warehouse-group",
        "local",
        "COUNT",
        "2",
        "STREAMS",
        "order-completed",
        ">",
    ];
    let _: redis::Value = system.store_redis(&read);
    let read = read.map(|word| match word {
        "local" => "~waiting",
        "2" => "1",
        word => word,
    });
    let _: redis::Value = system.store_redis(&read);
    let found = eventually("the oldest pending entry has an age", || {
        let found = stream(&system, "/store/streams", "order-completed");
        found["groups"][0]["oldest_pending_ms"]
            .as_u64()
            .filter(|age| (5..60_000).contains(age))?;
        Some(found)
    });
    let group = &found["groups"][0];
    assert_eq!(found["length"], 5, "{found}");
    assert_eq!(
        (&group["group"], &group["lag"], &group["pending"], &group["waiting"]),
        (&json!("warehouse-group"), &json!(2), &json!(3), &json!(1)),
        "{found}"
    );

    // An unread entry is deleted: Redis cannot tell the lag any more.
    let entries: Vec<(String, Vec<String>)> = system.store_redis(&["XRANGE", "order-completed", "-", "+"]);
    let _: u64 = system.store_redis(&["XDEL", "order-completed", &entries[3].0]);
    let found = stream(&system, "/store/streams", "order-completed");
    assert_eq!(found["groups"][0]["lag"], Value::Null, "{found}");

    let _: u64 = system.store_redis(&["DEL", "order-completed"]);
    let _: String = system.store_redis(&["SET", "order-completed", "a text"]);
    let answer = system.get("/store/streams");
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (500, &json!("corrupt_data")),
        "{answer:?}"
    );
    assert!(answer.text.contains("order-completed"), "{answer:?}");
}

/// Appends a dead letter as the sidecar does.
fn dead_letter(system: &System, cause: &str, original: &str, fields: &[&str]) -> String {
    let mut command = vec![
        "XADD",
        "order-completed.dead",
        "*",
        "dead_cause",
        cause,
        "dead_reason",
        "data: no",
    ];
    command.extend([
        "dead_attempts",
        "2",
        "dead_entry",
        original,
        "dead_group",
        "warehouse-group",
    ]);
    command.extend(["dead_at", "2026-08-01T12:00:00.000Z"]);
    command.extend(fields);
    system.store_redis(&command)
}

fn listed_and_dropped(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    assert_eq!(system.get(DEAD).json(), json!({ "items": [], "next_cursor": null }));

    let ids: Vec<_> = (0..5)
        .map(|number| {
            dead_letter(
                &system,
                "rejected",
                "1-1",
                &["data", &number.to_string(), "data", "twice"],
            )
        })
        .collect();
    let mut found = Vec::new();
    let mut path = format!("{DEAD}?limit=2");
    loop {
        let page = system.get(&path).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        found.extend(items.iter().map(|letter| letter["entry"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{DEAD}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert!(
        found.iter().eq(ids.iter().rev()),
        "newest first, each once: {found:?}, {ids:?}"
    );
    let newest = &system.get(DEAD).json()["items"][0];
    let expected = json!({
        "entry": ids[4], "cause": "rejected", "reason": "data: no", "attempts": 2, "original_entry": "1-1",
        "group": "warehouse-group", "at": "2026-08-01T12:00:00.000Z", "truncated": false,
        "fields": [{ "name": "data", "value": "4" }, { "name": "data", "value": "twice" }],
    });
    assert_eq!(newest, &expected);

    let drop = |id: &str| system.send("DELETE", &format!("{DEAD}/{id}"), &[], "");
    assert_eq!(drop(&ids[4]).status, 204);
    let again = drop(&ids[4]);
    assert_eq!(
        (again.status, &again.json()["type"]),
        (404, &json!("unknown_dead_letter")),
        "{again:?}"
    );
    assert_eq!(stream(&system, "/store/streams", "order-completed")["dead"], 4);

    // Large dead letters: a page ends early, and long values are cut.
    let large = "x".repeat(1_000_000);
    for _ in 0..40 {
        dead_letter(&system, "rejected", "1-1", &["data", &large, "more", &large]);
    }
    let answer = system.get(&format!("{DEAD}?limit=200"));
    let page = answer.json();
    assert!(answer.text.len() < 1_000_000, "{} bytes", answer.text.len());
    assert!(page["next_cursor"].is_string() && page["items"][0]["truncated"] == true);

    // A dead letter that no sidecar wrote.
    let _: String = system.store_redis(&["XADD", "order-completed.dead", "*", "note", "by hand"]);
    let page = system.get(&format!("{DEAD}?limit=1")).json();
    assert_eq!(page["items"][0]["cause"], Value::Null, "{page}");
    assert_eq!(
        page["items"][0]["fields"],
        json!([{ "name": "note", "value": "by hand" }])
    );
    let id = page["items"][0]["entry"].as_str().unwrap();
    let answer = system.post_text(&format!("{DEAD}/{id}/replay"), &[], "");
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (409, &json!("nothing_to_replay")),
        "{answer:?}"
    );
}

fn replayed(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let data = completed("by-hand", &[("cup", 1)]);
    let earlier = ["replay_of", "0-1", "replay_group", "another-group"];
    let copied = [&["data", &data, "note", "\u{1f375} \"quoted\""][..], &earlier].concat();
    let kept = system.append_to_store("order-completed", &[("data", &data), ("size", "large")]);
    let cases: [(&str, &str, &[&str]); 3] = [
        ("rejected", "7-1", &copied),
        ("too-large", &kept, &[]),
        // The field names of a dead letter may be those of the original too.
        ("not-text", "7-2", &["dead_cause", "mine", "data", "x"]),
    ];
    for (cause, original, fields) in cases {
        let by_http = dead_letter(&system, cause, original, fields);
        let by_cli = dead_letter(&system, cause, original, fields);
        let replay = || system.post_text(&format!("{DEAD}/{by_http}/replay"), &[], "");
        let answer = replay();
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(
            (&answer["stream"], &answer["replay_of"], &answer["group"]),
            (&json!("order-completed"), &json!(original), &json!("warehouse-group")),
        );
        let again = replay();
        assert_eq!(
            (again.status, &again.json()["type"]),
            (404, &json!("unknown_dead_letter")),
            "{again:?}"
        );

        let output = Command::new(binary("stream-sidecar"))
            .args(["dead", "replay", "--id", &by_cli, "--config"])
            .arg(project().join("sidecar.toml"))
            .envs(system.sidecar_settings())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let newest = ["XREVRANGE", "order-completed", "+", "-", "COUNT", "2"];
        let newest: Vec<(String, Vec<String>)> = system.store_redis(&newest);
        assert_eq!(newest[0].1, newest[1].1, "the sidecar's, and that over HTTP");
        assert_eq!(newest[1].0, answer["entry"].as_str().unwrap());
        assert_eq!(
            stream(&system, "/store/streams", "order-completed")["dead"],
            0,
            "{cause}"
        );
    }

    // Nothing is left of the original: the dead letter stays.
    let lost = dead_letter(&system, "deleted", "9-9", &[]);
    let odd = dead_letter(&system, "deleted", "no id", &[]);
    for id in [lost, odd] {
        let answer = system.post_text(&format!("{DEAD}/{id}/replay"), &[], "");
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (409, &json!("nothing_to_replay")),
            "{answer:?}"
        );
    }
    assert_eq!(stream(&system, "/store/streams", "order-completed")["dead"], 2);

    // A key of a wrong type is named, and nothing is half done.
    let kept = dead_letter(&system, "rejected", "7-4", &["data", "x"]);
    let _: String = system.store_redis(&["RENAME", "order-completed", "aside"]);
    let _: String = system.store_redis(&["SET", "order-completed", "a text"]);
    let refused = system.post_text(&format!("{DEAD}/{kept}/replay"), &[], "");
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (500, &json!("corrupt_data")),
        "{refused:?}"
    );
    let _: String = system.store_redis(&["RENAME", "aside", "order-completed"]);
    assert_eq!(stream(&system, "/store/streams", "order-completed")["dead"], 3);
    let _: String = system.store_redis(&["RENAME", "order-completed.dead", "aside"]);
    let _: String = system.store_redis(&["SET", "order-completed.dead", "a text"]);
    for answer in [
        system.get(DEAD),
        system.post_text(&format!("{DEAD}/{kept}/replay"), &[], ""),
        system.send("DELETE", &format!("{DEAD}/{kept}"), &[], ""),
    ] {
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &json!("corrupt_data")),
            "{answer:?}"
        );
    }
    let _: String = system.store_redis(&["RENAME", "aside", "order-completed.dead"]);

    // It is handled by the group of its dead letter.
    system.start_sidecar();
    system.stock("cup", 9);
    let letter = dead_letter(
        &system,
        "rejected",
        "7-3",
        &["data", &completed("again", &[("cup", 1)])],
    );
    assert_eq!(
        system.post_text(&format!("{DEAD}/{letter}/replay"), &[], "").status,
        200
    );
    system.wait_until_handled("order-completed", "warehouse-group");
    assert_eq!(system.allocation("again")["outcome"], "fulfilled");
}

fn own_only(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let _: String = system.store_redis(&["XADD", "secret.dead", "*", "dead_cause", "x", "data", "hidden"]);
    let own = dead_letter(&system, "rejected", "1-1", &["data", "x"]);
    for path in [
        "/store/streams/secret/dead",
        "/store/streams/order-completed.dead/dead",
        "/store/streams/orders/dead",
        "/store/streams/order-fulfilled/dead",
        "/warehouse/streams/order-completed/dead",
        "/store/streams/%2e%2e/dead",
    ] {
        let listed = system.get(path);
        let replayed = system.post_text(&format!("{path}/{own}/replay"), &[], "");
        let dropped = system.send("DELETE", &format!("{path}/{own}"), &[], "");
        for answer in [listed, replayed, dropped] {
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (404, &json!("unknown_stream")),
                "{path}: {answer:?}"
            );
            assert!(!answer.text.contains("hidden"));
        }
    }
    for entry in ["1-1", "-", "+", "0", "1-1-1", "99999999999999999999-0", "%28", "x"] {
        let answer = system.post_text(&format!("{DEAD}/{entry}/replay"), &[], "");
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (404, &json!("unknown_dead_letter")),
            "{entry}: {answer:?}"
        );
        let answer = system.send("DELETE", &format!("{DEAD}/{entry}"), &[], "");
        assert_eq!(answer.status, 404, "{entry}: {answer:?}");
    }
    for query in ["cursor=x", "limit=0", "limit=201", "stream=1"] {
        assert_eq!(system.get(&format!("{DEAD}?{query}")).status, 422, "{query}");
    }
    assert_eq!(system.get(DEAD).json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(system.store_redis::<u64>(&["EXISTS", "order-completed"]), 0);
}
