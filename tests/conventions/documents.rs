//! The documents name only paths, errors and streams that exist.

use std::collections::BTreeSet;

use contracts::names::{PAYMENT_GROUP, STORE_GROUP, STORE_STREAMS, WAREHOUSE_GROUP, WAREHOUSE_STREAMS};

use crate::{project, read, tracked_files};

/// The paths in a Markdown text: link targets, and code spans that look like a path of this project.
fn paths(markdown: &str) -> Vec<String> {
    let links = markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default());
    let spans = markdown.split('`').skip(1).step_by(2).filter(|span| {
        let file = span.rsplit('/').next().unwrap_or_default();
        let has_known_end = [".rs", ".lua", ".toml", ".wit", ".sh", ".md", "/"]
            .iter()
            .any(|end| span.ends_with(end));
        span.contains('/') && has_known_end && !span.contains([' ', '<', '*']) && !span.starts_with('/')
            || file == "Makefile"
    });
    links
        .chain(spans)
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("target/"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_path_in_the_documents_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/errors.md",
        "docs/guarantees.md",
    ] {
        let paths = paths(&read(document));
        for path in &paths {
            assert!(
                project().join(path).exists(),
                "{document} names {path}, which does not exist"
            );
        }
        if document == "ARCHITECTURE.md" {
            assert!(paths.len() > 20, "{document} names only {} paths", paths.len());
        }
    }
}

const ERROR_FOLDERS: [&str; 3] = ["kit/src/", "store-component/src/", "warehouse-component/src/"];

#[test]
fn every_error_is_in_the_table_and_in_the_code() {
    let mut declared = BTreeSet::new();
    for file in tracked_files() {
        if !ERROR_FOLDERS.iter().any(|folder| file.starts_with(folder)) {
            continue;
        }
        for declaration in read(&file).split("ProblemType::new(").skip(1) {
            let mut parts = declaration.split(',').map(str::trim);
            let (Some(status), Some(slug)) = (parts.next(), parts.next()) else {
                continue;
            };
            declared.insert((slug.trim_matches('"').to_owned(), status.to_owned()));
        }
    }
    let table: BTreeSet<_> = read("docs/errors.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert!(
        declared.len() > 20,
        "only {} errors were found in the code",
        declared.len()
    );
    assert_eq!(declared, table, "(code, docs/errors.md)");
}

#[test]
fn every_stream_and_group_is_routed() {
    let routes = read("sidecar.toml");
    let groups = [PAYMENT_GROUP, STORE_GROUP, WAREHOUSE_GROUP];
    for name in [STORE_STREAMS, WAREHOUSE_STREAMS, &groups].concat() {
        assert!(
            routes.contains(&format!("\"{name}\"")),
            "sidecar.toml does not name {name}"
        );
    }
}
