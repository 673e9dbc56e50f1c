//! A script that writes first checks that its user may run all of its commands, so that a missing right in Redis leaves
//! nothing half done. `tests/end_to_end/rights.rs` takes each right away.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use crate::{read, tracked_files};

/// The commands between such a start and the next quote.
fn commands<'a>(lua: &'a str, start: &str) -> BTreeSet<&'a str> {
    let calls = lua.split(start).skip(1);
    calls.filter_map(|call| call.split('\'').next()).collect()
}

#[test]
fn taking_stock_names_all_commands_that_it_runs() {
    let lua = read("warehouse-component/src/storage/take_stock.lua");
    let (before, rest) = lua.split_once("\nmust_be_allowed(").unwrap();
    assert!(!before.contains("call("), "it runs a command before it asks");
    let named: BTreeSet<&str> = rest.split(')').next().unwrap().split('\'').skip(1).step_by(2).collect();
    let prelude = read("kit/src/prelude.lua");
    let run = &commands(&lua, "call('") | &commands(&prelude, "call('");
    assert_eq!(named, run);
}

#[test]
fn a_commit_names_all_commands_that_it_runs() {
    let lua = read("kit/src/commit.lua");
    let (before, _) = lua.split_once("must_be_allowed(argument())").unwrap();
    assert!(!before.contains("call("), "it runs a command before it asks");
    let rust = read("kit/src/commit.rs");
    let mut run = &commands(&lua, "call('") | &commands(&lua, "= {'");
    // Strings are gathered under this name, and set by MSET.
    run.remove("SET");
    for command in run {
        assert!(rust.contains(&format!("\"{command}\"")), "{command}");
    }
}

#[test]
fn no_other_script_of_a_component_writes() {
    let writers = [
        "kit/src/commit.lua",
        "kit/src/prelude.lua",
        "warehouse-component/src/storage/take_stock.lua",
    ];
    let of_a_component = ["kit/", "store-component/", "warehouse-component/"];
    for file in tracked_files() {
        let is_other =
            !writers.contains(&file.as_str()) && of_a_component.iter().any(|folder| file.starts_with(folder));
        if file.ends_with(".lua") && is_other {
            let lua = read(&file);
            let reading = BTreeSet::from(["HMGET", "TYPE", "ZMSCORE", "ZRANGE"]);
            assert!(commands(&lua, "call('").is_subset(&reading), "{file} writes");
        }
    }
}

/// An openssl that fails at one of its calls, whichever that is.
#[test]
fn secrets_are_made_as_a_whole_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("secrets-{}", std::process::id()));
    let programs = folder.join("bin");
    std::fs::create_dir_all(&programs).unwrap();
    let program = programs.join("openssl");
    let path = std::env::var("PATH").unwrap();
    let mut failures = 0;
    for call in 1.. {
        let (count, made) = (folder.join("count"), folder.join(format!("made-{call}")));
        let fake = format!(
            "#!/bin/sh\necho >>{count}\n[ $(wc -l <{count}) -ne {call} ] || {{ echo no entropy >&2; exit 1; }}\n\
             PATH={path}\nexec openssl \"$@\"\n",
            count = count.display(),
        );
        std::fs::write(&program, fake).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let _ = std::fs::remove_file(&count);
        let output = std::process::Command::new(crate::project().join("deploy/secrets.sh"))
            .arg(&made)
            .env("PATH", format!("{}:{path}", programs.display()))
            .output()
            .unwrap();
        if output.status.success() {
            break;
        }
        failures += 1;
        assert!(!made.exists(), "call {call}: {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("no entropy"),
            "call {call}: {output:?}"
        );
    }
    // A password and its hash for each of four users, two further secrets, and three certificates.
    assert_eq!(failures, 13);
    std::fs::remove_dir_all(&folder).unwrap();
}
