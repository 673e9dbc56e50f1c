//! The configuration: one TOML file, every value of which the environment can set. Parsing is pure.

mod limits;
mod overlay;
mod source;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use limits::Limits;
pub use overlay::PREFIX;

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
    /// By the name of a stream.
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

    /// Services that no route leads from or to: mostly a slip in a name, so that their settings have no effect.
    pub fn idle_services(&self) -> impl Iterator<Item = &str> {
        let is_idle = |name: &&String| {
            let mut ends = self.routes.values().flat_map(|route| [&route.from, &route.to]);
            !ends.any(|end| end == *name)
        };
        self.services.keys().filter(is_idle).map(String::as_str)
    }

    fn check(&self) -> Result<(), (String, String)> {
        if !is_name(&self.instance) {
            let why = "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit";
            return Err(("instance".into(), why.into()));
        }
        self.limits
            .check()
            .map_err(|(field, why)| (format!("limits.{field}"), why))?;
        for (name, service) in &self.services {
            check_service(service)
                .and_then(|()| delivery_over_http(service, &self.limits))
                .map_err(|(field, why)| (format!("services.{name}.{field}"), why))?;
        }
        self.check_channels()?;
        self.check_routes()?;
        for (name, stream) in &self.streams {
            if !self.services.contains_key(&stream.from) {
                let why = format!("there is no service `{}`", stream.from);
                return Err((format!("streams.{name}.from"), why));
            }
        }
        Ok(())
    }

    fn check_channels(&self) -> Result<(), (String, String)> {
        let mut seen = BTreeMap::new();
        for (name, service) in &self.services {
            if service.deliver == Transport::Http {
                continue;
            }
            let names = self
                .lanes(name)
                .flat_map(|lane| [self.channel(&lane), self.receipts(&lane)]);
            for channel in names {
                let place = (&service.redis_url, channel);
                if let Some(other) = seen.insert(place, name) {
                    let why = format!("the services `{other}` and `{name}` share a channel on one Redis");
                    return Err((format!("services.{name}.channel"), why));
                }
            }
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), (String, String)> {
        if self.routes.is_empty() {
            return Err(("routes".into(), "there is no route: nothing to deliver".into()));
        }
        let mut seen = BTreeMap::new();
        for (name, route) in &self.routes {
            for (field, value) in [("stream", &route.stream), ("group", &route.group)] {
                if value.is_empty() {
                    return Err((format!("routes.{name}.{field}"), "must not be empty".into()));
                }
            }
            for (field, service) in [("from", &route.from), ("to", &route.to)] {
                if !self.services.contains_key(service) {
                    let why = format!("there is no service `{service}`");
                    return Err((format!("routes.{name}.{field}"), why));
                }
            }
            let place = &self.services[&route.from];
            let key = (&place.redis_url, place.database, &route.stream, &route.group);
            if let Some(other) = seen.insert(key, name) {
                let why = format!("the routes `{other}` and `{name}` read the same stream for the same group");
                return Err((format!("routes.{name}.group"), why));
            }
        }
        Ok(())
    }
}

fn check_service(service: &Service) -> Result<(), (&'static str, String)> {
    let url = service.redis_url.as_str();
    if !(url.starts_with("redis://") || url.starts_with("rediss://")) {
        return Err(("redis_url", "must begin with redis:// or rediss://".into()));
    }
    let Some(parsed) = redis::parse_redis_url(url) else {
        return Err(("redis_url", "is no URL".into()));
    };
    if !matches!(parsed.path(), "" | "/") {
        let why = "must not name a database: `database` does".into();
        return Err(("redis_url", why));
    }
    if service.channel.as_deref() == Some("") {
        return Err(("channel", "must not be empty".into()));
    }
    if !(1..=LANES_MAX).contains(&service.lanes) {
        return Err(("lanes", format!("must be 1 to {LANES_MAX}")));
    }
    Ok(())
}

/// Each lane has, for each route, a connection and entries in memory.
const LANES_MAX: u32 = 16;
/// A shorter one could be guessed.
const SECRET_CHARS_MIN: usize = 32;
/// The most that a delivery has around its entries.
const ENVELOPE_BYTES: usize = 4 * 1024;

fn delivery_over_http(service: &Service, limits: &Limits) -> Result<(), (&'static str, String)> {
    if service.deliver == Transport::Redis {
        return Ok(());
    }
    let url = service.delivery_url.as_deref().unwrap_or_default();
    if !(url.starts_with("http://") || url.starts_with("https://")) || url.parse::<hyper::Uri>().is_err() {
        let why = "must be the http:// or https:// address of the component's deliveries, such as \
                   http://127.0.0.1:3000/store/deliveries";
        return Err(("delivery_url", why.into()));
    }
    let secret = service.delivery_secret.as_deref().unwrap_or_default();
    if secret.chars().count() < SECRET_CHARS_MIN {
        let why = format!(
            "must have at least {SECRET_CHARS_MIN} characters, the same as the app's delivery_secret; \
             `openssl rand -hex 32` makes one"
        );
        return Err(("delivery_secret", why));
    }
    let largest = limits.entry_bytes_max.max(limits.batch_bytes_max) + ENVELOPE_BYTES;
    if largest > protocol::BODY_BYTES_MAX {
        let why = format!(
            "cannot be used with entry_bytes_max or batch_bytes_max above {}, since a component takes {} bytes at a \
             time",
            protocol::BODY_BYTES_MAX - ENVELOPE_BYTES,
            protocol::BODY_BYTES_MAX
        );
        return Err(("deliver", why));
    }
    Ok(())
}

/// Names become part of channels and consumer names; those with `~` are the sidecars' own.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(legal) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
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
