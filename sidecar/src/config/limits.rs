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
pub(super) const SHRINK_FACTOR: usize = 8;

impl Limits {
    /// The number of entries that a delivery may hold whose most tried entry is at this attempt, counted from 1.
    pub fn batch_cap(&self, attempt: u32) -> usize {
        let shrunk = SHRINK_FACTOR.checked_pow(attempt.saturating_sub(1));
        shrunk.map_or(1, |factor| (self.batch_max / factor).max(1))
    }
}
