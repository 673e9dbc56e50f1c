//! State and counters of a lane, for probes, metrics and people.

use super::RouteName;
use super::outcome::Cause;

/// State of a lane.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why nothing is being delivered; empty if nothing is in the way.
    pub not_ready: Vec<String>,
    /// Why the runtime should be restarted, if it should.
    pub stalled: Option<String>,
    /// Unanswered deliveries, their entries and their bytes.
    pub in_flight_deliveries: usize,
    pub in_flight_entries: usize,
    pub in_flight_bytes: usize,
    /// The component has reported itself unavailable and not recovered since.
    pub unavailable: bool,
    pub counters: LaneCounters,
    /// In the order that the lane was made with.
    pub routes: Vec<RouteReport>,
}

/// State of a route.
#[derive(Debug, Clone)]
pub struct RouteReport {
    pub name: RouteName,
    /// Entries in memory that wait for their delivery.
    pub buffered: usize,
    pub counters: RouteCounters,
}

/// Counts values into fixed buckets, as Prometheus does.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Each bucket's upper bound, inclusive.
    pub bounds: &'static [f64],
    /// Values in each bucket; one more for those above all bounds.
    pub counts: Vec<u64>,
    pub sum: f64,
}

/// Seconds, for things that take from a fraction of a millisecond to the length of an answer's deadline.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const BATCHES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0];

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    /// Adds the same value several times.
    pub(crate) fn add(&mut self, value: f64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += times;
        self.sum += value * times as f64;
    }
}

/// Counters of a lane since it started.
#[derive(Debug, Clone)]
pub struct LaneCounters {
    /// Deliveries published, handshakes not counted.
    pub deliveries: u64,
    /// Handshakes and probes published.
    pub handshakes: u64,
    /// Receipts that no delivery waited for.
    pub late_receipts: u64,
    /// Receipts with something in them that made no sense.
    pub odd_receipts: u64,
    /// Times that the component reported itself unavailable.
    pub unavailable: u64,
    /// Times that the lane stalled.
    pub stalls: u64,
    /// Entries per delivery.
    pub batch: Histogram,
    /// From publishing a delivery to its receipt.
    pub answer_seconds: Histogram,
}

impl Default for LaneCounters {
    fn default() -> Self {
        Self {
            deliveries: 0,
            handshakes: 0,
            late_receipts: 0,
            odd_receipts: 0,
            unavailable: 0,
            stalls: 0,
            batch: Histogram::new(BATCHES),
            answer_seconds: Histogram::new(SECONDS),
        }
    }
}

/// Counters of a route since it started, in entries.
#[derive(Debug, Clone)]
pub struct RouteCounters {
    /// Read for the first time.
    pub read: u64,
    /// Taken over from an earlier life or another sidecar, or due again.
    pub claimed: u64,
    /// Handed to the component, each time counted.
    pub delivered: u64,
    /// Reported as done.
    pub done: u64,
    /// Failed, to be tried again.
    pub retried: u64,
    /// Delivered again without spending an attempt.
    pub requeued: u64,
    /// Dead letters, by [`Cause::ALL`].
    pub dead: [u64; Cause::ALL.len()],
    /// The attempt of each entry delivered.
    pub attempts: Histogram,
    /// From knowing what became of entries to having it written down.
    pub settle_seconds: Histogram,
}

impl Default for RouteCounters {
    fn default() -> Self {
        Self {
            read: 0,
            claimed: 0,
            delivered: 0,
            done: 0,
            retried: 0,
            requeued: 0,
            dead: [0; Cause::ALL.len()],
            attempts: Histogram::new(ATTEMPTS),
            settle_seconds: Histogram::new(SECONDS),
        }
    }
}

impl RouteCounters {
    pub(super) fn count_dead(&mut self, cause: Cause) {
        self.dead[cause as usize] += 1;
    }
}
