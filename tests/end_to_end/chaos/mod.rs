//! Orders at a steady rate while everything around them is killed, stopped, paused, filled up and cut off, in an order
//! drawn from a seed; and afterwards everything must add up.
//!
//! `make chaos MINUTES=10 SEED=17` runs rounds with the seeds 17, 18, ... The seed decides the faults and their times, but
//! not the work that they meet, so a seed that failed once may need a few tries to fail again.

mod books;
mod faults;
mod fleet;
mod orders;

use std::time::{Duration, Instant};

use crate::Test;
use crate::process::pause;
use crate::runtime::Runtime;
use faults::Agenda;
use fleet::Fleet;
use orders::Customers;

pub const TESTS: &[Test] = &[("chaos: every order comes to its one right end", chaos)];

/// The time with faults in one round.
const ROUND: Duration = Duration::from_secs(45);
/// The same where two runtimes are tested.
const SHORT_ROUND: Duration = Duration::from_secs(25);

fn chaos(runtime: Runtime) {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let number = |name| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let first = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let round = match Runtime::present().len() {
        1 => ROUND,
        _ => SHORT_ROUND,
    };
    let long = number("CHAOS_MINUTES").map(|minutes| Duration::from_secs(minutes * 60));
    let start = Instant::now();
    let mut seed = first;
    loop {
        one_round(runtime, seed, long.map_or(round, |_| ROUND));
        seed += 1;
        if start.elapsed() >= long.unwrap_or_default() {
            return;
        }
    }
}

fn one_round(runtime: Runtime, seed: u64, duration: Duration) {
    let mut agenda = Agenda::draw(seed, duration);
    let mut fleet = Fleet::start(runtime, &format!("seed {seed}"), agenda.durability);
    let shop = books::open(&fleet);
    let customers = Customers::start(fleet.addresses(), seed);
    let start = Instant::now();
    while start.elapsed() < duration {
        agenda.act(&mut fleet, start.elapsed());
        fleet.supervise();
        pause();
    }
    agenda.heal(&mut fleet);
    customers.stop_ordering();
    while !customers.are_done() {
        fleet.supervise();
        pause();
    }
    let orders = customers.orders();
    let done = Instant::now();
    while !(books::is_all_handled(&fleet) && fleet.is_ready()) {
        fleet.supervise();
        assert!(
            done.elapsed() < Duration::from_secs(120),
            "{}{}",
            books::what_waits(&fleet),
            fleet.what_is_not_ready()
        );
        pause();
    }
    let summary = shop.check(&fleet, &orders);
    fleet.note(&format!(
        "{summary}; settled {} ms after the last order",
        done.elapsed().as_millis()
    ));
    println!("{}", fleet.timeline());
}
