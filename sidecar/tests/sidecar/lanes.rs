//! Several lanes to one component.

use std::time::Duration;

use crate::component::Component;
use crate::harness::{CONFIG, Rig, Sidecar, eventually};

const SECOND: &str = "app.0.one~2";
/// So that each entry fills a delivery.
const ONE_EACH: (&str, &str) = ("LIMITS__BATCH_MAX", "1");
/// So that a component may hang for the length of a test.
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

    /// How many entries are pending on each lane's name.
    async fn pending_by_lane(&mut self) -> (usize, usize) {
        let pending: Vec<(String, String, u64, u32)> = self.redis("XPENDING work crew - + 100").await;
        let count = |name| pending.iter().filter(|(_, consumer, ..)| consumer == name).count();
        (count("one"), count("one~2"))
    }

    /// Appends entry after entry until this is so; answers with how many.
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
    // With this lease the second looks by itself once a second.
    let limits = [PATIENT[0], PATIENT[1], ("LIMITS__LEASE_MS", "60000")];
    let (first, second, _sidecar) = rig.two_lanes(&limits).await;
    for number in 0..50 {
        rig.append(number..number + 1).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    rig.until_settled().await;
    let of_the_first = first.numbers().len();
    assert!(of_the_first >= 40, "{of_the_first}");
    first.hang(true);
    rig.append(50..3_000).await;
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
    rig.append(0..100).await;
    rig.until_settled().await;
    assert_eq!(second.numbers(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lane_that_nobody_subscribes_to_says_so_and_reads_nothing() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    let sidecar = rig.sidecar_of_two(&[]);
    sidecar.until_not_ready("app, lane 2: nobody subscribes").await;
    let status = sidecar.command(&rig, &["status", "--json"]);
    assert!(status.contains("\"subscribers\":0"), "{status}");
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
    // Both have read; from then on nobody subscribes, so that they read no more.
    rig.append(0..200).await;
    rig.until_settled().await;
    assert!(!first.seen().is_empty() && !second.seen().is_empty());
    drop((first, second));
    sidecar.until_logged("removed idle consumers: gone").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let names: Vec<std::collections::HashMap<String, redis::Value>> = rig.redis("XINFO CONSUMERS work crew").await;
    let name = |name: &str| redis::Value::BulkString(name.as_bytes().to_vec());
    for lane in ["one", "one~2"] {
        assert!(names.iter().any(|consumer| consumer["name"] == name(lane)), "{names:?}");
    }
}
