//! The tables of the report, in Markdown.

use crate::goals::ratio;
use crate::parts::cycle::Cycle;
use crate::parts::fulfilment::{Contender, Fulfilment};
use crate::parts::growth::Growth;
use crate::parts::http::{self, Http};
use crate::parts::latency::Latency;
use crate::parts::profile::Profile;
use crate::parts::sidecar::SidecarCost;
use crate::parts::sweeps::{self, Sweeps};
use crate::statistics::{median, percentile};
use crate::wrk::Load;

/// Commands in the tables of stages and of growth.
const COMMANDS_MAX: usize = 7;
/// Commands in the table of the whole cycle.
const CYCLE_COMMANDS_MAX: usize = 12;

/// A table behind an empty line. The heads are one string, with `|` between them.
pub(super) fn table(heads: &str, rows: impl IntoIterator<Item = impl Into<Vec<String>>>) -> String {
    let columns = heads.split('|').count();
    let mut text = format!("\n| {heads} |\n|{}\n", "---|".repeat(columns));
    text.extend(rows.into_iter().map(|row| format!("| {} |\n", row.into().join(" | "))));
    text
}

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

pub(super) fn fulfilment(figures: &Fulfilment) -> String {
    let text = "\nProcessor time of the runtime and of the sidecar is in microseconds per order. The limit is what the \
                native consumer does.\n";
    let heads = " | `appendfsync` | orders in a run | orders/s | of the limit | Redis busy | runtime | sidecar";
    let rows = figures.rows.iter().map(|row| {
        let case = row.case;
        let limit = figures.row(Contender::Native, case.fsync);
        let limit = limit.filter(|_| matches!(case.contender, Contender::App { .. }));
        let share = limit.map(|limit| ratio(&row.each(|run| run.per_s), &limit.each(|run| run.per_s)));
        [
            case.contender.to_string(),
            case.fsync.as_str().to_owned(),
            number(case.orders as f64),
            spread(&row.each(|run| run.per_s)),
            share.map(percent).unwrap_or_default(),
            percent(row.median(|run| run.redis_busy)),
            cost(row.median(|run| run.app_us)),
            cost(row.median(|run| run.sidecar_us)),
        ]
    });
    text.to_owned() + &table(heads, rows)
}

/// Microseconds; nothing where there was nothing to measure.
fn cost(us: f64) -> String {
    if us == 0.0 { String::new() } else { number(us) }
}

pub(super) fn sweeps(figures: &Sweeps) -> String {
    let settings = [
        ("entries per delivery", sweeps::BATCH),
        ("deliveries unanswered", sweeps::WINDOW),
        ("lanes", sweeps::LANES),
    ];
    let one = |(name, setting)| {
        let heads = format!(
            "{name} | orders/s on {} | runtime, microseconds per order | sidecar",
            figures.runtime
        );
        let rows = figures.by(setting).map(|row| {
            [
                row.case.value.to_string(),
                spread(&row.each(|run| run.per_s)),
                spread(&row.each(|run| run.app_us)),
                spread(&row.each(|run| run.sidecar_us)),
            ]
        });
        table(&heads, rows)
    };
    settings.map(one).concat()
}

pub(super) fn cycle(figures: &Cycle) -> String {
    let heads = " | `appendfsync` | orders/s | Redis busy | runtime busy | sidecar busy | placed/s before";
    let rows = figures.rows.iter().map(|row| {
        [
            row.case.contender.to_string(),
            row.case.fsync.as_str().to_owned(),
            spread(&row.each(|run| run.per_s)),
            percent(row.median(|run| run.redis_busy)),
            percent(row.median(|run| run.app_busy)),
            percent(row.median(|run| run.sidecar_busy)),
            spread(&row.each(|run| run.placed_per_s)),
        ]
    });
    let text = table(heads, rows);
    let Some((row, last)) = figures.rows.first().and_then(|row| Some((row, row.runs.last()?))) else {
        return text;
    };
    let orders = row.case.orders as f64;
    let commands = last.counted.longest_commands().into_iter().take(CYCLE_COMMANDS_MAX);
    let rows = commands.map(|(name, calls, us)| {
        [
            format!("`{name}`"),
            number(calls / orders),
            number(us / calls),
            number(us / orders),
        ]
    });
    let title = format!(
        "\nRedis's commands for {} orders on {} (the benchmark's own `xinfo` left out):\n",
        number(orders),
        row.case.contender
    );
    text + &title
        + &table(
            "command | calls per order | microseconds per call | microseconds per order",
            rows,
        )
}

pub(super) fn profile(figures: &Profile) -> String {
    /// Commands that take less are left out.
    const LEAST_US: f64 = 0.05;
    let heads = format!(
        "stage on {} | entries | by the clock | Redis's thread | runtime and components | sidecar | within Redis's commands",
        figures.runtime
    );
    let rows = figures.stages.iter().map(|stage| {
        let entries = stage.entries as f64;
        let us = |seconds: f64| format!("{:.1}", seconds / entries * 1e6);
        let commands = stage.counted.longest_commands().into_iter();
        let commands: Vec<String> = commands
            .filter(|(_, _, us)| us / entries >= LEAST_US)
            .take(COMMANDS_MAX)
            .map(|(name, calls, us)| format!("`{name}` {:.1} ({} calls)", us / entries, number(calls / entries)))
            .collect();
        [
            stage.name.clone(),
            number(entries),
            us(stage.seconds),
            us(stage.counted.main_thread_s),
            us(stage.app_cpu_s),
            us(stage.sidecar_cpu_s),
            commands.join(", "),
        ]
    });
    table(&heads, rows)
}

pub(super) fn latency(figures: &Latency) -> String {
    let heads = " | | orders watched | p50 ms | p90 ms | p99 ms | slowest ms";
    let rows = figures.rows.iter().flat_map(|row| {
        let load = format!("beside {} orders/s", number(row.median(|run| run.load_per_s)));
        let idle: Vec<f64> = row.runs.iter().flat_map(|run| run.idle_ms.clone()).collect();
        let loaded: Vec<f64> = row.runs.iter().flat_map(|run| run.loaded_ms.clone()).collect();
        [("idle".to_owned(), idle), (load, loaded)].map(|(what, times)| {
            let mut cells = vec![row.case.to_string(), what, number(times.len() as f64)];
            cells.extend([50.0, 90.0, 99.0, 100.0].map(|percent| format!("{:.1}", percentile(&times, percent))));
            cells
        })
    });
    table(heads, rows)
}

pub(super) fn http(figures: &Http) -> String {
    let limit = figures.rows.iter().find(|row| row.case == http::Contender::Native);
    let heads = " | | requests/s | | p50 ms | | p90 ms | | p99 ms | ";
    let columns: [fn(&Load) -> f64; 4] = [Load::per_s, |load| load.p50_ms, |load| load.p90_ms, |load| load.p99_ms];
    let mut rows = Vec::new();
    for row in &figures.rows {
        let is_ours = matches!(row.case, http::Contender::App { .. });
        for (request, load) in http::REQUESTS {
            if row.figures(load, Load::per_s).is_empty() {
                continue;
            }
            let mut cells = vec![row.case.to_string(), request.to_owned()];
            for (index, figure) in columns.into_iter().enumerate() {
                let ours = row.figures(load, figure);
                let share = limit.filter(|_| is_ours).map(|limit| {
                    let limit = limit.figures(load, figure);
                    percent(if index == 0 {
                        ratio(&ours, &limit)
                    } else {
                        ratio(&limit, &ours)
                    })
                });
                cells.extend([spread(&ours), share.unwrap_or_default()]);
            }
            rows.push(cells);
        }
    }
    table(heads, rows)
}

pub(super) fn sidecar(figures: &SidecarCost) -> String {
    let waiting = number(figures.entries as f64);
    let rate = number(median(&figures.rate_per_s));
    let drained = number(figures.drain_per_s);
    let rows = [
        (
            "most memory, started and idle".to_owned(),
            format!("{:.1} MB", figures.idle_mb),
        ),
        (
            format!("most memory, {waiting} entries waiting, the component not answering"),
            format!("{:.1} MB", figures.silent_mb),
        ),
        (
            format!("most memory after {waiting} entries were settled"),
            format!("{:.1} MB, {drained} entries/s", figures.drained_mb),
        ),
        (
            format!("processor at {rate} entries/s"),
            format!("{} of a core", spread(&figures.busy)),
        ),
    ];
    table(" | ", rows.map(|(what, value)| [what, value]))
}

pub(super) fn growth(figures: &Growth) -> String {
    let heads = format!(
        "orders stored, on {} | placing an order, us | the rest of its way, us | of it Redis, us | a page of 50, p50 ms \
         | p99 ms | bytes per order",
        figures.runtime
    );
    let rows = figures.steps.iter().map(|step| {
        [
            number(step.orders as f64),
            spread(&step.each(|run| run.place_us)),
            spread(&step.each(|run| run.cycle_us)),
            spread(&step.each(|run| run.cycle_redis_us)),
            format!("{:.1}", step.page_p50_ms),
            format!("{:.1}", step.page_p99_ms),
            number(step.bytes_per_order),
        ]
    });
    let text = table(&heads, rows);
    let Some(last) = figures.steps.last() else {
        return text;
    };
    // The longest at the end, shown at each step.
    let mut names = last.counted.longest_commands();
    names.truncate(COMMANDS_MAX);
    let quoted: Vec<String> = names.iter().map(|(name, ..)| format!("`{name}`")).collect();
    let heads = format!("orders stored | {}", quoted.join(" | "));
    let rows = figures.steps.iter().map(|step| {
        let us_per_call = |name| step.counted.commands.get(name).map(|(calls, us)| number(us / calls));
        let cells = names.iter().map(|(name, ..)| us_per_call(*name).unwrap_or_default());
        [number(step.orders as f64)]
            .into_iter()
            .chain(cells)
            .collect::<Vec<_>>()
    });
    let title = "\nMicroseconds per call of the Redis commands that take most of the time:\n";
    text + title + &table(&heads, rows)
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
