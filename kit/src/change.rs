//! Read, decide, commit if nothing has changed since, and otherwise again: for many things together.

use std::collections::HashMap;

use crate::commit::{Commit, Outcome, commit_all};
use crate::redis::StorageError;

/// Rounds of reading and deciding before a change is given up. In each of them, somebody else's change was made.
pub const ROUNDS_MAX: usize = 100;

/// A decision on all items of one thing.
pub struct Decision<A> {
    /// An answer for each item, in their order.
    pub answers: Vec<A>,
    /// The commit that puts it into effect; `None` where nothing is to be written.
    pub commit: Option<Commit>,
}

/// Has each item's thing read, a decision made on it, and the decision committed.
///
/// `ids` names the thing of each item. `load` reads the things of these ids; `decide` gets an id, what was read, and the
/// positions of its items, so that several items of one thing are decided one after the other and committed together.
/// The result has an answer for each item: `None` if others kept changing its thing.
///
/// # Errors
/// When Redis is away or full. An error within the list is of that item alone.
pub async fn change_all<T, A>(
    ids: &[&str],
    load: impl AsyncFn(&[&str]) -> Result<Vec<Result<T, StorageError>>, StorageError>,
    mut decide: impl FnMut(&str, T, &[usize]) -> Decision<A>,
) -> Result<Vec<Result<Option<A>, StorageError>>, StorageError> {
    let mut results: Vec<Result<Option<A>, StorageError>> = ids.iter().map(|_| Ok(None)).collect();
    let mut open = by_thing(ids);
    for _ in 0..ROUNDS_MAX {
        if open.is_empty() {
            break;
        }
        let things: Vec<&str> = open.iter().map(|(id, _)| *id).collect();
        let (mut decided, mut commits) = (Vec::new(), Vec::new());
        for ((id, positions), loaded) in std::mem::take(&mut open).into_iter().zip(load(&things).await?) {
            match loaded.map(|thing| decide(id, thing, &positions)) {
                Ok(Decision {
                    answers,
                    commit: Some(commit),
                }) => {
                    decided.push((id, positions, answers));
                    commits.push(commit);
                }
                Ok(Decision { answers, commit: None }) => settle(&mut results, positions, Ok(answers)),
                Err(error) => settle(&mut results, positions, Err(error)),
            }
        }
        for ((id, positions, answers), outcome) in decided.into_iter().zip(commit_all(commits).await?) {
            match outcome {
                Ok(Outcome::Changed) => open.push((id, positions)),
                Ok(_) => settle(&mut results, positions, Ok(answers)),
                Err(error) => settle(&mut results, positions, Err(error)),
            }
        }
    }
    Ok(results)
}

/// Each id with the positions where it stands, in the order in which they come first.
fn by_thing<'a>(ids: &[&'a str]) -> Vec<(&'a str, Vec<usize>)> {
    let mut things: Vec<(&str, Vec<usize>)> = Vec::with_capacity(ids.len());
    let mut indices = HashMap::with_capacity(ids.len());
    for (position, id) in ids.iter().copied().enumerate() {
        let index = *indices.entry(id).or_insert_with(|| {
            things.push((id, Vec::new()));
            things.len() - 1
        });
        things[index].1.push(position);
    }
    things
}

fn settle<A>(
    results: &mut [Result<Option<A>, StorageError>],
    positions: Vec<usize>,
    outcome: Result<Vec<A>, StorageError>,
) {
    match outcome {
        Ok(answers) => {
            for (position, answer) in positions.into_iter().zip(answers) {
                results[position] = Ok(Some(answer));
            }
        }
        Err(error) => {
            for position in positions {
                results[position] = Err(error.clone());
            }
        }
    }
}
