use serde::{Deserialize, Serialize};

/// Declares the limits with their defaults, each in one line.
macro_rules! limits {
    ($($name:ident: $type:ty = $default:expr;)*) => {
        /// Every limit of the sidecar, its unit last in its name. `sidecar.toml` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits { $(pub $name: $type,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }
    };
}

limits! {
    lease_ms: u64 = 30_000;
    answer_ms: u64 = 10_000;
    probe_ms: u64 = 1_000;
    handshake_ms: u64 = 1_000;
    subscriber_ms: u64 = 500;
    batch_max: usize = 512;
    batch_bytes_max: usize = 256 * 1024;
    window_deliveries: usize = 4;
    window_bytes: usize = 4 * 1024 * 1024;
    attempts_max: u32 = 5;
    backoff_ms_min: u64 = 250;
    backoff_ms_max: u64 = 20_000;
    entry_bytes_max: usize = 1024 * 1024;
    read_bytes_max: usize = 1024 * 1024;
    release_ms: u64 = 10_000;
    grace_ms: u64 = 10_000;
    scan_ms: u64 = 1_000;
    linger_ms: u64 = 1;
    lock_ms: u64 = 2_000;
    redis_ms: u64 = 5_000;
    reconnect_ms_max: u64 = 2_000;
    consumer_idle_ms: u64 = 3_600_000;
    trim_ms: u64 = 10_000;
    history_ms_min: u64 = 3_600_000;
    history_entries_min: u64 = 10_000;
    holding_ms_max: u64 = 86_400_000;
}

/// The batches of a further attempt are smaller by this factor, until the entry at fault is alone.
const SHRINK_FACTOR: usize = 8;

impl Limits {
    /// The number of entries that a delivery may hold whose most tried entry is at this attempt, counted from 1.
    pub fn batch_cap(&self, attempt: u32) -> usize {
        let shrunk = SHRINK_FACTOR.checked_pow(attempt.saturating_sub(1));
        shrunk.map_or(1, |factor| (self.batch_max / factor).max(1))
    }

    /// Finds a limit that contradicts another: the field at fault, and the reason.
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
