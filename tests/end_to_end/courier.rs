//! Delivers to a component in the sidecar's place, and collects the receipts.

use std::time::Duration;

use contracts::events::Event;
use protocol::{Delivery, Entry, Fields, Receipt};
use redis::{Connection, FromRedisValue};

use crate::harness::System;
use crate::process::eventually;

/// The outcome of an entry, by the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Done,
    Retry,
    Reject,
}

/// A connection to a component's database, and the number of entries delivered.
pub struct Courier {
    channel: &'static str,
    /// The channel for receipts. It is the sidecar's, since the component may publish on no other.
    receipts: String,
    client: redis::Client,
    connection: Connection,
    entries: u64,
}

impl Courier {
    /// To the store, in a system without a sidecar.
    pub fn new(system: &System) -> Self {
        Self::to(system, 0, "store.0.local")
    }

    /// To the warehouse, in a system without a sidecar.
    pub fn to_warehouse(system: &System) -> Self {
        Self::to(system, 1, "warehouse.1.local")
    }

    fn to(system: &System, database: u8, channel: &'static str) -> Self {
        let client = redis::Client::open(format!("{}/{database}", system.redis_url())).unwrap();
        let mut connection = client.get_connection().unwrap();
        eventually("the component listens on its channel", || {
            let (_, heard): (String, u64) = redis::cmd("PUBSUB")
                .arg(&["NUMSUB", channel])
                .query(&mut connection)
                .ok()?;
            (heard == 1).then_some(())
        });
        Self {
            channel,
            receipts: format!("receipts.{channel}"),
            client,
            connection,
            entries: 0,
        }
    }

    /// Runs a command on the component's database.
    pub fn redis<T: FromRedisValue>(&mut self, command: &[&str]) -> T {
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut self.connection)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Delivers events, each with its id, and gives the outcome of each.
    pub fn deliver<E: Event>(&mut self, events: &[(String, E)]) -> Vec<(Settled, String)> {
        let written: Vec<_> = events
            .iter()
            .map(|(id, event)| (id.clone(), serde_json::to_string(event).unwrap()))
            .collect();
        self.deliver_data(E::STREAM, &written)
    }

    /// The same for data of any kind.
    pub fn deliver_data(&mut self, stream: &str, events: &[(String, String)]) -> Vec<(Settled, String)> {
        let (names, receipt) = self.deliver_for_receipt(stream, events);
        assert_eq!(receipt.unavailable, None, "{receipt:?}");
        let settled: Vec<_> = names
            .iter()
            .map(|name| {
                let refused = |list: &[protocol::Refusal]| {
                    let refusal = list.iter().find(|refusal| refusal.entry == *name)?;
                    Some(refusal.reason.clone())
                };
                match (refused(&receipt.retry), refused(&receipt.reject)) {
                    (None, None) if receipt.done.contains(name) => (Settled::Done, String::new()),
                    (Some(reason), None) => (Settled::Retry, reason),
                    (None, Some(reason)) => (Settled::Reject, reason),
                    _ => panic!("{name} is settled otherwise than once: {receipt:?}"),
                }
            })
            .collect();
        let count = receipt.done.len() + receipt.retry.len() + receipt.reject.len();
        assert_eq!(count, settled.len(), "{receipt:?}");
        settled
    }

    /// Delivers events, each with its id; gives the names of their entries, and the receipt.
    pub fn deliver_for_receipt(&mut self, stream: &str, events: &[(String, String)]) -> (Vec<String>, Receipt) {
        let entries: Vec<_> = events
            .iter()
            .map(|(id, data)| {
                self.entries += 1;
                Entry {
                    entry: format!("{}-0", self.entries).into(),
                    attempt: 1,
                    fields: Fields(vec![
                        ("id".into(), id.clone().into()),
                        ("data".into(), data.clone().into()),
                    ]),
                }
            })
            .collect();
        let names: Vec<_> = entries.iter().map(|entry| entry.entry.to_string()).collect();
        let delivery = Delivery {
            delivery: format!("delivery-{}", self.entries).into(),
            stream: stream.to_owned().into(),
            group: "group".into(),
            receipts: self.receipts.clone().into(),
            entries,
        };
        (names, self.exchange(&delivery))
    }

    fn exchange(&mut self, delivery: &Delivery<'_>) -> Receipt {
        let mut subscriber = self.client.get_connection().unwrap();
        subscriber.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut receipts = subscriber.as_pubsub();
        receipts.subscribe(&self.receipts).unwrap();
        let message = serde_json::to_string(delivery).unwrap();
        let heard: u64 = self.redis(&["PUBLISH", self.channel, &message]);
        assert_eq!(heard, 1, "nobody, or more than one, listens on {}", self.channel);
        loop {
            let message = match receipts.get_message() {
                // A read with a timeout ends like this when the whole process is stopped and continued: see signal(7).
                Err(error) if error.to_string().contains("Interrupted system call") => continue,
                message => message.unwrap(),
            };
            let text: String = message.get_payload().unwrap();
            let receipt: Receipt = serde_json::from_str(&text).unwrap();
            if receipt.delivery == delivery.delivery {
                return receipt;
            }
        }
    }
}
