//! Measures the whole system through its real processes, beside what else could do the same work, and writes a report.
//!
//! Modules in reading order:

mod folder;
mod process;
mod client;
mod statistics;
mod system;
mod watch;
mod shop;
mod wrk;
mod allocate;
mod native;
mod peers;
mod parts;
mod machine;
mod results;
mod goals;
mod report;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::parts::Plan;
use crate::results::{PARTS, Results};
use crate::system::Runtime;

/// Measures the project and writes bench/report.md, or target/bench/quick/report.md for a quick measurement.
#[derive(Parser)]
struct Arguments {
    /// Few and short runs: whether everything works, and roughly how fast.
    #[arg(long)]
    quick: bool,
    /// Measure this part only, and take the others as they were measured last; may be given again.
    #[arg(long, value_parser = PARTS)]
    only: Vec<String>,
    /// Measure on this runtime only. A quick measurement takes the first that is there, Spin before devhost.
    #[arg(long)]
    runtime: Option<Runtime>,
    /// Measure nothing: write the report of what was measured last.
    #[arg(long, conflicts_with = "only")]
    report: bool,
    /// Fail if a ratio has become worse than bench/expected.toml says.
    #[arg(long)]
    check: bool,
    /// Write the ratios into bench/expected.toml.
    #[arg(long, conflicts_with_all = ["check", "quick"])]
    expect: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let quick = arguments.quick;
    if !arguments.report {
        if arguments.only.is_empty() {
            results::forget(quick)?;
        }
        let mut runtimes = Runtime::present();
        if let Some(runtime) = arguments.runtime {
            ensure!(runtimes.contains(&runtime), "there is no {runtime} on PATH");
            runtimes = vec![runtime];
        } else if quick {
            // With the second one it would take more than its two minutes.
            runtimes.truncate(1);
        }
        let plan = Plan {
            quick,
            runtimes,
            stocked: shop::stocked_shop()?,
        };
        let is_wanted = |part: &&str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
        for part in PARTS.iter().filter(|part| is_wanted(part)) {
            results::measure(part, &plan)?;
        }
    }
    let results = Results::read(quick)?;
    let goals = goals::goals(&results);
    let file = report::write(&results, &goals, quick)?;
    println!("the report is in {}", file.display());
    if arguments.expect {
        goals::expect(&goals)?;
    }
    if arguments.check {
        goals::check(&goals, quick)?;
    }
    Ok(())
}
