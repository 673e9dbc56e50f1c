//! The whole system from outside: a private Redis, a runtime with both components, a sidecar, each a real process on
//! free ports, once for every runtime that is there: `devhost` always, `spin` where it is on PATH.
//!
//! `cargo test -p tests --test end_to_end -- NAME` runs the tests whose name contains NAME.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod process;
mod port;
mod proxy;
mod runtime;
mod harness;
mod shop;
mod courier;

mod fulfilment;
mod payment;
mod by_hand;
mod duplicates;
mod malformed;
mod kills;
mod redis_restart;
mod wrong_type;
mod storage_full;
mod bad_requests;
mod http_api;
mod latency;
mod streams;
mod token;
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
mod archive;
mod bodies;
mod openapi;
mod supervisor;
mod example;
mod chaos;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::runtime::Runtime;

/// A test: its name, and what it does on a runtime.
type Test = (&'static str, fn(Runtime));

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
        storage_full::TESTS,
        bad_requests::TESTS,
        http_api::TESTS,
        latency::TESTS,
        streams::TESTS,
        token::TESTS,
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
        archive::TESTS,
        bodies::TESTS,
        openapi::TESTS,
        supervisor::TESTS,
        example::TESTS,
        chaos::TESTS,
    ]
    .concat();
    let runtimes = Runtime::present();
    let trials = runtimes
        .iter()
        .flat_map(|runtime| {
            tests.iter().map(move |(name, test)| {
                let (runtime, test) = (*runtime, *test);
                Trial::test(format!("{name} on {}", runtime.name()), move || {
                    test(runtime);
                    Ok(())
                })
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    println!("runtimes that ran: {}", Runtime::describe(&runtimes));
    conclusion.exit_code()
}
