//! `{{ name }}` in the manifest's strings.

use std::fmt;

/// Why a template has no value.
#[derive(Debug, PartialEq)]
pub(crate) enum TemplateError {
    /// A `{{` without its `}}`.
    Unclosed,
    /// A name that the lookup does not know.
    Unknown(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a `{{` is never closed with `}}`"),
            Self::Unknown(name) => write!(f, "`{name}` is not declared in [variables]"),
        }
    }
}

/// The template with every `{{ name }}` replaced by what `lookup` says.
pub(crate) fn resolve<'v>(template: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> Result<String, TemplateError> {
    let mut resolved = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((literal, expression)) = rest.split_once("{{") {
        resolved.push_str(literal);
        let (name, after) = expression.split_once("}}").ok_or(TemplateError::Unclosed)?;
        let name = name.trim();
        resolved.push_str(lookup(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<&str, TemplateError>) {
        let lookup = |name: &str| match name {
            "host" => Some("localhost"),
            "empty" => Some(""),
            _ => None,
        };
        assert_eq!(resolve(template, lookup), expected.map(str::to_owned));
    }

    #[test]
    fn replaces_names_and_keeps_the_rest() {
        check("plain", Ok("plain"));
        check("", Ok(""));
        check("redis://{{ host }}/0", Ok("redis://localhost/0"));
        check("{{host}}{{ empty }}{{  host  }}", Ok("localhostlocalhost"));
        check("a } b }} c", Ok("a } b }} c"));
        check("{{ host", Err(TemplateError::Unclosed));
        check("{{ nobody }}", Err(TemplateError::Unknown("nobody".to_owned())));
    }
}
