//! The app to run: the manifest with its variables filled in, everything checked before anything starts.

mod allowed_hosts;
mod manifest;
mod routes;
mod template;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use allowed_hosts::{AllowedHosts, Refused};
pub(crate) use routes::{Route, Router};
pub(crate) use variables::{ENVIRONMENT_PREFIX, check_name};

use manifest::Manifest;
use variables::Variables;

/// The name of a manifest in its folder.
const MANIFEST_NAME: &str = "spin.toml";

/// An app with nothing left to look up.
#[derive(Debug)]
pub(crate) struct App {
    /// The folder of the manifest: sources and logs are relative to it.
    pub(crate) folder: PathBuf,
    /// Every component that a trigger uses, by its id.
    pub(crate) components: BTreeMap<String, Component>,
    /// The component's id for each HTTP route.
    pub(crate) routes: Router<String>,
    /// The Redis addresses to subscribe on: one sequential lane for each address string.
    pub(crate) lanes: Vec<Lane>,
}

/// A component and what it may use.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) id: String,
    pub(crate) wasm: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) allowed_hosts: AllowedHosts,
}

/// All that is subscribed to at one Redis address.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) address: String,
    /// The ids of the components that get a channel's messages.
    pub(crate) channels: BTreeMap<String, Vec<String>>,
}

impl App {
    /// Loads a manifest, or the `spin.toml` in a folder, with variables from the command line, the environment, and a
    /// file `.env` beside the manifest.
    pub(crate) fn load(from: &Path, command_line: &BTreeMap<String, String>) -> Result<Self> {
        let source = Source::read(from)?;
        let environment = |name: &str| source.environment(name);
        Self::resolve(&source.text, source.folder.clone(), command_line, environment)
            .with_context(|| format!("in {}", source.path.display()))
    }

    fn resolve(
        text: &str,
        folder: PathBuf,
        command_line: &BTreeMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let manifest = Manifest::parse(text)?;
        let variables = Variables::resolve(&manifest.variables, command_line, environment)?;
        for name in command_line.keys() {
            if !manifest.variables.contains_key(name) {
                eprintln!("--variable {name}=... changes nothing: [variables] does not declare it");
            }
        }

        let routes = manifest
            .trigger
            .http
            .iter()
            .map(|trigger| Ok((Route::parse(&trigger.route)?, trigger.component.clone())))
            .collect::<Result<_>>()
            .and_then(Router::new)?;
        let lanes = lanes(&manifest, &variables)?;
        let used: Vec<&String> = routes
            .iter()
            .map(|(_, id)| id)
            .chain(lanes.iter().flat_map(|lane| lane.channels.values().flatten()))
            .collect();
        ensure!(!used.is_empty(), "no trigger: there is nothing to run");

        let mut components = BTreeMap::new();
        for id in used {
            let Some(declared) = manifest.component.get(id) else {
                bail!("a trigger names the component {id:?}, and there is no [component.{id}]");
            };
            if !components.contains_key(id) {
                let component =
                    component(id, declared, &folder, &variables).with_context(|| format!("[component.{id}]"))?;
                components.insert(id.clone(), component);
            }
        }
        Ok(Self {
            folder,
            components,
            routes,
            lanes,
        })
    }
}

/// The variables of a manifest, resolved as for [`App::load`].
pub(crate) fn variables(from: &Path, command_line: &BTreeMap<String, String>) -> Result<Variables> {
    let source = Source::read(from)?;
    Manifest::parse(&source.text)
        .and_then(|manifest| Variables::resolve(&manifest.variables, command_line, |name| source.environment(name)))
        .with_context(|| format!("in {}", source.path.display()))
}

/// A manifest's text, and what is beside it.
struct Source {
    path: PathBuf,
    folder: PathBuf,
    text: String,
    env_file: BTreeMap<String, String>,
}

impl Source {
    /// Reads a manifest, or the `spin.toml` in a folder.
    fn read(from: &Path) -> Result<Self> {
        let path = if from.is_dir() {
            from.join(MANIFEST_NAME)
        } else {
            from.to_owned()
        };
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read the manifest {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let env_file = read_env_file(&folder.join(".env"))?;
        Ok(Self {
            path,
            folder,
            text,
            env_file,
        })
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.env_file.get(name).cloned())
    }
}

fn component(id: &str, declared: &manifest::Component, folder: &Path, variables: &Variables) -> Result<Component> {
    ensure!(
        id.starts_with(|first: char| first.is_ascii_alphabetic())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        "a component's id consists of letters, digits and `-`"
    );
    let wasm = folder.join(&declared.source);
    if !wasm.is_file() {
        let command = declared
            .build
            .as_ref()
            .and_then(|build| build.command.as_ref())
            .and_then(|command| command.as_str());
        match command {
            Some(command) => bail!("{} is missing; build it: {command}", wasm.display()),
            None => bail!("{} is missing", wasm.display()),
        }
    }
    let mut values = BTreeMap::new();
    for (name, template) in &declared.variables {
        if let Err(reason) = check_name(name) {
            bail!("variable {name:?} {reason}");
        }
        values.insert(name.clone(), variables.expand(template)?);
    }
    let hosts = declared
        .allowed_outbound_hosts
        .iter()
        .map(|entry| variables.expand(entry))
        .collect::<Result<Vec<_>>>()?;
    Ok(Component {
        id: id.to_owned(),
        wasm,
        environment: declared.environment.clone(),
        variables: values,
        allowed_hosts: AllowedHosts::parse(hosts.iter().map(String::as_str))?,
    })
}

fn lanes(manifest: &Manifest, variables: &Variables) -> Result<Vec<Lane>> {
    let mut lanes: Vec<Lane> = Vec::new();
    for trigger in &manifest.trigger.redis {
        let address = variables.expand(&trigger.address)?;
        let channel = variables.expand(&trigger.channel)?;
        let lane = match lanes.iter_mut().find(|lane| lane.address == address) {
            Some(lane) => lane,
            None => lanes.push_mut(Lane {
                address,
                channels: BTreeMap::new(),
            }),
        };
        lane.channels
            .entry(channel)
            .or_default()
            .push(trigger.component.clone());
    }
    Ok(lanes)
}

/// The pairs of a `.env` file; none if there is no such file.
fn read_env_file(path: &Path) -> Result<BTreeMap<String, String>> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    dotenvy::from_path_iter(path)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<App> {
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        // This crate's own manifest stands for a component's file: it only has to exist.
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let text = text.replace("a.wasm", "Cargo.toml");
        App::resolve(&text, folder, &BTreeMap::new(), lookup)
    }

    const APP: &str = r#"
spin_manifest_version = 2
application = { name = "app" }
variables = { host = { default = "127.0.0.1:6379" }, password = { default = "" } }
[[trigger.redis]]
address = "redis://{{ host }}/0"
channel = "one"
component = "a"
[[trigger.redis]]
address = "redis://{{ host }}/0"
channel = "two"
component = "a"
[[trigger.redis]]
address = "redis://{{ host }}/1"
channel = "one"
component = "a"
[component.a]
source = "a.wasm"
allowed_outbound_hosts = ["redis://{{ host }}"]
variables = { url = "redis://{{ password }}{{ host }}" }
"#;

    #[test]
    fn each_address_string_is_one_lane() {
        let app = resolve(APP, &[("SPIN_VARIABLE_HOST", "h:1")]).unwrap();
        let lanes: Vec<(&str, usize)> = app
            .lanes
            .iter()
            .map(|lane| (lane.address.as_str(), lane.channels.len()))
            .collect();
        assert_eq!(lanes, [("redis://h:1/0", 2), ("redis://h:1/1", 1)]);
    }

    #[test]
    fn fills_variables_in() {
        let app = resolve(APP, &[("SPIN_VARIABLE_PASSWORD", ":p@")]).unwrap();
        let component = &app.components["a"];
        assert_eq!(component.variables["url"], "redis://:p@127.0.0.1:6379");
        assert_eq!(component.allowed_hosts.check("redis://127.0.0.1:6379"), Ok(()));
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let error = format!("{:#}", resolve(text, &[]).unwrap_err());
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }

    #[test]
    fn refuses_what_cannot_run() {
        check_refused(&APP.replace("a.wasm", "b.wasm"), "b.wasm is missing");
        check_refused(&APP.replace("[component.a]", "[component.b]"), "no [component.a]");
        check_refused(
            &APP.replace("{{ host }}/1", "{{ nowhere }}"),
            "`nowhere` is not declared",
        );
        check_refused(
            &APP.replace("redis://{{ host }}\"]", "https://example.com\"]"),
            "Redis only",
        );
    }
}
