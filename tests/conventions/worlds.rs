//! A component imports and exports exactly the interfaces of its world in `wit/`.

use std::collections::BTreeSet;

use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId};

use crate::project;

fn names(resolve: &Resolve, world: WorldId) -> (BTreeSet<String>, BTreeSet<String>) {
    let world = &resolve.worlds[world];
    let names = |keys: Vec<_>| keys.into_iter().map(|key| resolve.name_world_key(key)).collect();
    (
        names(world.imports.keys().collect()),
        names(world.exports.keys().collect()),
    )
}

fn check(world: &str) {
    let mut contract = Resolve::new();
    let (package, _) = contract.push_dir(project().join("wit")).expect("wit/ is legal");
    let promised = contract.select_world(&[package], Some(world)).unwrap();

    let path = project().join(format!("target/wasm32-wasip2/release/{world}_component.wasm"));
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `make test` builds it", path.display()));
    let DecodedWasm::Component(resolve, found) = wit_component::decode(&bytes).unwrap() else {
        panic!("{} is no component", path.display());
    };
    assert_eq!(names(&resolve, found), names(&contract, promised), "(found, promised)");
}

#[test]
fn the_store_has_its_world() {
    check("store");
}

#[test]
fn the_warehouse_has_its_world() {
    check("warehouse");
}

#[test]
fn the_console_has_its_world() {
    check("console");
}
