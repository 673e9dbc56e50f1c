//! A runtime with a component: it handles one message after the other, and loses its messages when it crashes.

use std::collections::{BTreeMap, VecDeque};

use protocol::{Delivery, Receipt, Refusal};
use stream_sidecar::entry::EntryId;

use crate::broker::Fate;

pub(crate) struct Runtime {
    pub(crate) alive: bool,
    /// The id of its connection: another after each start.
    pub(crate) client: u64,
    pub(crate) queue: VecDeque<String>,
    pub(crate) busy: bool,
    /// It handles nothing before this time.
    pub(crate) hangs_until: i64,
    pub(crate) unavailable_until: i64,
}

impl Runtime {
    pub(crate) fn new(client: u64) -> Self {
        Self {
            alive: true,
            client,
            queue: VecDeque::new(),
            busy: false,
            hangs_until: 0,
            unavailable_until: 0,
        }
    }
}

/// The effects of the components, in a database of their own: an entry is applied in one atomic step, once; a second
/// time changes nothing.
#[derive(Default)]
pub(crate) struct Effects {
    /// Times that the handler of each entry has got this far.
    pub(crate) applied: BTreeMap<EntryId, u32>,
    /// The sum of all effects: of the entries' numbers.
    pub(crate) balance: u64,
}

impl Effects {
    fn apply(&mut self, id: EntryId) {
        let times = self.applied.entry(id).or_default();
        *times += 1;
        if *times == 1 {
            self.balance += id.ms;
        }
    }
}

/// Handles a message: effects, and perhaps a receipt.
pub(crate) fn handle(
    payload: &str,
    fates: &BTreeMap<EntryId, Fate>,
    unavailable: bool,
    effects: &mut Effects,
) -> Option<Receipt> {
    let delivery: Delivery<'_> = serde_json::from_str(payload).unwrap();
    let mut receipt = Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    };
    if delivery.entries.is_empty() {
        return Some(receipt);
    }
    if unavailable {
        receipt.unavailable = Some("its Redis is full".into());
        return Some(receipt);
    }
    let fate = |entry: &str| fates[&entry.parse().unwrap()];
    if delivery.entries.iter().any(|entry| fate(&entry.entry) == Fate::Poison) {
        return None;
    }
    for entry in &delivery.entries {
        let refusal = || Refusal {
            entry: entry.entry.to_string(),
            reason: "so it is".into(),
        };
        match fate(&entry.entry) {
            Fate::Reject => receipt.reject.push(refusal()),
            Fate::DoneAt(attempt) if entry.attempt < attempt => receipt.retry.push(refusal()),
            _ => {
                effects.apply(entry.entry.parse().unwrap());
                receipt.done.push(entry.entry.to_string());
            }
        }
    }
    Some(receipt)
}
