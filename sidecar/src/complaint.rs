//! Messages about faults, rate-limited: a fault that lasts is told once, then now and then, and its end is told too.

use std::time::{Duration, Instant};

/// A fault that goes on, or comes and goes, is told again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// One thing that can be wrong, at one place.
#[derive(Debug)]
pub struct Complaint {
    place: String,
    told: Option<Told>,
    throttle: Throttle,
}

/// The fault that was told last.
#[derive(Debug)]
struct Told {
    what: String,
    at: Instant,
    /// How often it happened since.
    times: u64,
    /// Its end was told.
    over: bool,
}

impl Complaint {
    /// About this place, in words that begin a message.
    pub fn new(place: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            told: None,
            throttle: Throttle::default(),
        }
    }

    /// It happened: tells it, unless the same was told a short while ago, or too much else.
    pub fn happened(&mut self, what: &dyn std::fmt::Display) {
        let what = what.to_string();
        let times = match &mut self.told {
            Some(told) if told.what == what && told.at.elapsed() < AGAIN_AFTER => {
                told.times += 1;
                return;
            }
            Some(told) if told.what == what => told.times,
            _ => 0,
        };
        let Some(withheld) = self.throttle.pass() else {
            return;
        };
        match times + withheld {
            0 => tracing::warn!("{}: {what}", self.place),
            times => tracing::warn!("{}: {what} ({times} times more)", self.place),
        }
        self.told = Some(Told {
            what,
            at: Instant::now(),
            times: 0,
            over: false,
        });
    }

    /// It works: tells so if the last that was told was a fault.
    pub fn works(&mut self) {
        if let Some(told) = &mut self.told
            && !told.over
        {
            told.over = true;
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
