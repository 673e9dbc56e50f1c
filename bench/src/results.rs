//! What was measured, a file per part, so that a part can be measured again by itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::{self, Surroundings};
use crate::parts::cycle::Cycle;
use crate::parts::fulfilment::Fulfilment;
use crate::parts::growth::Growth;
use crate::parts::http::Http;
use crate::parts::latency::Latency;
use crate::parts::profile::Profile;
use crate::parts::sidecar::SidecarCost;
use crate::parts::sweeps::Sweeps;
use crate::parts::{self, Plan, say};
use crate::process::project;

/// The parts by name, in the order in which they run.
pub(crate) const PARTS: [&str; 8] = [
    "fulfilment",
    "sweeps",
    "cycle",
    "profile",
    "latency",
    "http",
    "sidecar",
    "growth",
];

/// A part with its surroundings.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured<T> {
    pub(crate) surroundings: Surroundings,
    pub(crate) figures: T,
}

/// All parts that were measured.
pub(crate) struct Results {
    pub(crate) fulfilment: Option<Measured<Fulfilment>>,
    pub(crate) sweeps: Option<Measured<Sweeps>>,
    pub(crate) cycle: Option<Measured<Cycle>>,
    pub(crate) profile: Option<Measured<Profile>>,
    pub(crate) latency: Option<Measured<Latency>>,
    pub(crate) http: Option<Measured<Http>>,
    pub(crate) sidecar: Option<Measured<SidecarCost>>,
    pub(crate) growth: Option<Measured<Growth>>,
}

/// Where they are kept.
fn folder(quick: bool) -> PathBuf {
    project()
        .join("target/bench/results")
        .join(if quick { "quick" } else { "full" })
}

/// Forgets all that was measured before.
pub(crate) fn forget(quick: bool) -> Result<()> {
    let folder = folder(quick);
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Measures a part and keeps what it gives.
pub(crate) fn measure(part: &str, plan: &Plan) -> Result<()> {
    let folder = folder(plan.quick);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{part}.json"));
    let surroundings = machine::look()?;
    say(&format!("{part}, {}", surroundings.date));
    match part {
        "fulfilment" => keep(&file, surroundings, parts::fulfilment::measure(plan)?),
        "sweeps" => keep(&file, surroundings, parts::sweeps::measure(plan)?),
        "cycle" => keep(&file, surroundings, parts::cycle::measure(plan)?),
        "profile" => keep(&file, surroundings, parts::profile::measure(plan)?),
        "latency" => keep(&file, surroundings, parts::latency::measure(plan)?),
        "http" => keep(&file, surroundings, parts::http::measure(plan)?),
        "sidecar" => keep(&file, surroundings, parts::sidecar::measure(plan)?),
        "growth" => keep(&file, surroundings, parts::growth::measure(plan)?),
        other => anyhow::bail!("there is no part {other:?}; there are {}", PARTS.join(", ")),
    }
}

fn keep<T: Serialize>(file: &Path, surroundings: Surroundings, figures: T) -> Result<()> {
    let measured = Measured { surroundings, figures };
    std::fs::write(file, serde_json::to_string_pretty(&measured)?)?;
    Ok(())
}

impl Results {
    /// All that is kept.
    pub(crate) fn read(quick: bool) -> Result<Self> {
        Ok(Self {
            fulfilment: read(quick, "fulfilment")?,
            sweeps: read(quick, "sweeps")?,
            cycle: read(quick, "cycle")?,
            profile: read(quick, "profile")?,
            latency: read(quick, "latency")?,
            http: read(quick, "http")?,
            sidecar: read(quick, "sidecar")?,
            growth: read(quick, "growth")?,
        })
    }
}

fn read<T: DeserializeOwned>(quick: bool, part: &str) -> Result<Option<Measured<T>>> {
    let file = folder(quick).join(format!("{part}.json"));
    if !file.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&file)?;
    let measured = serde_json::from_str(&text).with_context(|| format!("{} is of another version", file.display()))?;
    Ok(Some(measured))
}
