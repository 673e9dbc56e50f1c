//! Read, decide, commit if nothing has changed since, and otherwise again: for many things together.

use std::collections::BTreeMap;

use crate::commit::{Commit, Outcome, commit_all};
use crate::redis::StorageError;

/// How often something that others keep changing is read again. Each time, somebody else's change was made.
pub const ROUNDS_MAX: usize = 100;

/// What was decided on all items of one thing.
pub struct Decision<A> {
    /// An answer for each item, in their order.
    pub answers: Vec<A>,
    /// What makes it so; `None` where nothing is to be written.
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
    let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, id) in ids.iter().enumerate() {
        open.entry(id).or_default().push(position);
    }
    for _ in 0..ROUNDS_MAX {
        let things: Vec<&str> = open.keys().copied().collect();
        if things.is_empty() {
            break;
        }
        let (mut decided, mut commits) = (Vec::new(), Vec::new());
        for (id, loaded) in things.iter().copied().zip(load(&things).await?) {
            let decision = loaded.map(|thing| decide(id, thing, &open[id]));
            match decision {
                Ok(Decision {
                    answers,
                    commit: Some(commit),
                }) => {
                    decided.push((id, answers));
                    commits.push(commit);
                }
                Ok(Decision { answers, commit: None }) => settle(&mut results, open.remove(id), Ok(answers)),
                Err(error) => settle(&mut results, open.remove(id), Err(error)),
            }
        }
        for ((id, answers), outcome) in decided.into_iter().zip(commit_all(commits).await?) {
            match outcome {
                Ok(Outcome::Changed) => {}
                Ok(_) => settle(&mut results, open.remove(id), Ok(answers)),
                Err(error) => settle(&mut results, open.remove(id), Err(error)),
            }
        }
    }
    Ok(results)
}

fn settle<A>(
    results: &mut [Result<Option<A>, StorageError>],
    positions: Option<Vec<usize>>,
    outcome: Result<Vec<A>, StorageError>,
) {
    let positions = positions.unwrap_or_default();
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
