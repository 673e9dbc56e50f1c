//! The outcome of a delivery for each of its entries, and the consequences.

use std::fmt;

use protocol::{Receipt, Refusal};

use super::queue::HeldEntry;
use crate::backoff::backoff_ms;
use crate::config::Limits;
use crate::entry::EntryId;

/// The outcome of a delivery for one of its entries.
#[derive(Clone)]
pub(super) enum Outcome {
    Done,
    /// The component asked for another attempt, and why.
    Retry(String),
    /// It can never work, and why.
    Reject(String),
    /// There was no answer, in these words. The effect is unknown.
    Unanswered(&'static str),
    /// It is delivered again without spending an attempt.
    Requeue,
}

/// Matches the names in a receipt with its delivery's entries; `unnamed` is the outcome of those that it does not name.
/// Answers also with how many names are of no entry.
///
/// Components answer in order, so that a look at the next entry mostly suffices.
pub(super) fn outcomes(entries: &[HeldEntry], receipt: Receipt, unnamed: &Outcome) -> (Vec<Outcome>, usize) {
    let mut outcomes: Vec<Option<Outcome>> = entries.iter().map(|_| None).collect();
    let mut foreign = 0;
    let mut next = 0;
    let mut name = |entry: &str, outcome: Outcome| {
        let id: Option<EntryId> = entry.parse().ok();
        let is_it = |held: &HeldEntry| Some(held.id) == id;
        let position = match entries.get(next) {
            Some(held) if is_it(held) => Some(next),
            _ => entries.iter().position(is_it),
        };
        match position {
            Some(position) => {
                next = position + 1;
                outcomes[position].get_or_insert(outcome);
            }
            None => foreign += 1,
        }
    };
    // In this order: an effect that is in place is not undone by what else a receipt says.
    for entry in &receipt.done {
        name(entry, Outcome::Done);
    }
    for Refusal { entry, reason } in receipt.reject {
        name(&entry, Outcome::Reject(reason));
    }
    for Refusal { entry, reason } in receipt.retry {
        name(&entry, Outcome::Retry(reason));
    }
    let outcomes = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| unnamed.clone()));
    (outcomes.collect(), foreign)
}

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

/// The way in which an attempt at an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The component asked for another attempt.
    Retry,
    /// There was no answer.
    Unanswered,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Another attempt after so many milliseconds, jitter included.
    Retry { backoff_ms: u64 },
    /// The attempts are used up.
    DeadLetter(Cause),
}

/// The consequence of a failed attempt at an entry, delivered alone or with others; `jitter` is a random number from 0
/// to 1.
///
/// An entry that was never answered is given up only after it was delivered alone: among others it may be innocent.
pub(super) fn after_failure(failure: Failure, attempt: u32, alone: bool, limits: &Limits, jitter: f64) -> AfterFailure {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
