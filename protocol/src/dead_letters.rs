//! Dead letters: entries that cannot be done, kept in a stream beside their own until somebody replays or drops them.

use serde::{Deserialize, Serialize};

use crate::EntryId;

/// The fields that the sidecar puts before those of the original, in this order. The script that writes dead letters
/// and [`REPLAY_DEAD_LETTERS`] name them too.
pub const DEAD_FIELDS: [&str; 6] = [
    "dead_cause",
    "dead_reason",
    "dead_attempts",
    "dead_entry",
    "dead_group",
    "dead_at",
];

/// The mark of a replay: the last fields of its entry, in this order. The id of the original; the only group that is
/// meant; and the stream, so that a copy in another stream is no replay. The script [`REPLAY_DEAD_LETTERS`] names them too.
pub const REPLAY_FIELDS: [&str; 3] = ["replay_of", "replay_group", "replay_stream"];

/// The only group that an entry is meant for, if it is a replay: if it ends with [`REPLAY_FIELDS`] as the script writes
/// them. Fields of these names elsewhere are a producer's own. An earlier version did not write the stream.
pub fn replay_group<'a>(stream: &str, entry: EntryId, values: &[&'a [u8]]) -> Option<&'a [u8]> {
    let [of_name, group_name, stream_name] = REPLAY_FIELDS.map(str::as_bytes);
    let mark = match values {
        [mark @ .., name, value] if *name == stream_name && *value == stream.as_bytes() => mark,
        mark => mark,
    };
    let [.., name, of, next_name, group] = mark else {
        return None;
    };
    let original: EntryId = std::str::from_utf8(of).ok()?.parse().ok()?;
    (*name == of_name && *next_name == group_name && original < entry).then_some(group)
}

/// Appends dead letters to their stream again and removes them; answers with a [`Replay`] for each.
///
/// Keys: the stream, its [`dead_stream`]. Arguments: ids of dead letters. Needs the rights to run TYPE, XADD, XDEL and
/// XRANGE on these keys.
pub const REPLAY_DEAD_LETTERS: &str = concat!("#!lua\n", include_str!("only_streams.lua"), include_str!("replay.lua"));

/// The key of the stream that holds a stream's dead letters.
pub fn dead_stream(stream: &str) -> String {
    format!("{stream}.dead")
}

/// A dead letter, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Absent from a letter that no sidecar wrote; such a letter cannot be replayed.
    pub header: Option<DeadLetterHeader>,
    /// The fields of the original in their order; none if it was kept by reference.
    pub fields: Vec<(String, String)>,
}

/// The part of a dead letter that the sidecar writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeadLetterHeader {
    /// The reason as one word, such as `rejected`.
    pub cause: String,
    /// The reason in words that a person can act on.
    pub reason: String,
    /// Attempts that were spent on the entry.
    pub attempts: String,
    /// The id of the original in its stream.
    pub entry: String,
    /// The consumer group that could not do the entry.
    pub group: String,
    /// The time at which it became a dead letter: RFC 3339, UTC.
    pub at: String,
}

impl From<Vec<(String, String)>> for DeadLetter {
    /// Takes the fields of an entry of a dead stream apart.
    fn from(mut fields: Vec<(String, String)>) -> Self {
        let names = fields.iter().map(|(name, _)| name.as_str());
        if !names.take(DEAD_FIELDS.len()).eq(DEAD_FIELDS) {
            return Self { header: None, fields };
        }
        // The original may have fields of the same names, so only the first ones are the sidecar's.
        let mut own = fields.drain(..DEAD_FIELDS.len()).map(|(_, value)| value);
        let mut next = || own.next().unwrap_or_default();
        let header = DeadLetterHeader {
            cause: next(),
            reason: next(),
            attempts: next(),
            entry: next(),
            group: next(),
            at: next(),
        };
        drop(own);
        Self {
            header: Some(header),
            fields,
        }
    }
}

/// The outcome of replaying one dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Replay {
    /// The entry is in its stream again, and the dead letter is gone.
    Replayed {
        /// The id of the new entry.
        entry: String,
        /// The id of the original.
        replay_of: String,
        /// The only group that handles the new entry; sidecars of other groups acknowledge it undelivered.
        replay_group: String,
    },
    /// There is no such dead letter: it was replayed or dropped before.
    Unknown,
    /// Nothing of the original is left, or no sidecar wrote the letter. It stays.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names_and_values: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        names_and_values.iter().map(owned).collect()
    }

    #[test]
    fn the_fields_of_the_original_stay_apart() {
        let mut letter = fields(&DEAD_FIELDS.map(|name| (name, name)));
        letter.extend(fields(&[("dead_cause", "mine")]));
        let DeadLetter { header, fields: rest } = DeadLetter::from(letter);
        assert_eq!(rest, fields(&[("dead_cause", "mine")]));
        let header = header.unwrap();
        let values = [
            header.cause,
            header.reason,
            header.attempts,
            header.entry,
            header.group,
            header.at,
        ];
        assert_eq!(values, DEAD_FIELDS);
    }

    #[test]
    fn a_letter_that_no_sidecar_wrote_is_all_original() {
        for letter in [
            fields(&[]),
            fields(&[("dead_cause", "rejected"), ("n", "1")]),
            fields(&["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, "1"))),
        ] {
            let expected = DeadLetter {
                header: None,
                fields: letter.clone(),
            };
            assert_eq!(DeadLetter::from(letter), expected);
        }
    }

    #[test]
    fn the_script_names_the_same_fields() {
        let names = DEAD_FIELDS.map(|name| format!("'{name}'")).join(", ");
        assert!(REPLAY_DEAD_LETTERS.contains(&format!("{{{names}}}")));
        for name in REPLAY_FIELDS {
            assert!(REPLAY_DEAD_LETTERS.contains(&format!("'{name}', ")), "{name}");
        }
    }

    #[test]
    fn only_the_mark_at_the_end_makes_a_replay() {
        let is_replay = |words: &str| {
            let values: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            let group = replay_group("work", EntryId { ms: 9, seq: 0 }, &values);
            assert!(group.is_none_or(|group| group == b"crew"), "{words}");
            group.is_some()
        };
        for words in [
            "n 1 replay_of 1-1 replay_group crew replay_stream work",
            "replay_group other n 1 replay_of 8-9 replay_group crew replay_stream work",
            // As an earlier version marked it.
            "n 1 replay_of 1-1 replay_group crew",
        ] {
            assert!(is_replay(words), "{words}");
        }
        for words in [
            "replay_group crew",
            "n 1 replay_group crew",
            "replay_of 1-1 replay_group crew n 1",
            "replay_group crew replay_of 1-1",
            "n 1 replay_of me replay_group crew replay_stream work",
            // Later than the entry itself, and a copy of a replay from another stream.
            "n 1 replay_of 9-0 replay_group crew",
            "n 1 replay_of 1-1 replay_group crew replay_stream other",
        ] {
            assert!(!is_replay(words), "{words}");
        }
    }
}
