use serde::{Deserialize, Serialize};

/// Every limit of the sidecar, its unit last in its name. `sidecar.toml` says what each is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long an entry belongs to a sidecar that gives no sign of life. Owners renew at a third of it.
    pub lease_ms: u64,
    /// How long the oldest delivery of a lane may go unanswered while its subscriber is there.
    pub answer_ms: u64,
    /// How long it may go unanswered before an empty delivery is sent behind it, to learn whether it was dropped.
    pub probe_ms: u64,
    /// How long a handshake waits before it is sent again, at first.
    pub handshake_ms: u64,
    /// How often the subscribers of a channel are counted.
    pub subscriber_ms: u64,
    /// Entries per delivery at most.
    pub batch_max: usize,
    /// Bytes per delivery at most, unless a single entry is larger.
    pub batch_bytes_max: usize,
    /// Unanswered deliveries per lane at most; behind the first one, only full ones.
    pub window_deliveries: usize,
    /// Bytes of unanswered deliveries per lane at most.
    pub window_bytes: usize,
    /// Deliveries of an entry that may fail before it becomes a dead letter.
    pub attempts_max: u32,
    /// The wait after a first failure; each further one waits four times as long.
    pub backoff_ms_min: u64,
    /// The wait between two attempts at most.
    pub backoff_ms_max: u64,
    /// A larger entry is never published; its size counts as JSON.
    pub entry_bytes_max: usize,
    /// Bytes that one read or claim may bring into memory; it may be exceeded by a few entries.
    pub read_bytes_max: usize,
    /// How long a lane may be without an answering subscriber before it lets go of what it holds.
    pub release_ms: u64,
    /// How long a stop waits for the receipts of what is in flight.
    pub grace_ms: u64,
    /// How often the group is searched for entries whose owner is gone.
    pub scan_ms: u64,
    /// The pause between two reads of a stream that did not fill the first.
    pub linger_ms: u64,
    /// How long the lock on the instance's name outlives its holder.
    pub lock_ms: u64,
    /// How long a Redis command may take.
    pub redis_ms: u64,
    /// The wait between two attempts to reach Redis at most.
    pub reconnect_ms_max: u64,
    /// How long a consumer with nothing pending may be idle before it is removed from its group.
    pub consumer_idle_ms: u64,
    /// How often streams are trimmed and consumers removed; 0 turns both off.
    pub trim_ms: u64,
    /// Entries younger than this are never trimmed.
    pub history_ms_min: u64,
    /// This many of a stream's newest entries are never trimmed.
    pub history_entries_min: u64,
    /// A group that keeps its stream from being trimmed behind an entry of this age is reported.
    pub holding_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease_ms: 30_000,
            answer_ms: 10_000,
            probe_ms: 1_000,
            handshake_ms: 1_000,
            subscriber_ms: 500,
            batch_max: 512,
            batch_bytes_max: 256 * 1024,
            window_deliveries: 4,
            window_bytes: 4 * 1024 * 1024,
            attempts_max: 5,
            backoff_ms_min: 250,
            backoff_ms_max: 20_000,
            entry_bytes_max: 1024 * 1024,
            read_bytes_max: 1024 * 1024,
            release_ms: 10_000,
            grace_ms: 10_000,
            scan_ms: 1_000,
            linger_ms: 1,
            lock_ms: 2_000,
            redis_ms: 5_000,
            reconnect_ms_max: 2_000,
            consumer_idle_ms: 3_600_000,
            trim_ms: 10_000,
            history_ms_min: 3_600_000,
            history_entries_min: 10_000,
            holding_ms_max: 86_400_000,
        }
    }
}

/// A blamed batch is delivered again in batches smaller by this factor.
const SHRINK_FACTOR: usize = 8;

impl Limits {
    /// How many entries a delivery may hold whose most tried entry is at this attempt, counted from 1.
    pub fn batch_cap(&self, attempt: u32) -> usize {
        let mut cap = self.batch_max;
        for _ in 1..attempt {
            cap /= SHRINK_FACTOR;
            if cap <= 1 {
                return 1;
            }
        }
        cap.max(1)
    }

    /// What contradicts what: the field at fault, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let positive = [
            ("lease_ms", self.lease_ms),
            ("answer_ms", self.answer_ms),
            ("probe_ms", self.probe_ms),
            ("handshake_ms", self.handshake_ms),
            ("subscriber_ms", self.subscriber_ms),
            ("batch_max", self.batch_max as u64),
            ("batch_bytes_max", self.batch_bytes_max as u64),
            ("window_deliveries", self.window_deliveries as u64),
            ("attempts_max", u64::from(self.attempts_max)),
            ("backoff_ms_min", self.backoff_ms_min),
            ("entry_bytes_max", self.entry_bytes_max as u64),
            ("read_bytes_max", self.read_bytes_max as u64),
            ("release_ms", self.release_ms),
            ("scan_ms", self.scan_ms),
            ("lock_ms", self.lock_ms),
            ("redis_ms", self.redis_ms),
            ("reconnect_ms_max", self.reconnect_ms_max),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err((name, "must be at least 1".into()));
        }
        if self.batch_max > 4096 {
            return Err(("batch_max", "must be at most 4096".into()));
        }
        if self.backoff_ms_max > self.lease_ms {
            let why = format!(
                "must be at most lease_ms ({}): an entry waits out its backoff within its lease",
                self.lease_ms
            );
            return Err(("backoff_ms_max", why));
        }
        if self.backoff_ms_min > self.backoff_ms_max {
            let why = format!("must be at most backoff_ms_max ({})", self.backoff_ms_max);
            return Err(("backoff_ms_min", why));
        }
        if self.batch_cap(self.attempts_max) > 1 {
            let why = format!(
                "is too small for a batch_max of {}: batches shrink by {SHRINK_FACTOR} with each attempt, and an entry \
                 that is never answered must have been delivered alone before it becomes a dead letter",
                self.batch_max
            );
            return Err(("attempts_max", why));
        }
        if self.window_bytes < self.entry_bytes_max.max(self.batch_bytes_max) {
            let why = "must be at least entry_bytes_max and batch_bytes_max".into();
            return Err(("window_bytes", why));
        }
        if self.probe_ms > self.answer_ms {
            return Err(("probe_ms", "must be at most answer_ms".into()));
        }
        Ok(())
    }
}
