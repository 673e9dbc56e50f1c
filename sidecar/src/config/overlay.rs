use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::{Table, Value};

use super::BadConfig;

/// The start of the name of every variable of the sidecar.
pub const PREFIX: &str = "STREAM_SIDECAR__";

/// Variables of the sidecar that are not of its configuration begin like this too.
const OWN_PREFIX: &str = "STREAM_SIDECAR_";
/// A path, which need not be text.
const CONFIG_FILE: &str = "STREAM_SIDECAR_CONFIG";

/// The sidecar's own variables of an environment. Those of others may be anything.
///
/// # Errors
///
/// Names a variable of the sidecar that is not UTF-8.
pub fn own_variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, BadConfig> {
    environment
        .into_iter()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(OWN_PREFIX.as_bytes()) && name != CONFIG_FILE)
        .map(|(name, value)| match (name.to_str(), value.to_str()) {
            (Some(name), Some(value)) => Ok((name.to_owned(), value.to_owned())),
            _ => Err(BadConfig(format!("{}: is not UTF-8 text", name.display()))),
        })
        .collect()
}

/// Sets the values that variables name, in a table read from a file.
///
/// The parts of a name are joined by two underscores and matched to keys regardless of case, with `-` and `_` equal:
/// `STREAM_SIDECAR__ROUTES__TAKE_STOCK__GROUP` is `routes.take-stock.group`. Answers with the table and, by dotted
/// path, the variable that set it.
///
/// # Errors
///
/// A variable whose name leads nowhere, or whose value does not fit.
pub(super) fn overlay(
    mut table: Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Table, BTreeMap<String, String>), BadConfig> {
    let mut variables: Vec<_> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    let mut set = BTreeMap::new();
    for (name, text) in variables {
        let parts: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        let path = insert(&mut table, &parts, &text).map_err(|why| BadConfig(format!("{name}: {why}")))?;
        set.insert(path, name);
    }
    Ok((table, set))
}

/// Walks to the place that the parts name, making tables on the way; answers with its dotted path.
fn insert(table: &mut Table, parts: &[&str], text: &str) -> Result<String, String> {
    let Some((last, tables)) = parts.split_last().filter(|_| parts.iter().all(|part| !part.is_empty())) else {
        return Err("names no value".into());
    };
    let section = tables.first().map(|part| part.to_ascii_lowercase());
    let mut at = table;
    let mut path = String::new();
    for part in tables {
        let key = find(at, part);
        path.push_str(&key);
        path.push('.');
        at = match at.entry(key).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => inner,
            _ => return Err(format!("`{}` is a value, not a section", path.trim_end_matches('.'))),
        };
    }
    let key = find(at, last);
    path.push_str(&key);
    let value = value(section.as_deref(), &key, text)?;
    at.insert(key, value);
    Ok(path)
}

/// The key of the table that a part of a variable's name means.
fn find(table: &Table, part: &str) -> String {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(part);
    table.keys().find(|key| plain(key) == wanted).cloned().unwrap_or(wanted)
}

/// Reads a variable's text as the type of the value that it sets.
fn value(section: Option<&str>, key: &str, text: &str) -> Result<Value, String> {
    if section == Some("limits") || matches!(key, "database" | "lanes") {
        let number = text
            .trim()
            .parse()
            .map_err(|_| format!("`{text}` is no whole number"))?;
        Ok(Value::Integer(number))
    } else if key == "required_groups" {
        let groups = text.split(',').map(str::trim).filter(|group| !group.is_empty());
        Ok(Value::Array(groups.map(|group| Value::String(group.into())).collect()))
    } else {
        Ok(Value::String(text.to_owned()))
    }
}
