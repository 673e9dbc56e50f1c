//! The simulated world: time, and the events in it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use fastrand::Rng;
use stream_sidecar::lane::{Action, ChannelAction, ChannelEvent, Event};

use crate::broker::{Broker, Fate};
use crate::checks::check_stall;
use crate::faults::{self, Fault, NODES};
use crate::node::{Node, PUBLISHER, READER, WORKER};
use crate::runtime::{Effects, Runtime};

/// Something that happens at its time.
pub(crate) enum Happening {
    Append(Fate),
    Fault(Fault),
    StartNode(usize),
    StartRuntime(usize),
    Listen(usize, u64),
    Wake(usize, i64),
    /// The lane before it has found more than one delivery holds.
    MoreWaiting(usize, u64),
    /// A task's command reaches Redis.
    Arrive(usize, u64, usize, Action),
    /// A task gets the reply to its command.
    Reply(usize, u64, usize, Event),
    /// A read that waited for entries ends.
    BlockedRead(u64),
    Receipt(usize, u64, protocol::Receipt),
    /// The runtime is done with a message.
    Handled(usize, u64, String),
}

pub(crate) struct BlockedRead {
    pub(crate) number: u64,
    pub(crate) node: usize,
    pub(crate) life: u64,
}

/// The longest time until the end once the faults are over, in microseconds.
const END: i64 = 90_000_000;
/// More steps than this are a hot loop.
const STEPS_MAX: u64 = 400_000;
/// More steps than this in each simulated second are one too.
const STEPS_PER_SECOND_MAX: u64 = 250;

pub(crate) struct Simulation {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    pub(crate) order: u64,
    pub(crate) agenda: BinaryHeap<Reverse<(i64, u64)>>,
    pub(crate) happenings: HashMap<u64, Happening>,
    pub(crate) broker: Broker,
    pub(crate) nodes: Vec<Node>,
    /// True where the nodes are lanes of one sidecar, of which all but the first follow.
    following: bool,
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) clients: u64,
    pub(crate) away_until: i64,
    pub(crate) flaky: (u8, i64),
    /// Receipts come twice with this probability in percent, until then.
    pub(crate) doubled: (u8, i64),
    /// Receipts are lost or late with this probability in percent, until then.
    pub(crate) garbled: (u8, i64),
    /// A runtime may crash between an effect and its receipt, until then.
    pub(crate) fragile_until: i64,
    pub(crate) effects: Effects,
    pub(crate) last_append: i64,
    /// Reads that wait for entries.
    pub(crate) blocked: Vec<BlockedRead>,
    pub(crate) reads: u64,
    /// Sidecars were stopped or cut off for so long that a peer may rightly have taken their entries.
    pub(crate) leases_may_end: bool,
    /// A handler hangs at some time, or receipts get lost while all connections stand, which rightly costs an attempt.
    pub(crate) hangs: bool,
    /// When the last fault ends.
    quiet_at: i64,
    pub(crate) steps: u64,
    pub(crate) trace: Option<Vec<String>>,
}

impl Simulation {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let faults = faults::draw(&mut rng);
        Self::with_faults(rng, faults, traced)
    }

    pub(crate) fn with_faults(mut rng: Rng, faults: Vec<(i64, Fault)>, traced: bool) -> Self {
        let leases_may_end = faults.iter().any(|(_, fault)| {
            matches!(
                fault,
                Fault::PauseNode(..) | Fault::RedisAway(_) | Fault::Flaky(..) | Fault::Delete
            )
        });
        let hangs = faults
            .iter()
            .any(|(_, fault)| matches!(fault, Fault::Hang(..) | Fault::Garble(..)));
        let following = rng.bool();
        let mut simulation = Self {
            rng,
            now: 0,
            order: 0,
            agenda: BinaryHeap::new(),
            happenings: HashMap::new(),
            broker: Broker::default(),
            nodes: (0..NODES).map(Node::new).collect(),
            following,
            runtimes: (0..NODES).map(|node| Runtime::new(node as u64)).collect(),
            clients: NODES as u64,
            away_until: 0,
            flaky: (0, 0),
            doubled: (0, 0),
            garbled: (0, 0),
            fragile_until: 0,
            effects: Effects::default(),
            last_append: 0,
            blocked: Vec::new(),
            reads: 0,
            leases_may_end,
            hangs,
            quiet_at: faults.iter().map(|(at, fault)| at + fault.lasts()).max().unwrap_or(0),
            steps: 0,
            trace: traced.then(Vec::new),
        };
        for (at, fault) in faults {
            simulation.at(at, Happening::Fault(fault));
        }
        for node in 0..NODES {
            let at = simulation.rng.i64(0..50_000);
            simulation.at(at, Happening::StartNode(node));
        }
        simulation.schedule_entries();
        simulation
    }

    /// Appends entries, in bursts and one by one; most are good.
    fn schedule_entries(&mut self) {
        for _ in 0..self.rng.usize(1..10) {
            let burst_at = self.rng.i64(0..2_500_000);
            let size = if self.rng.bool() {
                self.rng.usize(1..4)
            } else {
                self.rng.usize(1..120)
            };
            let gap = [20, 1_000, 5_000][self.rng.usize(0..3)];
            for number in 0..size {
                let fate = match self.rng.u8(0..100) {
                    0 => Fate::Poison,
                    1 | 2 => Fate::Reject,
                    3..6 => Fate::DoneAt(self.rng.u32(2..8)),
                    6 => Fate::NotText,
                    7 => Fate::Deleted,
                    _ => Fate::Good,
                };
                let at = burst_at + number as i64 * gap;
                self.last_append = self.last_append.max(at);
                self.at(at, Happening::Append(fate));
            }
        }
    }

    pub(crate) fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>11} {}", self.now, text()));
        }
    }

    pub(crate) fn at(&mut self, at: i64, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((at.max(self.now), self.order)));
        self.happenings.insert(self.order, happening);
    }

    pub(crate) fn latency(&mut self) -> i64 {
        // Mostly quick, now and then slow.
        if self.rng.u8(0..50) == 0 {
            self.rng.i64(0..60_000)
        } else {
            self.rng.i64(20..600)
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// A check that did not hold.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse((at, order))) = self.agenda.pop() {
            let Some(happening) = self.happenings.remove(&order) else {
                continue;
            };
            self.now = self.now.max(at);
            self.steps += 1;
            if self.steps > STEPS_MAX + (self.now / 1_000_000) as u64 * STEPS_PER_SECOND_MAX {
                return Err("a hot loop".into());
            }
            self.happen(happening)?;
            if self.now > self.last_append && self.is_settled() {
                break;
            }
            if self.now > END + self.quiet_at {
                return Err(format!(
                    "not settled: {} pending, {} undelivered",
                    self.broker.pending.len(),
                    self.broker.undelivered()
                ));
            }
        }
        self.check_ends()
    }

    fn is_settled(&self) -> bool {
        self.broker.pending.is_empty() && self.broker.undelivered() == 0
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Append(fate) => {
                self.broker.append(fate);
                for number in self.blocked.iter().map(|read| read.number).collect::<Vec<_>>() {
                    self.at(self.now, Happening::BlockedRead(number));
                }
            }
            Happening::Fault(fault) => self.fault(fault)?,
            Happening::StartNode(node) => {
                let seed = self.rng.u64(..);
                let follows = self.following && node > 0;
                self.nodes[node].start(self.now, seed, follows);
                let life = self.nodes[node].life;
                self.note(|| format!("node{node} starts, life {life}"));
                let at = self.now + self.latency();
                self.at(at, Happening::Listen(node, life));
                self.step(node, Event::Tick)?;
            }
            Happening::StartRuntime(node) => {
                self.clients += 1;
                self.runtimes[node] = Runtime::new(self.clients);
                self.note(|| format!("runtime{node} starts"));
            }
            Happening::Listen(node, life) => {
                if self.now < self.away_until {
                    let at = self.away_until + 1_000;
                    self.at(at, Happening::Listen(node, life));
                } else if self.nodes[node].life == life
                    && !self.later_if_paused(node, |node| Happening::Listen(node, life))
                {
                    self.nodes[node].listening = true;
                    self.step(node, Event::Channel(ChannelEvent::ReceiptsReady))?;
                }
            }
            Happening::Wake(node, at) => {
                if self.nodes[node].wake_at == Some(at) && !self.later_if_paused(node, |node| Happening::Wake(node, at))
                {
                    self.nodes[node].wake_at = None;
                    self.step(node, Event::Tick)?;
                }
            }
            Happening::MoreWaiting(node, life) => {
                // A paused node gets it later; a node that was started again meanwhile does not.
                if self.nodes[node].life == life
                    && !self.later_if_paused(node, |node| Happening::MoreWaiting(node, life))
                {
                    self.step(node, Event::MoreWaiting(0))?;
                }
            }
            Happening::Arrive(node, life, task, action) => self.arrive(node, life, task, action)?,
            Happening::BlockedRead(number) => self.end_blocked_read(number),
            Happening::Reply(node, life, task, event) => {
                if self.nodes[node].life != life || self.nodes[node].lane.is_none() {
                    return Ok(());
                }
                if self.now < self.nodes[node].paused_until {
                    let at = self.nodes[node].paused_until;
                    self.at(at, Happening::Reply(node, life, task, event));
                    return Ok(());
                }
                self.nodes[node].tasks[task].busy = false;
                self.step(node, event)?;
                self.begin_next(node, task);
            }
            Happening::Receipt(node, life, receipt) => {
                if self.nodes[node].life != life || !self.nodes[node].listening {
                    return Ok(());
                }
                if self.now < self.nodes[node].paused_until {
                    let at = self.nodes[node].paused_until;
                    self.at(at, Happening::Receipt(node, life, receipt));
                    return Ok(());
                }
                self.step(node, Event::Channel(ChannelEvent::Receipt(receipt)))?;
            }
            Happening::Handled(node, client, payload) => self.handled(node, client, &payload),
        }
        Ok(())
    }

    fn later_if_paused(&mut self, node: usize, happening: impl FnOnce(usize) -> Happening) -> bool {
        let until = self.nodes[node].paused_until;
        if self.now < until {
            self.at(until, happening(node));
            return true;
        }
        false
    }

    /// Steps a node's lane and sets its tasks to work.
    pub(crate) fn step(&mut self, node: usize, event: Event) -> Result<(), String> {
        if self.nodes[node].lane.is_none() {
            return Ok(());
        }
        self.note(|| format!("node{node} <- {}", shortened(&format!("{event:?}"))));
        self.nodes[node].outstanding.hear(&event);
        let actions = self.nodes[node].step(self.now, event);
        check_stall(&actions)?;
        for action in actions {
            self.note(|| format!("node{node} -> {}", shortened(&format!("{action:?}"))));
            self.nodes[node].outstanding.act(&action)?;
            if let Action::Channel(ChannelAction::Publish { payload, .. }) = &action {
                self.check_ownership(node, payload)?;
            }
            let task = match &action {
                Action::Read(..) => READER,
                Action::Stream(..) => WORKER,
                Action::Channel(_) => PUBLISHER,
                Action::MoreWaiting(_) => {
                    if let Some(next) = self.nodes.get(node + 1).filter(|_| self.following) {
                        self.at(self.now, Happening::MoreWaiting(node + 1, next.life));
                    }
                    continue;
                }
                Action::Log(_) | Action::Drained => continue,
            };
            self.nodes[node].tasks[task].waiting.push_back(action);
        }
        for task in [READER, WORKER, PUBLISHER] {
            self.begin_next(node, task);
        }
        let wake = self.nodes[node].wake();
        if wake.is_some_and(|at| at < self.now) {
            return Err(format!("node{node} wants to be woken in the past"));
        }
        if wake != self.nodes[node].wake_at
            && let Some(at) = wake
        {
            self.at(at, Happening::Wake(node, at));
        }
        self.nodes[node].wake_at = wake;
        Ok(())
    }

    fn begin_next(&mut self, node: usize, task: usize) {
        if self.nodes[node].tasks[task].busy {
            return;
        }
        if let Some(action) = self.nodes[node].tasks[task].waiting.pop_front() {
            self.nodes[node].tasks[task].busy = true;
            let at = self.now + self.latency();
            let life = self.nodes[node].life;
            self.at(at, Happening::Arrive(node, life, task, action));
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(260).collect()
}
