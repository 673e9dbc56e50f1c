//! `allowed_outbound_hosts`: the Redis servers that a component may connect to.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use url::{Host, Url};

/// `redis` is also the scheme of an address without one.
const SCHEMES: [&str; 3] = ["redis", "rediss", "*"];
const DEFAULT_PORT: u32 = 6379;

#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Vec<AllowedHost>);

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
        let entries = entries.into_iter().filter(|entry| !entry.is_empty());
        entries
            .map(|entry| AllowedHost::parse(entry).with_context(|| format!("allowed_outbound_hosts entry {entry:?}")))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Checks an address to connect to.
    pub(crate) fn check(&self, address: &str) -> Result<(), Refused> {
        let (scheme, host, port) = parse_address(address).ok_or(Refused::NotAnAddress)?;
        if self.0.iter().any(|allowed| allowed.permits(&scheme, &host, port)) {
            return Ok(());
        }
        Err(Refused::NotAllowed(format!("{scheme}://{host}:{port}")))
    }
}

fn parse_address(address: &str) -> Option<(String, String, u32)> {
    let url = match address.contains("://") {
        true => Url::parse(address),
        false => Url::parse(&format!("redis://{address}")),
    };
    let url = url.ok()?;
    let host = Host::parse(url.host_str()?).ok()?;
    let port = url.port().map_or(DEFAULT_PORT, u32::from);
    Some((url.scheme().to_owned(), host.to_string(), port))
}

#[derive(Clone, Debug)]
struct AllowedHost {
    scheme: String,
    /// A host, `*`, or `*.` and a domain.
    host: String,
    ports: Range<u32>,
}

impl AllowedHost {
    fn parse(entry: &str) -> Result<Self> {
        let (scheme, rest) = entry
            .trim()
            .split_once("://")
            .context("has no scheme: write it as redis://host:port")?;
        ensure!(
            SCHEMES.contains(&scheme),
            "devhost connects components to Redis only, not to {scheme}://"
        );
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(!rest.contains('/'), "must not have a path");
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon may belong to an IPv6 address in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, ""),
        };
        if port.is_empty() && scheme == "*" {
            bail!("needs a port, or `:*` for every port");
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            host: parse_host(host)?,
            ports: parse_ports(port)?,
        })
    }

    fn permits(&self, scheme: &str, host: &str, port: u32) -> bool {
        let host_matches = match self.host.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => host == self.host,
        };
        host_matches && ["*", scheme].contains(&self.scheme.as_str()) && self.ports.contains(&port)
    }
}

fn parse_host(host: &str) -> Result<String> {
    if host == "*" {
        return Ok(host.to_owned());
    }
    if let Some(domain) = host.strip_prefix("*.") {
        return match Host::parse(domain) {
            Ok(Host::Domain(domain)) => Ok(format!("*.{domain}")),
            _ => bail!("{domain:?} is not a domain"),
        };
    }
    ensure!(!host.contains('*'), "may have a `*` only as the first part of a domain");
    let host = Host::parse(host).with_context(|| format!("{host:?} is not a host"))?;
    Ok(host.to_string())
}

fn parse_ports(port: &str) -> Result<Range<u32>> {
    let number = |text: &str| -> Result<u32> {
        let number: u16 = text.parse().with_context(|| format!("{text:?} is not a port"))?;
        Ok(number.into())
    };
    match port {
        "*" => Ok(0..u32::from(u16::MAX) + 1),
        "" => Ok(DEFAULT_PORT..DEFAULT_PORT + 1),
        _ => match port.split_once("..") {
            Some((from, below)) => Ok(number(from)?..number(below)?),
            None => number(port).map(|port| port..port + 1),
        },
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
