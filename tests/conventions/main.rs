//! Promises that the project makes about itself.
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

/// A text file of the project.
fn read(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file that is under version control or will be: not what is ignored.
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
