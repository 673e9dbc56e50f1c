//! The app's variables, declared in the manifest and set from outside, and `{{ name }}` in the manifest's strings.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, bail};

use super::manifest::Variable;

/// Prefix of a variable's name in the environment.
pub(crate) const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

#[derive(Debug)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
}

impl Variables {
    /// Takes each value from the command line, else the environment (`SPIN_VARIABLE_<NAME>`), else the default. The
    /// error names every variable without a value.
    pub(crate) fn resolve(
        declared: &BTreeMap<String, Variable>,
        command_line: &BTreeMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in declared {
            check_name(name).map_err(|reason| anyhow!("variable {name:?} {reason}"))?;
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
        let secrets = declared.iter().filter(|(_, variable)| variable.secret);
        Ok(Self {
            values,
            secrets: secrets.map(|(name, _)| name.clone()).collect(),
        })
    }

    /// The variables that anybody may see: all but secrets with a value.
    pub(crate) fn without_secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter(|(name, value)| value.is_empty() || !self.secrets.contains(*name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Replaces every `{{ name }}` in a string of the manifest.
    pub(crate) fn expand(&self, template: &str) -> Result<String> {
        let mut expanded = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((literal, expression)) = rest.split_once("{{") {
            let (name, after) = expression
                .split_once("}}")
                .with_context(|| format!("{template:?}: a `{{{{` is never closed with `}}}}`"))?;
            let name = name.trim();
            let value = self
                .values
                .get(name)
                .with_context(|| format!("{template:?}: `{name}` is not declared in [variables]"))?;
            expanded.push_str(literal);
            expanded.push_str(value);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn environment_name(variable: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", variable.to_ascii_uppercase())
}

/// Spin's rule for names, by which each has exactly one spelling in the environment.
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
    fn secrets_are_left_out_unless_they_are_empty() {
        let declared = declared(
            "host = { default = 'h:1' }
password = { default = '', secret = true }
token = { default = '', secret = true }",
        );
        let environment = |name: &str| (name == "SPIN_VARIABLE_TOKEN").then(|| "s3cret".to_owned());
        let variables = Variables::resolve(&declared, &BTreeMap::new(), environment).unwrap();
        assert_eq!(
            variables.without_secrets().collect::<Vec<_>>(),
            [("host", "h:1"), ("password", "")]
        );
    }

    #[test]
    fn expands_names_and_keeps_the_rest() {
        let declared = declared("host = { default = 'localhost' }\nempty = { default = '' }");
        let variables = Variables::resolve(&declared, &BTreeMap::new(), |_| None).unwrap();
        for (template, expanded) in [
            ("plain", "plain"),
            ("", ""),
            ("redis://{{ host }}/0", "redis://localhost/0"),
            ("{{host}}{{ empty }}{{  host  }}", "localhostlocalhost"),
            ("a } b }} c", "a } b }} c"),
        ] {
            assert_eq!(variables.expand(template).unwrap(), expanded);
        }
        for (template, reason) in [
            ("{{ host", "a `{{` is never closed with `}}`"),
            ("{{ nobody }}", "`nobody` is not declared in [variables]"),
        ] {
            let error = variables.expand(template).unwrap_err().to_string();
            assert_eq!(error, format!("{template:?}: {reason}"));
        }
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
