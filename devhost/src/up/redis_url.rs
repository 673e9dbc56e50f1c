//! URL of the Redis that everything uses.

use std::fmt;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use url::{Host, Position, Url};

const DEFAULT_PORT: u16 = 6379;
/// The environment variable that redis-cli takes a password from.
pub(crate) const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// `redis://[user:password@]host:port`, without a database number: each service has its own database.
#[derive(Clone)]
pub(crate) struct RedisUrl(Url);

impl RedisUrl {
    /// Parses `redis://[user:password@]host[:port]`. No error repeats the text, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut url = Url::parse(text).context("the Redis URL is not a URL; write it as redis://host:port")?;
        ensure!(
            url.scheme() == "redis",
            "the Redis URL must begin with redis://, as the addresses in spin.toml do"
        );
        ensure!(
            url.host_str().is_some_and(|host| !host.is_empty()),
            "the Redis URL has no host; write it as redis://host:port"
        );
        ensure!(
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none(),
            "the Redis URL must end after the port: each service has a database of its own"
        );
        url.set_path("");
        if url.port().is_none() {
            // Fails only for a URL without a host.
            let _ = url.set_port(Some(DEFAULT_PORT));
        }
        Ok(Self(url))
    }

    /// `host:port`.
    pub(crate) fn host(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// `user:password@`, or empty.
    pub(crate) fn auth(&self) -> &str {
        &self.0[Position::BeforeUsername..Position::BeforeHost]
    }

    /// The whole URL with its password: for processes, not for the terminal.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A redis-cli command for this server, without the password: redis-cli takes it from [`PASSWORD_VARIABLE`].
    pub(crate) fn cli(&self) -> String {
        let port = self.0.port().unwrap_or(DEFAULT_PORT);
        let host = match self.0.host() {
            None | Some(Host::Domain("127.0.0.1" | "localhost") | Host::Ipv4(Ipv4Addr::LOCALHOST)) => String::new(),
            // Without the brackets that it has in a URL.
            Some(Host::Ipv6(address)) => format!(" -h {address}"),
            Some(host) => format!(" -h {host}"),
        };
        let user = match self.0.username() {
            "" => String::new(),
            user => format!(" --user {user}"),
        };
        format!("redis-cli{host} -p {port}{user}")
    }

    pub(crate) fn has_password(&self) -> bool {
        self.0.password().is_some()
    }
}

/// Without the password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, auth: &str) {
        let url = RedisUrl::parse(text).unwrap();
        assert_eq!((url.host(), url.auth()), (host, auth));
        assert_eq!(url.as_str(), format!("redis://{auth}{host}"));
        assert_eq!(url.to_string(), format!("redis://{host}"));
    }

    #[test]
    fn parses_host_and_credentials() {
        check("redis://localhost", "localhost:6379", "");
        check("redis://user:pa%40ss@10.0.0.1:7000/", "10.0.0.1:7000", "user:pa%40ss@");
        check("redis://:secret@h", "h:6379", ":secret@");
        check("redis://user@[::1]", "[::1]:6379", "user@");
    }

    #[test]
    fn redis_cli_gets_what_it_understands() {
        for (url, cli) in [
            ("redis://127.0.0.1:6379", "redis-cli -p 6379"),
            ("redis://localhost:1", "redis-cli -p 1"),
            ("redis://[::1]:7000", "redis-cli -h ::1 -p 7000"),
            ("redis://h", "redis-cli -h h -p 6379"),
            ("redis://10.0.0.1", "redis-cli -h 10.0.0.1 -p 6379"),
            ("redis://:secret@h", "redis-cli -h h -p 6379"),
            ("redis://user:secret@h", "redis-cli -h h -p 6379 --user user"),
        ] {
            let parsed = RedisUrl::parse(url).unwrap();
            assert_eq!(parsed.cli(), cli);
            assert_eq!(parsed.has_password(), url.contains("secret"));
        }
    }

    #[test]
    fn refuses_what_the_services_could_not_use() {
        for text in ["", "localhost:6379", "rediss://h", "redis://h/1", "redis://"] {
            assert!(RedisUrl::parse(text).is_err(), "{text:?}");
        }
    }
}
