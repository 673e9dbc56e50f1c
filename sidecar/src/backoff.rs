//! The wait after a failure.

/// The wait after a first failure to reach Redis.
pub const RECONNECT_MS_MIN: u64 = 50;
/// Each wait is this many times the one before.
const BACKOFF_FACTOR: u64 = 4;

/// The wait after the n-th failure, from 1: `min` at first, four times as long each time, `max` at most, and up to a
/// fifth shorter by jitter, so that what failed together does not come back together.
pub fn backoff_ms(failures: u32, min: u64, max: u64, jitter: f64) -> u64 {
    let mut wait = min.min(max);
    for _ in 1..failures {
        wait = wait.saturating_mul(BACKOFF_FACTOR);
        if wait >= max {
            wait = max;
            break;
        }
    }
    wait - (wait as f64 * 0.2 * jitter.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_jitter_only_shortens_it() {
        let waits: Vec<u64> = (1..=6).map(|n| backoff_ms(n, 100, 5_000, 0.0)).collect();
        assert_eq!(waits, [100, 400, 1_600, 5_000, 5_000, 5_000]);
        assert_eq!(backoff_ms(1, 100, 5_000, 1.0), 80);
        assert_eq!(backoff_ms(u32::MAX, 100, u64::MAX, 0.0), u64::MAX);
        assert_eq!(backoff_ms(1, 100, 50, 0.0), 50);
    }
}
