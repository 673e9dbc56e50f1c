//! Requests that a page of another site makes a visitor's browser send.
//!
//! An open service (no `api_token`) takes changes from whoever reaches it, and a browser on the same machine or network
//! reaches it for any page that it shows. Such a request is told by what the browser says of it, which no page can forge:
//! - A change that `Sec-Fetch-Site` calls cross-site or same-site is refused. A browser that does not send that header, as
//!   over plain HTTP from another machine, sends `Origin`, which must name the host that was asked. This is the rule of
//!   Go's `http.CrossOriginProtection`. curl and other programs send neither, and are served.
//! - A page whose own name was made to point at this machine (DNS rebinding) is of the same origin to its browser. So a
//!   client from loopback, by `spin-client-addr`, must call the service by a name that cannot be made to: `localhost`, a
//!   name below it, or an IP address. This holds for reading too.
//!
//! Where a token is set, the token alone decides: no page of another site knows it. So a reverse proxy that shows the
//! service under a name of its own wants either a token, or `Host` passed on by a proxy on another machine.

use std::net::{IpAddr, SocketAddr};

use crate::web::problem::ProblemType;

/// A page of another site made the browser send a change.
pub const CROSS_SITE_REQUEST: ProblemType =
    ProblemType::new(403, "cross_site_request", "A page of another site sent the request");
/// The service was called by a name that may be anybody's.
pub const FOREIGN_HOST: ProblemType = ProblemType::new(403, "foreign_host", "The service is not called by this name");

/// Whether a browser says of a request that a page of another origin sent it.
pub fn is_cross_site<'a>(
    fetch_site: Option<&[u8]>,
    origins: impl IntoIterator<Item = &'a [u8]>,
    host: Option<&str>,
) -> bool {
    match fetch_site {
        Some(site) => !matches!(site, b"same-origin" | b"none"),
        None => origins.into_iter().any(|origin| !is_of(origin, host)),
    }
}

/// Whether an origin is that of a host. Not the scheme, which a proxy that ends TLS changes.
fn is_of(origin: &[u8], host: Option<&str>) -> bool {
    let origin_host = std::str::from_utf8(origin)
        .ok()
        .and_then(|origin| origin.split_once("://"));
    matches!((origin_host, host), (Some((_, of_origin)), Some(host)) if of_origin.eq_ignore_ascii_case(host))
}

/// Whether the client, an address with its port, is a program of this machine.
#[must_use]
pub fn is_local(client: &str) -> bool {
    // A listener on all addresses sees 127.0.0.1 as ::ffff:127.0.0.1.
    client
        .parse::<SocketAddr>()
        .is_ok_and(|client| client.ip().to_canonical().is_loopback())
}

/// Whether a host is one that nobody can make point at this machine: `localhost`, a name below it, or an IP address.
#[must_use]
pub fn cannot_be_rebound(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name == "localhost" || name.ends_with(".localhost") || address.unwrap_or(&name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_another_origin_is_told() {
        let host = Some("shop.example:3000");
        let check = |site: Option<&str>, origin: &[&str]| {
            is_cross_site(
                site.map(str::as_bytes),
                origin.iter().map(|origin| origin.as_bytes()),
                host,
            )
        };
        for (site, origins) in [
            (None, &[][..]),
            (None, &["http://shop.example:3000"]),
            (None, &["https://Shop.example:3000"]),
            (Some("same-origin"), &["http://shop.example:3000"]),
            // A proxy before the service has another name.
            (Some("same-origin"), &["https://public.example"]),
            (Some("none"), &[]),
        ] {
            assert!(!check(site, origins), "{site:?} {origins:?}");
        }
        for (site, origins) in [
            (Some("cross-site"), &[][..]),
            (Some("same-site"), &["http://shop.example:3001"]),
            (Some("cross-site"), &["http://shop.example:3000"]),
            (Some("new word"), &[]),
            (None, &["https://evil.example"]),
            (None, &["http://shop.example"]),
            (None, &["http://shop.example:3001"]),
            (None, &["null"]),
            (None, &[""]),
            (None, &["http://shop.example:3000", "https://evil.example"]),
        ] {
            assert!(check(site, origins), "{site:?} {origins:?}");
        }
        assert!(is_cross_site(None, [&b"http://shop.example"[..]], None));
    }

    #[test]
    fn local_clients_and_their_names() {
        for local in ["127.0.0.1:5000", "127.9.9.9:1", "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "192.168.1.7:5000",
            "[2001:db8::1]:5000",
            "10.0.0.1:1",
            "",
            "localhost:1",
        ] {
            assert!(!is_local(other), "{other}");
        }
        for own in [
            "localhost",
            "LOCALHOST:3000",
            "localhost.:3000",
            "shop.localhost:3000",
            "127.0.0.1",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
            "192.168.1.7:3000",
        ] {
            assert!(cannot_be_rebound(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:3000",
            "notlocalhost",
            "",
        ] {
            assert!(!cannot_be_rebound(other), "{other}");
        }
    }
}
