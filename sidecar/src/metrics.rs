//! The metrics page. Lanes count in plain fields; the page is made when it is asked for.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::config::LaneName;
use crate::decide::Cause;
use crate::inspect::RouteState;
use crate::lane::{Histogram, Report, RouteReport};
use crate::maintenance::TrimStatus;

/// Everything that the page shows, gathered at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// Without a report for a lane that does not run yet.
    pub lanes: Vec<(LaneName, Option<Report>)>,
    /// By stream and group. A state that Redis did not tell in time is left out.
    pub groups: Vec<(String, String, RouteState)>,
    pub trimmed: BTreeMap<String, TrimStatus>,
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

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(&mut encoder);
        self.groups(page)?;
        self.trimming(page)?;
        self.lanes(page)?;
        self.routes(page)
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    /// Writes a family of metrics, with a line for each of the labels.
    fn family<'l, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        metrics: impl IntoIterator<Item = (Labels<'l>, M)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, M::TYPE)?;
        for (labels, metric) in metrics {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

struct HistogramMetric<'a>(&'a Histogram);

impl TypedMetric for HistogramMetric<'_> {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for HistogramMetric<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Histogram { bounds, counts, sum } = self.0;
        let buckets: Vec<(f64, u64)> = bounds.iter().copied().zip(counts.iter().copied()).collect();
        encoder.encode_histogram::<NoLabelSet>(*sum, counts.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

fn seconds(ms: u64) -> ConstGauge<f64> {
    ConstGauge::new(ms as f64 / 1000.0)
}

/// Name, help, and the value of one number.
type Family<T, V = u64> = (&'static str, &'static str, fn(&T) -> V);

// One line for each family.
#[rustfmt::skip]
const GROUP_GAUGES: [Family<RouteState, Option<u64>>; 5] = [
    ("lag", "Entries never delivered to the group; absent where Redis does not know.", |s| s.lag),
    ("pending", "Entries delivered and not acknowledged.", |s| Some(s.pending)),
    ("waiting", "Pending entries that wait for their next attempt or for an owner.", |s| Some(s.waiting)),
    ("consumers", "Consumers in the group.", |s| Some(s.consumers)),
    ("group_exists", "1 if the group exists.", |s| Some(s.exists.into())),
];

#[rustfmt::skip]
const STREAM_GAUGES: [Family<RouteState>; 2] = [
    ("stream_length", "Entries in the stream.", |s| s.length),
    ("dead_letters", "Dead letters of the stream.", |s| s.dead),
];

#[rustfmt::skip]
const LANE_GAUGES: [Family<Report>; 5] = [
    ("stalled", "1 if the runtime should be restarted.", |r| r.stalled.is_some().into()),
    ("unavailable", "1 if the component reports itself unavailable.", |r| r.unavailable.into()),
    ("in_flight_deliveries", "Unanswered deliveries.", |r| r.in_flight_deliveries as u64),
    ("in_flight_entries", "Unanswered entries.", |r| r.in_flight_entries as u64),
    ("in_flight_bytes", "Bytes of unanswered deliveries.", |r| r.in_flight_bytes as u64),
];

#[rustfmt::skip]
const LANE_COUNTERS: [Family<Report>; 6] = [
    ("deliveries", "Deliveries published.", |r| r.counters.deliveries),
    ("handshakes", "Handshakes and probes published.", |r| r.counters.handshakes),
    ("late_receipts", "Receipts that no delivery waited for.", |r| r.counters.late_receipts),
    ("odd_receipts", "Receipts that made no sense in part.", |r| r.counters.odd_receipts),
    ("unavailable", "Receipts that reported unavailability.", |r| r.counters.unavailable),
    ("stalls", "Times that the lane stalled.", |r| r.counters.stalls),
];

#[rustfmt::skip]
const ROUTE_COUNTERS: [Family<RouteReport>; 6] = [
    ("read_entries", "Entries read for the first time.", |r| r.counters.read),
    ("claimed_entries", "Entries taken over, or due again.", |r| r.counters.claimed),
    ("delivered_entries", "Entries handed to the component.", |r| r.counters.delivered),
    ("done_entries", "Entries reported as done.", |r| r.counters.done),
    ("retried_entries", "Failed attempts that are followed by another.", |r| r.counters.retried),
    ("freed_entries", "Entries delivered again free of charge.", |r| r.counters.freed),
];

impl Snapshot {
    fn groups(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let groups = || {
            let groups = self.groups.iter();
            groups.map(|(stream, group, state)| (vec![("stream", stream.as_str()), ("group", group)], state))
        };
        for (name, help, value) in GROUP_GAUGES {
            let known = groups().filter_map(|(labels, state)| Some((labels, ConstGauge::new(value(state)?))));
            page.family(name, help, known)?;
        }
        let oldest = groups().map(|(labels, state)| (labels, seconds(state.oldest_pending_ms.unwrap_or(0))));
        let help = "Age of the oldest pending entry; 0 without one.";
        page.family("oldest_pending_seconds", help, oldest)?;
        let streams: BTreeMap<&str, &RouteState> =
            self.groups.iter().map(|(stream, _, s)| (stream.as_str(), s)).collect();
        for (name, help, value) in STREAM_GAUGES {
            let lengths = streams
                .iter()
                .map(|(stream, state)| (vec![("stream", *stream)], ConstGauge::new(value(state))));
            page.family(name, help, lengths)?;
        }
        Ok(())
    }

    fn trimming(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let removed = self.trimmed.iter().map(|(stream, status)| {
            let labels = vec![("stream", stream.as_str())];
            (labels, ConstCounter::new(status.removed))
        });
        page.family("trimmed", "Entries trimmed from the stream.", removed)?;
        let holding = self.trimmed.iter().map(|(stream, status)| {
            let labels = vec![("stream", stream.as_str()), ("group", status.holder.as_str())];
            (labels, seconds(status.holding_ms))
        });
        let help = "Age of the entry behind which a group keeps the stream from being trimmed.";
        page.family("holding_seconds", help, holding)
    }

    fn lanes(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let lanes: Vec<_> = self
            .lanes
            .iter()
            .map(|(name, report)| (name, name.lane.to_string(), report.as_ref()))
            .collect();
        let all = || {
            let lanes = lanes.iter();
            lanes.map(|(name, lane, report)| (vec![("service", name.service.as_str()), ("lane", lane)], *report))
        };
        let running = || all().filter_map(|(labels, report)| Some((labels, report?)));
        let ready = all().map(|(labels, report)| {
            let is_ready = report.is_some_and(|report| report.not_ready.is_empty());
            (labels, ConstGauge::new(u64::from(is_ready)))
        });
        page.family("ready", "1 if everything on the way to the service can flow.", ready)?;
        for (name, help, value) in LANE_GAUGES {
            page.family(
                name,
                help,
                running().map(|(labels, report)| (labels, ConstGauge::new(value(report)))),
            )?;
        }
        for (name, help, value) in LANE_COUNTERS {
            page.family(
                name,
                help,
                running().map(|(labels, report)| (labels, ConstCounter::new(value(report)))),
            )?;
        }
        let batches = running().map(|(labels, report)| (labels, HistogramMetric(&report.counters.batch)));
        page.family("batch_entries", "Entries per delivery.", batches)?;
        let answers = running().map(|(labels, report)| (labels, HistogramMetric(&report.counters.answer_seconds)));
        page.family("answer_seconds", "From publishing a delivery to its receipt.", answers)
    }

    fn routes(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let routes: Vec<(String, &RouteReport)> = self
            .lanes
            .iter()
            .filter_map(|(name, report)| Some((name.lane, report.as_ref()?)))
            .flat_map(|(lane, report)| report.routes.iter().map(move |route| (lane.to_string(), route)))
            .collect();
        let routes = || {
            routes.iter().map(|(lane, route)| {
                let labels = vec![
                    ("stream", route.stream.as_str()),
                    ("group", &route.group),
                    ("lane", lane),
                ];
                (labels, *route)
            })
        };
        let buffered = routes().map(|(labels, route)| (labels, ConstGauge::new(route.buffered)));
        page.family(
            "buffered_entries",
            "Entries in memory that wait for their delivery.",
            buffered,
        )?;
        for (name, help, value) in ROUTE_COUNTERS {
            page.family(
                name,
                help,
                routes().map(|(labels, route)| (labels, ConstCounter::new(value(route)))),
            )?;
        }
        let dead = routes().flat_map(|(labels, route)| {
            Cause::ALL.map(|cause| {
                let labels = [&labels[..], &[("cause", cause.as_str())]].concat();
                (labels, ConstCounter::new(route.counters.dead[cause as usize]))
            })
        });
        page.family("dead_lettered", "Entries moved to the dead letters, by cause.", dead)?;
        let attempts = routes().map(|(labels, route)| (labels, HistogramMetric(&route.counters.attempts)));
        page.family("attempts", "The attempt of each entry delivered.", attempts)?;
        let settling = routes().map(|(labels, route)| (labels, HistogramMetric(&route.counters.settle_seconds)));
        page.family("settle_seconds", "From a receipt to having it written down.", settling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(groups: Vec<(String, String, RouteState)>) -> String {
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

    #[test]
    fn an_unknown_lag_is_absent() {
        let state = |lag| RouteState {
            lag,
            oldest_pending_ms: Some(1_500),
            ..RouteState::default()
        };
        let page = page(vec![
            ("a\"b\\c\nd".into(), "g".into(), state(None)),
            ("b".into(), "g".into(), state(Some(0))),
        ]);
        assert!(!page.contains("stream_sidecar_lag{stream=\"a"));
        for line in [
            r#"stream_sidecar_lag{stream="b",group="g"} 0"#,
            r#"stream_sidecar_oldest_pending_seconds{stream="a\"b\\c\nd",group="g"} 1.5"#,
            r#"stream_sidecar_ready{service="app",lane="2"} 0"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }

    #[test]
    fn every_family_is_described_as_ever() {
        let page = page(Vec::new());
        for family in [
            "# HELP stream_sidecar_deliveries_total Deliveries published.\n# TYPE stream_sidecar_deliveries_total counter\n",
            "# HELP stream_sidecar_lag Entries never delivered to the group; absent where Redis does not know.\n",
            "# TYPE stream_sidecar_answer_seconds histogram\n",
        ] {
            assert!(page.contains(family), "{family} in {page}");
        }
    }
}
