//! Several lanes to one component.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::component::Component;
use crate::harness::{CONFIG, Rig, Sidecar, eventually};

const SECOND: &str = "app.0.one~2";
/// Makes each entry fill a delivery.
const ONE_EACH: (&str, &str) = ("LIMITS__BATCH_MAX", "1");
/// Lets a component hang for the length of a test.
const PATIENT: [(&str, &str); 2] = [("LIMITS__PROBE_MS", "10000"), ("LIMITS__ANSWER_MS", "20000")];

impl Rig {
    /// The components of two lanes, and a sidecar that is ready.
    async fn two_lanes(&self, limits: &[(&str, &str)]) -> (Component, Component, Sidecar) {
        let first = self.component().await;
        let second = Component::subscribe(self.redis.port, SECOND).await;
        let sidecar = self.sidecar_of_two(limits);
        sidecar.until_ready().await;
        (first, second, sidecar)
    }

    fn sidecar_of_two(&self, limits: &[(&str, &str)]) -> Sidecar {
        let config = CONFIG.replace("[routes.work]", "lanes = 2\n[routes.work]");
        Sidecar::start(self, &config, limits)
    }

    /// Number of pending entries of each lane's consumer.
    async fn pending_by_lane(&mut self) -> (usize, usize) {
        let pending: Vec<(String, String, u64, u32)> = self.redis("XPENDING work crew - + 100").await;
        let count = |name| pending.iter().filter(|(_, consumer, ..)| consumer == name).count();
        (count("one"), count("one~2"))
    }

    /// Appends entry after entry until the condition holds, and gives their number.
    async fn append_until(&mut self, mut is_so: impl AsyncFnMut(&mut Self) -> bool) -> usize {
        let mut appended = 0;
        while !is_so(self).await {
            assert!(appended < 100, "one lane reads everything");
            self.append(appended..appended + 1).await;
            appended += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        appended
    }
}

fn together(first: &Component, second: &Component) -> Vec<usize> {
    let mut numbers = [first.numbers(), second.numbers()].concat();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_lane_delivers_while_the_other_waits_for_its_answer() {
    let mut rig = Rig::new().await;
    let (first, second, sidecar) = rig.two_lanes(&[ONE_EACH, PATIENT[0], PATIENT[1]]).await;
    first.hang(true);
    let appended = rig
        .append_until(async |rig| rig.pending_by_lane().await.0 > 0 && !second.seen().is_empty())
        .await;
    assert!(first.seen().is_empty());
    assert_eq!(sidecar.get("/lanes/app").await.0, 200);
    let (_, page) = sidecar.get("/metrics").await;
    assert!(
        page.contains("stream_sidecar_ready{service=\"app\",lane=\"2\"} 1\n"),
        "{page}"
    );
    first.hang(false);
    rig.until_settled().await;
    assert_eq!(together(&first, &second), (0..appended).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_lane_leaves_to_the_first_what_fits_into_one_delivery() {
    let mut rig = Rig::new().await;
    let (first, second, _sidecar) = rig.two_lanes(&PATIENT).await;
    for number in 0..200 {
        rig.append(number..number + 1).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.until_settled().await;
    // The second lane looks by itself once a second.
    let of_the_first = first.numbers().len();
    assert!(of_the_first >= 150, "{of_the_first}");
    first.hang(true);
    rig.append(200..3_000).await;
    eventually("the second lane helps", async || !second.seen().is_empty()).await;
    first.hang(false);
    rig.until_settled().await;
    assert_eq!(together(&first, &second), (0..3_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_lane_looks_by_itself_while_the_first_reads_nothing() {
    let mut rig = Rig::new().await;
    let second = Component::subscribe(rig.redis.port, SECOND).await;
    let sidecar = rig.sidecar_of_two(&[]);
    sidecar.until_not_ready("app: nobody subscribes").await;
    // Many deliveries: it goes on by itself while it finds full ones.
    rig.append(0..10_000).await;
    let begin = Instant::now();
    rig.until_settled().await;
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(second.numbers(), (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lane_that_lacks_its_trigger_says_so_and_has_nothing_restarted() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    let sidecar = rig.sidecar_of_two(&[("LIMITS__RELEASE_MS", "200")]);
    sidecar.until_not_ready("app, lane 2: nobody subscribes").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sidecar.get("/lanes/app").await, (200, "ok\n".into()));
    let status = sidecar.command(&rig, &["status", "--json"]);
    assert!(status.contains("\"subscribers\":[1,0]"), "{status}");
    let status = sidecar.command(&rig, &["status"]);
    assert!(status.contains(" 1/0 "), "{status}");
    rig.append(0..100).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_crash_each_lane_has_its_own_back_at_once() {
    let mut rig = Rig::new().await;
    // A lease is longer than the test may wait.
    let limits = [ONE_EACH, PATIENT[0], PATIENT[1], ("LIMITS__LEASE_MS", "60000")];
    let (first, second, mut sidecar) = rig.two_lanes(&limits).await;
    first.hang(true);
    second.hang(true);
    let appended = rig
        .append_until(async |rig| {
            let (first, second) = rig.pending_by_lane().await;
            first > 0 && second > 0
        })
        .await;
    sidecar.kill();
    first.hang(false);
    second.hang(false);
    let _sidecar = rig.sidecar_of_two(&limits);
    rig.until_settled().await;
    let mut numbers = together(&first, &second);
    numbers.dedup();
    assert_eq!(numbers, (0..appended).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_consumers_of_all_lanes_stay_however_idle() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("XGROUP CREATE work crew 0 MKSTREAM").await;
    let _: i64 = rig.redis("XGROUP CREATECONSUMER work crew gone").await;
    let limits = [ONE_EACH, ("LIMITS__TRIM_MS", "50"), ("LIMITS__CONSUMER_IDLE_MS", "300")];
    let (first, second, sidecar) = rig.two_lanes(&limits).await;
    // Both have read. From now on nobody subscribes, so they read no more.
    rig.append(0..200).await;
    rig.until_settled().await;
    assert!(!first.seen().is_empty() && !second.seen().is_empty());
    drop((first, second));
    // After this idle time, several passes have kept a consumer or removed it.
    eventually("both stay idle", async || {
        let consumers: Vec<HashMap<String, redis::Value>> = rig.redis("XINFO CONSUMERS work crew").await;
        ["one", "one~2"].iter().all(|lane| {
            let name = redis::Value::BulkString(lane.as_bytes().to_vec());
            let mut idle = consumers.iter().filter(|consumer| consumer["name"] == name);
            idle.any(|consumer| matches!(consumer["idle"], redis::Value::Int(1_500..)))
        })
    })
    .await;
    assert!(sidecar.log().contains("removed idle consumers: gone"));
}

#[tokio::test]
async fn with_fewer_lanes_than_before_the_rest_is_found_when_its_lease_ends() {
    let mut rig = Rig::new().await;
    let (first, second, mut sidecar) = rig.two_lanes(&[ONE_EACH, PATIENT[0], PATIENT[1]]).await;
    first.hang(true);
    second.hang(true);
    rig.append(0..20).await;
    eventually("the second lane has some", async || rig.pending_by_lane().await.1 > 0).await;
    sidecar.kill();
    first.hang(false);
    drop(second);
    let _sidecar = rig.sidecar(&[]);
    rig.until_settled().await;
    let mut numbers = first.numbers();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stop_brings_nothing_more_into_memory() {
    let mut rig = Rig::new().await;
    let (_first, _second, mut sidecar) = rig.two_lanes(&[]).await;
    rig.append(0..1).await;
    rig.until_settled().await;
    sidecar.signal("TERM");
    rig.append(1..3_000).await;
    assert_eq!(sidecar.exit_code().await, 0);
    // The read that waits for an entry may have got one.
    assert!(rig.pending().await <= 1, "{}", rig.pending().await);
}

#[tokio::test]
async fn many_lanes_that_wait_for_the_name_are_asked_at_once() {
    let mut rig = Rig::new().await;
    rig.redis.kill();
    let config = CONFIG.replace("[routes.work]", "lanes = 16\n[routes.work]");
    let sidecar = Sidecar::start(&rig, &config, &[]);
    eventually("it listens", async || sidecar.get("/healthz").await.0 == 200).await;
    let begin = Instant::now();
    let (status, reasons) = sidecar.get("/readyz").await;
    assert_eq!((status, reasons.lines().count()), (503, 16), "{reasons}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
