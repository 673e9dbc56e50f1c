//! How long to wait before a process that exited is started again.

use std::time::Duration;

/// The first wait.
const DELAY_MS_MIN: u64 = 100;
/// The longest wait.
const DELAY_MS_MAX: u64 = 5_000;
/// A process that lived this long starts at the first wait again.
const STABLE_MS: u64 = 10_000;

/// The waits of one process: each twice the one before.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a process that lived for so long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= Duration::from_millis(STABLE_MS) {
            self.failures = 0;
        }
        let delay = DELAY_MS_MIN
            .saturating_mul(2_u64.saturating_pow(self.failures))
            .min(DELAY_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit_and_begins_again_after_a_long_life() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(STABLE_MS - 1);
        let delays: Vec<u128> = (0..8).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.after(Duration::from_millis(STABLE_MS)).as_millis(), 100);
        assert_eq!(backoff.after(short).as_millis(), 200);
    }
}
