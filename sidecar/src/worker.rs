//! Work on one route's stream: what its lane wants done, one thing after the other.

use std::time::Duration;

use redis::RedisResult;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::backoff::{RECONNECT_MS_MIN, backoff_ms};
use crate::driver::{Input, report};
use crate::entry::{Entry, EntryId};
use crate::lane::{Event, Read, RouteIndex, Settlement, StreamAction, StreamEvent};
use crate::logging::ErrorLog;
use crate::redis::{Consumer, Fault, fault};

/// Works on a route's stream. A route has two: one reads, which may block its connection, and one does the rest.
pub struct Worker {
    route: RouteIndex,
    consumer: Consumer,
    lane: mpsc::Sender<Input>,
    errors: ErrorLog,
}

impl Worker {
    pub fn new(route: RouteIndex, consumer: Consumer, lane: mpsc::Sender<Input>) -> Self {
        let Consumer {
            stream,
            group,
            connection,
            ..
        } = &consumer;
        Self {
            errors: ErrorLog::new(format!("{stream} for {group} at {}", connection.address())),
            route,
            consumer,
            lane,
        }
    }

    /// Performs reads until the lane is gone. The consumer's connection must be the worker's own.
    pub async fn read(mut self, mut reads: mpsc::UnboundedReceiver<Read>) {
        while let Some(read) = reads.recv().await {
            let result = self.read_entries(read).await.map(StreamEvent::Read);
            let event = self.event(result, |group_missing| StreamEvent::ReadFailed { group_missing });
            report(&self.lane, Event::Stream(self.route, event)).await;
        }
    }

    async fn read_entries(&self, read: Read) -> RedisResult<Vec<Entry>> {
        let entries = self.consumer.read(read.count).await?;
        if entries.is_empty() && read.wait {
            return self.consumer.wait().await;
        }
        Ok(entries)
    }

    /// Performs actions until the lane is gone.
    pub async fn work(mut self, mut actions: mpsc::UnboundedReceiver<StreamAction>) {
        while let Some(action) = actions.recv().await {
            let event = self.perform(action).await;
            report(&self.lane, Event::Stream(self.route, event)).await;
        }
    }

    async fn perform(&mut self, action: StreamAction) -> StreamEvent {
        let consumer = &self.consumer;
        let result = match action {
            StreamAction::Prepare => {
                let created = consumer.prepare().await;
                created.map(|created| StreamEvent::Prepared { created })
            }
            StreamAction::LookUpOwn { after, count } => consumer.look_up_own(after, count).await.map(StreamEvent::Own),
            StreamAction::LookUpDue { count } => consumer.look_up_due(count).await.map(StreamEvent::Due),
            StreamAction::Claim { ids, from } => consumer.claim(&ids, from).await.map(StreamEvent::Claimed),
            StreamAction::Renew { ids } => {
                let renewed = consumer.renew(&ids).await.map(|lost| StreamEvent::Renewed { lost });
                return self.event(renewed, |_| StreamEvent::RenewFailed);
            }
            StreamAction::Settle { id, settlement } => {
                let (refused, dead) = self.settle(settlement).await;
                return StreamEvent::Settled { id, refused, dead };
            }
        };
        self.event(result, |group_missing| StreamEvent::Failed { group_missing })
    }

    /// Logs a failure or a recovery. `failed` makes an event of a failure, given that the group is missing or not.
    fn event(&mut self, result: RedisResult<StreamEvent>, failed: impl FnOnce(bool) -> StreamEvent) -> StreamEvent {
        match result {
            Ok(event) => {
                self.errors.recovered();
                event
            }
            Err(err) => {
                self.errors.failed(&err);
                failed(fault(&err) == Fault::GroupMissing)
            }
        }
    }

    /// Writes a settlement down, however long Redis is away: all of it may be repeated. What Redis refuses is left; its
    /// lease ends, and it is delivered again. True if Redis refused it; and the dead letters that were written.
    async fn settle(&mut self, settlement: Settlement) -> (bool, Vec<EntryId>) {
        let mut failures = 0;
        let mut moved = Vec::new();
        loop {
            let Err(err) = self.consumer.settle(&settlement, &mut moved).await else {
                self.errors.recovered();
                if failures > 0 {
                    // An answer was lost, and what it told of was written then.
                    moved = settlement.dead.iter().map(|dead| dead.id).collect();
                }
                return (false, moved);
            };
            self.errors.failed(&err);
            match fault(&err) {
                Fault::Away => {}
                Fault::GroupMissing => return (false, moved),
                Fault::Refused => return (true, moved),
            }
            failures += 1;
            let reconnect_ms_max = self.consumer.limits.reconnect_ms_max;
            let wait_ms = backoff_ms(failures, RECONNECT_MS_MIN, reconnect_ms_max, fastrand::f64());
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }
}
