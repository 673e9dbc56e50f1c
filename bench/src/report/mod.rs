//! The report: what was measured as tables and pictures.

mod pictures;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::goals::{Goal, Target};
use crate::machine::Surroundings;
use crate::process::project;
use crate::results::{Measured, Results};

/// Writes the report and its pictures; answers with where it is.
pub(crate) fn write(results: &Results, goals: &[Goal], quick: bool) -> Result<PathBuf> {
    let folder = project().join(if quick { "target/bench/quick" } else { "bench" });
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures)?;
    let drawn = pictures::draw(results, &pictures)?;
    let mut text = String::from("# How fast it is\n");
    if quick {
        text += "\nA quick measurement: few and short runs. Its figures are rough.\n";
    }
    text += "\nHow each figure is measured, and what it does not say, is in the benchmark's README. ";
    text += "Figures are medians, the lowest and the highest run in brackets.\n";
    surroundings(&mut text, results)?;
    summary(&mut text, goals)?;
    let picture = |name: &str, says: &str| -> String {
        if drawn.contains(&name) {
            format!("\n![{says}](pictures/{name}.svg)\n")
        } else {
            String::new()
        }
    };
    if let Some(one) = &results.fulfilment {
        text +=
            "\n## Fulfilment\n\nOrders of two lines over 100 products that are paid for wait, a tenth of them out of ";
        text += "stock: stock taken, outcome told, entry acknowledged.\n";
        text += &picture("fulfilment", "Orders per second of each contender");
        tables::fulfilment(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.sweeps {
        text += "\n## Batches, window and lanes\n\nThe same, by how many entries a delivery holds, how many deliveries of a ";
        text += "lane may be unanswered, and how many lanes there are.\n";
        text += &picture("sweeps", "Orders per second by size of batch and by window");
        tables::sweeps(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.cycle {
        text +=
            "\n## The whole cycle\n\nPlaced orders wait; charged, completed, fulfilled or refunded, closed. Busy is ";
        text += "the share of one core.\n";
        tables::cycle(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.profile {
        text +=
            "\n## Where the time of one order goes\n\nEach stage alone, all orders through it before the next begins. ";
        text += "Microseconds per entry. A script's own commands count within `evalsha` and under their own names.\n";
        tables::profile(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.latency {
        text += "\n## Latency of one order\n\nFrom the answer to `POST` until a `GET` shows `fulfilled`, on an idle ";
        text +=
            "system and beside 2,000 orders per second. Here all runs together; the targets are of their medians.\n";
        text += &picture("latency", "Share of the orders that were fulfilled within a time");
        tables::latency(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.http {
        text += "\n## HTTP\n\n32 kept-alive connections, nothing else going on.\n";
        text += &picture("http", "Requests per second and p99 of each contender");
        tables::http(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.sidecar {
        text += "\n## The sidecar\n\n";
        tables::sidecar(&mut text, &one.figures)?;
    }
    if let Some(one) = &results.growth {
        text += "\n## Growth\n";
        text += &picture("growth", "Time per order and memory by number of stored orders");
        text += "\n";
        tables::growth(&mut text, &one.figures)?;
    }
    let file = folder.join("report.md");
    std::fs::write(&file, text)?;
    Ok(file)
}

fn surroundings(text: &mut String, results: &Results) -> Result<()> {
    fn of<T>(measured: Option<&Measured<T>>) -> Option<&Surroundings> {
        measured.map(|measured| &measured.surroundings)
    }
    let parts: Vec<(&str, &Surroundings)> = [
        ("fulfilment", of(results.fulfilment.as_ref())),
        ("sweeps", of(results.sweeps.as_ref())),
        ("cycle", of(results.cycle.as_ref())),
        ("profile", of(results.profile.as_ref())),
        ("latency", of(results.latency.as_ref())),
        ("http", of(results.http.as_ref())),
        ("sidecar", of(results.sidecar.as_ref())),
        ("growth", of(results.growth.as_ref())),
    ]
    .into_iter()
    .filter_map(|(name, surroundings)| Some((name, surroundings?)))
    .collect();
    let all = || parts.iter().map(|(_, surroundings)| *surroundings);
    let (Some(first), Some(last)) = (
        all().min_by_key(|surroundings| &surroundings.date),
        all().max_by_key(|surroundings| &surroundings.date),
    ) else {
        return Ok(());
    };
    let load = all().map(|surroundings| surroundings.load).fold(0.0, f64::max);
    writeln!(
        text,
        "\nMeasured {} to {} on {}, {} cores, {:.0} GB, Linux {}, load generators included; when the busiest part began, \
         the load average was {load:.1}.",
        first.date, last.date, last.cpu, last.cores, last.memory_gb, last.kernel
    )?;
    writeln!(text, "\nWith {}.", last.versions.join("; "))?;
    // A part that was measured again by itself may have met another version than the rest.
    let mut differing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, surroundings) in &parts {
        let versions = surroundings.versions.iter();
        let others: Vec<&str> = versions
            .filter(|version| !last.versions.contains(version))
            .map(String::as_str)
            .collect();
        if !others.is_empty() {
            differing.entry(others.join("; ")).or_default().push(name);
        }
    }
    for (versions, names) in differing {
        writeln!(text, "\nOf these, {} with {versions}.", names.join(", "))?;
    }
    Ok(())
}

fn summary(text: &mut String, goals: &[Goal]) -> Result<()> {
    if goals.is_empty() {
        return Ok(());
    }
    *text += "\n## Targets\n\nRatios are medians of the ratios of runs that followed each other, or of two medians for the whole cycle; more is better in each.\n";
    *text += "\n| what | measured | target | |\n|---|---|---|---|\n";
    for goal in goals {
        let target = match goal.target {
            Some(Target::AtLeast(least)) => format!("at least {}", tables::number(least)),
            Some(Target::AtMost(most)) => format!("at most {}", tables::number(most)),
            None => String::new(),
        };
        let met = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let value = tables::number(goal.value);
        writeln!(text, "| {} | {value} {} | {target} | {met} |", goal.name, goal.unit)?;
    }
    Ok(())
}
