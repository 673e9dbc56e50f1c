//! Deliveries over HTTP: the response is the receipt. Any other response spends no attempt.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use protocol::{Delivery, Receipt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::component::{all_done, empty, number, owned, sorted};
use crate::harness::{CONFIG, Rig, Sidecar, eventually};
use crate::port::free_port;
use crate::proxy::Proxy;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The answer to a delivery, handshakes included.
type Handler = Box<dyn FnMut(&Delivery<'_>) -> (StatusCode, String) + Send>;

/// A component that takes deliveries over HTTP.
struct HttpComponent {
    /// The URL for sidecars.
    port: u16,
    handler: Arc<Mutex<Handler>>,
    seen: Arc<Mutex<Vec<Delivery<'static>>>>,
    hold: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Inside {
    handler: Arc<Mutex<Handler>>,
    seen: Arc<Mutex<Vec<Delivery<'static>>>>,
    held: watch::Receiver<bool>,
}

impl HttpComponent {
    /// Answers everything with `done` until a test sets something else.
    async fn start() -> Self {
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(|delivery| receipt(&all_done(delivery)))));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (hold, held) = watch::channel(false);
        let inside = Inside {
            handler: handler.clone(),
            seen: seen.clone(),
            held,
        };
        let router = Router::new().route("/deliveries", post(take)).with_state(inside);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            port,
            handler,
            seen,
            hold,
            task,
        }
    }

    fn on_delivery(&self, handler: impl FnMut(&Delivery<'_>) -> (StatusCode, String) + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    fn seen(&self) -> Vec<Delivery<'static>> {
        self.seen.lock().unwrap().clone()
    }

    fn attempts(&self, wanted: usize) -> Vec<u32> {
        let seen = self.seen();
        let entries = seen.iter().flat_map(|delivery| &delivery.entries);
        entries
            .filter(|entry| number(&entry.fields) == wanted)
            .map(|entry| entry.attempt)
            .collect()
    }

    fn sidecar(&self, rig: &Rig, variables: &[(&str, &str)]) -> Sidecar {
        let url = format!("http://127.0.0.1:{}/deliveries", self.port);
        let http = [
            ("SERVICES__APP__DELIVER", "http"),
            ("SERVICES__APP__DELIVERY_URL", url.as_str()),
            ("SERVICES__APP__DELIVERY_SECRET", SECRET),
        ];
        Sidecar::start(rig, CONFIG, &[&http[..], variables].concat())
    }
}

impl Drop for HttpComponent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(mut inside): State<Inside>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (timestamp, signature) = (header(protocol::TIMESTAMP_HEADER), header(protocol::SIGNATURE_HEADER));
    if let Err(error) = protocol::verify(SECRET, now, timestamp, signature, &body) {
        return (StatusCode::UNAUTHORIZED, error.to_string());
    }
    let _ = inside.held.wait_for(|held| !*held).await;
    let delivery: Delivery<'_> = serde_json::from_slice(&body).unwrap();
    assert_eq!(delivery.receipts, "");
    if !delivery.entries.is_empty() {
        inside.seen.lock().unwrap().push(owned(&delivery));
    }
    (inside.handler.lock().unwrap())(&delivery)
}

fn receipt(receipt: &Receipt) -> (StatusCode, String) {
    (StatusCode::OK, serde_json::to_string(receipt).unwrap())
}

#[tokio::test]
async fn entries_are_posted_in_order_and_acknowledged() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    let sidecar = component.sidecar(&rig, &[]);
    rig.append(0..2_000).await;
    rig.until_settled().await;
    let seen = component.seen();
    let entries = seen.iter().flat_map(|delivery| &delivery.entries);
    let numbers: Vec<usize> = entries.map(|entry| number(&entry.fields)).collect();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
    assert!(seen.len() < 200, "{} deliveries for 2000 entries", seen.len());
    sidecar.until_ready().await;
    for path in ["/lanes/app", "/lanes"] {
        assert_eq!(sidecar.get(path).await, (200, "ok\n".into()));
    }
}

#[tokio::test]
async fn receipts_of_every_kind_are_settled() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    component.on_delivery(|delivery| receipt(&sorted(delivery, |n| ['d', 'r', 'x'][n % 3])));
    let _sidecar = component.sidecar(&rig, &[]);
    rig.append(0..3).await;
    rig.until_settled().await;
    assert_eq!(component.attempts(1), [1, 2, 3, 4, 5]);
    let mut causes: Vec<(String, String)> = rig
        .dead()
        .await
        .into_iter()
        .map(|letter| (letter["n"].clone(), letter["dead_cause"].clone()))
        .collect();
    causes.sort();
    assert_eq!(
        causes,
        [
            ("1".to_owned(), "exhausted".to_owned()),
            ("2".to_owned(), "rejected".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_handler_that_fails_on_one_entry_costs_its_neighbours_nothing() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    // As Spin answers for a component that traps.
    component.on_delivery(|delivery| {
        let poisoned = delivery.entries.iter().any(|entry| number(&entry.fields) == 30);
        match poisoned {
            true => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            false => receipt(&all_done(delivery)),
        }
    });
    rig.append(0..64).await;
    let _sidecar = component.sidecar(&rig, &[]);
    rig.until_settled().await;
    assert_eq!(component.attempts(30), [1, 2, 3, 4, 5]);
    let alone = component.seen().into_iter().filter(|delivery| {
        delivery.entries.len() == 1 && delivery.entries[0].attempt >= 4 && number(&delivery.entries[0].fields) == 30
    });
    assert_eq!(alone.count(), 2);
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["dead_cause"].as_str(), dead[0]["n"].as_str()),
        ("unanswered", "30")
    );
}

#[tokio::test]
async fn what_is_no_receipt_spends_no_attempt_and_says_why() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    let sidecar = component.sidecar(&rig, &[]);
    sidecar.until_ready().await;
    let other = serde_json::to_string(&Receipt {
        delivery: "another".into(),
        ..Receipt::default()
    })
    .unwrap();
    let answers = [
        (
            StatusCode::UNAUTHORIZED,
            r#"{"detail":"the signature does not fit"}"#.to_owned(),
            "the signature does not",
        ),
        (StatusCode::NOT_FOUND, String::new(), "it answers 404"),
        (StatusCode::INTERNAL_SERVER_ERROR, String::new(), "it answers 500"),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no component".to_owned(),
            "503 Service Unavailable: no component",
        ),
        (StatusCode::FOUND, String::new(), "it answers 302"),
        (StatusCode::OK, "<html>".to_owned(), "the answer is no receipt"),
        (StatusCode::OK, other, "receipt of another delivery"),
        (StatusCode::OK, "x".repeat(3 * 1024 * 1024), "is too large"),
    ];
    for (round, (status, body, reason)) in answers.into_iter().enumerate() {
        component.on_delivery(move |_| (status, body.clone()));
        rig.append(round..round + 1).await;
        eventually(reason, async || {
            let (ready, why) = sidecar.get("/readyz").await;
            ready == 503 && (why.contains(reason) || sidecar.log().contains(reason))
        })
        .await;
        component.on_delivery(|delivery| receipt(&all_done(delivery)));
        rig.until_settled().await;
        sidecar.until_ready().await;
        assert!(
            component.attempts(round).iter().all(|attempt| *attempt == 1),
            "{reason}"
        );
    }
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn another_secret_stops_deliveries_and_spends_no_attempt() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    let wrong = [("SERVICES__APP__DELIVERY_SECRET", "ffffffffffffffffffffffffffffffff")];
    let mut sidecar = component.sidecar(&rig, &wrong);
    rig.append(0..3).await;
    sidecar
        .until_not_ready("the sidecar's delivery_secret must be the app's delivery_secret")
        .await;
    assert!(component.seen().is_empty());
    sidecar.kill();
    let _sidecar = component.sidecar(&rig, &[]);
    rig.until_settled().await;
    assert_eq!(component.attempts(0), [1]);
}

#[tokio::test]
async fn a_component_that_comes_and_goes_spends_no_attempt() {
    let mut rig = Rig::new().await;
    let mut component = HttpComponent::start().await;
    let port = component.port;
    let proxy = Proxy::start(port);
    component.port = proxy.port;
    let sidecar = component.sidecar(&rig, &[]);
    sidecar.until_ready().await;
    component.hold.send(true).unwrap();
    rig.append(0..3).await;
    eventually("the entries are on their way", async || rig.pending().await == 3).await;
    // Its connections break while a delivery is unanswered, and it is away for a while.
    proxy.lead_to(free_port());
    proxy.cut();
    sidecar.until_not_ready("nothing can be delivered").await;
    component.hold.send(false).unwrap();
    proxy.lead_to(port);
    rig.until_settled().await;
    assert!(component.attempts(0).iter().all(|attempt| *attempt == 1));
    assert!(rig.dead().await.is_empty());
    sidecar.until_ready().await;
}

#[tokio::test]
async fn a_handler_that_hangs_blames_one_delivery_and_stalls_the_lane() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    let sidecar = component.sidecar(&rig, &[("LIMITS__BATCH_MAX", "8")]);
    sidecar.until_ready().await;
    component.hold.send(true).unwrap();
    rig.append(0..32).await;
    sidecar.until_logged("the lane has stalled").await;
    eventually("the runtime should be restarted", async || {
        let (status, why) = sidecar.get("/lanes").await;
        sidecar.get("/lanes/app").await.0 == 503 && status == 503 && why.starts_with("app: ")
    })
    .await;
    component.hold.send(false).unwrap();
    rig.until_settled().await;
    assert!(rig.dead().await.is_empty());
    let blamed = (0..32).filter(|n| component.attempts(*n).contains(&2)).count();
    assert!(blamed <= 8, "{blamed} entries have spent an attempt");
    sidecar.until_ready().await;
}

#[tokio::test]
async fn a_component_that_reports_itself_unavailable_pauses_the_lane() {
    let mut rig = Rig::new().await;
    let component = HttpComponent::start().await;
    let mut left = 8;
    component.on_delivery(move |delivery| {
        if delivery.entries.is_empty() || left == 0 {
            return receipt(&all_done(delivery));
        }
        left -= 1;
        receipt(&Receipt {
            unavailable: Some("its Redis is full".into()),
            ..empty(delivery)
        })
    });
    let sidecar = component.sidecar(&rig, &[]);
    rig.append(0..20).await;
    rig.until_settled().await;
    assert!(component.attempts(19).iter().all(|attempt| *attempt == 1));
    assert!(rig.dead().await.is_empty());
    sidecar.until_logged("its Redis is full").await;
}
