//! The faults of a simulation, drawn from its seed.

use fastrand::Rng;
use stream_sidecar::entry::EntryId;
use stream_sidecar::lane::{ChannelEvent, Event, StreamEvent};

use crate::broker::Fate;
use crate::node::READER;
use crate::simulation::{Happening, Simulation};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The sidecar is killed, and started again after this number of microseconds.
    CrashNode(usize, i64),
    /// The sidecar is paused for this time, in microseconds like all times below.
    PauseNode(usize, i64),
    /// The runtime is killed, and started again after this time.
    CrashRuntime(usize, i64),
    /// The runtime handles nothing for this time.
    Hang(usize, i64),
    /// The component reports itself unavailable for this time.
    Unavailable(usize, i64),
    /// The subscription to receipts is interrupted for this time.
    InterruptReceipts(usize, i64),
    /// Redis is away for this time; runtimes lose their connections and are started again.
    RedisAway(i64),
    /// Each command fails with this probability in percent, executed or not, for this time.
    Flaky(u8, i64),
    /// Receipts come twice with this probability in percent, for this time.
    Double(u8, i64),
    /// Receipts are lost, or late and out of order, with this probability in percent, for this time.
    Garble(u8, i64),
    /// Runtimes crash between an effect and its receipt now and then, for this time.
    Fragile(i64),
    /// One of the entries that may be deleted is deleted.
    Delete,
}

impl Fault {
    /// The duration in microseconds.
    pub(crate) fn lasts(self) -> i64 {
        match self {
            Fault::CrashNode(_, wait)
            | Fault::PauseNode(_, wait)
            | Fault::CrashRuntime(_, wait)
            | Fault::Hang(_, wait)
            | Fault::Unavailable(_, wait)
            | Fault::InterruptReceipts(_, wait)
            | Fault::RedisAway(wait)
            | Fault::Flaky(_, wait)
            | Fault::Double(_, wait)
            | Fault::Garble(_, wait)
            | Fault::Fragile(wait) => wait,
            Fault::Delete => 0,
        }
    }
}

pub(crate) const NODES: usize = 2;
/// Faults begin within this time, in microseconds.
const TROUBLE: i64 = 2_500_000;

/// The faults of a simulation, each with its time.
pub(crate) fn draw(rng: &mut Rng) -> Vec<(i64, Fault)> {
    let mut faults = Vec::new();
    let mut hangs = 0;
    for _ in 0..rng.usize(0..10) {
        let at = rng.i64(10_000..TROUBLE);
        let node = rng.usize(0..NODES);
        let short = rng.i64(0..400_000);
        let long = rng.i64(0..7_000_000);
        let fault = match rng.u8(0..13) {
            0 | 1 => Fault::CrashNode(node, short),
            2 => Fault::PauseNode(node, long),
            3 | 4 => Fault::CrashRuntime(node, short),
            // Twice on the same entry, beside poison, could rightly use up the attempts of a good one.
            5 if hangs == 0 => {
                hangs += 1;
                Fault::Hang(node, long / 3)
            }
            5 | 6 => Fault::Unavailable(node, long / 2),
            7 => Fault::InterruptReceipts(node, short),
            8 => Fault::RedisAway(short * 4),
            9 => Fault::Double(rng.u8(1..40), long / 2),
            // Short enough that no entry can lose all its attempts to it, which would be right.
            10 => Fault::Garble(rng.u8(1..60), short / 4),
            11 => Fault::Fragile(long / 2),
            _ if rng.bool() => Fault::Flaky(rng.u8(1..40), long / 2),
            _ => Fault::Delete,
        };
        faults.push((at, fault));
    }
    faults
}

impl Simulation {
    pub(crate) fn fault(&mut self, fault: Fault) -> Result<(), String> {
        self.note(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::CrashNode(node, wait) => {
                if self.nodes[node].lane.take().is_some() {
                    let at = self.now + wait;
                    self.at(at, Happening::StartNode(node));
                }
            }
            Fault::PauseNode(node, wait) => {
                // A paused one is not paused again: events put off until its end must not come after it.
                let until = &mut self.nodes[node].paused_until;
                *until = (self.now + wait).max(*until);
            }
            Fault::CrashRuntime(node, wait) => self.crash_runtime(node, wait),
            Fault::Hang(node, wait) => self.runtimes[node].hangs_until = self.now + wait,
            Fault::Unavailable(node, wait) => self.runtimes[node].unavailable_until = self.now + wait,
            Fault::InterruptReceipts(node, wait) => {
                let at = self.now + wait;
                self.interrupt(node, at)?;
            }
            Fault::RedisAway(wait) => {
                self.away_until = self.now + wait;
                let at = self.away_until + 1_000;
                for read in std::mem::take(&mut self.blocked) {
                    let failed = StreamEvent::ReadFailed { group_missing: false };
                    self.reply(read.node, read.life, READER, Event::Stream(0, failed));
                }
                for node in 0..NODES {
                    self.crash_runtime(node, wait + 2_000);
                    self.interrupt(node, at)?;
                }
            }
            Fault::Flaky(percent, wait) => self.flaky = (percent, self.now + wait),
            Fault::Double(percent, wait) => self.doubled = (percent, self.now + wait),
            Fault::Garble(percent, wait) => self.garbled = (percent, self.now + wait),
            Fault::Fragile(wait) => self.fragile_until = self.now + wait,
            Fault::Delete => {
                let may = |(_, fate): &(&EntryId, &Fate)| **fate == Fate::Deleted;
                let ids: Vec<EntryId> = self.broker.entries.iter().filter(may).map(|(id, _)| *id).collect();
                self.broker.deleted.extend(ids);
            }
        }
        Ok(())
    }

    pub(crate) fn crash_runtime(&mut self, node: usize, wait: i64) {
        if self.runtimes[node].alive {
            self.runtimes[node].alive = false;
            self.runtimes[node].queue.clear();
            let at = self.now + wait;
            self.at(at, Happening::StartRuntime(node));
        }
    }

    fn interrupt(&mut self, node: usize, until: i64) -> Result<(), String> {
        if self.nodes[node].listening {
            self.nodes[node].listening = false;
            let life = self.nodes[node].life;
            self.at(until, Happening::Listen(node, life));
            return self.step(node, Event::Channel(ChannelEvent::ReceiptsInterrupted));
        }
        Ok(())
    }
}
