//! Figures that were measured, in a file per part, so that a part can be measured again by itself.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::{self, Surroundings};
use crate::parts::{Plan, cycle, fulfilment, growth, http, latency, profile, say, sidecar, sweeps};
use crate::process::project;

#[derive(Serialize, Deserialize)]
pub(crate) struct Measured<T> {
    pub(crate) surroundings: Surroundings,
    pub(crate) figures: T,
}

macro_rules! parts {
    ($($part:ident: $figures:ident),+) => {
        /// In the order in which they run.
        pub(crate) const PARTS: [&str; [$(stringify!($part)),+].len()] = [$(stringify!($part)),+];

        /// All parts that were measured.
        pub(crate) struct Results {
            $(pub(crate) $part: Option<Measured<$part::$figures>>),+
        }

        /// Measures a part and keeps its figures.
        pub(crate) fn measure(part: &str, plan: &Plan) -> Result<()> {
            match part {
                $(stringify!($part) => keep(part, plan, $part::measure),)+
                other => anyhow::bail!("there is no part {other:?}; there are {}", PARTS.join(", ")),
            }
        }

        impl Results {
            pub(crate) fn read(quick: bool) -> Result<Self> {
                Ok(Self { $($part: read(quick, stringify!($part))?),+ })
            }

            /// The surroundings of each part that was measured, by its name.
            pub(crate) fn surroundings(&self) -> Vec<(&'static str, &Surroundings)> {
                let all = [$((stringify!($part), self.$part.as_ref().map(|part| &part.surroundings))),+];
                all.into_iter().filter_map(|(part, surroundings)| Some((part, surroundings?))).collect()
            }
        }
    };
}

parts! {
    fulfilment: Fulfilment,
    sweeps: Sweeps,
    cycle: Cycle,
    profile: Profile,
    latency: Latency,
    http: Http,
    sidecar: SidecarCost,
    growth: Growth
}

fn folder(quick: bool) -> PathBuf {
    let results = project().join("target/bench/results");
    results.join(if quick { "quick" } else { "full" })
}

/// Removes all that was measured before.
pub(crate) fn forget(quick: bool) -> Result<()> {
    let folder = folder(quick);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn keep<T: Serialize>(part: &str, plan: &Plan, measure: fn(&Plan) -> Result<T>) -> Result<()> {
    let surroundings = machine::look()?;
    say(&format!("{part}, {}", surroundings.date));
    let figures = measure(plan)?;
    let folder = folder(plan.quick);
    fs::create_dir_all(&folder)?;
    let measured = Measured { surroundings, figures };
    fs::write(
        folder.join(format!("{part}.json")),
        serde_json::to_string_pretty(&measured)?,
    )?;
    Ok(())
}

fn read<T: DeserializeOwned>(quick: bool, part: &str) -> Result<Option<Measured<T>>> {
    let file = folder(quick).join(format!("{part}.json"));
    if !file.exists() {
        return Ok(None);
    }
    let measured = serde_json::from_str(&fs::read_to_string(&file)?);
    measured.with_context(|| format!("{} is of another version; measure {part} again", file.display()))
}
