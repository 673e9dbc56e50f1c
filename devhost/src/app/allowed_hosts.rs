//! `allowed_outbound_hosts`: the Redis servers that a component may connect to.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use url::{Host, Url};

/// Also the scheme of an address without one.
const SCHEME: &str = "redis";
const TLS_SCHEME: &str = "rediss";
const DEFAULT_PORT: u16 = 6379;

#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts {
    hosts: Vec<AllowedHost>,
}

/// Reason why an address was refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    NotAnAddress,
    /// With the entry that would permit it.
    NotAllowed(String),
}

impl AllowedHosts {
    /// Parses entries without variables. An empty entry, which an empty variable leaves, allows nothing.
    pub(crate) fn parse<'e>(entries: impl IntoIterator<Item = &'e str>) -> Result<Self> {
        let hosts = entries
            .into_iter()
            .filter(|entry| !entry.is_empty())
            .map(|entry| AllowedHost::parse(entry).with_context(|| format!("allowed_outbound_hosts entry {entry:?}")))
            .collect::<Result<_>>()?;
        Ok(Self { hosts })
    }

    /// Checks an address to connect to.
    pub(crate) fn check(&self, address: &str) -> Result<(), Refused> {
        let url = parse_address(address).ok_or(Refused::NotAnAddress)?;
        let host = url.host_str().ok_or(Refused::NotAnAddress)?;
        let parsed = Host::parse(host).map_err(|_| Refused::NotAnAddress)?;
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let permits = |allowed: &AllowedHost| allowed.permits(url.scheme(), &parsed, port);
        if self.hosts.iter().any(permits) {
            return Ok(());
        }
        Err(Refused::NotAllowed(format!("{}://{host}:{port}", url.scheme())))
    }
}

fn parse_address(address: &str) -> Option<Url> {
    let url = match address.contains("://") {
        true => Url::parse(address),
        false => Url::parse(&format!("{SCHEME}://{address}")),
    };
    url.ok().filter(Url::has_host)
}

#[derive(Clone, Debug)]
struct AllowedHost {
    /// `None` for `*`.
    scheme: Option<&'static str>,
    host: HostPattern,
    /// `None` for `*`.
    ports: Option<Range<u16>>,
}

#[derive(Clone, Debug)]
enum HostPattern {
    Any,
    /// A domain with a leading dot.
    Below(String),
    Exactly(Host),
}

impl AllowedHost {
    fn parse(entry: &str) -> Result<Self> {
        let (scheme, rest) = entry
            .trim()
            .split_once("://")
            .context("has no scheme: write it as redis://host:port")?;
        let scheme = match scheme {
            "*" => None,
            SCHEME => Some(SCHEME),
            TLS_SCHEME => Some(TLS_SCHEME),
            other => bail!("devhost connects components to Redis only, not to {other}://"),
        };
        let (host, port) = split_port(rest);
        Ok(Self {
            scheme,
            host: HostPattern::parse(host)?,
            ports: parse_ports(port, scheme.is_some())?,
        })
    }

    fn permits(&self, scheme: &str, host: &Host, port: u16) -> bool {
        self.scheme.is_none_or(|allowed| allowed == scheme)
            && self.host.permits(host)
            && self.ports.as_ref().is_none_or(|ports| ports.contains(&port))
    }
}

/// Splits at the last colon, unless it belongs to an IPv6 address in brackets.
fn split_port(rest: &str) -> (&str, &str) {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, ""),
    }
}

fn parse_ports(port: &str, scheme_has_default: bool) -> Result<Option<Range<u16>>> {
    let number = |text: &str| -> Result<u16> {
        text.parse()
            .ok()
            .filter(|port| *port < u16::MAX)
            .with_context(|| format!("port {text:?} is not a number below {}", u16::MAX))
    };
    match port {
        "*" => Ok(None),
        "" if scheme_has_default => Ok(Some(DEFAULT_PORT..DEFAULT_PORT + 1)),
        "" => bail!("needs a port, or `:*` for every port"),
        _ => match port.split_once("..") {
            Some((from, below)) => Ok(Some(number(from)?..number(below)?)),
            None => number(port).map(|port| Some(port..port + 1)),
        },
    }
}

impl HostPattern {
    fn parse(host: &str) -> Result<Self> {
        ensure!(!host.contains('/'), "must not have a path");
        if host == "*" {
            return Ok(Self::Any);
        }
        if let Some(domain) = host.strip_prefix("*.") {
            return match Host::parse(domain) {
                Ok(Host::Domain(domain)) => Ok(Self::Below(format!(".{domain}"))),
                _ => bail!("{domain:?} is not a domain"),
            };
        }
        ensure!(!host.contains('*'), "may have a `*` only as the first part of a domain");
        Host::parse(host)
            .map(Self::Exactly)
            .with_context(|| format!("{host:?} is not a host"))
    }

    fn permits(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (Self::Below(_), _) => false,
            (Self::Exactly(allowed), host) => allowed == host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entry: &str, address: &str, allowed: bool) {
        let hosts = AllowedHosts::parse([entry]).unwrap();
        assert_eq!(hosts.check(address).is_ok(), allowed, "{entry} {address}");
    }

    #[test]
    fn compares_scheme_host_and_port() {
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6379/1", true);
        check("redis://127.0.0.1:6379", "redis://127.0.0.1", true);
        check("redis://127.0.0.1", "redis://user:password@127.0.0.1:6379/0", true);
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6380", false);
        check("redis://127.0.0.1:6379", "redis://localhost:6379", false);
        check("redis://127.0.0.1:6379", "rediss://127.0.0.1:6379", false);
        check("rediss://127.0.0.1:6379", "rediss://127.0.0.1:6379/1", true);
        check("rediss://127.0.0.1:6379", "redis://127.0.0.1:6379", false);
        check("redis://127.0.0.1:6379", "127.0.0.1:6379", true);
        check("redis://[::1]:6379", "redis://[::1]:6379", true);
        check("redis://[::1]", "redis://[::1]", true);
        check("redis://*:*", "redis://anywhere:1", true);
        check("*://*:*", "redis://anywhere:1", true);
        check("redis://*.example.com", "redis://a.example.com", true);
        check("redis://*.example.com", "redis://example.com", false);
        check("redis://h:7000..7002", "redis://h:7001", true);
        check("redis://h:7000..7002", "redis://h:7002", false);
        check("", "redis://h", false);
    }

    #[test]
    fn names_the_entry_that_would_permit_an_address() {
        let refused = AllowedHosts::default().check("redis://user:secret@h/3");
        assert_eq!(refused, Err(Refused::NotAllowed("redis://h:6379".to_owned())));
        assert_eq!(AllowedHosts::default().check("redis://"), Err(Refused::NotAnAddress));
    }

    #[test]
    fn refuses_entries_that_it_does_not_support() {
        for entry in [
            "127.0.0.1:6379",
            "https://example.com",
            "redis://h/1",
            "redis://a.*",
            "redis://h:x",
            "*://h",
        ] {
            assert!(AllowedHosts::parse([entry]).is_err(), "{entry}");
        }
    }
}
