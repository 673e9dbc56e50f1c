//! devhost as a process: its exit codes and what it says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

fn devhost(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devhost"));
    command.args(arguments);
    command
}

#[test]
fn a_token_that_is_no_text_is_refused_and_what_is_unrelated_is_ignored() {
    let garbage = OsStr::from_bytes(b"\xff");
    for arguments in [&["run", "--from", "/nowhere"][..], &["up"], &["seed"], &["play"]] {
        let output = devhost(arguments)
            .env("SPIN_VARIABLE_API_TOKEN", garbage)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(
            said.contains("SPIN_VARIABLE_API_TOKEN is not UTF-8"),
            "{arguments:?}: {said}"
        );
    }
    let unrelated = devhost(&["run", "--from", "/nowhere"])
        .env("LS_COLORS", garbage)
        .output()
        .unwrap();
    let said = String::from_utf8(unrelated.stderr).unwrap();
    assert!(said.contains("cannot read the manifest"), "{said}");
}

#[test]
fn a_closed_standard_error_changes_no_exit_code() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = devhost(&["run", "--from", "/nowhere"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(64));
}
