//! The whole system from outside: a private Redis, a runtime with both components, a sidecar, each a real process on
//! free ports, once for every runtime: `devhost` always, `spin` where it is on PATH.
//!
//! Tests of deliveries run over HTTP too, and tests of Redis's clients run with TLS and users too.
//!
//! `cargo test -p tests --test end_to_end -- NAME` runs the tests whose name contains NAME; with `END_TO_END=all` in the
//! environment, all of them are run in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod process;
mod database;
mod port;
mod proxy;
mod runtime;
mod harness;
mod shop;
mod courier;
mod stored;

mod fulfilment;
mod payment;
mod by_hand;
mod duplicates;
mod malformed;
mod kills;
mod redis_restart;
mod wrong_type;
mod rights;
mod storage_full;
mod bad_requests;
mod repeats;
mod http_api;
mod http_edges;
mod latency;
mod streams;
mod token;
mod other_sites;
mod store_model;
mod warehouse_model;
mod warehouse_api;
mod races;
mod demo;
mod api_document;
mod schemathesis;
mod cancels;
mod returns;
mod watching;
mod lists;
mod catalogue;
mod archive;
mod bodies;
mod openapi;
mod supervisor;
mod http_delivery;
mod users;
mod services;
mod rolling;
mod manifests;
mod wrong_settings;
mod registry;
mod example;
mod chaos;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::runtime::{Program, Runtime};

/// A test: its name, and its function for a runtime.
type Test = (&'static str, fn(Runtime));

/// Tests that run over HTTP too.
const OVER_HTTP: &[&[Test]] = &[
    fulfilment::TESTS,
    malformed::TESTS,
    kills::TESTS,
    rolling::TESTS,
    chaos::TESTS,
];
/// Tests that run with TLS and users too.
const SECURED: &[&[Test]] = &[fulfilment::TESTS, streams::TESTS];
/// Tests that start a plain Redis by themselves, or choose their own delivery.
const ONE_WAY: &[&[Test]] = &[
    supervisor::TESTS,
    redis_restart::TESTS,
    users::TESTS,
    manifests::TESTS,
    wrong_settings::TESTS,
    registry::TESTS,
    example::TESTS,
];
/// Tests of Spin alone.
const SPIN_ONLY: &[&[Test]] = &[registry::TESTS];

fn main() -> ExitCode {
    let tests: Vec<Test> = [
        fulfilment::TESTS,
        payment::TESTS,
        by_hand::TESTS,
        duplicates::TESTS,
        malformed::TESTS,
        kills::TESTS,
        redis_restart::TESTS,
        wrong_type::TESTS,
        rights::TESTS,
        storage_full::TESTS,
        bad_requests::TESTS,
        repeats::TESTS,
        http_api::TESTS,
        http_edges::TESTS,
        latency::TESTS,
        streams::TESTS,
        token::TESTS,
        other_sites::TESTS,
        store_model::TESTS,
        warehouse_model::TESTS,
        warehouse_api::TESTS,
        races::TESTS,
        demo::TESTS,
        api_document::TESTS,
        schemathesis::TESTS,
        cancels::TESTS,
        returns::TESTS,
        watching::TESTS,
        lists::TESTS,
        catalogue::TESTS,
        archive::TESTS,
        bodies::TESTS,
        openapi::TESTS,
        supervisor::TESTS,
        http_delivery::TESTS,
        users::TESTS,
        services::TESTS,
        rolling::TESTS,
        manifests::TESTS,
        wrong_settings::TESTS,
        registry::TESTS,
        example::TESTS,
        chaos::TESTS,
    ]
    .concat();
    let runtimes = Runtime::present();
    let trials = runtimes
        .iter()
        .flat_map(|runtime| {
            tests.iter().flat_map(move |(name, test)| {
                let test = *test;
                let lacks_registry =
                    registry::TESTS.iter().any(|(other, _)| other == name) && registry::program().is_none();
                variants(*runtime, name).into_iter().map(move |runtime| {
                    Trial::test(format!("{name} on {}", runtime.title()), move || {
                        test(runtime);
                        Ok(())
                    })
                    .with_ignored_flag(lacks_registry)
                })
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    println!("runtimes that ran: {}", Runtime::describe());
    conclusion.exit_code()
}

/// The ways in which a test runs on a runtime.
fn variants(runtime: Runtime, name: &str) -> Vec<Runtime> {
    let is_in = |lists: &[&[Test]]| lists.iter().any(|list| list.iter().any(|(other, _)| *other == name));
    let all = std::env::var("END_TO_END").is_ok_and(|ways| ways == "all");
    if is_in(SPIN_ONLY) && runtime.program != Program::Spin {
        return Vec::new();
    }
    let mut ways = vec![(false, false)];
    if !is_in(ONE_WAY) {
        ways.extend((all || is_in(OVER_HTTP)).then_some((true, false)));
        ways.extend((all || is_in(SECURED)).then_some((false, true)));
        ways.extend(all.then_some((true, true)));
    }
    let with = |(over_http, secured)| Runtime {
        over_http,
        secured,
        ..runtime
    };
    ways.into_iter().map(with).collect()
}
