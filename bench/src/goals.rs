//! What the project is to be as fast as, and whether it still is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::parts::{fulfilment, http};
use crate::process::project;
use crate::results::Results;
use crate::statistics::{median, percentile};
use crate::system::Fsync;
use crate::wrk::Load;

/// A figure with what it should be.
pub(crate) struct Goal {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Empty for a ratio: these hold on other machines too, and more is better in all of them.
    pub(crate) unit: &'static str,
    pub(crate) target: Option<Target>,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn ratio(name: String, value: f64, at_least: Option<f64>) -> Self {
        Self {
            name,
            value,
            unit: "",
            target: at_least.map(Target::AtLeast),
        }
    }

    fn figure(name: String, value: f64, unit: &'static str, target: Target) -> Self {
        Self {
            name,
            value,
            unit,
            target: Some(target),
        }
    }

    /// Whether it is as it should be.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        })
    }
}

/// The median of the ratios of runs that followed each other.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// Every goal that was measured.
pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = fulfilment_goals(results);
    // 12,000 orders per second were asked for on a machine where FastStream's batches made 13,900: as a ratio, it can be
    // asked of any machine.
    let faststream = results.fulfilment.as_ref().and_then(|fulfilment| {
        let is_peer = |row: &&fulfilment::Row| {
            row.contender == fulfilment::Contender::FaststreamBatch && row.fsync == Fsync::Everysec
        };
        fulfilment.figures.rows.iter().find(is_peer)
    });
    if let Some(cycle) = &results.cycle {
        for row in cycle.figures.rows.iter().filter(|row| row.fsync == Fsync::Everysec) {
            let name = format!("whole cycle on {}", row.setup);
            goals.push(Goal::figure(
                name,
                median(&row.per_s),
                "orders/s",
                Target::AtLeast(12_000.0),
            ));
            if let Some(peer) = &faststream {
                let name = format!("whole cycle: {} / fulfilment by FastStream batches", row.setup);
                goals.push(Goal::ratio(name, median(&row.per_s) / median(&peer.per_s), Some(0.86)));
            }
        }
    }
    if let Some(latency) = &results.latency {
        for row in &latency.figures.rows {
            for (what, runs, percent, most) in [
                ("idle, p50", &row.idle_ms, 50.0, 8.0),
                ("idle, p99", &row.idle_ms, 99.0, 20.0),
                ("under 2,000 orders/s, p99", &row.loaded_ms, 99.0, 60.0),
            ] {
                let name = format!("latency on {}, {what}", row.setup);
                let of_runs: Vec<f64> = runs.iter().map(|times| percentile(times, percent)).collect();
                goals.push(Goal::figure(name, median(&of_runs), "ms", Target::AtMost(most)));
            }
            let name = format!("latency on {}, orders placed beside it", row.setup);
            goals.push(Goal::figure(
                name,
                median(&row.load_per_s),
                "orders/s",
                Target::AtLeast(1_900.0),
            ));
        }
    }
    goals.extend(http_goals(results));
    if let Some(sidecar) = &results.sidecar {
        let cost = &sidecar.figures;
        let memory = format!("sidecar's memory, {} entries waiting", cost.entries);
        goals.push(Goal::figure(
            memory,
            cost.drained_mb.max(cost.silent_mb),
            "MB",
            Target::AtMost(30.0),
        ));
        let name = "sidecar at 20,000 entries/s".to_owned();
        goals.push(Goal::figure(
            name,
            median(&cost.busy),
            "of a core",
            Target::AtMost(0.25),
        ));
    }
    if let Some(growth) = &results.growth
        && let (Some(first), Some(last)) = (growth.figures.steps.first(), growth.figures.steps.last())
    {
        let name = |what: &str| format!("growth, {what}: with least stored / with most");
        let time = median(&first.cycle_us) / median(&last.cycle_us);
        goals.push(Goal::ratio(name("time per order"), time, Some(0.8)));
        let place = median(&first.place_us) / median(&last.place_us);
        goals.push(Goal::ratio(name("time per placing"), place, Some(0.8)));
        let page = first.page_p50_ms / last.page_p50_ms;
        goals.push(Goal::ratio(name("a page of the list"), page, Some(0.8)));
    }
    goals
}

fn fulfilment_goals(results: &Results) -> Vec<Goal> {
    use fulfilment::Contender;

    let Some(fulfilment) = &results.fulfilment else {
        return Vec::new();
    };
    let rows = &fulfilment.figures.rows;
    let mut goals = Vec::new();
    for ours in rows {
        let Contender::App { setup } = ours.contender else {
            continue;
        };
        let durability = match ours.fsync {
            Fsync::Everysec => "",
            Fsync::Always => ", always",
        };
        for (peer, name, at_least) in [
            (Contender::Native, "native consumer", 0.75),
            (Contender::FaststreamGroup, "FastStream consumer group", 20.0),
            (Contender::FaststreamBatch, "FastStream batches", 3.5),
        ] {
            let Some(theirs) = rows.iter().find(|row| row.contender == peer && row.fsync == ours.fsync) else {
                continue;
            };
            let name = format!("fulfilment{durability}: {setup} / {name}");
            let target = (ours.fsync == Fsync::Everysec).then_some(at_least);
            goals.push(Goal::ratio(name, ratio(&ours.per_s, &theirs.per_s), target));
        }
    }
    goals
}

fn http_goals(results: &Results) -> Vec<Goal> {
    use http::Contender;

    let Some(http) = &results.http else {
        return Vec::new();
    };
    let rows = &http.figures.rows;
    // One process is how uvicorn starts, and what the targets speak of; two use both cores, as the project does.
    let peer = |workers| rows.iter().find(|row| row.contender == Contender::Fastapi { workers });
    let (Some(one), Some(two)) = (peer(1), peer(2)) else {
        return Vec::new();
    };
    let per_s = |loads: &[Load]| -> Vec<f64> { loads.iter().map(Load::per_s).collect() };
    let p99_ms = |loads: &[Load]| -> Vec<f64> { loads.iter().map(|load| load.p99_ms).collect() };
    let mut goals = Vec::new();
    for ours in rows {
        let Contender::App { runtime } = ours.contender else {
            continue;
        };
        for (what, ours, one, two, at_least) in [
            ("POST", &ours.post, &one.post, &two.post, 2.5),
            ("GET", &ours.get, &one.get, &two.get, 2.0),
        ] {
            for (theirs, name, targets) in [
                (one, "FastAPI", Some((at_least, 4.0))),
                (two, "FastAPI with 2 workers", None),
            ] {
                goals.push(Goal::ratio(
                    format!("HTTP {what}: {runtime} / {name}"),
                    ratio(&per_s(ours), &per_s(theirs)),
                    targets.map(|(requests, _)| requests),
                ));
                goals.push(Goal::ratio(
                    format!("HTTP {what}, p99: {name} / {runtime}"),
                    ratio(&p99_ms(theirs), &p99_ms(ours)),
                    targets.map(|(_, p99)| p99),
                ));
            }
        }
    }
    goals
}

/// `bench/expected.toml`: the ratios of an earlier measurement.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// How far below what is expected a ratio may lie, as a share of it: in a full measurement, and in a quick one.
    tolerance: f64,
    tolerance_quick: f64,
    ratios: BTreeMap<String, f64>,
}

fn expected_file() -> PathBuf {
    project().join("bench/expected.toml")
}

/// Fails when a ratio has become worse than it was expected to be, and says which.
pub(crate) fn check(goals: &[Goal], quick: bool) -> Result<()> {
    let file = expected_file();
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let expected: Expected = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let tolerance = if quick {
        expected.tolerance_quick
    } else {
        expected.tolerance
    };
    let (mut worse, mut compared) = (Vec::new(), 0);
    for (name, was) in &expected.ratios {
        let Some(goal) = goals.iter().find(|goal| goal.name == *name) else {
            println!("not measured: {name}");
            continue;
        };
        compared += 1;
        let least = was * (1.0 - tolerance);
        // What is no number is not good either.
        let is_good = goal.value >= least;
        let verdict = if is_good { "good" } else { "WORSE" };
        println!(
            "{verdict}: {name}: {:.2}, expected {was:.2}, at least {least:.2}",
            goal.value
        );
        if !is_good {
            worse.push(name.as_str());
        }
    }
    println!("{compared} of {} ratios were measured", expected.ratios.len());
    ensure!(compared > 0, "nothing was compared");
    ensure!(worse.is_empty(), "slower than expected: {}", worse.join("; "));
    Ok(())
}

/// Makes what was measured what is expected from now on.
pub(crate) fn expect(goals: &[Goal]) -> Result<()> {
    let ratios = goals.iter().filter(|goal| goal.unit.is_empty());
    let expected = Expected {
        tolerance: 0.2,
        tolerance_quick: 0.5,
        ratios: ratios
            .map(|goal| (goal.name.clone(), (goal.value * 100.0).round() / 100.0))
            .collect(),
    };
    let text = format!(
        "# What `make bench CHECK=1` compares with: the ratios of the last full measurement, in all of which more is \
         better.\n# `make bench EXPECT=1` writes this file.\n{}",
        toml::to_string(&expected)?
    );
    std::fs::write(expected_file(), text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_runs_that_followed_each_other() {
        assert_eq!(ratio(&[10.0, 20.0, 90.0], &[5.0, 10.0, 10.0]), 2.0);
    }

    #[test]
    fn a_goal_knows_whether_it_is_met() {
        let goal = |value, target| Goal::figure(String::new(), value, "ms", target).is_met();
        assert_eq!(goal(1.0, Target::AtMost(1.0)), Some(true));
        assert_eq!(goal(1.1, Target::AtMost(1.0)), Some(false));
        assert_eq!(goal(0.9, Target::AtLeast(1.0)), Some(false));
        assert_eq!(Goal::ratio(String::new(), 1.0, None).is_met(), None);
    }
}
