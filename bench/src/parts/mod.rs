//! The parts of the measurement, a file each, in the order of the report:

pub(crate) mod fulfilment;
pub(crate) mod sweeps;
pub(crate) mod cycle;
pub(crate) mod profile;
pub(crate) mod latency;
pub(crate) mod http;
pub(crate) mod sidecar;
pub(crate) mod growth;

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::statistics::median;
use crate::system::{Fsync, Runtime, Setup};

/// The size of the measurement.
pub(crate) struct Plan {
    /// Small numbers and few runs, to see that everything works and roughly how fast.
    pub(crate) quick: bool,
    /// The first stands for the project where only one is measured.
    pub(crate) runtimes: Vec<Runtime>,
    /// Data that every run starts on: a shop whose store knows the products.
    pub(crate) stocked: Folder,
}

impl Plan {
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Interleaved runs of each contender.
    pub(crate) fn runs(&self) -> usize {
        self.either(5, 1)
    }

    /// The project on each runtime, and on the first one also with deliveries over HTTP.
    pub(crate) fn setups(&self) -> Vec<Setup> {
        let over_http = Setup {
            runtime: self.first_runtime(),
            over_http: true,
        };
        let by_trigger = self.runtimes.iter().copied().map(Setup::new);
        by_trigger.chain([over_http]).collect()
    }

    pub(crate) fn first_runtime(&self) -> Runtime {
        self.runtimes.first().copied().unwrap_or(Runtime::Devhost)
    }
}

/// The runs of one case, each with figures of type `R`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row<C, R> {
    pub(crate) case: C,
    pub(crate) runs: Vec<R>,
}

impl<C, R> Row<C, R> {
    /// One figure of every run.
    pub(crate) fn each(&self, figure: impl Fn(&R) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    pub(crate) fn median(&self, figure: impl Fn(&R) -> f64) -> f64 {
        median(&self.each(figure))
    }
}

/// A contender with its load.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case<C> {
    pub(crate) contender: C,
    pub(crate) fsync: Fsync,
    /// Orders in each run.
    pub(crate) orders: usize,
}

impl<C: fmt::Display> fmt::Display for Case<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.contender, self.fsync.as_str())
    }
}

/// Runs the cases one after the other, and then all of them again, so many times; reports each run on the terminal.
fn run_interleaved<C: fmt::Display, R: fmt::Display>(
    part: &str,
    cases: impl IntoIterator<Item = C>,
    runs: usize,
    mut run_once: impl FnMut(&C) -> Result<R>,
) -> Result<Vec<Row<C, R>>> {
    let mut rows: Vec<Row<C, R>> = cases.into_iter().map(|case| Row { case, runs: Vec::new() }).collect();
    for run in 1..=runs {
        for row in &mut rows {
            let figures = run_once(&row.case)?;
            say(&format!("  {part}, run {run} of {runs}: {}: {figures}", row.case));
            row.runs.push(figures);
        }
    }
    Ok(rows)
}

pub(crate) fn say(text: &str) {
    println!("{text}");
}
