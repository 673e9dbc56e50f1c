//! An order's changes as server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Test;
use crate::cancels::{fulfilled, placed, store};
use crate::courier::Courier;
use crate::harness::System;
use crate::process::eventually;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[
    ("a watched order", watched),
    ("watching goes on where it broke off", goes_on),
    ("fifty watchers, half of whom go away", fifty),
];

/// A client that reads a stream of events.
struct Watcher {
    lines: BufReader<TcpStream>,
    status: u16,
}

impl Watcher {
    fn start(system: &System, order: &str, seen: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(system.listen()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let seen = seen.map_or_else(String::new, |seen| format!("Last-Event-ID: {seen}\r\n"));
        write!(
            stream,
            "GET /store/orders/{order}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{seen}\r\n"
        )
        .unwrap();
        let mut watcher = Self {
            lines: BufReader::new(stream),
            status: 0,
        };
        let status = watcher.line().unwrap();
        watcher.status = status.split(' ').nth(1).unwrap().parse().unwrap();
        while watcher.line().is_some_and(|line| !line.is_empty()) {}
        watcher
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its id and data. `None` at the stream's end.
    fn next(&mut self) -> Option<(u64, Value)> {
        let mut id = None;
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.parse().unwrap());
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((
                    id.take().expect("every event has an id"),
                    serde_json::from_str(text).unwrap(),
                ));
            }
        }
    }
}

fn finish(courier: &mut Courier, order: &str) {
    courier.deliver(&[placed(order)]);
    courier.deliver(&[fulfilled(order)]);
}

fn watched(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let mut watcher = Watcher::start(&system, &order, None);
    assert_eq!(watcher.status, 200);
    let mut events = vec![watcher.next().unwrap()];
    finish(&mut courier, &order);
    while let Some(event) = watcher.next() {
        events.push(event);
    }
    let history = system.get(&format!("/store/orders/{order}/history")).json();
    let expected: Vec<_> = (1..).zip(history["items"].as_array().unwrap().clone()).collect();
    assert_eq!(events, expected);
    let states: Vec<_> = events.iter().map(|(_, data)| data["to"].as_str().unwrap()).collect();
    assert_eq!(states, ["pending", "completed", "fulfilled"]);
    assert_eq!(
        system.get("/store/orders/nobody/events").json()["type"],
        "unknown_order"
    );
    assert_eq!(
        system.get("/store/orders/nobody/history").json()["type"],
        "unknown_order"
    );
}

fn goes_on(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let mut watcher = Watcher::start(&system, &order, Some("1"));
    finish(&mut courier, &order);
    let ids: Vec<_> = std::iter::from_fn(|| watcher.next()).map(|(id, _)| id).collect();
    assert_eq!(ids, [2, 3]);
    let mut late = Watcher::start(&system, &order, Some("2"));
    assert_eq!(late.next().map(|(id, _)| id), Some(3));
    assert_eq!(late.next(), None);
    assert_eq!(Watcher::start(&system, &order, Some("3")).status, 204);
    for bad in ["-1", "x", "1.5", "99999999999999999999"] {
        assert_eq!(Watcher::start(&system, &order, Some(bad)).status, 422, "{bad}");
    }
}

fn fifty(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let orders: Vec<_> = (0..50).map(|_| system.order(&[("cup", 1)])).collect();
    let mut watchers: Vec<_> = orders
        .iter()
        .map(|order| Watcher::start(&system, order, None))
        .collect();
    for watcher in &mut watchers {
        assert_eq!(watcher.next().map(|(id, _)| id), Some(1));
    }
    // Others are served beside them.
    let slowest = (0..50)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(system.get("/store/healthz").status, 200);
            began.elapsed()
        })
        .max()
        .unwrap();
    assert!(
        slowest < Duration::from_secs(2),
        "{slowest:?} for an answer beside fifty streams"
    );

    let gone = watchers.split_off(25);
    drop(gone);
    let (stay, leave) = orders.split_at(25);
    for (watcher, order) in watchers.iter_mut().zip(stay) {
        finish(&mut courier, order);
        let ids: Vec<_> = std::iter::from_fn(|| watcher.next()).map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 3]);
    }
    // Redis is not read any more for clients that went away, though their orders are open.
    assert_eq!(system.show(&leave[0])["status"], json!("pending"));
    let looks = |courier: &mut Courier| -> u64 {
        let info: String = courier.redis(&["INFO", "commandstats"]);
        let line = info.lines().find(|line| line.starts_with("cmdstat_getrange:")).unwrap();
        line.split(['=', ',']).nth(1).unwrap().parse().unwrap()
    };
    let (mut last, mut since) = (looks(&mut courier), Instant::now());
    eventually("the streams of those who went away have ended", || {
        let now = looks(&mut courier);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
}
