//! HTTP routes: exact (`/a/b`) and by prefix (`/a/...`).

use std::fmt;

use anyhow::{Result, bail, ensure};

/// A route, matched as Spin does: slashes at either end of a path are ignored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    /// As the manifest writes it.
    written: String,
    /// Without `/...` and slashes at either end.
    path: String,
    /// Matches everything below `path` too.
    wildcard: bool,
}

impl Route {
    /// Parses a route of the manifest. Spin's `:name` and `*` are refused.
    pub(crate) fn parse(written: &str) -> Result<Self> {
        ensure!(written.starts_with('/'), "route {written:?} must begin with `/`");
        let (path, wildcard) = match written.strip_suffix("/...") {
            Some(prefix) => (prefix, true),
            None => (written, false),
        };
        if path.contains("/:") || path.contains('*') || path.contains("...") {
            bail!("route {written:?} is not supported by devhost: write an exact route, or one that ends in `/...`");
        }
        Ok(Self {
            written: written.to_owned(),
            path: path.trim_matches('/').to_owned(),
            wildcard,
        })
    }

    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// The route without its `/...`.
    pub(crate) fn prefix(&self) -> &str {
        self.written.strip_suffix("/...").unwrap_or(&self.written)
    }

    /// The part of a matching path behind the prefix; empty for an exact route.
    pub(crate) fn path_info<'p>(&self, path: &'p str) -> &'p str {
        match (self.wildcard, self.path.as_str()) {
            (false, _) => "",
            (true, "") => path,
            (true, prefix) => path.trim_start_matches('/').strip_prefix(prefix).unwrap_or_default(),
        }
    }

    fn matches(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        match path.strip_prefix(self.path.as_str()) {
            Some("") => true,
            Some(rest) => self.wildcard && (self.path.is_empty() || rest.starts_with('/')),
            None => false,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = if self.wildcard { " (wildcard)" } else { "" };
        write!(f, "/{}{wildcard}", self.path)
    }
}

#[derive(Debug)]
pub(crate) struct Router<T> {
    /// Most specific first: exact routes before wildcards, longer prefixes before shorter ones.
    routes: Vec<(Route, T)>,
}

impl<T> Router<T> {
    /// Fails if two routes are the same.
    pub(crate) fn new(mut routes: Vec<(Route, T)>) -> Result<Self> {
        routes.sort_by_key(|(route, _)| (route.wildcard, std::cmp::Reverse(route.path.len())));
        for (index, (route, _)) in routes.iter().enumerate() {
            let is_same = |(other, _): &(Route, T)| (&other.path, other.wildcard) == (&route.path, route.wildcard);
            if routes[..index].iter().any(is_same) {
                bail!("two HTTP triggers have the route {}", route.written);
            }
        }
        Ok(Self { routes })
    }

    /// The most specific route for a path.
    pub(crate) fn find(&self, path: &str) -> Option<(&Route, &T)> {
        self.iter().find(|(route, _)| route.matches(path))
    }

    /// Every route, most specific first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Route, &T)> {
        self.routes.iter().map(|(route, target)| (route, target))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(routes: &[&'static str], path: &str, expected: Option<&str>) {
        let routes = routes
            .iter()
            .map(|route| (Route::parse(route).unwrap(), *route))
            .collect();
        let router = Router::new(routes).unwrap();
        assert_eq!(router.find(path).map(|(_, target)| *target), expected, "{path}");
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = ["/...", "/a/...", "/a/b/...", "/a/b", "/"];
        check(&routes, "/", Some("/"));
        check(&routes, "/a", Some("/a/..."));
        check(&routes, "/a/", Some("/a/..."));
        check(&routes, "/a/c", Some("/a/..."));
        check(&routes, "/a/b", Some("/a/b"));
        check(&routes, "/a/b/", Some("/a/b"));
        check(&routes, "/a/b/c", Some("/a/b/..."));
        check(&routes, "/ab", Some("/..."));
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        check(&["/store/..."], "/store", Some("/store/..."));
        check(&["/store/..."], "/store/orders/1", Some("/store/..."));
        check(&["/store/..."], "/storefront", None);
        check(&["/store"], "/store/orders", None);
        check(&[], "/", None);
    }

    #[test]
    fn path_info_follows_the_prefix() {
        let info = |route: &str, path: &'static str| Route::parse(route).unwrap().path_info(path);
        assert_eq!(info("/test/...", "/test"), "");
        assert_eq!(info("/test/...", "/test/"), "/");
        assert_eq!(info("/test/...", "/test/hello/"), "/hello/");
        assert_eq!(info("/...", "/1/2"), "/1/2");
        assert_eq!(info("/test", "/test"), "");
    }

    #[test]
    fn refuses_what_it_does_not_match_as_spin_does() {
        for written in ["a", "/a/:id", "/a/*", "/a/.../b"] {
            assert!(Route::parse(written).is_err(), "{written}");
        }
        let twice = vec![(Route::parse("/a").unwrap(), ()), (Route::parse("/a/").unwrap(), ())];
        assert!(Router::new(twice).is_err());
    }
}
