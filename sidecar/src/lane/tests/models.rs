//! Properties that hold for any input.

use std::collections::HashSet;

use proptest::prelude::*;

use super::outcome::{AfterFailure, Failure, after_failure};
use super::*;

proptest! {
    #[test]
    fn a_failure_never_kills_early_and_never_waits_beyond_its_lease(
        attempt in 1_u32..20, attempts_max in 4_u32..10, alone: bool, answered: bool, jitter in 0.0..1.0,
        min in 1_u64..1_000, max in 1_000_u64..30_000,
    ) {
        let limits = Limits { attempts_max, backoff_ms_min: min, backoff_ms_max: max, ..Limits::default() };
        let failure = if answered { Failure::Retry } else { Failure::Unanswered };
        match after_failure(failure, attempt, alone, &limits, jitter) {
            AfterFailure::DeadLetter(cause) => {
                prop_assert!(attempt >= attempts_max);
                prop_assert_eq!(cause, if answered { Cause::Exhausted } else { Cause::Unanswered });
                prop_assert!(answered || alone);
            }
            AfterFailure::Retry { backoff_ms } => {
                prop_assert!(attempt < attempts_max || !(answered || alone));
                prop_assert!(backoff_ms <= max && backoff_ms <= limits.lease_ms);
                prop_assert!(backoff_ms >= min * 8 / 10);
            }
        }
    }

    #[test]
    fn backoff_never_shrinks_from_one_failure_to_the_next(failures in 1_u32..40, min in 1_u64..5_000, max in 1_u64..60_000) {
        prop_assert!(backoff_ms(failures, min, max, 0.0) <= backoff_ms(failures + 1, min, max, 0.0));
        prop_assert!(backoff_ms(failures, min, max, 1.0) <= backoff_ms(failures, min, max, 0.0));
    }

    #[test]
    fn batches_never_grow_with_attempts(batch_max in 1_usize..4096, attempt in 1_u32..40) {
        let limits = Limits { batch_max, ..Limits::default() };
        let cap = limits.batch_cap(attempt);
        prop_assert!((1..=batch_max).contains(&cap) && limits.batch_cap(attempt + 1) <= cap);
    }

    /// However odd a receipt is, each entry of its delivery is settled once or stays in hand, and entries of other
    /// deliveries are left alone.
    #[test]
    fn a_receipt_settles_each_entry_once(
        count in 1_u64..8,
        done in proptest::collection::vec(0_u64..12, 0..8),
        retry in proptest::collection::vec(0_u64..12, 0..8),
        reject in proptest::collection::vec(0_u64..12, 0..8),
        unavailable: bool,
    ) {
        let mut bench = Bench::ready(limits());
        bench.read(count);
        let delivery = bench.deliveries().remove(0);
        let entry = |number: &u64| format!("{number}-0");
        let refusals = |numbers: &[u64]| {
            numbers.iter().map(|number| Refusal { entry: entry(number), reason: String::new() }).collect::<Vec<_>>()
        };
        bench.receipt(&delivery, |receipt| {
            receipt.done = done.iter().map(entry).collect();
            receipt.retry = refusals(&retry);
            receipt.reject = refusals(&reject);
            receipt.unavailable = unavailable.then(|| "so it is".to_owned());
        });
        let settlement = bench.settled.pop().unwrap_or_default();
        let acknowledged: Vec<EntryId> = settlement.done.clone();
        let dead: Vec<EntryId> = settlement.dead.iter().map(|dead| dead.id).collect();
        let parked: Vec<EntryId> = settlement.parked.iter().map(|parked| parked.id).collect();
        let kept = bench.lane.report().routes[0].buffered + bench.lane.report().in_flight_entries;
        let settled: Vec<&EntryId> = acknowledged.iter().chain(&dead).chain(&parked).collect();
        let distinct: HashSet<&&EntryId> = settled.iter().collect();
        prop_assert_eq!(distinct.len(), settled.len());
        prop_assert_eq!(settled.len() + kept, count as usize);
        for number in 1..=count {
            let is_done = done.contains(&number);
            let is_rejected = !is_done && reject.contains(&number);
            let is_retried = !is_done && !is_rejected && (retry.contains(&number) || !unavailable);
            prop_assert_eq!(acknowledged.contains(&id(number)), is_done);
            prop_assert_eq!(dead.contains(&id(number)), is_rejected);
            prop_assert_eq!(parked.contains(&id(number)), is_retried);
        }
    }
}
