//! Time, the network, and what must be true.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use delivery::Delivery;
use fastrand::Rng;
use stream_sidecar::decide::Cause;
use stream_sidecar::entry::EntryId;
use stream_sidecar::lane::{Action, Event};

use crate::broker::{Broker, Fate};
use crate::faults::{self, Fault, NODES};
use crate::node::{CLERK, Node, PUBLISHER, READER, limits};
use crate::runtime::{Runtime, handle};

/// Something that happens at its time.
enum Happening {
    Append(Fate),
    Fault(Fault),
    StartNode(usize),
    StartRuntime(usize),
    Listen(usize, u64),
    Wake(usize, i64),
    /// A task's command reaches Redis.
    Arrive(usize, u64, usize, Action),
    /// A task hears of its command.
    Reply(usize, u64, usize, Event),
    /// A read that waited for entries ends.
    BlockedRead(u64),
    Receipt(usize, u64, delivery::Receipt),
    /// The runtime is done with a message.
    Handled(usize, u64, String),
}

struct BlockedRead {
    number: u64,
    node: usize,
    life: u64,
    count: usize,
}

/// Nothing takes this long once the faults are over, in microseconds.
const END: i64 = 90_000_000;
/// A hot loop takes more steps than this.
const STEPS_MAX: u64 = 400_000;

pub(crate) struct Simulation {
    rng: Rng,
    now: i64,
    order: u64,
    agenda: BinaryHeap<Reverse<(i64, u64)>>,
    happenings: HashMap<u64, Happening>,
    broker: Broker,
    nodes: Vec<Node>,
    runtimes: Vec<Runtime>,
    clients: u64,
    away_until: i64,
    flaky: (u8, i64),
    effects: BTreeSet<EntryId>,
    last_append: i64,
    /// Reads that wait for entries.
    blocked: Vec<BlockedRead>,
    reads: u64,
    /// Sidecars were stopped or cut off for so long that a peer may rightly have taken their entries.
    leases_may_end: bool,
    /// A handler hangs at some time, which rightly costs an attempt.
    hangs: bool,
    pub(crate) steps: u64,
    trace: Option<Vec<String>>,
}

impl Simulation {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let faults = faults::draw(&mut rng);
        let leases_may_end = faults.iter().any(|(_, fault)| {
            matches!(
                fault,
                Fault::PauseNode(..) | Fault::RedisAway(_) | Fault::Flaky(..) | Fault::Delete
            )
        });
        let hangs = faults.iter().any(|(_, fault)| matches!(fault, Fault::Hang(..)));
        let mut simulation = Self {
            rng,
            now: 0,
            order: 0,
            agenda: BinaryHeap::new(),
            happenings: HashMap::new(),
            broker: Broker::default(),
            nodes: (0..NODES).map(Node::new).collect(),
            runtimes: (0..NODES).map(|node| Runtime::new(node as u64)).collect(),
            clients: NODES as u64,
            away_until: 0,
            flaky: (0, 0),
            effects: BTreeSet::new(),
            last_append: 0,
            blocked: Vec::new(),
            reads: 0,
            leases_may_end,
            hangs,
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

    /// In bursts and one by one; most are good.
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

    fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>11} {}", self.now, text()));
        }
    }

    fn at(&mut self, at: i64, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((at.max(self.now), self.order)));
        self.happenings.insert(self.order, happening);
    }

    fn latency(&mut self) -> i64 {
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
    /// What should not have been.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse((at, order))) = self.agenda.pop() {
            let Some(happening) = self.happenings.remove(&order) else {
                continue;
            };
            self.now = self.now.max(at);
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("a hot loop".into());
            }
            self.happen(happening)?;
            if self.now > self.last_append && self.is_settled() {
                break;
            }
            if self.now > END {
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
                self.nodes[node].start(self.now, seed);
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
                    self.step(node, Event::ReceiptsReady)?;
                }
            }
            Happening::Wake(node, at) => {
                if self.nodes[node].wake_at == Some(at) && !self.later_if_paused(node, |node| Happening::Wake(node, at))
                {
                    self.nodes[node].wake_at = None;
                    self.step(node, Event::Tick)?;
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
                self.step(node, Event::Receipt(receipt))?;
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
    fn step(&mut self, node: usize, event: Event) -> Result<(), String> {
        if self.nodes[node].lane.is_none() {
            return Ok(());
        }
        self.note(|| format!("node{node} <- {}", shortened(&format!("{event:?}"))));
        let actions = self.nodes[node].step(self.now, event);
        for action in actions {
            self.note(|| format!("node{node} -> {}", shortened(&format!("{action:?}"))));
            let task = match &action {
                Action::Read { .. } => READER,
                Action::Publish { .. } | Action::CountSubscribers { .. } => PUBLISHER,
                Action::Say(_) | Action::Drained => continue,
                _ => CLERK,
            };
            self.nodes[node].tasks[task].waiting.push_back(action);
        }
        for task in [READER, CLERK, PUBLISHER] {
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

    fn reply(&mut self, node: usize, life: u64, task: usize, event: Event) {
        let at = self.now + self.latency();
        self.at(at, Happening::Reply(node, life, task, event));
    }

    fn arrive(&mut self, node: usize, life: u64, task: usize, action: Action) -> Result<(), String> {
        let flaky = self.now < self.flaky.1 && self.rng.u8(0..100) < self.flaky.0;
        let executes = self.now >= self.away_until && (!flaky || self.rng.bool());
        // A command of an earlier life may still be on its way.
        if self.nodes[node].life != life && self.rng.bool() {
            return Ok(());
        }
        if !executes || flaky {
            if executes {
                self.execute(node, life, task, &action, true)?;
            }
            if let Action::Settle { .. } = action {
                // The clerk repeats it until it is told that it is done.
                let at = self.now + self.rng.i64(1_000..100_000);
                self.at(at, Happening::Arrive(node, life, task, action));
            } else if let Some(failed) = failure(&action) {
                self.reply(node, life, task, failed);
            }
            return Ok(());
        }
        self.execute(node, life, task, &action, false)
    }

    /// Does in Redis what an action wants, and replies unless the reply is lost.
    fn execute(&mut self, node: usize, life: u64, task: usize, action: &Action, lost: bool) -> Result<(), String> {
        let name = self.nodes[node].name.clone();
        let lease_ms = limits().lease_ms;
        let now = self.now;
        let route = 0;
        let event = match action {
            Action::Prepare { .. } => {
                let created = !std::mem::replace(&mut self.broker.group_exists, true);
                Event::Prepared { route, created }
            }
            Action::Read { count, .. } => {
                if self.broker.undelivered() == 0 {
                    if !lost {
                        self.reads += 1;
                        let number = self.reads;
                        self.blocked.push(BlockedRead {
                            number,
                            node,
                            life,
                            count: *count,
                        });
                        self.at(now + 1_000_000, Happening::BlockedRead(number));
                    }
                    return Ok(());
                }
                Event::Read {
                    route,
                    entries: self.broker.read(&name, *count, now),
                }
            }
            Action::LookUpOwn { after, count, .. } => Event::Own {
                route,
                ids: self.broker.own(&name, *after, *count),
            },
            Action::LookUpDue { count, .. } => Event::Due {
                route,
                entries: self.broker.due(lease_ms, *count, now),
            },
            Action::Claim { ids, from, .. } => {
                let most = if self.rng.u8(0..10) == 0 {
                    self.rng.usize(1..5)
                } else {
                    usize::MAX
                };
                Event::Claimed {
                    route,
                    entries: self.broker.claim(&name, ids, *from, lease_ms, most, now),
                }
            }
            Action::Renew { ids, .. } => Event::Renewed {
                route,
                lost: self.broker.renew(&name, ids, now),
            },
            Action::Settle { ticket, settlement, .. } => {
                self.broker.settle(&name, settlement, lease_ms, now);
                Event::Settled { route, ticket: *ticket }
            }
            Action::Publish { delivery, payload } => {
                self.check_delivery(node, life, payload)?;
                Event::Published {
                    delivery: delivery.clone(),
                    receivers: self.publish(node, payload),
                }
            }
            Action::CountSubscribers { ask } => {
                let alive: Vec<u64> = self
                    .runtimes
                    .iter()
                    .filter(|one| one.alive)
                    .map(|one| one.client)
                    .collect();
                let count = u64::from(self.runtimes[node].alive);
                Event::Subscribers {
                    ask: *ask,
                    count,
                    clients: Some(alive),
                }
            }
            Action::Say(_) | Action::Drained => return Ok(()),
        };
        if !lost {
            self.reply(node, life, task, event);
        }
        Ok(())
    }

    /// By an entry or by its time, whichever comes first. It goes on without its sidecar, as long as Redis has not
    /// noticed that this is gone.
    fn end_blocked_read(&mut self, number: u64) {
        let Some(position) = self.blocked.iter().position(|read| read.number == number) else {
            return;
        };
        let read = self.blocked.remove(position);
        let gone = self.nodes[read.node].life != read.life || self.nodes[read.node].lane.is_none();
        if gone && self.rng.u8(0..4) > 0 {
            return;
        }
        let name = self.nodes[read.node].name.clone();
        let entries = self.broker.read(&name, read.count, self.now);
        self.reply(read.node, read.life, READER, Event::Read { route: 0, entries });
    }

    fn publish(&mut self, node: usize, payload: &str) -> u64 {
        if !self.runtimes[node].alive {
            return 0;
        }
        self.runtimes[node].queue.push_back(payload.to_owned());
        self.begin_handling(node);
        1
    }

    fn begin_handling(&mut self, node: usize) {
        if self.runtimes[node].busy || !self.runtimes[node].alive {
            return;
        }
        if let Some(payload) = self.runtimes[node].queue.pop_front() {
            self.runtimes[node].busy = true;
            let client = self.runtimes[node].client;
            let at = self.now.max(self.runtimes[node].hangs_until) + self.rng.i64(100..5_000);
            self.at(at, Happening::Handled(node, client, payload));
        }
    }

    fn handled(&mut self, node: usize, client: u64, payload: &str) {
        if !self.runtimes[node].alive || self.runtimes[node].client != client {
            return;
        }
        if self.now < self.runtimes[node].hangs_until {
            let at = self.runtimes[node].hangs_until;
            self.at(at, Happening::Handled(node, client, payload.to_owned()));
            return;
        }
        let unavailable = self.now < self.runtimes[node].unavailable_until;
        let receipt = handle(payload, &self.broker.entries, unavailable, &mut self.effects);
        self.runtimes[node].busy = false;
        if let Some(receipt) = receipt
            && self.now >= self.away_until
        {
            let life = self.nodes[node].life;
            let at = (self.now + self.latency()).max(self.nodes[node].last_receipt_at + 1);
            self.nodes[node].last_receipt_at = at;
            if self.nodes[node].listening {
                self.at(at, Happening::Receipt(node, life, receipt));
            }
        }
        self.begin_handling(node);
    }

    fn fault(&mut self, fault: Fault) -> Result<(), String> {
        self.note(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::CrashNode(node, wait) => {
                if self.nodes[node].lane.take().is_some() {
                    let at = self.now + wait;
                    self.at(at, Happening::StartNode(node));
                }
            }
            Fault::PauseNode(node, wait) => self.nodes[node].paused_until = self.now + wait,
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
                    let failed = Event::ReadFailed {
                        route: 0,
                        group_missing: false,
                    };
                    self.reply(read.node, read.life, READER, failed);
                }
                for node in 0..NODES {
                    self.crash_runtime(node, wait + 2_000);
                    self.interrupt(node, at)?;
                }
            }
            Fault::Flaky(percent, wait) => self.flaky = (percent, self.now + wait),
            Fault::Delete => {
                let may = |(_, fate): &(&EntryId, &Fate)| **fate == Fate::Deleted;
                let ids: Vec<EntryId> = self.broker.entries.iter().filter(may).map(|(id, _)| *id).collect();
                self.broker.deleted.extend(ids);
            }
        }
        Ok(())
    }

    fn crash_runtime(&mut self, node: usize, wait: i64) {
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
            return self.step(node, Event::ReceiptsInterrupted);
        }
        Ok(())
    }

    /// What must be true of every delivery, when it is published.
    fn check_delivery(&self, node: usize, life: u64, payload: &str) -> Result<(), String> {
        let delivery: Delivery<'_> = serde_json::from_str(payload).map_err(|err| err.to_string())?;
        let attempt = delivery.entries.iter().map(|entry| entry.attempt).max().unwrap_or(1);
        if delivery.entries.len() > limits().batch_cap(attempt) {
            return Err(format!(
                "{} entries in a delivery at attempt {attempt}",
                delivery.entries.len()
            ));
        }
        let poisoned = self.broker.entries.values().any(|fate| *fate == Fate::Poison);
        for entry in &delivery.entries {
            let id: EntryId = entry.entry.parse().unwrap();
            if entry.attempt > 1 && !self.hangs && !poisoned && self.broker.entries[&id] == Fate::Good {
                return Err(format!(
                    "{id} has spent an attempt through no fault of its own or a neighbour's"
                ));
            }
            let Some(pending) = self.broker.pending.get(&id) else {
                continue;
            };
            // What a latecomer publishes is stale; the peer's claim and the fenced scripts take care of it.
            if self.nodes[node].life != life || self.leases_may_end {
                continue;
            }
            if pending.owner != self.nodes[node].name {
                return Err(format!(
                    "{id} delivered by node{node} although it is {}'s",
                    pending.owner
                ));
            }
            if pending.attempt == entry.attempt && self.now < pending.due {
                return Err(format!(
                    "{id} delivered {} us before it was due",
                    pending.due - self.now
                ));
            }
        }
        Ok(())
    }

    /// What must be true in the end.
    fn check_ends(&self) -> Result<(), String> {
        for (id, fate) in &self.broker.entries {
            let dead: Vec<Cause> = self
                .broker
                .dead
                .iter()
                .filter(|(dead, _)| dead == id)
                .map(|(_, cause)| *cause)
                .collect();
            let effect = self.effects.contains(id);
            let right = match fate {
                Fate::Good => effect && dead.is_empty(),
                Fate::DoneAt(attempt) if *attempt <= limits().attempts_max => {
                    (effect && dead.is_empty()) || (self.hangs && dead == [Cause::Unanswered])
                }
                Fate::DoneAt(_) => dead == [Cause::Exhausted] || dead == [Cause::Unanswered],
                Fate::Reject => dead == [Cause::Rejected],
                Fate::Poison => dead == [Cause::Unanswered],
                Fate::NotText => dead == [Cause::NotText],
                Fate::Deleted => {
                    (effect && dead.is_empty()) || dead == [Cause::Deleted] || self.broker.deleted.contains(id)
                }
            };
            let settled = self.broker.acknowledged.contains(id) || self.broker.deleted.contains(id);
            if !right || !settled {
                return Err(format!(
                    "{id} is {fate:?}, but: effect {effect}, dead letters {dead:?}, settled {settled}"
                ));
            }
        }
        Ok(())
    }
}

/// What a task reports when its command failed.
fn failure(action: &Action) -> Option<Event> {
    let route = 0;
    Some(match action {
        Action::Read { .. } => Event::ReadFailed {
            route,
            group_missing: false,
        },
        Action::Publish { .. } => Event::PublishFailed,
        Action::CountSubscribers { ask } => Event::SubscribersUnknown { ask: *ask },
        Action::Renew { .. } => Event::RenewFailed { route },
        Action::Settle { .. } | Action::Say(_) | Action::Drained => return None,
        _ => Event::ErrandFailed {
            route,
            group_missing: false,
        },
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(260).collect()
}
