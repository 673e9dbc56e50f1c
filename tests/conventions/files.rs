//! Rules for source files and dependencies.

use crate::{read, tracked_files};

/// A longer file has more than one reason to exist. Tests may be longer: they are lists of cases.
const LINES_MAX: usize = 500;

fn source_files() -> Vec<String> {
    let mut files = tracked_files();
    files.retain(|file| {
        [".rs", ".lua", ".sh", ".wit", ".toml"]
            .iter()
            .any(|end| file.ends_with(end))
    });
    files
}

#[test]
fn files_are_short() {
    for file in source_files().iter().filter(|file| !file.contains("tests")) {
        let lines = read(file).lines().count();
        assert!(lines <= LINES_MAX, "{file} has {lines} lines, {LINES_MAX} is the limit");
    }
}

#[test]
fn no_unfinished_work_is_noted() {
    // In two parts, so that this file passes.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    for file in source_files() {
        let text = read(&file);
        for note in notes {
            assert!(!text.contains(note), "{file} says {note}");
        }
    }
}

#[test]
fn a_domain_imports_only_its_own_and_the_contract() {
    for file in tracked_files() {
        if !file.contains("/src/domain/") {
            continue;
        }
        for line in read(&file).lines().map(str::trim) {
            let Some(import) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub use ")) else {
                continue;
            };
            let allowed = [
                "std::collections",
                "std::fmt",
                "Effect::",
                "super::",
                "crate::domain",
                "contracts::",
                // Its types are stored and sent as they are.
                "serde::",
                // In tests only: a development dependency.
                "proptest::",
            ];
            assert!(
                allowed.iter().any(|start| import.starts_with(start)),
                "{file} imports {import}"
            );
        }
    }
}

#[test]
fn dependencies_point_inwards() {
    for (package, never) in [
        ("sidecar", vec!["contracts", "store-component", "warehouse-component"]),
        ("protocol", vec!["contracts", "kit"]),
        ("kit", vec!["sidecar"]),
        ("store-component", vec!["warehouse-component"]),
        ("warehouse-component", vec!["store-component"]),
    ] {
        let manifest = read(format!("{package}/Cargo.toml"));
        for name in never {
            let depends = manifest
                .lines()
                .any(|line| line.split(['.', ' ', '=']).next() == Some(name));
            assert!(!depends, "{package} depends on {name}");
        }
    }
}
