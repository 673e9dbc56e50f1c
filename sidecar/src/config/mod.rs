//! The configuration: one TOML file, every value of which the environment can set. Parsing is pure.

mod check;
mod limits;
mod overlay;
mod source;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use limits::Limits;
pub use overlay::{PREFIX, own_variables};

/// The values of `sidecar.toml` and of the environment, checked. `sidecar.toml` explains each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub instance: String,
    #[serde(default)]
    pub admin: Admin,
    #[serde(default)]
    pub limits: Limits,
    /// By name: owners of a Redis database, receivers of deliveries, or both.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    pub routes: BTreeMap<String, Route>,
    /// By the name of a stream, or by any name where the settings name the stream.
    #[serde(default)]
    pub streams: BTreeMap<String, Stream>,
}

/// The HTTP listener for probes and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// `host:port`; port 0 takes a free one, and an empty string turns the listener off.
    pub listen: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9900".into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// `redis://[user:password@]host[:port]`, or `rediss://` for TLS; without a database.
    pub redis_url: String,
    #[serde(default)]
    pub database: u32,
    /// The channel that its component subscribes to; by default `<service>.<database>.<instance>`. That of its second
    /// lane has `~2` behind it, and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Lanes to its component, which may work on as many deliveries at a time.
    #[serde(default = "one")]
    pub lanes: u32,
    /// A file with the certificates (PEM) to trust for `rediss://`, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    #[serde(default)]
    pub deliver: Transport,
    /// For [`Transport::Http`]: the URL that deliveries are POSTed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_url: Option<String>,
    /// For [`Transport::Http`]: the secret that deliveries are signed with, the app's variable `delivery_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_secret: Option<String>,
}

fn one() -> u32 {
    1
}

/// A database, however its URL is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseAddress {
    host: String,
    port: u16,
    database: u32,
}

impl Service {
    /// The database of the service.
    pub fn address(&self) -> DatabaseAddress {
        /// Where Redis listens unless it is told otherwise.
        const PORT: u16 = 6379;
        let url = redis::parse_redis_url(&self.redis_url);
        let host = url.as_ref().and_then(|url| url.host_str());
        DatabaseAddress {
            // A URL without a host is refused before.
            host: host.unwrap_or(&self.redis_url).to_ascii_lowercase(),
            port: url.as_ref().and_then(|url| url.port()).unwrap_or(PORT),
            database: self.database,
        }
    }
}

/// The way that deliveries go to a component. All routes to a component share it, as they share its window and its
/// handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Redis,
    Http,
}

/// One of the lanes of a service, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneName {
    pub service: String,
    pub lane: u32,
}

impl LaneName {
    /// The lane's own version of a name. The first lane has the name itself; no instance can have those of the others.
    fn of(&self, name: String) -> String {
        match self.lane {
            1 => name,
            lane => format!("{name}~{lane}"),
        }
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lane {
            1 => f.write_str(&self.service),
            lane => write!(f, "{}, lane {lane}", self.service),
        }
    }
}

/// One stream, read for one group, delivered to one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub stream: String,
    /// The service in whose database the stream is.
    pub from: String,
    /// The service whose component handles the entries.
    pub to: String,
    pub group: String,
}

/// Settings of a stream beyond its routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The stream's name; by default the section's. Streams of one name may be in several databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The service in whose database the stream is.
    pub from: String,
    /// Groups, beyond those of the routes, without which the stream is never trimmed.
    #[serde(default)]
    pub required_groups: Vec<String>,
}

/// The fault of a configuration, in words that name the line or the variable.
#[derive(Debug, PartialEq, Eq)]
pub struct BadConfig(pub String);

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfig {}

impl Config {
    /// Reads the text of a configuration file called `name`, and the variables over it.
    ///
    /// # Errors
    ///
    /// Names the file's line and the field, or the variable, and what is wrong with it.
    pub fn parse(
        name: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadConfig> {
        let table: toml::Table = toml::from_str(text).map_err(|err| source::syntax(name, &err))?;
        let source = source::Source { name, text };
        source.deserialize::<Config>(table.clone())?;
        let (table, from) = overlay::overlay(table, variables)?;
        let config: Config = serde_path_to_error::deserialize(table).map_err(|err| {
            let path = err.path().to_string();
            source.error(&from, &path, err.inner().message())
        })?;
        config.check().map_err(|(path, why)| source.error(&from, &path, &why))?;
        Ok(config)
    }

    pub fn lanes(&self, service: &str) -> impl DoubleEndedIterator<Item = LaneName> + use<> {
        let lanes = self.services.get(service).map_or(1, |settings| settings.lanes);
        let service = service.to_owned();
        (1..=lanes).map(move |lane| LaneName {
            service: service.clone(),
            lane,
        })
    }

    /// The channel on which a service's component gets the deliveries of a lane.
    pub fn channel(&self, lane: &LaneName) -> String {
        let settings = self.services.get(&lane.service);
        let first = match settings.and_then(|settings| settings.channel.clone()) {
            Some(channel) => channel,
            None => {
                let database = settings.map_or(0, |settings| settings.database);
                format!("{}.{database}.{}", lane.service, self.instance)
            }
        };
        lane.of(first)
    }

    /// The channel on which a service's component answers the deliveries of a lane.
    pub fn receipts(&self, lane: &LaneName) -> String {
        let settings = self.services.get(&lane.service);
        let database = settings.map_or(0, |settings| settings.database);
        lane.of(format!("receipts.{}.{database}.{}", lane.service, self.instance))
    }

    /// The sidecar's consumer name in the groups that a lane reads for. Lanes share a group as sidecars do.
    pub fn consumer(&self, lane: &LaneName) -> String {
        lane.of(self.instance.clone())
    }

    /// Groups, beyond that of the route, without which its stream is not trimmed.
    pub fn required_groups(&self, route: &Route) -> Vec<String> {
        let settings = self
            .streams
            .iter()
            .filter(|(name, stream)| self.is_about(name, stream, route));
        settings
            .flat_map(|(_, stream)| stream.required_groups.clone())
            .collect()
    }

    /// The settings of a stream are about the stream of this route.
    fn is_about(&self, section: &str, settings: &Stream, route: &Route) -> bool {
        let database = |service: &str| self.services.get(service).map(Service::address);
        let stream = settings.stream.as_deref().unwrap_or(section);
        stream == route.stream && database(&settings.from) == database(&route.from)
    }

    /// The configuration with passwords and secrets masked.
    pub fn masked(mut self) -> Self {
        for service in self.services.values_mut() {
            service.redis_url = mask(&service.redis_url);
            if let Some(secret) = &mut service.delivery_secret {
                "***".clone_into(secret);
            }
        }
        self
    }

    /// What looks like a slip, and may be meant: services that no route leads from or to, so that their settings have no
    /// effect, and services that share a database.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut first_in = BTreeMap::new();
        for (name, service) in &self.services {
            let mut ends = self.routes.values().flat_map(|route| [&route.from, &route.to]);
            if !ends.any(|end| end == name) {
                remarks.push(format!(
                    "services.{name}: no route leads from it or to it: is its name right?"
                ));
            } else if let Some(other) = first_in.insert(service.address(), name) {
                remarks.push(format!(
                    "services.{name}.database: `{name}` and `{other}` share a database: do their keys differ?"
                ));
            }
        }
        remarks
    }
}

/// A Redis URL with its password, if any, replaced.
pub fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // The last @: a password may contain one.
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:***@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
