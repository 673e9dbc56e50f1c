//! Messages about faults, rate-limited: a fault that lasts is told once, then now and then, and its end is told too.

use std::time::{Duration, Instant};

/// A fault that goes on is told again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// One thing that can be wrong, at one place.
#[derive(Debug)]
pub struct Complaint {
    place: String,
    /// What was told last, when, and how often it happened since.
    told: Option<(String, Instant, u64)>,
}

impl Complaint {
    /// About this place, in words that begin a message.
    pub fn new(place: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            told: None,
        }
    }

    /// It happened: tells it, unless the same was told a short while ago.
    pub fn happened(&mut self, what: &dyn std::fmt::Display) {
        let what = what.to_string();
        match &mut self.told {
            Some((told, at, times)) if *told == what && at.elapsed() < AGAIN_AFTER => *times += 1,
            Some((told, _, times)) if *told == what => {
                tracing::warn!("{}: {what} ({times} times more)", self.place);
                self.told = Some((what, Instant::now(), 0));
            }
            _ => {
                tracing::warn!("{}: {what}", self.place);
                self.told = Some((what, Instant::now(), 0));
            }
        }
    }

    /// It works: tells so if the last that was told was a fault.
    pub fn works(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("{}: works again", self.place);
        }
    }
}

/// Lets so many messages of a kind through in a while, and counts the rest.
#[derive(Debug)]
pub struct Throttle {
    since: Instant,
    passed: u32,
    withheld: u64,
}

/// So many messages of a kind pass in [`WHILE`].
const PASSES: u32 = 20;
const WHILE: Duration = Duration::from_secs(10);

impl Default for Throttle {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            passed: 0,
            withheld: 0,
        }
    }
}

impl Throttle {
    /// Whether a message may pass; if so, with how many were withheld before it.
    pub fn pass(&mut self) -> Option<u64> {
        if self.since.elapsed() >= WHILE {
            self.since = Instant::now();
            self.passed = 0;
        }
        if self.passed >= PASSES {
            self.withheld += 1;
            return None;
        }
        self.passed += 1;
        Some(std::mem::take(&mut self.withheld))
    }
}
