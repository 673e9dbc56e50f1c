//! Metrics as Prometheus reads them: pure text-making.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::config::LaneName;
use crate::inspect::GroupState;
use crate::lane::Cause;
use crate::lane::{Histogram, Report, RouteReport};
use crate::trim::Trimmed;

/// Everything that is shown, gathered at one time.
pub struct Snapshot {
    /// By name; nothing for a lane that is not driven yet.
    pub lanes: Vec<(LaneName, Option<Report>)>,
    /// What Redis knows, by stream and group; what could not be asked for is absent.
    pub groups: Vec<(String, String, GroupState)>,
    /// What the janitor has done.
    pub trimmed: BTreeMap<String, Trimmed>,
}

/// The text that Prometheus reads.
pub fn render(snapshot: &Snapshot) -> String {
    let mut page = Page(String::new());
    groups(&mut page, &snapshot.groups);
    trimming(&mut page, &snapshot.trimmed);
    lanes(&mut page, &snapshot.lanes);
    routes(&mut page, &snapshot.lanes);
    page.0
}

/// Builds the page: a family of metrics has its description once.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            "# HELP stream_sidecar_{name} {help}\n# TYPE stream_sidecar_{name} {kind}\n"
        );
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        let _ = writeln!(self.0, "stream_sidecar_{name}{} {value}", Labels(labels));
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut total = 0;
        let bounds = histogram.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            total += count;
            let labels = [labels, &[("le", bound.as_str())]].concat();
            self.line(&format!("{name}_bucket"), &labels, total);
        }
        self.line(&format!("{name}_sum"), labels, histogram.sum);
        self.line(&format!("{name}_count"), labels, total);
    }
}

struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(f, "{}{name}=\"{value}\"", if index == 0 { "{" } else { "," })?;
        }
        f.write_str("}")
    }
}

fn groups(page: &mut Page, groups: &[(String, String, GroupState)]) {
    type Value = fn(&GroupState) -> Option<f64>;
    let families: [(&str, &str, Value); 6] = [
        (
            "lag",
            "Entries never delivered to the group; absent where Redis does not know.",
            |s| s.lag.map(|n| n as f64),
        ),
        ("pending", "Entries delivered and not acknowledged.", |s| {
            Some(s.pending as f64)
        }),
        (
            "waiting",
            "Pending entries that wait for their next attempt or for an owner.",
            |s| Some(s.waiting as f64),
        ),
        (
            "oldest_pending_seconds",
            "Age of the oldest pending entry; 0 without one.",
            |s| Some(s.oldest_pending_ms.unwrap_or(0) as f64 / 1000.0),
        ),
        ("consumers", "Consumers in the group.", |s| Some(s.consumers as f64)),
        ("group_exists", "1 if the group exists.", |s| {
            Some(f64::from(u8::from(s.exists)))
        }),
    ];
    for (name, help, value) in families {
        page.family(name, "gauge", help);
        for (stream, group, state) in groups {
            if let Some(value) = value(state) {
                page.line(name, &[("stream", stream), ("group", group)], value);
            }
        }
    }
    let mut streams: BTreeMap<&str, &GroupState> = BTreeMap::new();
    streams.extend(groups.iter().map(|(stream, _, state)| (stream.as_str(), state)));
    page.family("stream_length", "gauge", "Entries in the stream.");
    for (stream, state) in &streams {
        page.line("stream_length", &[("stream", stream)], state.length);
    }
    page.family("dead_letters", "gauge", "Dead letters of the stream.");
    for (stream, state) in &streams {
        page.line("dead_letters", &[("stream", stream)], state.dead);
    }
}

fn trimming(page: &mut Page, trimmed: &BTreeMap<String, Trimmed>) {
    page.family("trimmed_total", "counter", "Entries trimmed from the stream.");
    for (stream, trimmed) in trimmed {
        page.line("trimmed_total", &[("stream", stream)], trimmed.removed);
    }
    page.family(
        "holding_seconds",
        "gauge",
        "Age of the entry behind which a group keeps the stream from being trimmed.",
    );
    for (stream, trimmed) in trimmed {
        let labels = [("stream", stream.as_str()), ("group", trimmed.holder.as_str())];
        page.line("holding_seconds", &labels, trimmed.holding_ms as f64 / 1000.0);
    }
}

fn lanes(page: &mut Page, lanes: &[(LaneName, Option<Report>)]) {
    let lanes: Vec<_> = lanes
        .iter()
        .map(|(name, report)| (&name.service, name.lane.to_string(), report.as_ref()))
        .collect();
    page.family("ready", "gauge", "1 if everything on the way to the service can flow.");
    for (service, lane, report) in &lanes {
        let ready = report.is_some_and(|report| report.not_ready.is_empty());
        page.line("ready", &[("service", service), ("lane", lane)], u8::from(ready));
    }
    let lanes = || {
        let driven = lanes.iter();
        driven.filter_map(|(service, lane, report)| Some(([("service", service.as_str()), ("lane", lane)], (*report)?)))
    };
    type Value = fn(&Report) -> u64;
    let families: [(&str, &str, &str, Value); 11] = [
        ("stalled", "gauge", "1 if the runtime should be restarted.", |r| {
            u64::from(r.stalled.is_some())
        }),
        (
            "unavailable",
            "gauge",
            "1 if the component reports itself unavailable.",
            |r| u64::from(r.unavailable),
        ),
        ("in_flight_deliveries", "gauge", "Unanswered deliveries.", |r| {
            r.in_flight_deliveries as u64
        }),
        ("in_flight_entries", "gauge", "Unanswered entries.", |r| {
            r.in_flight_entries as u64
        }),
        ("in_flight_bytes", "gauge", "Bytes of unanswered deliveries.", |r| {
            r.in_flight_bytes as u64
        }),
        ("deliveries_total", "counter", "Deliveries published.", |r| {
            r.counters.deliveries
        }),
        ("handshakes_total", "counter", "Handshakes and probes published.", |r| {
            r.counters.handshakes
        }),
        (
            "late_receipts_total",
            "counter",
            "Receipts that no delivery waited for.",
            |r| r.counters.late_receipts,
        ),
        (
            "odd_receipts_total",
            "counter",
            "Receipts that made no sense in part.",
            |r| r.counters.odd_receipts,
        ),
        (
            "unavailable_total",
            "counter",
            "Receipts that reported unavailability.",
            |r| r.counters.unavailable,
        ),
        ("stalls_total", "counter", "Times that the lane stalled.", |r| {
            r.counters.stalls
        }),
    ];
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for (labels, report) in lanes() {
            page.line(name, &labels, value(report));
        }
    }
    page.family("batch_entries", "histogram", "Entries per delivery.");
    for (labels, report) in lanes() {
        page.histogram("batch_entries", &labels, &report.counters.batch);
    }
    page.family(
        "answer_seconds",
        "histogram",
        "From publishing a delivery to its receipt.",
    );
    for (labels, report) in lanes() {
        page.histogram("answer_seconds", &labels, &report.counters.answer_seconds);
    }
}

fn routes(page: &mut Page, lanes: &[(LaneName, Option<Report>)]) {
    let routes: Vec<_> = lanes
        .iter()
        .filter_map(|(name, report)| Some((name.lane.to_string(), report.as_ref()?)))
        .flat_map(|(lane, report)| report.routes.iter().map(move |route| (lane.clone(), route)))
        .collect();
    let routes = || {
        routes.iter().map(|(lane, route)| {
            let labels = [
                ("stream", route.stream.as_str()),
                ("group", &route.group),
                ("lane", lane),
            ];
            (labels, *route)
        })
    };
    type Value = fn(&RouteReport) -> u64;
    let families: [(&str, &str, &str, Value); 7] = [
        (
            "buffered_entries",
            "gauge",
            "Entries in memory that wait for their delivery.",
            |r| r.buffered as u64,
        ),
        (
            "read_entries_total",
            "counter",
            "Entries read for the first time.",
            |r| r.counters.read,
        ),
        (
            "claimed_entries_total",
            "counter",
            "Entries taken over, or due again.",
            |r| r.counters.claimed,
        ),
        (
            "delivered_entries_total",
            "counter",
            "Entries handed to the component.",
            |r| r.counters.delivered,
        ),
        ("done_entries_total", "counter", "Entries reported as done.", |r| {
            r.counters.done
        }),
        (
            "retried_entries_total",
            "counter",
            "Failed attempts that are followed by another.",
            |r| r.counters.retried,
        ),
        (
            "freed_entries_total",
            "counter",
            "Entries delivered again free of charge.",
            |r| r.counters.requeued,
        ),
    ];
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for (labels, route) in routes() {
            page.line(name, &labels, value(route));
        }
    }
    page.family(
        "dead_lettered_total",
        "counter",
        "Entries moved to the dead letters, by cause.",
    );
    for (labels, route) in routes() {
        for cause in Cause::ALL {
            let labels = [&labels[..], &[("cause", cause.as_str())]].concat();
            page.line("dead_lettered_total", &labels, route.counters.dead[cause as usize]);
        }
    }
    page.family("attempts", "histogram", "The attempt of each entry delivered.");
    for (labels, route) in routes() {
        page.histogram("attempts", &labels, &route.counters.attempts);
    }
    page.family(
        "settle_seconds",
        "histogram",
        "From a receipt to having it written down.",
    );
    for (labels, route) in routes() {
        page.histogram("settle_seconds", &labels, &route.counters.settle_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative_and_labels_escaped() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        histogram.add(1.0, 2);
        histogram.add(1.5, 1);
        histogram.add(9.0, 1);
        let mut page = Page(String::new());
        page.histogram("h", &[("stream", "a\"b\\c\nd")], &histogram);
        let expected = r#"stream_sidecar_h_bucket{stream="a\"b\\c\nd",le="1"} 2
stream_sidecar_h_bucket{stream="a\"b\\c\nd",le="2"} 3
stream_sidecar_h_bucket{stream="a\"b\\c\nd",le="+Inf"} 4
stream_sidecar_h_sum{stream="a\"b\\c\nd"} 12.5
stream_sidecar_h_count{stream="a\"b\\c\nd"} 4
"#;
        assert_eq!(page.0, expected);
    }

    #[test]
    fn an_unknown_lag_is_absent() {
        let state = |lag| GroupState {
            length: 3,
            exists: true,
            lag,
            pending: 1,
            oldest_pending_ms: Some(1_500),
            waiting: 0,
            consumers: 1,
            dead: 2,
        };
        let groups = vec![
            ("a".into(), "g".into(), state(None)),
            ("b".into(), "g".into(), state(Some(0))),
        ];
        let page = render(&Snapshot {
            lanes: vec![(
                LaneName {
                    service: "app".into(),
                    lane: 2,
                },
                None,
            )],
            groups,
            trimmed: BTreeMap::new(),
        });
        assert!(!page.contains("stream_sidecar_lag{stream=\"a\""));
        assert!(page.contains("stream_sidecar_lag{stream=\"b\",group=\"g\"} 0\n"));
        assert!(page.contains("stream_sidecar_oldest_pending_seconds{stream=\"a\",group=\"g\"} 1.5\n"));
        assert!(page.contains("stream_sidecar_ready{service=\"app\",lane=\"2\"} 0\n"));
    }
}
