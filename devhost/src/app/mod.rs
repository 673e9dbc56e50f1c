//! The app to run: its manifest with all variables filled in, checked completely before anything starts.

mod allowed_hosts;
mod manifest;
mod routes;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};

pub(crate) use allowed_hosts::{AllowedHosts, Refused};
pub(crate) use routes::{Route, Router};
pub(crate) use variables::{ENVIRONMENT_PREFIX, check_name};

use manifest::{Manifest, Source};
use variables::Variables;

use crate::output::print_error;

const MANIFEST_NAME: &str = "spin.toml";

#[derive(Debug)]
pub(crate) struct App {
    /// The manifest's folder: sources and logs are relative to it.
    pub(crate) folder: PathBuf,
    /// The components that a trigger uses, by id.
    pub(crate) components: BTreeMap<String, Component>,
    /// A component's id for each HTTP route.
    pub(crate) routes: Router<String>,
    /// One for each Redis address, as it is written.
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) id: String,
    pub(crate) wasm: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) allowed_hosts: AllowedHosts,
}

/// The channels to subscribe to at one Redis address.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) address: String,
    /// The ids of the components that get a channel's messages.
    pub(crate) channels: BTreeMap<String, Vec<String>>,
}

impl App {
    /// Loads a manifest, or the `spin.toml` in a folder. Variables come from the command line, the environment, and a
    /// file `.env` beside the manifest.
    pub(crate) fn load(from: &Path, command_line: &BTreeMap<String, String>) -> Result<Self> {
        let file = ManifestFile::read(from)?;
        let environment = |name: &str| file.environment(name);
        Self::resolve(&file.text, file.folder.clone(), command_line, environment)
            .with_context(|| format!("in {}", file.path.display()))
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
                print_error(format_args!(
                    "--variable {name}=... has no effect: [variables] does not declare it"
                ));
            }
        }

        let routes = manifest
            .trigger
            .http
            .iter()
            .map(|trigger| Ok((Route::parse(&trigger.route)?, trigger.component.clone())))
            .collect::<Result<_>>()
            .and_then(Router::new)?;
        let subscriptions = subscriptions(&manifest, &variables)?;
        let used: Vec<&String> = routes
            .iter()
            .map(|(_, id)| id)
            .chain(subscriptions.iter().flat_map(|one| one.channels.values().flatten()))
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
            subscriptions,
        })
    }
}

/// The variables of a manifest, resolved as for [`App::load`].
pub(crate) fn variables(from: &Path, command_line: &BTreeMap<String, String>) -> Result<Variables> {
    let file = ManifestFile::read(from)?;
    Manifest::parse(&file.text)
        .and_then(|manifest| Variables::resolve(&manifest.variables, command_line, |name| file.environment(name)))
        .with_context(|| format!("in {}", file.path.display()))
}

struct ManifestFile {
    path: PathBuf,
    folder: PathBuf,
    text: String,
    /// The variables in the file `.env` beside it.
    env_file: BTreeMap<String, String>,
}

impl ManifestFile {
    /// Reads a manifest, or the `spin.toml` in a folder.
    fn read(from: &Path) -> Result<Self> {
        let path = match from.is_dir() {
            true => from.join(MANIFEST_NAME),
            false => from.to_owned(),
        };
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read the manifest {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let env_path = folder.join(".env");
        let env_file = match env_path.is_file() {
            true => dotenvy::from_path_iter(&env_path)
                .and_then(Iterator::collect)
                .with_context(|| format!("cannot read {}", env_path.display()))?,
            false => BTreeMap::new(),
        };
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
    let Source::File(source) = &declared.source;
    let wasm = folder.join(source);
    if !wasm.is_file() {
        let command = declared.build.as_ref().and_then(|build| build.command.as_ref());
        match command.and_then(|command| command.as_str()) {
            Some(command) => bail!("{} is missing; build it: {command}", wasm.display()),
            None => bail!("{} is missing", wasm.display()),
        }
    }
    let values = declared.variables.iter().map(|(name, template)| {
        check_name(name).map_err(|reason| anyhow!("variable {name:?} {reason}"))?;
        Ok((name.clone(), variables.expand(template)?))
    });
    let hosts = declared.allowed_outbound_hosts.iter();
    let hosts = hosts.map(|entry| variables.expand(entry)).collect::<Result<Vec<_>>>()?;
    Ok(Component {
        id: id.to_owned(),
        wasm,
        environment: declared.environment.clone(),
        variables: values.collect::<Result<_>>()?,
        allowed_hosts: AllowedHosts::parse(hosts.iter().map(String::as_str))?,
    })
}

fn subscriptions(manifest: &Manifest, variables: &Variables) -> Result<Vec<Subscription>> {
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for trigger in &manifest.trigger.redis {
        let address = variables.expand(&trigger.address)?;
        let channel = variables.expand(&trigger.channel)?;
        let subscription = match subscriptions.iter_mut().find(|one| one.address == address) {
            Some(subscription) => subscription,
            None => subscriptions.push_mut(Subscription {
                address,
                channels: BTreeMap::new(),
            }),
        };
        let components = subscription.channels.entry(channel).or_default();
        components.push(trigger.component.clone());
    }
    Ok(subscriptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<App> {
        let environment: BTreeMap<_, _> = environment.iter().copied().collect();
        let lookup = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        // A component's file only has to exist; this crate's manifest does.
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
    fn each_address_string_is_one_subscription() {
        let app = resolve(APP, &[("SPIN_VARIABLE_HOST", "h:1")]).unwrap();
        let subscriptions: Vec<(&str, usize)> = app
            .subscriptions
            .iter()
            .map(|subscription| (subscription.address.as_str(), subscription.channels.len()))
            .collect();
        assert_eq!(subscriptions, [("redis://h:1/0", 2), ("redis://h:1/1", 1)]);
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
