//! Watching consumer groups until their work is done: the clock of most parts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use contracts::names::{
    ORDER_COMPLETED, ORDER_FULFILLED, ORDER_PLACED, PAYMENT_GROUP, REFUND_ORDER, STORE_GROUP, WAREHOUSE_GROUP,
};
use redis::streams::StreamInfoGroupsReply;
use redis::{Commands, Connection};

use crate::process::pause;
use crate::system::{Redis, STORE, WAREHOUSE};

/// Streams and groups of an order's way, with their databases.
pub(crate) const CHARGE: Group = Group(STORE, ORDER_PLACED, PAYMENT_GROUP);
pub(crate) const TAKE_STOCK: Group = Group(STORE, ORDER_COMPLETED, WAREHOUSE_GROUP);
pub(crate) const CLOSE: Group = Group(WAREHOUSE, ORDER_FULFILLED, STORE_GROUP);
pub(crate) const REFUND: Group = Group(WAREHOUSE, REFUND_ORDER, PAYMENT_GROUP);

const RUN_MAX: Duration = Duration::from_secs(1_800);
/// Time between two looks at one group, short beside a run and long beside what a look costs Redis.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The same for the whole cycle, whose look is three commands.
const CYCLE_LOOK_EVERY: Duration = Duration::from_millis(5);

/// Database, stream, group.
#[derive(Clone, Copy)]
pub(crate) struct Group(pub(crate) u8, pub(crate) &'static str, pub(crate) &'static str);

#[derive(Default)]
struct Progress {
    read: usize,
    settled: usize,
}

/// Watches a group from the first entry that it reads to the last of `count` that it settles; returns the seconds between.
pub(crate) fn watch_group(
    connection: &mut Connection,
    group: Group,
    count: usize,
    mut still_well: impl FnMut() -> Result<()>,
) -> Result<f64> {
    watch(0, count, LOOK_EVERY, || {
        still_well()?;
        progress(connection, group)
    })
}

/// Watches until so many more orders than `before` are closed; returns the seconds since the first of them was read.
pub(crate) fn watch_cycle(redis: &Redis, before: usize, count: usize) -> Result<f64> {
    let (mut store, mut warehouse) = (redis.connect(STORE)?, redis.connect(WAREHOUSE)?);
    watch(before, count, CYCLE_LOOK_EVERY, || {
        let closed = progress(&mut warehouse, CLOSE)?.settled + progress(&mut warehouse, REFUND)?.settled;
        Ok(Progress {
            read: progress(&mut store, CHARGE)?.read,
            settled: closed,
        })
    })
}

fn watch(before: usize, count: usize, every: Duration, mut look: impl FnMut() -> Result<Progress>) -> Result<f64> {
    let wait = Instant::now();
    let mut begin = None;
    loop {
        let now = look()?;
        if now.read > before && begin.is_none() {
            begin = Some(Instant::now());
        }
        if let Some(begin) = begin
            && now.settled >= before + count
        {
            return Ok(begin.elapsed().as_secs_f64());
        }
        ensure!(
            wait.elapsed() < RUN_MAX,
            "of {count} entries {} were settled within {RUN_MAX:?}",
            now.settled.saturating_sub(before)
        );
        pause(every);
    }
}

fn progress(connection: &mut Connection, Group(_, stream, group): Group) -> Result<Progress> {
    // The stream is not there before its first entry.
    let groups: StreamInfoGroupsReply = connection.xinfo_groups(stream).unwrap_or_default();
    let Some(group) = groups.groups.into_iter().find(|found| found.name == group) else {
        return Ok(Progress::default());
    };
    let read = group.entries_read.unwrap_or_default();
    Ok(Progress {
        read,
        settled: read.saturating_sub(group.pending),
    })
}
