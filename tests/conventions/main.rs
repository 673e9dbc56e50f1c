//! Rules for the project's files, dependencies, scripts, documents and interfaces.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod worlds;
mod messages;
mod documents;
mod files;
mod scripts;

use std::path::{Path, PathBuf};

/// The project's top folder.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file in the working tree that git does not ignore.
fn tracked_files() -> Vec<String> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(project())
        .output()
        .expect("git is there");
    let files = String::from_utf8(output.stdout).unwrap();
    let files: Vec<_> = files
        .lines()
        .filter(|file| project().join(file).is_file())
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 20, "git lists only {} files", files.len());
    files
}
