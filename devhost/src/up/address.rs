//! Addresses: of the Redis that all use, and of free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail, ensure};
use url::Url;

/// The port of a `redis://` address that names none.
const REDIS_PORT: u16 = 6379;

/// A Redis server, without the number of a database: each service has its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RedisAddress {
    /// `host:port`.
    host: String,
    /// `user:password@` as it stands in a URL, or empty.
    auth: String,
}

impl RedisAddress {
    /// Parses `redis://[user:password@]host[:port]`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        // The text may hold a password, so no error repeats it.
        let url = Url::parse(text).context("the Redis URL is none; write it as redis://host:port")?;
        ensure!(
            url.scheme() == "redis",
            "the Redis URL must begin with redis://, as the addresses in spin.toml do"
        );
        ensure!(
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none(),
            "the Redis URL must end after the port: each service has a database of its own"
        );
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            bail!("the Redis URL has no host; write it as redis://host:port");
        };
        let auth = match (url.username(), url.password()) {
            ("", None) => String::new(),
            (user, None) => format!("{user}@"),
            (user, Some(password)) => format!("{user}:{password}@"),
        };
        Ok(Self {
            host: format!("{host}:{}", url.port().unwrap_or(REDIS_PORT)),
            auth,
        })
    }

    /// A server of our own.
    pub(crate) fn local(port: u16) -> Self {
        Self {
            host: SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string(),
            auth: String::new(),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn auth(&self) -> &str {
        &self.auth
    }

    /// With the password, so for processes only.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}{}", self.auth, self.host)
    }

    /// Without the password, for the console.
    pub(crate) fn shown(&self) -> String {
        format!("redis://{}", self.host)
    }

    /// How to begin a redis-cli command for it; the password, if any, is left to the person.
    pub(crate) fn cli(&self) -> String {
        let (host, port) = self.host.rsplit_once(':').unwrap_or((&self.host, ""));
        match host {
            "127.0.0.1" | "localhost" => format!("redis-cli -p {port}"),
            _ => format!("redis-cli -h {host} -p {port}"),
        }
    }
}

/// A port on the loopback interface that nothing listens on: the preferred one if possible.
pub(crate) fn free_port(preferred: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Fails if something listens on an address already.
pub(crate) fn ensure_free(address: SocketAddr) -> Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| {
        format!("cannot serve HTTP on {address}; stop what is there, or choose another address with --listen")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let plain = RedisAddress::parse("redis://localhost").unwrap();
        assert_eq!((plain.host(), plain.auth()), ("localhost:6379", ""));
        let full = RedisAddress::parse("redis://user:pa%40ss@10.0.0.1:7000/").unwrap();
        assert_eq!((full.host(), full.auth()), ("10.0.0.1:7000", "user:pa%40ss@"));
        assert_eq!(full.url(), "redis://user:pa%40ss@10.0.0.1:7000");
        assert_eq!(full.shown(), "redis://10.0.0.1:7000");
        let password = RedisAddress::parse("redis://:secret@h").unwrap();
        assert_eq!(password.auth(), ":secret@");
    }

    #[test]
    fn refuses_what_the_services_could_not_use() {
        for text in ["", "localhost:6379", "rediss://h", "redis://h/1", "redis://"] {
            assert!(RedisAddress::parse(text).is_err(), "{text:?}");
        }
    }
}
