//! The log: its format, failures that are logged once while they last, and the events of lanes.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::IsTerminal;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;

use crate::config::LaneName;
use crate::lane::{DeadLetter, LogEvent, RouteIndex, RouteName};
use crate::printable::printable;

/// Format of log messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    Auto,
    /// One line of text each.
    Human,
    /// One JSON object each.
    Json,
}

/// Starts logging to standard error. `RUST_LOG` chooses what is logged; by default from `info` on.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be told on the standard error, with a panic where that is closed: the entries flow without a log too.
        .log_internal_errors(false)
        .with_target(false);
    let terminal = std::io::stderr().is_terminal();
    if format == LogFormat::Json || (format == LogFormat::Auto && !terminal) {
        builder.json().flatten_event(true).init();
    } else {
        // What others have written reaches the log: names of streams, reasons of components, answers of Redis.
        let fields = debug_fn(|writer, field, value| match (field.name(), &format!("{value:?}")) {
            ("message", text) => write!(writer, "{}", printable(text)),
            (name, text) => write!(writer, "{name}={}", printable(text)),
        });
        builder.with_ansi(terminal).fmt_fields(fields.delimited(" ")).init();
    }
}

/// A failure that goes on, or comes and goes, is logged again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Logs the failures of one thing: each once while it lasts, then now and then, and its end.
pub struct ErrorLog {
    subject: String,
    last: Option<Failure>,
    throttle: Throttle,
}

/// The failure that was logged last.
struct Failure {
    message: String,
    logged_at: Instant,
    /// Number of times that it happened since.
    repeats: u64,
    /// Its end was logged.
    over: bool,
}

impl ErrorLog {
    /// `subject` begins each message.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            last: None,
            throttle: Throttle::default(),
        }
    }

    /// Logs a failure, unless the same was logged a short while ago, or too much else.
    pub fn failed(&mut self, failure: &dyn Display) {
        let message = failure.to_string();
        let repeats = match &mut self.last {
            Some(last) if last.message == message && last.logged_at.elapsed() < AGAIN_AFTER => {
                last.repeats += 1;
                return;
            }
            Some(last) if last.message == message => last.repeats,
            _ => 0,
        };
        let Some(withheld) = self.throttle.pass() else {
            return;
        };
        match repeats + withheld {
            0 => tracing::warn!("{}: {message}", self.subject),
            times => tracing::warn!("{}: {message} ({times} times more)", self.subject),
        }
        self.last = Some(Failure {
            message,
            logged_at: Instant::now(),
            repeats: 0,
            over: false,
        });
    }

    /// It works: logs that if the last that was logged was a failure.
    pub fn recovered(&mut self) {
        if let Some(last) = &mut self.last
            && !last.over
        {
            last.over = true;
            tracing::info!("{}: works again", self.subject);
        }
    }
}

/// Lets so many messages of a kind through in a while, and counts the rest.
struct Throttle {
    since: Instant,
    passed: u32,
    withheld: u64,
}

/// Messages of a kind that pass in [`WHILE`].
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
    /// Lets a message pass, with the number of those that were withheld before it, or withholds it.
    fn pass(&mut self) -> Option<u64> {
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

/// Logs the events of a lane: rate-limited by kind, with the names of streams and groups.
pub struct LaneLog {
    lane: LaneName,
    channel: String,
    routes: Vec<RouteName>,
    throttles: HashMap<Discriminant<LogEvent>, Throttle>,
}

impl LaneLog {
    pub fn new(lane: LaneName, channel: String, routes: Vec<RouteName>) -> Self {
        Self {
            lane,
            channel,
            routes,
            throttles: HashMap::new(),
        }
    }

    /// Logs an event, unless too many of its kind came lately.
    pub fn log(&mut self, event: LogEvent) {
        let throttle = self.throttles.entry(discriminant(&event)).or_default();
        let Some(withheld) = throttle.pass() else {
            return;
        };
        self.write(event);
        if withheld > 0 {
            let LaneName { service, lane } = &self.lane;
            tracing::warn!(service, lane, "{withheld} messages of this kind were withheld before");
        }
    }

    fn write(&self, event: LogEvent) {
        let LaneName { service, lane } = &self.lane;
        let channel = self.channel.as_str();
        let names = |route: RouteIndex| {
            let names = self.routes.get(route);
            names.map_or(("", ""), |name| (name.stream.as_str(), name.group.as_str()))
        };
        match event {
            LogEvent::Ready { receivers } => {
                tracing::info!(service, lane, channel, receivers, "the component answers: delivering");
            }
            LogEvent::SubscriberGone { entries } => {
                let message = "nobody is there: what was in flight will be delivered again";
                tracing::warn!(service, lane, channel, entries, "{message}");
            }
            LogEvent::SubscriberChanged => {
                tracing::info!(service, lane, channel, "the subscribers changed: a new handshake");
            }
            LogEvent::TwoApps => {
                let message = "two apps answer on this channel: nothing is delivered until one of them is gone, or \
                    has an instance's name of its own";
                tracing::error!(service, lane, channel, "{message}");
            }
            LogEvent::Unavailable { reason, pause_ms } => {
                tracing::warn!(service, lane, reason, pause_ms, "the component is unavailable: pausing");
            }
            LogEvent::Stalled => {
                let message = "a delivery was not answered in time: the lane has stalled";
                tracing::error!(service, lane, channel, "{message}");
            }
            LogEvent::LateReceipt { delivery, done } => {
                let message = "a late receipt: acknowledged what it reports as done";
                tracing::info!(service, lane, delivery, done, "{message}");
            }
            LogEvent::OddReceipt { delivery, what } => {
                tracing::warn!(service, lane, delivery, "an odd receipt: {what}; that part is ignored");
            }
            LogEvent::Blamed {
                delivery,
                route,
                first,
                entries,
            } => {
                let (stream, group) = names(route);
                let message = "a delivery was not answered: an attempt is spent";
                tracing::warn!(stream, group, delivery, %first, entries, "{message}");
            }
            LogEvent::DeadLettered { route, dead } => {
                let (stream, group) = names(route);
                let DeadLetter { id, cause, reason, .. } = dead;
                tracing::warn!(stream, group, entry = %id, %cause, reason, "dead letter");
            }
            LogEvent::Retrying {
                route,
                id,
                attempt,
                reason,
                backoff_ms,
            } => {
                let (stream, group) = names(route);
                tracing::info!(stream, group, entry = %id, attempt, reason, backoff_ms, "will be tried again");
            }
            LogEvent::GroupCreated { route } => {
                let (stream, group) = names(route);
                tracing::info!(stream, group, "the group did not exist: created at 0");
            }
            LogEvent::TakenOver { route, entries } => {
                let (stream, group) = names(route);
                tracing::debug!(stream, group, entries, "took over what was due");
            }
            LogEvent::Lost { route, entries } => {
                let (stream, group) = names(route);
                let message = "another sidecar has taken over what was held too long";
                tracing::warn!(stream, group, entries, "{message}");
            }
            LogEvent::Released { route, entries } => {
                let (stream, group) = names(route);
                tracing::info!(stream, group, entries, "let go of what was held");
            }
        }
    }
}
