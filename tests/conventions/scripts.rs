//! A script that writes names all its commands first, so that a missing right in Redis leaves nothing half done.

use std::collections::{BTreeMap, BTreeSet};

use crate::{read, tracked_files};

/// Lua files that are put before other scripts.
const SHARED: [&str; 3] = [
    "kit/src/prelude.lua",
    "warehouse-component/src/edge/redis/stock.lua",
    "warehouse-component/src/edge/redis/allocation.lua",
];

/// The Redis commands in a piece of Lua.
fn commands(lua: &str) -> BTreeSet<String> {
    let calls = lua.split("call('").skip(1);
    calls
        .filter_map(|call| call.split('\'').next().map(str::to_owned))
        .collect()
}

/// The commands of each function in the shared files, with those of the functions that it calls.
fn shared_functions() -> BTreeMap<String, BTreeSet<String>> {
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in SHARED {
        for function in read(file).split("\nlocal function ").skip(1) {
            let (name, rest) = function.split_once('(').unwrap();
            let body = rest.split("\nend\n").next().unwrap();
            let commands = run_by(body, &functions);
            functions.insert(name.to_owned(), commands);
        }
    }
    functions
}

fn run_by(lua: &str, functions: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let called = functions
        .iter()
        .filter(|(name, _)| lua.contains(&format!("{name}(")))
        .flat_map(|(_, commands)| commands.clone());
    commands(lua).into_iter().chain(called).collect()
}

#[test]
fn a_script_that_writes_first_names_all_commands_that_it_runs() {
    let functions = shared_functions();
    let writing: BTreeSet<&str> = [
        "DEL",
        "HSET",
        "MSET",
        "PEXPIRE",
        "RPUSH",
        "SET",
        "XADD",
        "XDEL",
        "ZADD",
        "ZREM",
        "ZREMRANGEBYSCORE",
    ]
    .into();
    let mut checked = 0;
    for file in tracked_files() {
        let of_a_component = ["kit/", "store-component/", "warehouse-component/"];
        if !file.ends_with(".lua")
            || SHARED.contains(&file.as_str())
            || !of_a_component.iter().any(|folder| file.starts_with(folder))
        {
            continue;
        }
        let lua = read(&file);
        let run = run_by(&lua, &functions);
        let named: BTreeSet<String> = match lua.split_once("\nmust_be_allowed(") {
            Some((before, rest)) => {
                assert!(!before.contains("call("), "{file} runs a command before it asks");
                let names = rest.split(')').next().unwrap();
                names.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
            }
            None => BTreeSet::new(),
        };
        if run.iter().any(|command| writing.contains(command.as_str())) {
            assert_eq!(named, run, "{file}");
            checked += 1;
        } else {
            assert!(named.is_empty(), "{file} changes nothing");
        }
    }
    assert!(checked > 10, "only {checked} scripts write");
}
