//! What is measured, a file each. In the order of the report:

pub(crate) mod fulfilment;
pub(crate) mod sweeps;
pub(crate) mod cycle;
pub(crate) mod profile;
pub(crate) mod latency;
pub(crate) mod http;
pub(crate) mod sidecar;
pub(crate) mod growth;

use crate::system::{Folder, Runtime, Setup};

/// How much is measured.
pub(crate) struct Plan {
    /// Small numbers and few runs, to see that everything works and roughly how fast.
    pub(crate) quick: bool,
    /// What there is to run the components on; the first stands for the project.
    pub(crate) runtimes: Vec<Runtime>,
    /// The data of a shop with products that the store knows, which every run starts with.
    pub(crate) stocked: Folder,
}

impl Plan {
    /// One number for a full measurement, another for a quick one.
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
        let through_trigger = self.runtimes.iter().copied().map(Setup::new);
        through_trigger.chain([over_http]).collect()
    }

    /// The runtime that stands for the project.
    pub(crate) fn first_runtime(&self) -> Runtime {
        self.runtimes.first().copied().unwrap_or(Runtime::Devhost)
    }
}

/// Says on the terminal what is going on.
pub(crate) fn say(text: &str) {
    println!("{text}");
}
