//! What becomes of entries: pure functions of them, their attempts, the time and the limits.

use std::fmt;

use crate::config::Limits;
use crate::entry::{Arrived, Body};

/// Why an entry became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The component said that it can never work.
    Rejected,
    /// Its retries are used up.
    Exhausted,
    /// The handler never answered, also when it was delivered alone. Its effect is unknown; replaying it is safe,
    /// since handlers are idempotent.
    Unanswered,
    /// It is larger than `entry_bytes_max`.
    TooLarge,
    /// It has a field that is not UTF-8.
    NotText,
    /// It was pending, and no longer exists in its stream.
    Deleted,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 6] = [
        Cause::Rejected,
        Cause::Exhausted,
        Cause::Unanswered,
        Cause::TooLarge,
        Cause::NotText,
        Cause::Deleted,
    ];

    /// The value of `dead_cause`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Rejected => "rejected",
            Cause::Exhausted => "exhausted",
            Cause::Unanswered => "unanswered",
            Cause::TooLarge => "too-large",
            Cause::NotText => "not-text",
            Cause::Deleted => "deleted",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Hand it to the component.
    Deliver,
    /// Leave it where it is: it is somebody's, or waits out a backoff.
    Wait,
    /// Move it to the dead letters.
    DeadLetter(Cause, String),
}

/// Whether as much was read as fits into one delivery, or as one read may bring: there may be more behind it.
pub fn fill_a_delivery(entries: &[Arrived], limits: &Limits) -> bool {
    let bytes = |arrived: &Arrived| match arrived.body {
        Body::Text { bytes, .. } => bytes,
        _ => 0,
    };
    let bytes_max = limits.batch_bytes_max.min(limits.read_bytes_max);
    entries.len() >= limits.batch_max || entries.iter().map(bytes).sum::<usize>() >= bytes_max
}

/// What to do with an entry that was found pending, idle for so long.
pub fn pending(idle_ms: u64, limits: &Limits) -> Decision {
    if idle_ms >= limits.lease_ms {
        Decision::Deliver
    } else {
        Decision::Wait
    }
}

/// What to do with an entry that has just become ours.
pub fn arrived(body: &Body, limits: &Limits) -> Decision {
    match body {
        Body::Text { .. } => Decision::Deliver,
        Body::NotText { field } => {
            Decision::DeadLetter(Cause::NotText, format!("the field `{field}` is not UTF-8 text"))
        }
        Body::TooLarge { bytes } => Decision::DeadLetter(
            Cause::TooLarge,
            format!(
                "{bytes} bytes; entry_bytes_max is {}. The entry itself stays in the stream until it is trimmed",
                limits.entry_bytes_max
            ),
        ),
        Body::Deleted => Decision::DeadLetter(
            Cause::Deleted,
            "was pending, but had been deleted from the stream".into(),
        ),
    }
}

/// How an attempt at an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The component asked for another attempt.
    Retry,
    /// There was no answer.
    Unanswered,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt, after so many milliseconds.
    Retry {
        /// The backoff, jitter included.
        backoff_ms: u64,
    },
    /// The attempts are used up.
    DeadLetter(Cause),
}

/// What follows when an attempt failed, delivered alone or with others; `jitter` is a random number from 0 to 1.
///
/// An entry that was never answered is given up only after it was delivered alone: among others it may be innocent.
pub fn after_failure(failure: Failure, attempt: u32, alone: bool, limits: &Limits, jitter: f64) -> AfterFailure {
    if attempt >= limits.attempts_max {
        match failure {
            Failure::Retry => return AfterFailure::DeadLetter(Cause::Exhausted),
            Failure::Unanswered if alone => return AfterFailure::DeadLetter(Cause::Unanswered),
            Failure::Unanswered => {}
        }
    }
    AfterFailure::Retry {
        backoff_ms: backoff_ms(attempt, limits.backoff_ms_min, limits.backoff_ms_max, jitter),
    }
}

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
    fn due_means_idle_for_the_lease() {
        let limits = Limits::default();
        assert_eq!(pending(29_999, &limits), Decision::Wait);
        assert_eq!(pending(30_000, &limits), Decision::Deliver);
    }

    #[test]
    fn a_failure_is_retried_until_the_attempts_are_used_up() {
        use AfterFailure::{DeadLetter, Retry};
        let limits = Limits::default();
        let cases = [
            (Failure::Retry, 1, false, Retry { backoff_ms: 250 }),
            (Failure::Retry, 2, false, Retry { backoff_ms: 1_000 }),
            (Failure::Retry, 3, true, Retry { backoff_ms: 4_000 }),
            (Failure::Retry, 4, true, Retry { backoff_ms: 16_000 }),
            (Failure::Retry, 5, true, DeadLetter(Cause::Exhausted)),
            (Failure::Retry, 5, false, DeadLetter(Cause::Exhausted)),
            (Failure::Retry, 99, false, DeadLetter(Cause::Exhausted)),
            (Failure::Unanswered, 1, true, Retry { backoff_ms: 250 }),
            (Failure::Unanswered, 5, true, DeadLetter(Cause::Unanswered)),
            (Failure::Unanswered, 5, false, Retry { backoff_ms: 20_000 }),
        ];
        for (failure, attempt, alone, expected) in cases {
            assert_eq!(
                after_failure(failure, attempt, alone, &limits, 0.0),
                expected,
                "{failure:?} at attempt {attempt}, alone: {alone}"
            );
        }
    }

    #[test]
    fn backoff_grows_to_its_cap_and_jitter_only_shortens_it() {
        let waits: Vec<u64> = (1..=6).map(|n| backoff_ms(n, 100, 5_000, 0.0)).collect();
        assert_eq!(waits, [100, 400, 1_600, 5_000, 5_000, 5_000]);
        assert_eq!(backoff_ms(1, 100, 5_000, 1.0), 80);
        assert_eq!(backoff_ms(u32::MAX, 100, u64::MAX, 0.0), u64::MAX);
        assert_eq!(backoff_ms(1, 100, 50, 0.0), 50);
    }
}
