//! The part of `spin.toml` that devhost supports.
//!
//! Every table denies unknown fields. A field that Spin has and devhost has not is refused by name and line and never
//! ignored, so that no app works here and behaves differently under Spin.
#![expect(dead_code, reason = "fields that have no effect here must still be known")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;

const MANIFEST_VERSION: u32 = 2;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    spin_manifest_version: u32,
    application: Application,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) trigger: Triggers,
    #[serde(default)]
    pub(crate) component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    version: Option<IgnoredAny>,
    description: Option<IgnoredAny>,
    authors: Option<IgnoredAny>,
}

/// An entry of `[variables]`. Without a default, it needs a value from outside.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) default: Option<String>,
    required: Option<IgnoredAny>,
    #[serde(default)]
    pub(crate) secret: bool,
    description: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Triggers {
    #[serde(default)]
    pub(crate) http: Vec<HttpTrigger>,
    #[serde(default)]
    pub(crate) redis: Vec<RedisTrigger>,
}

/// `[[trigger.http]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTrigger {
    id: Option<IgnoredAny>,
    pub(crate) route: String,
    pub(crate) component: String,
}

/// `[[trigger.redis]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisTrigger {
    id: Option<IgnoredAny>,
    pub(crate) address: String,
    pub(crate) channel: String,
    pub(crate) component: String,
}

/// `[component.x]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    description: Option<IgnoredAny>,
    pub(crate) source: Source,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    /// Shown when `source` is missing; never run, as `spin up` does not run it.
    pub(crate) build: Option<Build>,
}

/// A component's `source`. Spin also fetches from URLs and registries.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the path of a .wasm file (devhost fetches no component from a URL or a registry)"
)]
pub(crate) enum Source {
    /// Relative to the manifest.
    File(PathBuf),
}

/// `[component.x.build]`: for `spin build`.
#[derive(Debug, Deserialize)]
pub(crate) struct Build {
    pub(crate) command: Option<toml::Value>,
}

impl Manifest {
    /// The error quotes the line that is not supported.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).map_err(|error| {
            anyhow!("{error}devhost does not support this: remove it, or run the app with `spin up`")
        })?;
        ensure!(
            manifest.spin_manifest_version == MANIFEST_VERSION,
            "spin_manifest_version is {}, and devhost reads {MANIFEST_VERSION} only",
            manifest.spin_manifest_version
        );
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good manifest with something added to its component.
    fn with(component_line: &str) -> String {
        format!(
            r#"spin_manifest_version = 2
[application]
name = "app"
[variables]
host = {{ default = "h", secret = true }}
[[trigger.http]]
route = "/a/..."
component = "a"
[[trigger.redis]]
address = "redis://h"
channel = "c"
component = "a"
[component.a]
{component_line}
[component.a.build]
command = "cargo build"
watch = ["src/**/*.rs"]
"#
        )
    }

    #[test]
    fn reads_what_this_app_uses() {
        let manifest = Manifest::parse(&with(r#"source = "a.wasm""#)).unwrap();
        assert_eq!(manifest.trigger.http.len(), 1);
        assert_eq!(manifest.trigger.redis[0].channel, "c");
        let Source::File(source) = &manifest.component["a"].source;
        assert_eq!(source, &PathBuf::from("a.wasm"));
    }

    #[test]
    fn reads_the_project_s_own_manifest() {
        Manifest::parse(include_str!("../../../spin.toml")).unwrap();
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &[&str]) {
        let error = format!("{:#}", Manifest::parse(text).unwrap_err());
        for part in expected {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }

    #[test]
    fn refuses_by_name_and_line() {
        let source = r#"source = "a.wasm""#;
        for field in [
            "files",
            "key_value_stores",
            "sqlite_databases",
            "ai_models",
            "dependencies",
            "exclude_files",
        ] {
            let text = with(&format!("{source}\n{field} = []"));
            check_refused(&text, &[&format!("unknown field `{field}`"), "line 15", "spin up"]);
        }
        check_refused(
            &with(r#"source = { url = "https://example.com/a.wasm", digest = "sha256:0" }"#),
            &["devhost fetches no component", "line 14"],
        );
        let cron = with(source) + "[[trigger.cron]]\ncomponent = \"a\"\n";
        check_refused(&cron, &["unknown field `cron`"]);
        let executor = with(source).replace("route = \"/a/...\"", "route = \"/a\"\nexecutor = { type = \"wagi\" }");
        check_refused(&executor, &["unknown field `executor`"]);
        check_refused(
            &with(source).replace("_version = 2", "_version = 1"),
            &["spin_manifest_version is 1"],
        );
    }
}
