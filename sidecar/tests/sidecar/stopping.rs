//! SIGTERM, bad configurations, and the state that they leave behind.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use crate::component::all_done;
use crate::harness::{CONFIG, Rig, Sidecar, eventually};

#[tokio::test]
async fn sigterm_waits_for_what_is_in_flight_and_lets_go_of_the_rest() {
    let mut rig = Rig::new().await;
    let limits = [
        ("LIMITS__BATCH_MAX", "8"),
        ("LIMITS__WINDOW_DELIVERIES", "1"),
        ("LIMITS__LEASE_MS", "60000"),
    ];
    let (component, mut sidecar) = rig.ready(&limits).await;
    component.hang(true);
    rig.append(0..100).await;
    eventually("more than a batch is held", async || rig.pending().await > 8).await;
    sidecar.signal("TERM");
    sidecar.until_logged("stopping").await;
    component.hang(false);
    assert_eq!(sidecar.exit_code().await, 0);
    // In flight: done. Held: parked, due at once. The rest: unread.
    let pending: Vec<(String, String, u64, u32)> = rig.redis("XPENDING work crew - + 100").await;
    assert!(!pending.is_empty());
    assert!(
        pending
            .iter()
            .all(|(_, consumer, idle, count)| consumer == "~waiting" && *idle >= 60_000 && *count == 1),
        "{pending:?}"
    );
    let handled = component.numbers().len();
    assert!(handled >= 1);
    // A successor gets it at once, long before the lease would end.
    let start = Instant::now();
    let _sidecar = rig.sidecar(&limits);
    rig.until_settled().await;
    assert!(start.elapsed().as_secs() < 10);
    assert_eq!(component.numbers().len(), 100);
}

/// A terminal that closes sends it, often twice.
#[tokio::test]
async fn sighup_waits_for_what_is_in_flight_however_often_it_comes() {
    let mut rig = Rig::new().await;
    let (component, mut sidecar) = rig.ready(&[("LIMITS__LEASE_MS", "60000")]).await;
    component.hang(true);
    rig.append(0..1).await;
    let in_flight = "stream_sidecar_in_flight_entries{service=\"app\",lane=\"1\"} 1\n";
    eventually("it is in flight", async || {
        sidecar.get("/metrics").await.1.contains(in_flight)
    })
    .await;
    sidecar.signal("HUP");
    sidecar.until_logged("stopping").await;
    sidecar.signal("HUP");
    component.hang(false);
    assert_eq!(sidecar.exit_code().await, 0);
    assert_eq!(rig.pending().await, 0);
}

#[tokio::test]
async fn the_grace_period_ends() {
    let mut rig = Rig::new().await;
    let (component, mut sidecar) = rig
        .ready(&[("LIMITS__GRACE_MS", "300"), ("LIMITS__LEASE_MS", "60000")])
        .await;
    component.hang(true);
    rig.append(0..3).await;
    eventually("it is in flight", async || rig.pending().await > 0).await;
    sidecar.signal("TERM");
    assert_eq!(sidecar.exit_code().await, 0);
    let pending: Vec<(String, String, u64, u32)> = rig.redis("XPENDING work crew - + 100").await;
    assert!(
        pending
            .iter()
            .all(|(_, consumer, idle, _)| consumer == "~waiting" && *idle >= 60_000),
        "{pending:?}"
    );
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut rig = Rig::new().await;
    let (component, mut sidecar) = rig.ready(&[("LIMITS__GRACE_MS", "60000")]).await;
    component.hang(true);
    rig.append(0..3).await;
    eventually("it is in flight", async || rig.pending().await > 0).await;
    sidecar.signal("TERM");
    sidecar.until_logged("stopping").await;
    sidecar.signal("INT");
    assert_eq!(sidecar.exit_code().await, 1);
}

#[tokio::test]
async fn a_lane_without_a_subscriber_lets_go_of_what_it_holds() {
    let mut rig = Rig::new().await;
    let limits = [("LIMITS__RELEASE_MS", "500"), ("LIMITS__LEASE_MS", "60000")];
    let (component, _one) = rig.ready(&limits).await;
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    rig.append(0..10).await;
    eventually("it is in flight", async || !component.seen().is_empty()).await;
    let second = crate::component::Component::subscribe(rig.redis.port, "app.0.two").await;
    let _two = rig.sidecar(&[&limits[..], &[("INSTANCE", "two")]].concat());
    drop(component);
    rig.until_settled().await;
    assert_eq!(second.attempts(0), [1]);
}

#[tokio::test]
async fn a_bad_configuration_exits_64() {
    let rig = Rig::new().await;
    let cases = [
        (
            CONFIG.replace("group =", "groupe ="),
            "",
            "routes.work.groupe: unknown field",
        ),
        (
            CONFIG.to_owned(),
            "soon",
            "STREAM_SIDECAR__LIMITS__LEASE_MS: `soon` is no whole number",
        ),
        ("nonsense".to_owned(), "", "line 1"),
    ];
    for (config, lease, expected) in cases {
        let variables: &[(&str, &str)] = if lease.is_empty() {
            &[]
        } else {
            &[("LIMITS__LEASE_MS", lease)]
        };
        let mut sidecar = Sidecar::start(&rig, &config, variables);
        assert_eq!(sidecar.exit_code().await, 64);
        assert!(sidecar.log().contains(expected), "{}", sidecar.log());
    }
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_refused_if_it_is_our_own() {
    let rig = Rig::new().await;
    let sidecar = rig.sidecar(&[]);
    let garbage = OsStr::from_bytes(b"\xff");
    let check = |name: &OsStr| {
        let mut command = sidecar.prepare(&rig, &["config", "check"]);
        command.env(name, garbage).output().unwrap()
    };
    for unrelated in [OsStr::new("LS_COLORS"), garbage] {
        let output = check(unrelated);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for own in ["STREAM_SIDECAR__LIMITS__LEASE_MS", "STREAM_SIDECAR_LOG_FORMAT"] {
        let output = check(OsStr::new(own));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(own), "{said}");
    }
}

#[tokio::test]
async fn the_log_masks_passwords_and_tells_each_route() {
    let rig = Rig::new().await;
    let config = CONFIG.replace("redis://127", "redis://default:hunter2@127");
    let sidecar = Sidecar::start(&rig, &config, &[]);
    sidecar.until_logged("redis://default:***@127").await;
    sidecar.until_logged("route work: work at").await;
    assert!(!sidecar.log().contains("hunter2"));
}
