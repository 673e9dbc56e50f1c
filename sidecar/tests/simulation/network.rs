//! Commands on their way to Redis, replies on their way back, and messages on their way through a runtime.

use stream_sidecar::lane::{Action, ChannelAction, ChannelEvent, Event, Read, StreamAction, StreamEvent};

use crate::node::{READER, limits};
use crate::runtime::handle;
use crate::simulation::{BlockedRead, Happening, Simulation};

impl Simulation {
    pub(crate) fn reply(&mut self, node: usize, life: u64, task: usize, event: Event) {
        let at = self.now + self.latency();
        self.at(at, Happening::Reply(node, life, task, event));
    }

    pub(crate) fn arrive(&mut self, node: usize, life: u64, task: usize, action: Action) -> Result<(), String> {
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
            if self.nodes[node].life != life || self.nodes[node].lane.is_none() {
                // Its sidecar was killed: nobody hears of the failure or repeats the command.
                return Ok(());
            }
            if let Action::Stream(_, StreamAction::Settle { .. }) = action {
                // The worker repeats it until it is told that it is done.
                let at = self.now + self.rng.i64(1_000..100_000);
                self.at(at, Happening::Arrive(node, life, task, action));
            } else if let Some(failed) = failure(&action) {
                self.reply(node, life, task, failed);
            }
            return Ok(());
        }
        self.execute(node, life, task, &action, false)
    }

    /// Performs an action in Redis, and replies unless the reply is lost.
    fn execute(&mut self, node: usize, life: u64, task: usize, action: &Action, lost: bool) -> Result<(), String> {
        let name = self.nodes[node].name.clone();
        let now = self.now;
        let event = match action {
            Action::Read(_, Read { count, wait }) => {
                if *wait && self.broker.undelivered() == 0 {
                    if !lost {
                        self.reads += 1;
                        let number = self.reads;
                        self.blocked.push(BlockedRead { number, node, life });
                        self.at(now + 500_000, Happening::BlockedRead(number));
                    }
                    return Ok(());
                }
                Event::Stream(0, StreamEvent::Read(self.broker.read(&name, *count, now)))
            }
            Action::Stream(_, action) => Event::Stream(0, self.work(&name, action)),
            Action::Channel(ChannelAction::Publish { delivery, payload }) => {
                self.check_delivery(node, life, payload)?;
                Event::Channel(ChannelEvent::Published {
                    delivery: delivery.clone(),
                    receivers: self.publish(node, payload),
                })
            }
            Action::Channel(ChannelAction::CountSubscribers { count_id }) => {
                let alive = self.runtimes.iter().filter(|one| one.alive);
                Event::Channel(ChannelEvent::Subscribers {
                    count_id: *count_id,
                    count: u64::from(self.runtimes[node].alive),
                    clients: Some(alive.map(|one| one.client).collect()),
                })
            }
            Action::MoreWaiting(_) | Action::Log(_) | Action::Drained => return Ok(()),
        };
        if !lost {
            self.reply(node, life, task, event);
        }
        Ok(())
    }

    /// Performs an action on a lane's stream in Redis.
    fn work(&mut self, name: &str, action: &StreamAction) -> StreamEvent {
        let lease_ms = limits().lease_ms;
        let now = self.now;
        match action {
            StreamAction::Prepare => StreamEvent::Prepared {
                created: !std::mem::replace(&mut self.broker.group_exists, true),
            },
            StreamAction::LookUpOwn { after, count } => StreamEvent::Own(self.broker.own(name, *after, *count)),
            StreamAction::LookUpDue { count } => StreamEvent::Due(self.broker.due(lease_ms, *count, now)),
            StreamAction::Claim { ids, from } => {
                let most = if self.rng.u8(0..10) == 0 {
                    self.rng.usize(1..5)
                } else {
                    usize::MAX
                };
                StreamEvent::Claimed(self.broker.claim(name, ids, *from, lease_ms, most, now))
            }
            StreamAction::Renew { ids } => StreamEvent::Renewed {
                lost: self.broker.renew(name, ids, now),
            },
            StreamAction::Settle { id, settlement } => {
                self.broker.settle(name, settlement, lease_ms, now);
                StreamEvent::Settled {
                    id: *id,
                    refused: false,
                    dead: settlement.dead.iter().map(|dead| dead.id).collect(),
                }
            }
        }
    }

    /// By an entry or by its time, whichever comes first. It goes on without its sidecar, as long as Redis has not
    /// noticed that this is gone.
    pub(crate) fn end_blocked_read(&mut self, number: u64) {
        let Some(position) = self.blocked.iter().position(|read| read.number == number) else {
            return;
        };
        let read = self.blocked.remove(position);
        let gone = self.nodes[read.node].life != read.life || self.nodes[read.node].lane.is_none();
        if gone && self.rng.u8(0..4) > 0 {
            return;
        }
        let name = self.nodes[read.node].name.clone();
        let entries = self.broker.read(&name, 1, self.now);
        self.reply(
            read.node,
            read.life,
            READER,
            Event::Stream(0, StreamEvent::Read(entries)),
        );
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

    pub(crate) fn handled(&mut self, node: usize, client: u64, payload: &str) {
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
        if self.now < self.fragile_until && self.rng.u8(0..4) == 0 {
            let wait = self.rng.i64(0..200_000);
            return self.crash_runtime(node, wait);
        }
        self.runtimes[node].busy = false;
        if let Some(receipt) = receipt
            && self.now >= self.away_until
            && self.nodes[node].listening
        {
            self.send(node, receipt);
        }
        self.begin_handling(node);
    }
}

impl Simulation {
    /// Receipts arrive once and in order; but a component that was not told whether its receipt had gone out sends it
    /// again, over another connection.
    fn send(&mut self, node: usize, receipt: protocol::Receipt) {
        let life = self.nodes[node].life;
        let garbled = self.now < self.garbled.1 && self.rng.u8(0..100) < self.garbled.0;
        let doubled = self.now < self.doubled.1 && self.rng.u8(0..100) < self.doubled.0;
        if garbled && self.rng.bool() {
            return;
        }
        let in_order = (self.now + self.latency()).max(self.nodes[node].last_receipt_at + 1);
        let late = in_order + self.rng.i64(0..300_000);
        if doubled || garbled {
            self.at(late, Happening::Receipt(node, life, receipt.clone()));
        }
        if !garbled {
            self.nodes[node].last_receipt_at = in_order;
            self.at(in_order, Happening::Receipt(node, life, receipt));
        }
    }
}

/// The report of a task whose command failed.
fn failure(action: &Action) -> Option<Event> {
    let group_missing = false;
    Some(match action {
        Action::Read(..) => Event::Stream(0, StreamEvent::ReadFailed { group_missing }),
        Action::Stream(_, StreamAction::Renew { .. }) => Event::Stream(0, StreamEvent::RenewFailed),
        Action::Stream(..) => Event::Stream(0, StreamEvent::Failed { group_missing }),
        Action::Channel(ChannelAction::Publish { .. }) => Event::Channel(ChannelEvent::PublishFailed {
            reason: "the network is down".into(),
        }),
        Action::Channel(ChannelAction::CountSubscribers { .. }) => Event::Channel(ChannelEvent::SubscribersUnknown),
        Action::MoreWaiting(_) | Action::Log(_) | Action::Drained => return None,
    })
}
