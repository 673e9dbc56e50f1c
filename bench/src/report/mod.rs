//! The report: tables and pictures of what was measured.

mod pictures;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use self::tables::{number, table};
use crate::goals::{Goal, Target};
use crate::process::project;
use crate::results::{Measured, Results};

const INTRODUCTION: &str = "
How each figure is measured, and what it does not say, is in the benchmark's README. Figures are medians, the lowest and \
the highest run in brackets.
";

const TARGETS: &str = "
## Targets

Ratios are medians of the ratios of runs that followed each other, or of two medians for the whole cycle; more is better \
in each.
";

/// Writes the report and its pictures; returns the report's file.
pub(crate) fn write(results: &Results, goals: &[Goal], quick: bool) -> Result<PathBuf> {
    let folder = project().join(if quick { "target/bench/quick" } else { "bench" });
    let pictures = folder.join("pictures");
    fs::create_dir_all(&pictures)?;
    let mut report = Report {
        text: "# How fast it is\n".to_owned(),
        pictures: &pictures,
    };
    if quick {
        report.text += "\nA quick measurement: few and short runs. Its figures are rough.\n";
    }
    report.text += INTRODUCTION;
    report.text += &surroundings(results);
    if !goals.is_empty() {
        report.text += TARGETS;
        report.text += &targets(goals);
    }
    report.part(
        results.fulfilment.as_ref(),
        "Fulfilment",
        "Paid orders of two lines over 100 products wait, a tenth of them out of stock: stock taken, outcome published, \
         entry acknowledged.",
        Some(("fulfilment", "Orders per second of each contender", pictures::fulfilment)),
        tables::fulfilment,
    )?;
    report.part(
        results.sweeps.as_ref(),
        "Batches, window and lanes",
        "The same, by the entries of a delivery, the unanswered deliveries of a lane, and the lanes.",
        Some((
            "sweeps",
            "Orders per second by size of batch and by window",
            pictures::sweeps,
        )),
        tables::sweeps,
    )?;
    report.part(
        results.cycle.as_ref(),
        "The whole cycle",
        "Placed orders wait; charged, completed, fulfilled or refunded, closed. Busy is the share of one core.",
        None,
        tables::cycle,
    )?;
    report.part(
        results.profile.as_ref(),
        "Where the time of one order goes",
        "Each stage alone, all orders through it before the next begins. Microseconds per entry. A script's own commands \
         count within `evalsha` and under their own names.",
        None,
        tables::profile,
    )?;
    report.part(
        results.latency.as_ref(),
        "Latency of one order",
        "From the answer to `POST` until a `GET` shows `fulfilled`, on an idle system and beside 2,000 orders per second. \
         Here all runs together; the targets are of their medians.",
        Some(("latency", "Share of the orders that were fulfilled within a time", pictures::latency)),
        tables::latency,
    )?;
    report.part(
        results.http.as_ref(),
        "HTTP",
        "32 kept-alive connections, nothing else going on. Beside each figure of the project its share of the limit: of \
         the native server's requests, or the native server's time as a share of the project's.",
        Some(("http", "Requests per second and p99 of each contender", pictures::http)),
        tables::http,
    )?;
    report.part(results.sidecar.as_ref(), "The sidecar", "", None, tables::sidecar)?;
    report.part(
        results.growth.as_ref(),
        "Growth",
        "",
        Some((
            "growth",
            "Time per order and memory by number of stored orders",
            pictures::growth,
        )),
        tables::growth,
    )?;
    let file = folder.join("report.md");
    fs::write(&file, report.text)?;
    Ok(file)
}

struct Report<'a> {
    text: String,
    pictures: &'a Path,
}

/// Name, caption, and how it is drawn into a file.
type Picture<T> = (&'static str, &'static str, fn(&T, &Path) -> Result<()>);

impl Report<'_> {
    fn part<T>(
        &mut self,
        part: Option<&Measured<T>>,
        title: &str,
        introduction: &str,
        picture: Option<Picture<T>>,
        tables: fn(&T) -> String,
    ) -> Result<()> {
        let Some(part) = part else {
            return Ok(());
        };
        self.text += &format!("\n## {title}\n");
        if !introduction.is_empty() {
            self.text += &format!("\n{introduction}\n");
        }
        if let Some((name, caption, draw)) = picture {
            draw(&part.figures, &self.pictures.join(format!("{name}.svg")))?;
            self.text += &format!("\n![{caption}](pictures/{name}.svg)\n");
        }
        self.text += &tables(&part.figures);
        Ok(())
    }
}

fn surroundings(results: &Results) -> String {
    let parts = results.surroundings();
    let all = || parts.iter().map(|(_, surroundings)| *surroundings);
    let (Some(first), Some(last)) = (
        all().min_by_key(|surroundings| &surroundings.date),
        all().max_by_key(|surroundings| &surroundings.date),
    ) else {
        return String::new();
    };
    let load = all().map(|surroundings| surroundings.load).fold(0.0, f64::max);
    let mut text = format!(
        "\nMeasured {} to {} on {}, {} cores, {:.0} GB, Linux {}, load generators included; when the busiest part began, \
         the load average was {load:.1}.\n\nWith {}.\n",
        first.date,
        last.date,
        last.cpu,
        last.cores,
        last.memory_gb,
        last.kernel,
        last.versions.join("; ")
    );
    // A part that was measured again by itself may have met other versions than the rest.
    let mut differing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, surroundings) in &parts {
        let mut others = surroundings.versions.clone();
        others.retain(|version| !last.versions.contains(version));
        if !others.is_empty() {
            differing.entry(others.join("; ")).or_default().push(name);
        }
    }
    for (versions, names) in differing {
        text += &format!("\nOf these, {} with {versions}.\n", names.join(", "));
    }
    text
}

fn targets(goals: &[Goal]) -> String {
    let row = |goal: &Goal| {
        let target = match goal.target {
            Some(Target::AtLeast(least)) => format!("at least {}", number(least)),
            Some(Target::AtMost(most)) => format!("at most {}", number(most)),
            None => String::new(),
        };
        let met = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let value = format!("{} {}", number(goal.value), goal.unit);
        vec![goal.name.clone(), value, target, met.to_owned()]
    };
    table("what | measured | target | ", goals.iter().map(row))
}
