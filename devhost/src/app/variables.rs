//! The application's variables: declared in the manifest, set from outside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::manifest::Variable;
use super::template;

/// What a variable's name is prefixed with in the environment.
pub(crate) const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// Every declared variable with its value.
#[derive(Debug)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    /// The names of those that are secret.
    secret: BTreeSet<String>,
}

impl Variables {
    /// The first of: the command line, the environment (by the name `SPIN_VARIABLE_<NAME>`), the declared default.
    ///
    /// Fails by naming every variable that has a value in none of them.
    pub(crate) fn resolve(
        declared: &BTreeMap<String, Variable>,
        command_line: &BTreeMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in declared {
            check_name(name).map_err(|reason| anyhow::anyhow!("variable {name:?} {reason}"))?;
            let value = command_line
                .get(name)
                .cloned()
                .or_else(|| environment(&environment_name(name)))
                .or_else(|| variable.default.clone());
            match value {
                Some(value) => {
                    values.insert(name.clone(), value);
                }
                None => missing.push(name.as_str()),
            }
        }
        if let Some(example) = missing.first() {
            bail!(
                "no value for {}: give `--variable {example}=...` or set {}",
                missing.join(", "),
                environment_name(example),
            );
        }
        let secret = declared.iter().filter(|(_, variable)| variable.secret);
        Ok(Self {
            values,
            secret: secret.map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Those that anybody may see, which a secret is while it is empty.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter(|(name, value)| value.is_empty() || !self.secret.contains(*name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A manifest string with its `{{ name }}` replaced.
    pub(crate) fn expand(&self, template: &str) -> Result<String> {
        template::resolve(template, |name| self.values.get(name).map(String::as_str))
            .map_err(|error| anyhow::anyhow!("{template:?}: {error}"))
    }
}

fn environment_name(variable: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", variable.to_ascii_uppercase())
}

/// Spin's rule for names, so that each has exactly one spelling in the environment.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("must start with a lowercase ASCII letter");
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    {
        return Err("may contain only lowercase letters, digits and underscores");
    }
    if name.ends_with('_') || name.contains("__") {
        return Err("may have an underscore only between two other characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(variables: &str) -> BTreeMap<String, Variable> {
        toml::from_str(variables).unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_default() {
        let declared = declared(
            "a = { default = 'default' }
b = { default = 'default' }
c = { default = 'default' }",
        );
        let command_line = BTreeMap::from([("a".to_owned(), "flag".to_owned())]);
        let environment = |name: &str| match name {
            "SPIN_VARIABLE_A" | "SPIN_VARIABLE_B" => Some("environment".to_owned()),
            _ => None,
        };
        let variables = Variables::resolve(&declared, &command_line, environment).unwrap();
        assert_eq!(
            variables.expand("{{ a }} {{ b }} {{ c }}").unwrap(),
            "flag environment default"
        );
    }

    #[test]
    fn keeps_secrets_but_for_empty_ones() {
        let declared = declared(
            "host = { default = 'h:1' }
password = { default = '', secret = true }
token = { default = '', secret = true }",
        );
        let environment = |name: &str| (name == "SPIN_VARIABLE_TOKEN").then(|| "s3cret".to_owned());
        let variables = Variables::resolve(&declared, &BTreeMap::new(), environment).unwrap();
        assert_eq!(
            variables.open().collect::<Vec<_>>(),
            [("host", "h:1"), ("password", "")]
        );
    }

    #[test]
    fn names_every_variable_without_a_value() {
        let declared = declared(
            "host = { required = true }
port = {}
user = { default = '' }",
        );
        let error = Variables::resolve(&declared, &BTreeMap::new(), |_| None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no value for host, port: give `--variable host=...` or set SPIN_VARIABLE_HOST"
        );
    }

    #[test]
    fn checks_names_as_spin_does() {
        for good in ["a", "redis_url", "v2", "a_1"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "1a", "_a", "a_", "a__b", "Redis", "a-b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
