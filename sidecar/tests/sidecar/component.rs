//! A component whose behaviour a test sets. It handles one message after the other, as Spin does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use protocol::{Delivery, Receipt, Refusal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The answer to a delivery, handshakes included: it may be none.
type Handler = Box<dyn FnMut(&Delivery<'_>) -> Option<Receipt> + Send>;

pub(crate) struct Component {
    task: JoinHandle<()>,
    handler: Arc<Mutex<Handler>>,
    seen: Arc<Mutex<Vec<Delivery<'static>>>>,
    hold: watch::Sender<bool>,
    forgets: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

/// A receipt with every entry `done`.
pub(crate) fn all_done(delivery: &Delivery<'_>) -> Receipt {
    Receipt {
        done: delivery.entries.iter().map(|entry| entry.entry.to_string()).collect(),
        ..empty(delivery)
    }
}

/// A receipt that names no entry.
pub(crate) fn empty(delivery: &Delivery<'_>) -> Receipt {
    Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    }
}

/// A receipt that sorts the entries by their field `n`: done, retry or reject.
pub(crate) fn sorted(delivery: &Delivery<'_>, fate: impl Fn(usize) -> char) -> Receipt {
    let mut receipt = empty(delivery);
    for entry in &delivery.entries {
        let number = number(&entry.fields);
        let refusal = Refusal {
            entry: entry.entry.to_string(),
            reason: format!("told so for {number}"),
        };
        match fate(number) {
            'd' => receipt.done.push(refusal.entry),
            'r' => receipt.retry.push(refusal),
            'x' => receipt.reject.push(refusal),
            _ => {}
        }
    }
    receipt
}

/// The number in an entry's field `n`.
pub(crate) fn number(fields: &protocol::Fields<'_>) -> usize {
    fields.get("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
}

impl Component {
    /// Subscribes to a channel, and answers everything with `done` until a test sets something else.
    pub(crate) async fn subscribe(port: u16, channel: &str) -> Self {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        let mut answers = client.get_multiplexed_async_connection().await.unwrap();
        let mut subscription = client.get_async_pubsub().await.unwrap();
        subscription.subscribe(channel).await.unwrap();
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(|delivery| Some(all_done(delivery)))));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (hold, mut held) = watch::channel(false);
        let forgets = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let task = {
            let (handler, seen) = (handler.clone(), seen.clone());
            let (forgets, count) = (forgets.clone(), count.clone());
            tokio::spawn(async move {
                let mut messages = subscription.into_on_message();
                while let Some(message) = messages.next().await {
                    let _ = held.wait_for(|held| !*held).await;
                    let text = String::from_utf8(message.get_payload_bytes().to_vec()).unwrap();
                    let delivery: Delivery<'_> = serde_json::from_str(&text).unwrap();
                    let receipt = (handler.lock().unwrap())(&delivery);
                    let channel = delivery.receipts.to_string();
                    count.fetch_add(1, Ordering::Relaxed);
                    if !delivery.entries.is_empty() && !forgets.load(Ordering::Relaxed) {
                        seen.lock().unwrap().push(owned(&delivery));
                    }
                    if let Some(receipt) = receipt {
                        let receipt = serde_json::to_string(&receipt).unwrap();
                        let publish = redis::cmd("PUBLISH").arg(channel).arg(receipt).clone();
                        let _ = publish.query_async::<()>(&mut answers).await;
                    }
                }
            })
        };
        Self {
            task,
            handler,
            seen,
            hold,
            forgets,
            count,
        }
    }

    /// Stops recording deliveries, for tests with many.
    pub(crate) fn forget(&self) {
        self.forgets.store(true, Ordering::Relaxed);
    }

    /// Number of messages handled, handshakes included.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Sets the behaviour for every delivery from now on, handshakes included.
    pub(crate) fn on_delivery(&self, handler: impl FnMut(&Delivery<'_>) -> Option<Receipt> + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    /// Handles no message until it is released, like a handler that hangs.
    pub(crate) fn hang(&self, hang: bool) {
        self.hold.send(hang).unwrap();
    }

    /// Every delivery so far, without handshakes.
    pub(crate) fn seen(&self) -> Vec<Delivery<'static>> {
        self.seen.lock().unwrap().clone()
    }

    /// The field `n` of every entry delivered so far, in order.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.seen()
            .iter()
            .flat_map(|delivery| &delivery.entries)
            .map(|entry| number(&entry.fields))
            .collect()
    }

    /// The attempts at which an entry was delivered.
    pub(crate) fn attempts(&self, wanted: usize) -> Vec<u32> {
        let seen = self.seen();
        let entries = seen.iter().flat_map(|delivery| &delivery.entries);
        entries
            .filter(|entry| number(&entry.fields) == wanted)
            .map(|entry| entry.attempt)
            .collect()
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn owned(delivery: &Delivery<'_>) -> Delivery<'static> {
    let text = |text: &str| text.to_owned().into();
    Delivery {
        delivery: text(&delivery.delivery),
        stream: text(&delivery.stream),
        group: text(&delivery.group),
        receipts: text(&delivery.receipts),
        entries: delivery
            .entries
            .iter()
            .map(|entry| protocol::Entry {
                entry: text(&entry.entry),
                attempt: entry.attempt,
                fields: protocol::Fields(
                    entry
                        .fields
                        .0
                        .iter()
                        .map(|(name, value)| (text(name), text(value)))
                        .collect(),
                ),
            })
            .collect(),
    }
}
