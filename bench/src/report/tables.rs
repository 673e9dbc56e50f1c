//! The tables of the report, one for each part.

use std::fmt::Write;

use anyhow::Result;

use crate::parts::cycle::Cycle;
use crate::parts::fulfilment::Fulfilment;
use crate::parts::growth::Growth;
use crate::parts::http::Http;
use crate::parts::latency::Latency;
use crate::parts::profile::Profile;
use crate::parts::sidecar::SidecarCost;
use crate::parts::sweeps::Sweeps;
use crate::statistics::{median, percentile};
use crate::wrk::Load;

/// Commands that a table of the profile shows for each stage.
const COMMANDS_MAX: usize = 7;

/// A number with as many digits as say something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => thousands(value),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The median, and the lowest and the highest where there are several.
fn spread(figures: &[f64]) -> String {
    let middle = number(median(figures));
    if figures.len() < 2 {
        return middle;
    }
    let (low, high) = (percentile(figures, 0.0), percentile(figures, 100.0));
    format!("{middle} ({} to {})", number(low), number(high))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

pub(super) fn fulfilment(text: &mut String, figures: &Fulfilment) -> Result<()> {
    *text += "\nProcessor time of the runtime and of the sidecar is in microseconds per order.\n";
    *text += "\n| | `appendfsync` | orders in a run | orders/s | Redis busy | runtime | sidecar |\n";
    *text += "|---|---|---|---|---|---|---|\n";
    for row in &figures.rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.contender,
            row.fsync.as_str(),
            number(row.orders as f64),
            spread(&row.per_s),
            percent(median(&row.redis_busy)),
            cost(&row.app_us),
            cost(&row.sidecar_us)
        )?;
    }
    Ok(())
}

/// Microseconds; nothing where there was nothing to measure.
fn cost(us: &[f64]) -> String {
    match median(us) {
        0.0 => String::new(),
        us => number(us),
    }
}

pub(super) fn sweeps(text: &mut String, figures: &Sweeps) -> Result<()> {
    for (name, points) in [
        ("entries per delivery", &figures.by_batch),
        ("deliveries unanswered", &figures.by_window),
        ("lanes", &figures.by_lanes),
    ] {
        writeln!(
            text,
            "\n| {name} | orders/s on {} | runtime, microseconds per order | sidecar |\n|---|---|---|---|",
            figures.runtime
        )?;
        for point in points {
            let (per_s, app, sidecar) = (spread(&point.per_s), spread(&point.app_us), spread(&point.sidecar_us));
            writeln!(text, "| {} | {per_s} | {app} | {sidecar} |", point.setting)?;
        }
    }
    Ok(())
}

pub(super) fn cycle(text: &mut String, figures: &Cycle) -> Result<()> {
    *text += "\n| | `appendfsync` | orders/s | Redis busy | runtime busy | sidecar busy | placed/s before |\n";
    *text += "|---|---|---|---|---|---|---|\n";
    for row in &figures.rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.setup,
            row.fsync.as_str(),
            spread(&row.per_s),
            percent(median(&row.redis_busy)),
            percent(median(&row.app_busy)),
            percent(median(&row.sidecar_busy)),
            spread(&row.placed_per_s)
        )?;
    }
    for row in figures.rows.iter().take(1) {
        writeln!(
            text,
            "\nWhat Redis did for {} orders on {} (the watch's own `xinfo` left out):\n\n\
             | command | calls per order | microseconds per call | microseconds per order |\n|---|---|---|---|",
            number(row.orders as f64),
            row.setup
        )?;
        let mut commands: Vec<_> = row.counted.commands.iter().collect();
        commands.retain(|(name, _)| !name.starts_with("xinfo"));
        commands.sort_by(|one, other| other.1.1.total_cmp(&one.1.1));
        let orders = row.orders as f64;
        for (name, (calls, us)) in commands.into_iter().take(12) {
            writeln!(
                text,
                "| `{name}` | {} | {} | {} |",
                number(calls / orders),
                number(us / calls),
                number(us / orders)
            )?;
        }
    }
    Ok(())
}

pub(super) fn profile(text: &mut String, figures: &Profile) -> Result<()> {
    writeln!(
        text,
        "\n| stage on {} | entries | by the clock | Redis's thread | runtime and components | sidecar | within Redis's \
         commands |\n|---|---|---|---|---|---|---|",
        figures.runtime
    )?;
    for stage in &figures.stages {
        let commands: Vec<String> = stage
            .commands
            .iter()
            .take(COMMANDS_MAX)
            .map(|(name, calls, us)| format!("`{name}` {us:.1} ({} calls)", number(*calls)))
            .collect();
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {} |",
            stage.name,
            number(stage.entries as f64),
            stage.wall_us,
            stage.redis_us,
            stage.app_us,
            stage.sidecar_us,
            commands.join(", ")
        )?;
    }
    Ok(())
}

pub(super) fn latency(text: &mut String, figures: &Latency) -> Result<()> {
    *text += "\n| | | orders watched | p50 ms | p90 ms | p99 ms | slowest ms |\n|---|---|---|---|---|---|---|\n";
    for row in &figures.rows {
        let load = format!("beside {} orders/s", number(median(&row.load_per_s)));
        for (what, times) in [("idle", row.idle_ms.concat()), (&load, row.loaded_ms.concat())] {
            writeln!(
                text,
                "| {} | {what} | {} | {:.1} | {:.1} | {:.1} | {:.1} |",
                row.setup,
                number(times.len() as f64),
                percentile(&times, 50.0),
                percentile(&times, 90.0),
                percentile(&times, 99.0),
                percentile(&times, 100.0)
            )?;
        }
    }
    Ok(())
}

pub(super) fn http(text: &mut String, figures: &Http) -> Result<()> {
    *text += "\n| | | requests/s | p50 ms | p90 ms | p99 ms |\n|---|---|---|---|---|---|\n";
    for row in &figures.rows {
        for (what, loads) in [
            ("`POST` an order", &row.post),
            ("`GET` an order", &row.get),
            ("health check", &row.health),
        ] {
            if loads.is_empty() {
                continue;
            }
            let all = |figure: fn(&Load) -> f64| -> String { spread(&loads.iter().map(figure).collect::<Vec<_>>()) };
            writeln!(
                text,
                "| {} | {what} | {} | {} | {} | {} |",
                row.contender,
                all(Load::per_s),
                all(|load| load.p50_ms),
                all(|load| load.p90_ms),
                all(|load| load.p99_ms)
            )?;
        }
    }
    Ok(())
}

pub(super) fn sidecar(text: &mut String, figures: &SidecarCost) -> Result<()> {
    *text += "| | |\n|---|---|\n";
    let waiting = number(figures.entries as f64);
    for (what, value) in [
        (
            "most memory, started and idle".to_owned(),
            format!("{:.1} MB", figures.idle_mb),
        ),
        (
            format!("most memory, {waiting} entries waiting, the component not answering"),
            format!("{:.1} MB", figures.silent_mb),
        ),
        (
            format!("most memory after {waiting} entries were drained"),
            format!(
                "{:.1} MB, {} entries/s",
                figures.drained_mb,
                number(figures.drain_per_s)
            ),
        ),
        (
            format!("processor at {} entries/s", number(median(&figures.rate_per_s))),
            format!("{} of a core", spread(&figures.busy)),
        ),
    ] {
        writeln!(text, "| {what} | {value} |")?;
    }
    Ok(())
}

pub(super) fn growth(text: &mut String, figures: &Growth) -> Result<()> {
    writeln!(
        text,
        "| orders stored, on {} | placing an order, us | the rest of its way, us | of it Redis, us | a page of 50, p50 ms \
         | p99 ms | bytes per order |\n|---|---|---|---|---|---|---|",
        figures.runtime
    )?;
    for step in &figures.steps {
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} | {:.1} | {} |",
            number(step.orders as f64),
            spread(&step.place_us),
            spread(&step.cycle_us),
            spread(&step.cycle_redis_us),
            step.page_p50_ms,
            step.page_p99_ms,
            number(step.bytes_per_order)
        )?;
    }
    // The commands that take most of the time at the end, at each step.
    let Some(last) = figures.steps.last() else {
        return Ok(());
    };
    let mut names: Vec<&(String, f64, f64)> = last.commands.iter().collect();
    names.retain(|(name, ..)| !name.starts_with("xinfo"));
    names.sort_by(|one, other| other.2.total_cmp(&one.2));
    names.truncate(COMMANDS_MAX);
    let heads: Vec<String> = names.iter().map(|(name, ..)| format!("`{name}`")).collect();
    writeln!(
        text,
        "\nMicroseconds per call of the Redis commands that take most of the time:\n\n| orders stored | {} |\n|---|{}",
        heads.join(" | "),
        "---|".repeat(heads.len())
    )?;
    for step in &figures.steps {
        let cells: Vec<String> = names
            .iter()
            .map(|(wanted, ..)| {
                let found = step.commands.iter().find(|(name, ..)| name == wanted);
                found.map_or_else(String::new, |(_, calls, us)| number(us / calls))
            })
            .collect();
        writeln!(text, "| {} | {} |", number(step.orders as f64), cells.join(" | "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_say_something() {
        for (value, text) in [
            (1_234_567.8, "1,234,568"),
            (1_000.0, "1,000"),
            (999.4, "999"),
            (12.34, "12.3"),
            (0.756, "0.76"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(spread(&[2.0]), "2.00");
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "2.00 (1.00 to 3.00)");
    }
}
