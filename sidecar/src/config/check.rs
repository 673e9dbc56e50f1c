//! Everything that a configuration must fulfil beyond its form.

use std::collections::BTreeMap;

use super::limits::SHRINK_FACTOR;
use super::{Config, Limits, Route, Service, Stream, Transport};

/// The dotted path of the value at fault, and the reason.
type Fault = (String, String);

/// Each lane has, for each route, a connection and entries in memory.
const LANES_MAX: u32 = 16;
/// A shorter secret could be guessed.
const SECRET_CHARS_MIN: usize = 32;
/// The most that a delivery has around its entries.
const ENVELOPE_BYTES: usize = 4 * 1024;

fn ensure(holds: bool, path: impl Into<String>, why: impl Into<String>) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err((path.into(), why.into())) }
}

/// Puts the names of the sections before the path of a fault.
fn within(section: String) -> impl FnOnce(Fault) -> Fault {
    move |(path, why)| (format!("{section}.{path}"), why)
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let why = "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit";
        ensure(is_name(&self.instance), "instance", why)?;
        self.limits.check().map_err(within("limits".to_owned()))?;
        for (name, service) in &self.services {
            let checked = service.check().and_then(|()| service.check_http(&self.limits));
            checked.map_err(within(format!("services.{name}")))?;
        }
        self.check_channels()?;
        self.check_routes()?;
        for (name, stream) in &self.streams {
            self.check_exists(format!("streams.{name}.from"), &stream.from)?;
            self.check_is_read(name, stream)?;
        }
        Ok(())
    }

    /// Settings of a stream that nobody reads would have no effect.
    fn check_is_read(&self, section: &str, settings: &Stream) -> Result<(), Fault> {
        if self
            .routes
            .values()
            .any(|route| self.is_about(section, settings, route))
        {
            return Ok(());
        }
        let wanted = settings.stream.as_deref().unwrap_or(section);
        let (path, of) = match &settings.stream {
            Some(_) => (format!("streams.{section}.stream"), &settings.from),
            None => (format!("streams.{section}"), &settings.from),
        };
        let distance = |route: &&Route| (strsim::levenshtein(&route.stream, wanted), &route.from != of);
        let nearest = self.routes.values().min_by_key(distance);
        let nearest = nearest.map_or_else(String::new, |route| {
            format!("; is `{}` from `{}` meant?", route.stream, route.from)
        });
        Err((
            path,
            format!("no route reads the stream `{wanted}` from `{of}`{nearest}"),
        ))
    }

    fn check_exists(&self, path: String, service: &str) -> Result<(), Fault> {
        ensure(
            self.services.contains_key(service),
            path,
            format!("there is no service `{service}`"),
        )
    }

    fn check_channels(&self) -> Result<(), Fault> {
        let mut seen = BTreeMap::new();
        let services = self.services.iter();
        for (name, service) in services.filter(|(_, service)| service.deliver == Transport::Redis) {
            for channel in self
                .lanes(name)
                .flat_map(|lane| [self.channel(&lane), self.receipts(&lane)])
            {
                if let Some(other) = seen.insert((&service.redis_url, channel), name) {
                    let why = format!("the services `{other}` and `{name}` share a channel on one Redis");
                    return Err((format!("services.{name}.channel"), why));
                }
            }
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), Fault> {
        ensure(
            !self.routes.is_empty(),
            "routes",
            "there is no route: nothing to deliver",
        )?;
        let mut seen = BTreeMap::new();
        for (name, route) in &self.routes {
            let path = |field: &str| format!("routes.{name}.{field}");
            ensure(!route.stream.is_empty(), path("stream"), "must not be empty")?;
            ensure(!route.group.is_empty(), path("group"), "must not be empty")?;
            self.check_exists(path("from"), &route.from)?;
            self.check_exists(path("to"), &route.to)?;
            let database = self.services[&route.from].address();
            if let Some(other) = seen.insert((database, &route.stream, &route.group), name) {
                let why = format!("the routes `{other}` and `{name}` read the same stream for the same group");
                return Err((path("group"), why));
            }
        }
        Ok(())
    }
}

impl Service {
    fn check(&self) -> Result<(), Fault> {
        let url = self.redis_url.as_str();
        let is_redis = url.starts_with("redis://") || url.starts_with("rediss://");
        ensure(is_redis, "redis_url", "must begin with redis:// or rediss://")?;
        let Some(url) = redis::parse_redis_url(url) else {
            return ensure(false, "redis_url", "is no URL");
        };
        let names_none = matches!(url.path(), "" | "/");
        ensure(names_none, "redis_url", "must not name a database: `database` does")?;
        let ends = url.query().is_none() && url.fragment().is_none();
        ensure(
            ends,
            "redis_url",
            "must end after the port: what follows `?` or `#` has no effect",
        )?;
        ensure(self.channel.as_deref() != Some(""), "channel", "must not be empty")?;
        let may_have = (1..=LANES_MAX).contains(&self.lanes);
        ensure(may_have, "lanes", format!("must be 1 to {LANES_MAX}"))
    }

    fn check_http(&self, limits: &Limits) -> Result<(), Fault> {
        if self.deliver == Transport::Redis {
            return Ok(());
        }
        let url = self.delivery_url.as_deref().unwrap_or_default();
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        let why = "must be the http:// or https:// address of the component's deliveries, such as \
                   http://127.0.0.1:3000/store/deliveries";
        ensure(is_http && url.parse::<hyper::Uri>().is_ok(), "delivery_url", why)?;
        let secret = self.delivery_secret.as_deref().unwrap_or_default();
        let why = format!(
            "must have at least {SECRET_CHARS_MIN} characters, the same as the app's delivery_secret; \
             `openssl rand -hex 32` makes one"
        );
        ensure(secret.chars().count() >= SECRET_CHARS_MIN, "delivery_secret", why)?;
        let bytes_max = protocol::BODY_BYTES_MAX;
        let largest = limits.entry_bytes_max.max(limits.batch_bytes_max) + ENVELOPE_BYTES;
        let why = format!(
            "cannot be used with entry_bytes_max or batch_bytes_max above {}, since a component takes {bytes_max} bytes \
             at a time",
            bytes_max - ENVELOPE_BYTES
        );
        ensure(largest <= bytes_max, "deliver", why)
    }
}

impl Limits {
    fn check(&self) -> Result<(), Fault> {
        for (name, value) in [
            ("lease_ms", self.lease_ms),
            ("answer_ms", self.answer_ms),
            ("probe_ms", self.probe_ms),
            ("handshake_ms", self.handshake_ms),
            ("subscriber_ms", self.subscriber_ms),
            ("batch_max", self.batch_max as u64),
            ("batch_bytes_max", self.batch_bytes_max as u64),
            ("window_deliveries", self.window_deliveries as u64),
            ("attempts_max", u64::from(self.attempts_max)),
            ("backoff_ms_min", self.backoff_ms_min),
            ("entry_bytes_max", self.entry_bytes_max as u64),
            ("read_bytes_max", self.read_bytes_max as u64),
            ("release_ms", self.release_ms),
            ("scan_ms", self.scan_ms),
            ("lock_ms", self.lock_ms),
            ("redis_ms", self.redis_ms),
            ("reconnect_ms_max", self.reconnect_ms_max),
        ] {
            ensure(value > 0, name, "must be at least 1")?;
        }
        ensure(self.batch_max <= 4096, "batch_max", "must be at most 4096")?;
        let (lease_ms, backoff_ms_max, batch_max) = (self.lease_ms, self.backoff_ms_max, self.batch_max);
        let why = format!("must be at most lease_ms ({lease_ms}): an entry waits out its backoff within its lease");
        ensure(backoff_ms_max <= lease_ms, "backoff_ms_max", why)?;
        let why = format!("must be at most backoff_ms_max ({backoff_ms_max})");
        ensure(self.backoff_ms_min <= backoff_ms_max, "backoff_ms_min", why)?;
        let why = format!(
            "is too small for a batch_max of {batch_max}: batches shrink by {SHRINK_FACTOR} with each attempt, and an \
             entry that is never answered must have been delivered alone before it becomes a dead letter"
        );
        ensure(self.batch_cap(self.attempts_max) == 1, "attempts_max", why)?;
        let why = "must be at least entry_bytes_max and batch_bytes_max";
        ensure(
            self.window_bytes >= self.entry_bytes_max.max(self.batch_bytes_max),
            "window_bytes",
            why,
        )?;
        ensure(self.probe_ms <= self.answer_ms, "probe_ms", "must be at most answer_ms")
    }
}

/// Names become part of channels and consumer names; those with `~` are the sidecars' own.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(legal) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}
