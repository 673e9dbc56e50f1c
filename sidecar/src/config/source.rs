use std::collections::BTreeMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::BadConfig;

/// The file that a configuration was read from, to point into.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// The error for a file that is no TOML; the parser's own message shows line and column.
pub(super) fn syntax(name: &str, err: &toml::de::Error) -> BadConfig {
    BadConfig(format!("{name}: {}", err.to_string().trim_end()))
}

impl Source<'_> {
    /// Reads the file without the variables, so that its errors point at its lines.
    pub(super) fn deserialize<'de, T: Deserialize<'de>>(&self, table: toml::Table) -> Result<T, BadConfig> {
        serde_path_to_error::deserialize(table).map_err(|err| {
            let path = err.path().to_string();
            self.error(&BTreeMap::new(), &path, err.inner().message())
        })
    }

    /// An error at a dotted path. It names the variable that set the value, or else the line.
    pub(super) fn error(&self, variables: &BTreeMap<String, String>, path: &str, why: &str) -> BadConfig {
        if let Some(variable) = variables.get(path) {
            return BadConfig(format!("{variable}: {why}"));
        }
        let place = match self.line_of(path) {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.to_owned(),
        };
        if matches!(path, "" | ".") {
            BadConfig(format!("{place}: {why}"))
        } else {
            BadConfig(format!("{place}: {path}: {why}"))
        }
    }

    /// The line of the deepest part of a path that the file has.
    fn line_of(&self, path: &str) -> Option<usize> {
        let root = DeTable::parse(self.text).ok()?;
        let mut table = root.get_ref();
        let mut found = None;
        for part in path.split('.') {
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else {
                break;
            };
            found = Some(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        let start = found?;
        Some(self.text[..start].matches('\n').count() + 1)
    }
}
