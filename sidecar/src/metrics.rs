//! The metrics page. Lanes count in plain fields; the page is made when it is asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use prometheus_client::registry::Registry;

use crate::config::LaneName;
use crate::inspect::RouteState;
use crate::lane::Cause;
use crate::lane::{Histogram, Report, RouteName, RouteReport};
use crate::maintenance::{StreamName, TrimStatus};
use Value::{Count, Ms, Unknown};

/// Everything that the page shows, gathered at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// Without a report for a lane that does not run yet.
    pub lanes: Vec<(LaneName, Option<Report>)>,
    /// A state that Redis did not tell in time is left out.
    pub groups: Vec<(RouteName, RouteState)>,
    pub trimmed: BTreeMap<StreamName, TrimStatus>,
}

/// The page in Prometheus' text format, of the type [`prometheus_text::CONTENT_TYPE`]: OpenMetrics would take the gauge
/// `unavailable` and the counter `unavailable_total` for one family.
pub fn render(snapshot: Snapshot) -> String {
    let mut registry = Registry::with_prefix("stream_sidecar");
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    // A string takes all that is written to it.
    let _ = prometheus_text::encode(&mut page, &registry);
    page
}

/// A number of a metric.
enum Value {
    /// Nobody knows it, so there is no line.
    Unknown,
    Count(u64),
    /// Shown in seconds.
    Ms(u64),
}

/// Name, type, help, and the value for one of the subjects of the family.
type Family<T> = (&'static str, MetricType, &'static str, fn(&T) -> Value);

#[rustfmt::skip]
const GROUPS: [Family<RouteState>; 6] = [
    ("lag", Gauge, "Entries never delivered to the group; absent where Redis does not know.",
        |s| s.group.lag.map_or(Unknown, Count)),
    ("pending", Gauge, "Entries delivered and not acknowledged.", |s| Count(s.group.pending)),
    ("waiting", Gauge, "Pending entries that wait for their next attempt or for an owner.", |s| Count(s.group.waiting)),
    ("oldest_pending_seconds", Gauge, "Age of the oldest pending entry; 0 without one, absent where its id tells none.",
        |s| s.group.oldest_pending_ms.map_or(if s.group.pending == 0 { Ms(0) } else { Unknown }, Ms)),
    ("consumers", Gauge, "Consumers in the group.", |s| Count(s.group.consumers)),
    ("group_exists", Gauge, "1 if the group exists.", |s| Count(s.exists.into())),
];
#[rustfmt::skip]
const STREAMS: [Family<RouteState>; 2] = [
    ("stream_length", Gauge, "Entries in the stream.", |s| Count(s.length)),
    ("dead_letters", Gauge, "Dead letters of the stream.", |s| Count(s.dead)),
];
#[rustfmt::skip]
const TRIMMED: [Family<TrimStatus>; 1] = [
    ("trimmed", Counter, "Entries trimmed from the stream.", |s| Count(s.removed)),
];
#[rustfmt::skip]
const HOLDERS: [Family<TrimStatus>; 1] = [
    ("holding_seconds", Gauge, "Age of the entry behind which a group keeps the stream from being trimmed.",
        |s| s.holding_ms.map_or(Unknown, Ms)),
];
#[rustfmt::skip]
const LANES: [Family<Option<Report>>; 1] = [
    ("ready", Gauge, "1 if everything on the way to the service can flow.",
        |r| Count(r.as_ref().is_some_and(|r| r.not_ready.is_empty()).into())),
];
#[rustfmt::skip]
const RUNNING_LANES: [Family<Report>; 11] = [
    ("stalled", Gauge, "1 if the runtime should be restarted.", |r| Count(r.stalled.is_some().into())),
    ("unavailable", Gauge, "1 if the component reports itself unavailable.", |r| Count(r.unavailable.into())),
    ("in_flight_deliveries", Gauge, "Unanswered deliveries.", |r| Count(r.in_flight_deliveries as u64)),
    ("in_flight_entries", Gauge, "Unanswered entries.", |r| Count(r.in_flight_entries as u64)),
    ("in_flight_bytes", Gauge, "Bytes of unanswered deliveries.", |r| Count(r.in_flight_bytes as u64)),
    ("deliveries", Counter, "Deliveries published.", |r| Count(r.counters.deliveries)),
    ("handshakes", Counter, "Handshakes and probes published.", |r| Count(r.counters.handshakes)),
    ("late_receipts", Counter, "Receipts that no delivery waited for.", |r| Count(r.counters.late_receipts)),
    ("odd_receipts", Counter, "Receipts that made no sense in part.", |r| Count(r.counters.odd_receipts)),
    ("unavailable", Counter, "Receipts that reported unavailability.", |r| Count(r.counters.unavailable)),
    ("stalls", Counter, "Times that the lane stalled.", |r| Count(r.counters.stalls)),
];
#[rustfmt::skip]
const ROUTES: [Family<RouteReport>; 7] = [
    ("buffered_entries", Gauge, "Entries in memory that wait for their delivery.", |r| Count(r.buffered as u64)),
    ("read_entries", Counter, "Entries read for the first time.", |r| Count(r.counters.read)),
    ("claimed_entries", Counter, "Entries taken over, or due again.", |r| Count(r.counters.claimed)),
    ("delivered_entries", Counter, "Entries handed to the component.", |r| Count(r.counters.delivered)),
    ("done_entries", Counter, "Entries reported as done.", |r| Count(r.counters.done)),
    ("retried_entries", Counter, "Failed attempts that are followed by another.", |r| Count(r.counters.retried)),
    ("freed_entries", Counter, "Entries delivered again free of charge.", |r| Count(r.counters.requeued)),
];
#[rustfmt::skip]
const CAUSES: [Family<u64>; 1] = [
    ("dead_lettered", Counter, "Entries moved to the dead letters, by cause.", |count| Count(*count)),
];

type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// The labels of what concerns a stream. The service in whose database it is comes last, since it came last: streams of
/// one name in two databases are two series.
fn of_stream<'a>(stream: &str, more: &[(&'static str, &str)], from: &str) -> Labels<'a> {
    let labels = [&[("stream", stream)], more, &[("from", from)]].concat();
    let owned = labels
        .into_iter()
        .map(|(name, value)| (name, Cow::Owned(value.to_owned())));
    owned.collect()
}

/// The things that a family has lines for.
type Subjects<'a, T> = Vec<(Labels<'a>, &'a T)>;

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn numbers<T>(&mut self, families: &[Family<T>], subjects: &Subjects<'_, T>) -> fmt::Result {
        for (name, kind, help, value) in families {
            let mut family = self.0.encode_descriptor(name, help, None, *kind)?;
            for (labels, subject) in subjects {
                let mut metric = family.encode_family(labels)?;
                match (value(subject), kind) {
                    (Unknown, _) => {}
                    (Count(count), Counter) => metric.encode_counter::<NoLabelSet, _, f64>(&count, None)?,
                    (Count(count), _) => metric.encode_gauge(&count)?,
                    (Ms(ms), _) => metric.encode_gauge(&(ms as f64 / 1000.0))?,
                }
            }
        }
        Ok(())
    }

    fn histogram<T>(
        &mut self,
        name: &str,
        help: &str,
        subjects: &Subjects<'_, T>,
        histogram: impl Fn(&T) -> &Histogram,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, subject) in subjects {
            let Histogram { bounds, counts, sum } = histogram(subject);
            let buckets: Vec<(f64, u64)> = bounds.iter().copied().zip(counts.iter().copied()).collect();
            let mut metric = family.encode_family(labels)?;
            metric.encode_histogram::<NoLabelSet>(*sum, counts.iter().sum(), &buckets, None)?;
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.redis(&mut page)?;
        self.lanes(&mut page)?;
        self.routes(&mut page)
    }
}

impl Snapshot {
    fn redis(&self, page: &mut Page<'_>) -> fmt::Result {
        let (mut groups, mut by_stream) = (Vec::new(), BTreeMap::new());
        for (RouteName { from, stream, group }, state) in &self.groups {
            groups.push((of_stream(stream, &[("group", group)], from), state));
            by_stream.insert((from, stream), state);
        }
        let by_stream = by_stream.into_iter();
        let streams = by_stream
            .map(|((from, stream), state)| (of_stream(stream, &[], from), state))
            .collect();
        let (mut trimmed, mut holders) = (Vec::new(), Vec::new());
        for ((from, stream), status) in &self.trimmed {
            trimmed.push((of_stream(stream, &[], from), status));
            holders.push((of_stream(stream, &[("group", &status.holder)], from), status));
        }
        page.numbers(&GROUPS, &groups)?;
        page.numbers(&STREAMS, &streams)?;
        page.numbers(&TRIMMED, &trimmed)?;
        page.numbers(&HOLDERS, &holders)
    }

    fn lanes(&self, page: &mut Page<'_>) -> fmt::Result {
        let (mut lanes, mut running) = (Vec::new(), Vec::new());
        for (name, report) in &self.lanes {
            let labels: Labels<'_> = vec![
                ("service", (&name.service).into()),
                ("lane", name.lane.to_string().into()),
            ];
            running.extend(report.as_ref().map(|report| (labels.clone(), report)));
            lanes.push((labels, report));
        }
        page.numbers(&LANES, &lanes)?;
        page.numbers(&RUNNING_LANES, &running)?;
        page.histogram("batch_entries", "Entries per delivery.", &running, |r| {
            &r.counters.batch
        })?;
        let help = "From publishing a delivery to its receipt.";
        page.histogram("answer_seconds", help, &running, |r| &r.counters.answer_seconds)
    }

    fn routes(&self, page: &mut Page<'_>) -> fmt::Result {
        let (mut routes, mut causes) = (Vec::new(), Vec::new());
        for (name, report) in &self.lanes {
            for route in report.iter().flat_map(|report| &report.routes) {
                let RouteName { from, stream, group } = &route.name;
                let lane = name.lane.to_string();
                let labels = of_stream(stream, &[("group", group), ("lane", &lane)], from);
                for cause in Cause::ALL {
                    let labels = [&labels[..], &[("cause", cause.as_str().into())]].concat();
                    causes.push((labels, &route.counters.dead[cause as usize]));
                }
                routes.push((labels, route));
            }
        }
        page.numbers(&ROUTES, &routes)?;
        page.numbers(&CAUSES, &causes)?;
        let help = "The attempt of each entry delivered.";
        page.histogram("attempts", help, &routes, |r| &r.counters.attempts)?;
        let help = "From a receipt to having it written down.";
        page.histogram("settle_seconds", help, &routes, |r| &r.counters.settle_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(groups: Vec<(RouteName, RouteState)>) -> String {
        let name = LaneName {
            service: "app".into(),
            lane: 2,
        };
        let snapshot = Snapshot {
            lanes: vec![(name, None)],
            groups,
            trimmed: BTreeMap::new(),
        };
        render(snapshot)
    }

    fn route(from: &str, stream: &str) -> RouteName {
        RouteName {
            from: from.into(),
            stream: stream.into(),
            group: "g".into(),
        }
    }

    /// Prometheus refuses a page with the same series twice.
    #[test]
    fn streams_of_one_name_in_two_databases_are_two_series() {
        let status = TrimStatus {
            holding_ms: Some(1),
            ..TrimStatus::default()
        };
        let trimmed = ["a", "b"].map(|from| ((from.to_owned(), "s".to_owned()), status.clone()));
        let page = render(Snapshot {
            lanes: Vec::new(),
            groups: ["a", "b"].map(|from| (route(from, "s"), RouteState::default())).into(),
            trimmed: trimmed.into(),
        });
        let series = page.lines().filter(|line| !line.starts_with('#'));
        let series: Vec<&str> = series
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(series, _)| series)
            .collect();
        let different: std::collections::BTreeSet<_> = series.iter().collect();
        assert_eq!(different.len(), series.len(), "{page}");
        for family in ["pending", "dead_letters", "trimmed_total", "holding_seconds"] {
            let name = format!("stream_sidecar_{family}{{");
            let count = series.iter().filter(|series| series.starts_with(&name)).count();
            assert_eq!(count, 2, "{family} in {page}");
        }
    }

    #[test]
    fn an_unknown_lag_is_absent() {
        let state = |lag| {
            let mut state = RouteState::default();
            (state.group.lag, state.group.oldest_pending_ms) = (lag, Some(1_500));
            state
        };
        let page = page(vec![
            (route("app", "a\"b\\c\nd"), state(None)),
            (route("app", "b"), state(Some(0))),
        ]);
        assert!(!page.contains("stream_sidecar_lag{stream=\"a"));
        for line in [
            r#"stream_sidecar_lag{stream="b",group="g",from="app"} 0"#,
            r#"stream_sidecar_oldest_pending_seconds{stream="a\"b\\c\nd",group="g",from="app"} 1.5"#,
            r#"stream_sidecar_ready{service="app",lane="2"} 0"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }

    #[test]
    fn every_family_is_described_as_ever() {
        let page = page(Vec::new());
        for family in [
            "# HELP stream_sidecar_deliveries_total Deliveries published.\n",
            "# TYPE stream_sidecar_deliveries_total counter\n",
            "# HELP stream_sidecar_lag Entries never delivered to the group; absent where Redis does not know.\n",
            "# TYPE stream_sidecar_answer_seconds histogram\n",
        ] {
            assert!(page.contains(family), "{family} in {page}");
        }
    }
}
