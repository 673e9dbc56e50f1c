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
    ("what a watcher says to have seen", seen),
    ("watching goes on while Redis is away", away),
    ("a bound on watchers", bound),
    ("fifty watchers, half of whom go away", fifty),
];

/// A client that reads a stream of events.
struct Watcher {
    lines: BufReader<TcpStream>,
    status: u16,
    /// Lower case.
    head: String,
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
            head: String::new(),
        };
        let status = watcher.line().unwrap();
        watcher.status = status.split(' ').nth(1).unwrap().parse().unwrap();
        while let Some(line) = watcher.line().filter(|line| !line.is_empty()) {
            watcher.head += &line.to_lowercase();
            watcher.head.push('\n');
        }
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
    // Without it nginx keeps events back.
    assert!(watcher.head.contains("x-accel-buffering: no\n"), "{}", watcher.head);
    let first: Vec<_> = std::iter::from_fn(|| watcher.line())
        .filter(|line| line.contains(':'))
        .take(1)
        .collect();
    assert_eq!(first, ["retry: 1000"]);
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
}

fn seen(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    for bad in ["-1", "x", "1.5", "99999999999999999999", "0", "01", "+1", "1 1"] {
        assert_eq!(Watcher::start(&system, &order, Some(bad)).status, 422, "{bad}");
    }
    let ids = |watcher: &mut Watcher| -> Vec<u64> { std::iter::from_fn(|| watcher.next()).map(|(id, _)| id).collect() };
    // Nothing, and more than there is, as before Redis was restored from a backup.
    let mut early = [Some(""), Some("999")].map(|seen| Watcher::start(&system, &order, seen));
    for watcher in &mut early {
        assert_eq!(watcher.next().map(|(id, _)| id), Some(1));
    }
    finish(&mut courier, &order);
    for watcher in &mut early {
        assert_eq!(ids(watcher), [2, 3]);
    }
    for seen in ["", "999"] {
        assert_eq!(ids(&mut Watcher::start(&system, &order, Some(seen))), [1, 2, 3]);
    }
}

fn away(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let ended = system.order(&[("cup", 1)]);
    finish(&mut courier, &ended);
    let mut watcher = Watcher::start(&system, &order, None);
    assert_eq!(watcher.next().map(|(id, _)| id), Some(1));
    let _: String = system.store_redis(&["CLIENT", "PAUSE", "16000", "ALL"]);
    let began = Instant::now();
    // As a browser comes back.
    let again = |order: &str, seen: &'static str| {
        let watcher = Watcher::start(&system, order, Some(seen));
        assert_eq!(watcher.status, 200, "{seen}");
        watcher
    };
    let mut others = [again(&order, "1"), again(&ended, "1"), again(&ended, "3")];
    assert!(began.elapsed() < Duration::from_millis(15_900), "Redis is back");
    finish(&mut courier, &order);
    assert!(began.elapsed() > Duration::from_millis(15_900), "Redis was not away");
    let ids = |watcher: &mut Watcher| -> Vec<u64> { std::iter::from_fn(|| watcher.next()).map(|(id, _)| id).collect() };
    assert_eq!(ids(&mut watcher), [2, 3]);
    assert_eq!(others.each_mut().map(ids), [vec![2, 3], vec![2, 3], vec![]]);
    assert_eq!(Watcher::start(&system, &ended, Some("3")).status, 204);
}

fn bound(runtime: Runtime) {
    let (system, mut courier) = store(runtime);
    let order = system.order(&[("cup", 1)]);
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let key = "orders:watching";
    let take = |places: std::ops::Range<u32>, end: u64| {
        let places: Vec<_> = places
            .flat_map(|place| [end.to_string(), format!("place-{place}")])
            .collect();
        let command: Vec<_> = ["ZADD", key]
            .into_iter()
            .chain(places.iter().map(String::as_str))
            .collect();
        let _: u64 = system.store_redis(&command);
    };
    // Places of those who went away without a word end by themselves.
    take(0..1_500, now - 1);
    take(2_000..2_999, now + 60_000);
    let mut last = Watcher::start(&system, &order, None);
    assert_eq!(last.next().map(|(id, _)| id), Some(1));
    let path = format!("/store/orders/{order}/events");
    let refused = system.get(&path);
    assert_eq!(
        (refused.status, &refused.json()["type"], refused.retry_after.as_deref()),
        (503, &json!("too_many_watchers"), Some("10")),
        "{refused:?}"
    );
    assert_eq!(system.show(&order)["status"], "pending");

    // A watcher who is told nothing for a while costs little.
    let looks = |courier: &mut Courier| -> u64 {
        let info: String = courier.redis(&["INFO", "commandstats"]);
        let line = info.lines().find(|line| line.starts_with("cmdstat_getrange:"));
        line.map_or(0, |line| line.split(['=', ',']).nth(1).unwrap().parse().unwrap())
    };
    let (before, began) = (looks(&mut courier), Instant::now());
    eventually("eight seconds are over", || {
        (began.elapsed() > Duration::from_secs(8)).then_some(())
    });
    let cost = looks(&mut courier) - before;
    assert!((4..=25).contains(&cost), "{cost} looks in eight seconds");

    finish(&mut courier, &order);
    let ids: Vec<_> = std::iter::from_fn(|| last.next()).map(|(id, _)| id).collect();
    assert_eq!(ids, [2, 3]);
    assert_eq!(system.store_redis::<u64>(&["ZCARD", key]), 999);
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
