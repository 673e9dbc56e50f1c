//! Changes of orders: read, decided by the domain, committed if nobody else changed the order meanwhile; otherwise again.

use std::collections::BTreeMap;

use contracts::events::{OrderCancelRequested, OrderCompleted, OrderLine};
use edge::clock;
use edge::redis::Failure;

use super::redis::{self, Change, Committed, Corrupt, Event, Loaded};
use crate::domain::order::{Cause, Contradiction, Order, Steps};

/// How often an order that others keep changing is read again.
const ROUNDS_MAX: usize = 16;

/// Something that happens to an order.
pub(super) struct Item<T> {
    pub(super) order_id: String,
    /// What says so.
    pub(super) event_id: String,
    pub(super) what: T,
}

/// What became of an [`Item`].
pub(super) enum Outcome<A> {
    /// It is in effect, now or from before; and the domain's answer.
    Done(A),
    /// There is no such order.
    Unknown,
    /// It does not fit what is known of the order.
    Contradiction(String),
    /// Data in Redis is damaged.
    Corrupt(Corrupt),
    /// Others kept changing the order.
    Busy,
}

/// Has the domain decide on each item, in their order, and commits what it decided. `decide` gets the order, the item
/// and the time; it leaves the order as it is where it answers an error.
pub(super) async fn change_orders<T, A>(
    items: &[Item<T>],
    decide: impl Fn(&mut Order, &Item<T>, &str) -> Result<(A, Steps), Contradiction>,
) -> Result<Vec<Outcome<A>>, Failure> {
    let now = clock::now();
    let mut outcomes: Vec<Outcome<A>> = items.iter().map(|_| Outcome::Busy).collect();
    let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        open.entry(&item.order_id).or_default().push(index);
    }
    for _ in 0..ROUNDS_MAX {
        if open.is_empty() {
            break;
        }
        let ids: Vec<_> = open.keys().copied().collect();
        let mut changes = Vec::new();
        let (mut names, mut decided) = (Vec::new(), Vec::new());
        for (order_id, loaded) in ids.iter().copied().zip(redis::load_orders(&ids).await?) {
            let indices = &open[order_id];
            let loaded = match loaded {
                Ok(Some(loaded)) => loaded,
                Ok(None) => {
                    indices.iter().for_each(|index| outcomes[*index] = Outcome::Unknown);
                    open.remove(order_id);
                    continue;
                }
                Err(Corrupt(what)) => {
                    let outcome = || Outcome::Corrupt(Corrupt(what.clone()));
                    indices.iter().for_each(|index| outcomes[*index] = outcome());
                    open.remove(order_id);
                    continue;
                }
            };
            let mut after = loaded.order.clone();
            let mut steps = Vec::new();
            let mut answers = Vec::with_capacity(indices.len());
            for index in indices {
                let item = &items[*index];
                answers.push(match decide(&mut after, item, &now) {
                    Ok((answer, new)) => {
                        steps.extend(new.into_iter().map(|step| (step, item.event_id.as_str())));
                        Outcome::Done(answer)
                    }
                    Err(Contradiction(what)) => Outcome::Contradiction(what),
                });
            }
            if after == loaded.order {
                indices
                    .iter()
                    .zip(answers)
                    .for_each(|(index, answer)| outcomes[*index] = answer);
                open.remove(order_id);
                continue;
            }
            let follows = event_after(order_id, &loaded, &after, &steps)?;
            names.push(order_id);
            decided.push(answers);
            changes.push(Change {
                order_id,
                before: loaded,
                after,
                steps,
                follows,
            });
        }
        if changes.is_empty() {
            continue;
        }
        let committed = redis::commit_orders(&now, changes).await?;
        for ((order_id, answers), committed) in names.into_iter().zip(decided).zip(committed) {
            if matches!(committed, Committed::Changed) {
                continue;
            }
            let indices = open.remove(order_id).unwrap_or_default();
            for (index, answer) in indices.into_iter().zip(answers) {
                outcomes[index] = match &committed {
                    Committed::Corrupt(Corrupt(what)) => Outcome::Corrupt(Corrupt(what.clone())),
                    Committed::Done | Committed::Changed => answer,
                };
            }
        }
    }
    Ok(outcomes)
}

/// The event that follows from the steps, if one does: no order is both paid and asked to be cancelled by the same
/// cause.
fn event_after(
    order_id: &str,
    loaded: &Loaded,
    after: &Order,
    steps: &[(crate::domain::order::Transition, &str)],
) -> Result<Option<Event>, Failure> {
    let follows = steps.iter().find_map(|(step, event_id)| match step.cause {
        Cause::PaymentApproved => Some(order_completed(order_id, loaded, clock::new_id())),
        Cause::CancelRequested => Some(cancel_requested(order_id, after, (*event_id).to_owned())),
        _ => None,
    });
    follows.transpose()
}

/// The event that tells the warehouse of a paid order.
pub(super) fn order_completed(order_id: &str, loaded: &Loaded, id: String) -> Result<Event, Failure> {
    let lines = loaded.order.lines.iter().map(|line| OrderLine {
        line_id: line.line_id,
        product_id: line.product_id.clone(),
        qty: line.qty,
    });
    event(
        id,
        &OrderCompleted {
            order_id: order_id.to_owned(),
            customer_id: loaded.stored.customer_id.clone(),
            lines: lines.collect(),
        },
    )
}

/// The event that tells the warehouse of the wish to cancel.
pub(super) fn cancel_requested(order_id: &str, order: &Order, id: String) -> Result<Event, Failure> {
    event(
        id,
        &OrderCancelRequested {
            order_id: order_id.to_owned(),
            reason: order.cancel_reason.clone().unwrap_or_default(),
        },
    )
}

fn event<E: contracts::events::Event>(id: String, event: &E) -> Result<Event, Failure> {
    let data = serde_json::to_string(event)
        .map_err(|error| Failure::Unavailable(format!("an event cannot be written: {error}")))?;
    Ok(Event {
        stream: E::STREAM,
        id,
        data,
    })
}
