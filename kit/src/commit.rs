//! One way to commit: what was decided on data that was read is written in one atomic step, with the events that follow
//! from it, and only if the data is still as it was read.
//!
//! Read, decide, commit if nothing has changed, otherwise again: optimistic concurrency, as Martin Fowler describes it in
//! "Patterns of Enterprise Application Architecture". Many commits go to Redis together; each is made whole or not at all.

use std::collections::HashMap;

use contracts::envelope;
use contracts::events::Event;

use crate::storage_error::{StorageError, unexpected_reply};

/// Fields of an event's entry.
const EVENT_FIELDS: usize = envelope::FIELDS.len();

/// The script, as Redis gets it.
pub const SCRIPT: &str = concat!("#!lua\n", include_str!("prelude.lua"), include_str!("commit.lua"));

/// The time for which an idempotency key and its answer are kept.
const ANSWER_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// A request with an idempotency key: where its answer is kept, and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The Redis key of the record.
    pub key: String,
    /// A hash of the canonical body: another body under the same key is refused.
    pub fingerprint: String,
}

/// The state of data that a commit relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The key holds nothing.
    Absent,
    /// The key holds this string.
    Text(String),
    /// The key holds a string that begins like this.
    Start(String),
    /// The key holds a hash with these values.
    Fields(Vec<(&'static str, String)>),
    /// The key holds a list of this length; an absent one has length 0.
    Length(usize),
}

/// Expectations and writes that are one atomic step.
///
/// Every commit may be run twice, since a connection that breaks does not say whether Redis had done the work. So a
/// commit that makes a string is recognised by that string, and others need a [`Commit::mark`] or a [`Commit::answer`].
#[derive(Debug, Default)]
pub struct Commit {
    operations: Vec<(Operation, String)>,
}

/// One line of a commit; see `commit.lua`.
#[derive(Debug)]
enum Operation {
    Set(String),
    Replace {
        start: String,
        text: String,
    },
    Mark(&'static str, String),
    Answer {
        fingerprint: String,
        location: String,
        body: String,
    },
    Expect(Expected),
    Insert(String),
    TakeOut(String),
    Append([String; EVENT_FIELDS]),
    Write(Write, Vec<String>),
}

/// A write that Redis does not refuse on a key of the right type.
#[derive(Debug, Clone, Copy)]
struct Write {
    command: &'static str,
    /// The type that the key must have.
    on: &'static str,
}

const REMOVE: Write = Write {
    command: "DEL",
    on: "any",
};
const SET_FIELDS: Write = Write {
    command: "HSET",
    on: "hash",
};
const INSERT_AT: Write = Write {
    command: "ZADD",
    on: "zset",
};
const REMOVE_UP_TO: Write = Write {
    command: "ZREMRANGEBYSCORE",
    on: "zset",
};
const PUSH: Write = Write {
    command: "RPUSH",
    on: "list",
};

/// The outcome of a [`Commit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in effect, now or from an earlier run.
    Committed,
    /// The data is not as expected: nothing was done.
    Changed,
    /// The same request was answered before, like this; nothing was done.
    Answered {
        /// The header `Location`.
        location: String,
        /// The body.
        body: String,
    },
    /// The idempotency key belongs to another request; nothing was done.
    KeyReused,
}

impl Commit {
    /// A commit that expects and writes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the commit only if the key's data is still like this.
    pub fn expect(&mut self, key: impl Into<String>, expected: Expected) {
        self.operations.push((Operation::Expect(expected), key.into()));
    }

    /// Takes the commit for made already if the hash has this value, which nothing but this commit sets, in this field.
    pub fn mark(&mut self, key: impl Into<String>, field: &'static str, value: impl Into<String>) {
        self.operations.push((Operation::Mark(field, value.into()), key.into()));
    }

    /// Records the answer under the request's idempotency key. A request that was answered before is not carried out.
    pub fn answer(&mut self, record: &IdempotencyRecord, location: &str, body: &str) {
        let answer = Operation::Answer {
            fingerprint: record.fingerprint.clone(),
            location: location.to_owned(),
            body: body.to_owned(),
        };
        self.operations.push((answer, record.key.clone()));
    }

    /// Sets a string, to a value that it has never had.
    pub fn set(&mut self, key: impl Into<String>, text: String) {
        self.operations.push((Operation::Set(text), key.into()));
    }

    /// Sets a string, to a value that it has never had, if it begins like this.
    pub fn replace(&mut self, key: impl Into<String>, start: String, text: String) {
        self.operations.push((Operation::Replace { start, text }, key.into()));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<String>) {
        self.write(REMOVE, key, Vec::new());
    }

    /// Sets fields of a hash.
    pub fn set_fields(&mut self, key: impl Into<String>, fields: impl IntoIterator<Item = (&'static str, String)>) {
        self.write(SET_FIELDS, key, flat(fields).collect());
    }

    /// Adds a member to a sorted set whose members all have score 0, so that they are in the order of their names.
    pub fn insert(&mut self, key: impl Into<String>, member: impl Into<String>) {
        self.operations.push((Operation::Insert(member.into()), key.into()));
    }

    /// Adds a member to a sorted set, with this score.
    pub fn insert_at(&mut self, key: impl Into<String>, score: u64, member: impl Into<String>) {
        self.write(INSERT_AT, key, vec![score.to_string(), member.into()]);
    }

    /// Removes a member from a sorted set.
    pub fn take_out(&mut self, key: impl Into<String>, member: impl Into<String>) {
        self.operations.push((Operation::TakeOut(member.into()), key.into()));
    }

    /// Removes the members of a sorted set up to this score.
    pub fn remove_up_to(&mut self, key: impl Into<String>, score: u64) {
        self.write(REMOVE_UP_TO, key, vec!["-inf".to_owned(), score.to_string()]);
    }

    /// Appends a value to a list.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.write(PUSH, key, vec![value.into()]);
    }

    /// Appends an event to its stream. `time` is RFC 3339, UTC, milliseconds.
    pub fn append<E: Event>(&mut self, event_id: &str, time: &str, event: &E) {
        let values = envelope::write(event_id, time, event).map(|(_, value)| value);
        self.operations.push((Operation::Append(values), E::STREAM.to_owned()));
    }

    fn write(&mut self, write: Write, key: impl Into<String>, arguments: Vec<String>) {
        self.operations.push((Operation::Write(write, arguments), key.into()));
    }
}

/// Names and values in turn, as Redis takes them.
fn flat(fields: impl IntoIterator<Item = (&'static str, String)>) -> impl Iterator<Item = String> {
    fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value])
}

/// The outcomes of commits, from the script's reply. An error within the list is of that commit alone: it says what data is
/// damaged.
///
/// # Errors
/// When the reply is not of this script.
pub fn outcomes(
    count: usize,
    mut reply: impl Iterator<Item = String>,
) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
    let mut text = || reply.next().ok_or_else(unexpected_reply);
    let mut outcome = || {
        let word = text()?;
        Ok(match &*word {
            "committed" => Ok(Outcome::Committed),
            "changed" => Ok(Outcome::Changed),
            "key_reused" => Ok(Outcome::KeyReused),
            "answered" => Ok(Outcome::Answered {
                location: text()?,
                body: text()?,
            }),
            word => match word.split_once(' ') {
                Some(("corrupt", what)) => Err(StorageError::Corrupt(what.to_owned())),
                Some(("shared", what)) => Err(StorageError::SharedCorrupt(what.to_owned())),
                _ => return Err(unexpected_reply()),
            },
        })
    };
    (0..count).map(|_| outcome()).collect()
}

/// The script's keys and arguments; its header says in which order.
#[must_use]
pub fn encode(mut commits: Vec<Commit>) -> (Vec<String>, Vec<String>) {
    for commit in &mut commits {
        commit.operations.sort_by_key(|(operation, _)| operation.phase());
    }
    let operations = || commits.iter().flat_map(|commit| &commit.operations);
    let mut commands: Vec<&str> = operations().flat_map(|(operation, _)| operation.commands()).collect();
    commands.sort_unstable();
    commands.dedup();

    // Strings first: the script reads all of them with one command.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut keys = Vec::new();
    let mut strings = 0;
    for is_string in [true, false] {
        for (_, key) in operations().filter(|(operation, _)| operation.is_on_string() == is_string) {
            if !numbers.contains_key(key) {
                keys.push(key.clone());
                numbers.insert(key.clone(), keys.len());
            }
        }
        if is_string {
            strings = keys.len();
        }
    }

    let mut arguments = vec![commands.len().to_string()];
    arguments.extend(commands.into_iter().map(str::to_owned));
    arguments.push(strings.to_string());
    arguments.push(EVENT_FIELDS.to_string());
    arguments.extend(envelope::FIELDS.map(str::to_owned));
    for commit in commits {
        let length_at = arguments.len();
        arguments.push(String::new());
        for (operation, key) in commit.operations {
            arguments.push(operation.name().to_owned());
            arguments.push(numbers[&key].to_string());
            operation.encode(&mut arguments);
        }
        arguments[length_at] = (arguments.len() - length_at - 1).to_string();
    }
    (keys, arguments)
}

impl Operation {
    /// The position among the commit's operations: first what may find that the commit was made before, then what is
    /// expected, then what is written.
    fn phase(&self) -> u8 {
        match self {
            Self::Set(_) | Self::Replace { .. } | Self::Mark(..) => 0,
            Self::Answer { .. } => 1,
            Self::Expect(_) => 2,
            Self::Insert(_) | Self::TakeOut(_) | Self::Append(_) | Self::Write(..) => 3,
        }
    }

    fn is_on_string(&self) -> bool {
        matches!(
            self,
            Self::Set(_) | Self::Replace { .. } | Self::Expect(Expected::Text(_) | Expected::Start(_))
        )
    }

    /// The script's name for it.
    fn name(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Replace { .. } => "replace",
            Self::Mark(..) => "mark",
            Self::Answer { .. } => "answer",
            Self::Expect(Expected::Text(_)) => "expect_text",
            Self::Expect(Expected::Start(_)) => "expect_start",
            Self::Expect(Expected::Absent) => "expect_absent",
            Self::Expect(Expected::Fields(_)) => "expect_fields",
            Self::Expect(Expected::Length(_)) => "expect_length",
            Self::Insert(_) => "insert",
            Self::TakeOut(_) => "take_out",
            Self::Append(_) => "append",
            Self::Write(..) => "write",
        }
    }

    /// The Redis commands that the script runs for it.
    fn commands(&self) -> Vec<&'static str> {
        match self {
            Self::Set(_) | Self::Replace { .. } => vec!["MGET", "MSET", "TYPE"],
            Self::Mark(..) => vec!["HMGET", "TYPE"],
            Self::Answer { .. } => vec!["HMGET", "HSET", "PEXPIRE", "TYPE"],
            Self::Expect(Expected::Text(_) | Expected::Start(_)) => vec!["MGET"],
            Self::Expect(Expected::Absent) => vec!["EXISTS"],
            Self::Expect(Expected::Fields(_)) => vec!["HMGET", "TYPE"],
            Self::Expect(Expected::Length(_)) => vec!["LLEN", "TYPE"],
            Self::Insert(_) => vec!["TYPE", "ZADD"],
            Self::TakeOut(_) => vec!["TYPE", "ZREM"],
            Self::Append(_) => vec!["TYPE", "XADD"],
            Self::Write(write, _) => vec![write.command, "TYPE"],
        }
    }

    /// Adds its own arguments.
    fn encode(self, arguments: &mut Vec<String>) {
        match self {
            Self::Set(text) | Self::Expect(Expected::Text(text) | Expected::Start(text)) => arguments.push(text),
            Self::Replace { start, text } => arguments.extend([start, text]),
            Self::Mark(field, value) => arguments.extend([field.to_owned(), value]),
            Self::Answer {
                fingerprint,
                location,
                body,
            } => arguments.extend([fingerprint, location, body, ANSWER_KEPT_MS.to_string()]),
            Self::Expect(Expected::Absent) => {}
            Self::Insert(member) | Self::TakeOut(member) => arguments.push(member),
            Self::Append(values) => arguments.extend(values),
            Self::Expect(Expected::Fields(fields)) => {
                arguments.push((2 * fields.len()).to_string());
                arguments.extend(flat(fields));
            }
            Self::Expect(Expected::Length(length)) => arguments.push(length.to_string()),
            Self::Write(write, values) => {
                arguments.extend([write.on, write.command, &values.len().to_string()].map(str::to_owned));
                arguments.extend(values);
            }
        }
    }
}

#[cfg(target_family = "wasm")]
mod run {
    use super::{Commit, Outcome, SCRIPT, encode, outcomes};
    use crate::redis::{Script, as_text};
    use crate::storage_error::{StorageError, unexpected_reply};

    static COMMIT: Script = Script::new(SCRIPT);

    /// Makes one commit.
    ///
    /// # Errors
    /// When Redis is away or full, and when data in it is damaged; nothing was done.
    pub async fn commit(commit: Commit) -> Result<Outcome, StorageError> {
        commit_all(vec![commit]).await?.pop().ok_or_else(unexpected_reply)?
    }

    /// Makes commits, each for itself. An error within the list is of that commit alone: it says what data is damaged.
    ///
    /// They concern different things: what one removes or adds to a list, another one must not.
    ///
    /// # Errors
    /// When Redis is away or full; nothing was done.
    pub async fn commit_all(commits: Vec<Commit>) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let count = commits.len();
        let (keys, arguments) = encode(commits);
        outcomes(count, COMMIT.run(keys, arguments).await?.iter().map(as_text))
    }
}

#[cfg(target_family = "wasm")]
pub use run::{commit, commit_all};
