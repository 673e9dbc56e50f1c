//! Clients that send half a body, too much of one, or none.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Test;
use crate::cancels::store;
use crate::harness::System;
use crate::runtime::{Program, Runtime};
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("a client that stops in the middle of its body", silent),
    ("clients that disconnect in the middle of their bodies", gone),
    ("hundreds of half-sent bodies", hundreds),
    ("heads without bodies, and a target without a path", heads),
];

const HALF: &str = "POST /store/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"customer_id\"";

fn send(system: &System, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(system.listen()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn silent(runtime: Runtime) {
    let (system, _) = store(runtime);
    let mut stream = send(&system, HALF);
    let began = Instant::now();
    // Others are served meanwhile.
    assert_eq!(system.post("/store/orders", &order_body(&[("cup", 1)])).status, 201);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(system.store_redis::<u64>(&["ZCARD", "orders"]), 1);
}

fn hundreds(runtime: Runtime) {
    // Spin's components are in a process below the one that is started.
    if runtime.program == Program::Spin {
        return;
    }
    let (system, _) = store(runtime);
    let before = system.runtime_memory_kib();
    let streams: Vec<_> = (0..320).map(|_| send(&system, HALF)).collect();
    let began = Instant::now();
    assert_eq!(system.post("/store/orders", &order_body(&[("cup", 1)])).status, 201);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let each = (system.runtime_memory_kib() - before) / 320;
    assert!(each < 500, "{each} KiB for each");
    drop(streams);
}

fn gone(runtime: Runtime) {
    let (system, _) = store(runtime);
    for number in 0..40 {
        let stream = send(&system, HALF);
        if number % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        drop(stream);
    }
    let answer = system.post("/store/orders", &order_body(&[("cup", 1)]));
    assert_eq!((answer.status, &answer.json()["status"]), (201, &json!("pending")));
    assert_eq!(system.store_redis::<u64>(&["ZCARD", "orders"]), 1);
}

fn heads(runtime: Runtime) {
    let (system, _) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let ask = |method: &str, target: &str| -> String {
        let mut stream = send(
            &system,
            &format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        );
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let length = |answer: &str| -> Option<usize> {
        let (_, rest) = answer.split_once("content-length: ")?;
        rest.split("\r\n").next()?.parse().ok()
    };
    for path in [&*format!("/store/orders/{order}"), "/store/healthz", "/"] {
        let (whole, head) = (ask("GET", path), ask("HEAD", path));
        let (headers, body) = whole.split_once("\r\n\r\n").unwrap();
        assert_eq!(length(headers), Some(body.len()), "{whole}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(length(&head), Some(body.len()), "{head}");
    }
    // HTTP/2 cannot leave out the body that a response announces.
    let url = format!("http://{}/store/orders/{order}", system.listen());
    let head = Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-I", &url])
        .output()
        .unwrap();
    assert!(head.status.success(), "{head:?}");
    assert!(head.stdout.starts_with(b"HTTP/2 200"), "{head:?}");
    let page = ask("GET", "/");
    let (_, etag) = page.split_once("etag: ").unwrap();
    let etag = etag.split("\r\n").next().unwrap();
    let mut stream = send(
        &system,
        &format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIf-None-Match: {etag}\r\n\r\n"),
    );
    let mut unchanged = String::new();
    stream.read_to_string(&mut unchanged).unwrap();
    assert!(unchanged.starts_with("HTTP/1.1 304 "), "{unchanged}");
    assert_eq!(length(&unchanged), None, "{unchanged}");
    let answer = ask("GET", "http://localhost?colour=red");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
