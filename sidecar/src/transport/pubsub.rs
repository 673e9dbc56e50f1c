//! Delivery over pub/sub: publishing on a component's channel, and listening for its receipts on another.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use protocol::Receipt;
use redis::{Client, RedisResult, Value};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::backoff::{RECONNECT_MS_MIN, backoff_ms};
use crate::config::{Limits, Service};
use crate::driver::{Input, report};
use crate::lane::{ChannelAction, ChannelEvent, Event};
use crate::logging::ErrorLog;
use crate::redis::{self as redis_database, Connection, Fault, fault};

/// Counts in a row that must miss the subscription to the receipts: one may have looked just before it was made.
const MISSED_MAX: u32 = 2;
/// The subscription is checked this often: a connection that is only half open brings nothing, and says nothing.
const CHECK_EVERY: Duration = Duration::from_secs(2);

const LATE: &str = "no answer in time";

/// A lane's channels on its component's Redis.
pub struct PubSub {
    deliveries: String,
    receipts: String,
    connection: Arc<Connection>,
    /// For the subscription, which takes a connection of its own.
    client: Client,
    limits: Limits,
    lane: mpsc::Sender<Input>,
    /// Told when the Redis on which deliveries are published knows of no subscription to the receipts: after a
    /// failover the subscription may stand, on a Redis that nobody publishes on any more.
    resubscribe: Notify,
}

impl PubSub {
    /// Fails if the service's address cannot be used.
    pub fn new(
        service: &Service,
        deliveries: String,
        receipts: String,
        connection: Arc<Connection>,
        limits: Limits,
        lane: mpsc::Sender<Input>,
    ) -> RedisResult<Self> {
        Ok(Self {
            deliveries,
            receipts,
            connection,
            client: redis_database::client(service)?,
            limits,
            lane,
            resubscribe: Notify::new(),
        })
    }

    /// Publishes and listens until the lane is gone.
    pub async fn run(self, actions: mpsc::UnboundedReceiver<ChannelAction>) {
        tokio::select! {
            () = self.publish(actions) => {}
            () = self.listen() => {}
        }
    }

    async fn report(&self, event: ChannelEvent) {
        report(&self.lane, Event::Channel(event)).await;
    }

    async fn publish(&self, mut actions: mpsc::UnboundedReceiver<ChannelAction>) {
        let channel = &self.deliveries;
        let mut errors = ErrorLog::new(format!("{channel} at {}", self.connection.address()));
        let mut may_list_clients = true;
        let mut missed = 0;
        while let Some(action) = actions.recv().await {
            let (event, result) = match action {
                ChannelAction::Publish { delivery, payload } => {
                    let mut command = redis::Cmd::with_capacity(3, payload.len() + channel.len() + 16);
                    command.arg("PUBLISH").arg(channel).arg(payload);
                    match self.connection.query(&command).await {
                        Ok(receivers) => (ChannelEvent::Published { delivery, receivers }, Ok(())),
                        Err(err) => {
                            let reason = err.to_string();
                            (ChannelEvent::PublishFailed { reason }, Err(err))
                        }
                    }
                }
                ChannelAction::CountSubscribers { count_id } => match self.count(count_id, &mut may_list_clients).await
                {
                    Ok((event, receipts_heard)) => {
                        missed = if receipts_heard { 0 } else { missed + 1 };
                        if missed >= MISSED_MAX {
                            self.resubscribe.notify_waiters();
                        }
                        (event, Ok(()))
                    }
                    Err(err) => (ChannelEvent::SubscribersUnknown, Err(err)),
                },
            };
            match result {
                Ok(()) => errors.recovered(),
                Err(err) => errors.failed(&err),
            }
            self.report(event).await;
        }
    }

    /// Counts the subscribers of the deliveries. True if somebody subscribes to the receipts.
    async fn count(&self, count_id: u64, may_list_clients: &mut bool) -> RedisResult<(ChannelEvent, bool)> {
        let mut command = redis::cmd("PUBSUB");
        command.arg("NUMSUB").arg(&self.deliveries).arg(&self.receipts);
        let (_, count, _, receipts): (Value, u64, Value, u64) = self.connection.query(&command).await?;
        let mut clients = None;
        if *may_list_clients && count > 0 {
            let mut command = redis::cmd("CLIENT");
            command.arg("LIST").arg("TYPE").arg("PUBSUB");
            match self.connection.query::<String>(&command).await {
                Ok(list) => clients = Some(client_ids(&list)),
                Err(err) if fault(&err) == Fault::Refused => {
                    // Without the list, a subscriber that is replaced between two counts is not noticed.
                    *may_list_clients = false;
                    let consequence = "a quick restart of the runtime may go unnoticed";
                    tracing::info!("{}: CLIENT LIST is not permitted: {consequence}", self.deliveries);
                }
                Err(err) => return Err(err),
            }
        }
        let event = ChannelEvent::Subscribers {
            count_id,
            count,
            clients,
        };
        Ok((event, receipts > 0))
    }

    /// Subscribes to the receipts, again whenever the subscription has ended.
    async fn listen(&self) {
        let subject = format!("{} at {}", self.receipts, self.connection.address());
        let mut odd = ErrorLog::new(format!("{subject}: ignored what is no receipt"));
        let mut errors = ErrorLog::new(subject);
        let mut failures = 0;
        loop {
            let (stood, reason) = match self.listen_once(&mut errors, &mut odd).await {
                Ok(reason) => (true, reason),
                Err(reason) => (false, reason),
            };
            failures = if stood { 1 } else { failures + 1 };
            errors.failed(&reason);
            self.report(ChannelEvent::ReceiptsInterrupted).await;
            let wait_ms = backoff_ms(
                failures,
                RECONNECT_MS_MIN,
                self.limits.reconnect_ms_max,
                fastrand::f64(),
            );
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Answers with the reason why a subscription ended that had stood for a while, or fails with the reason why it
    /// could not be made.
    async fn listen_once(&self, errors: &mut ErrorLog, odd: &mut ErrorLog) -> Result<String, String> {
        let limit = Duration::from_millis(self.limits.redis_ms);
        let subscribing = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(&self.receipts).await?;
            RedisResult::Ok(subscription)
        };
        let subscription = timeout(limit, subscribing).await.map_err(|_| LATE)?;
        let (mut sink, mut messages) = subscription.map_err(|err| err.to_string())?.split();
        errors.recovered();
        self.report(ChannelEvent::ReceiptsReady).await;
        let checks = async {
            loop {
                sleep(CHECK_EVERY).await;
                match timeout(limit, sink.ping::<Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(err)) => return err.to_string(),
                    Err(_) => return LATE.to_owned(),
                }
            }
        };
        let receipts = async {
            while let Some(message) = messages.next().await {
                match serde_json::from_slice::<Receipt>(message.get_payload_bytes()) {
                    Ok(receipt) => self.report(ChannelEvent::Receipt(receipt)).await,
                    Err(err) => odd.failed(&err),
                }
            }
        };
        Ok(tokio::select! {
            () = receipts => "the subscription ended".into(),
            reason = checks => reason,
            () = self.resubscribe.notified() => {
                "the Redis that deliveries are published on knows of no subscription".into()
            }
        })
    }
}

fn client_ids(list: &str) -> Vec<u64> {
    let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
    list.lines().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn client_ids_are_read_from_the_list() {
        let list = "id=12 addr=127.0.0.1:1 cmd=subscribe\nid=9 addr=127.0.0.1:2\n";
        assert_eq!(super::client_ids(list), [12, 9]);
    }
}
