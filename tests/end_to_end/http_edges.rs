//! HTTP beside the routes: methods that a path does not take, the oldest HTTP, and the health check.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::Test;
use crate::harness::{DELIVERY_SECRET, System};
use crate::process::eventually;
use crate::runtime::{Program, Runtime};

pub const TESTS: &[Test] = &[
    ("whoever is told 405 is told what is allowed", allowed),
    ("HTTP/1.0 without a Host", oldest),
    ("clients that take all file descriptors", descriptors),
    ("not healthy while Redis takes no writes", no_writes),
];

fn allowed(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.set_variable("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET);
    system.start_runtime();
    let mut paths = vec![
        ("/".to_owned(), vec!["GET".to_owned()]),
        ("/store/openapi.json".to_owned(), vec!["GET".to_owned()]),
        ("/store/deliveries".to_owned(), vec!["POST".to_owned()]),
        ("/warehouse/deliveries".to_owned(), vec!["POST".to_owned()]),
    ];
    for service in ["store", "warehouse"] {
        let document = system.get(&format!("/{service}/openapi.json")).json();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
            paths.push((path.replace(['{', '}'], ""), methods.collect()));
        }
    }
    for (path, methods) in &paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if methods.iter().any(|taken| taken == method) {
                continue;
            }
            let answer = system.send(method, path, &[], "");
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (405, &json!("method_not_allowed")),
                "{method} {path}: {answer:?}"
            );
            let allow = answer.allow.clone().unwrap_or_default();
            let mut told: Vec<_> = allow.split(',').filter(|method| *method != "HEAD").collect();
            let mut taken: Vec<_> = methods.iter().map(String::as_str).collect();
            told.sort_unstable();
            taken.sort_unstable();
            assert_eq!(told, taken, "{method} {path}: {answer:?}");
        }
    }
}

fn oldest(runtime: Runtime) {
    // Spin ends the connection without a word.
    if runtime.program == Program::Spin {
        return;
    }
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let ask = |version: &str| {
        let mut stream = TcpStream::connect(system.listen()).unwrap();
        write!(stream, "GET /store/healthz HTTP/{version}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let old = ask("1.0");
    assert!(
        old.starts_with("HTTP/1.0 200 ") && old.ends_with(r#"{"status":"ok"}"#),
        "{old}"
    );
    // RFC 9112 wants this of HTTP/1.1.
    let new = ask("1.1");
    assert!(new.starts_with("HTTP/1.1 400 "), "{new}");
}

fn no_writes(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let set = |name: &str, value: &str| {
        let _: String = system.store_redis(&["CONFIG", "SET", name, value]);
    };
    let health = |status: u16, slug: Option<&str>| {
        for service in ["store", "warehouse"] {
            let answer = system.get(&format!("/{service}/healthz"));
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.json()["type"].as_str(), slug, "{answer:?}");
        }
    };
    health(200, None);
    // NOREPLICAS.
    set("min-replicas-to-write", "1");
    health(503, Some("storage_unavailable"));
    set("min-replicas-to-write", "0");
    health(200, None);
    // OOM.
    set("maxmemory", "1");
    health(503, Some("storage_full"));
    set("maxmemory", "0");
    health(200, None);
    // READONLY.
    let _: String = system.store_redis(&["REPLICAOF", "127.0.0.1", "1"]);
    health(503, Some("storage_unavailable"));
    let _: String = system.store_redis(&["REPLICAOF", "NO", "ONE"]);
    health(200, None);
    // MISCONF: the snapshot's file is a folder.
    std::fs::create_dir_all(system.folder().join("dump.rdb/x")).unwrap();
    set("save", "3600 1");
    let _: String = system.store_redis(&["BGSAVE"]);
    eventually("the snapshot has failed", || {
        let info: String = system.store_redis(&["INFO", "persistence"]);
        info.contains("rdb_last_bgsave_status:err").then_some(())
    });
    health(503, Some("storage_unavailable"));
    set("save", "");
    health(200, None);
    // None of it has left anything.
    assert_eq!(system.store_redis::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
}

fn descriptors(runtime: Runtime) {
    // Spin ends where it cannot accept a connection.
    if runtime.program == Program::Spin {
        return;
    }
    let mut system = System::with_redis(runtime);
    system.limit_descriptors(120);
    system.start_runtime();
    let silent: Vec<_> = (0..160).map(|_| TcpStream::connect(system.listen()).unwrap()).collect();
    eventually("it says what is wrong", || {
        let says = system.read_log("runtime").contains("cannot accept an HTTP connection");
        (says || system.has_runtime_ended()).then_some(())
    });
    assert!(!system.has_runtime_ended());
    drop(silent);
    system.wait_for_health();
}
