//! Dead letters, as they are found, and which of them are meant.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::link_to;
use super::table::parse_duration;
use crate::config::Config;
use crate::entry::EntryId;
use crate::lane::Cause;
use crate::redis::Connection;
use crate::redis::dead_letters;

/// Which dead letters are meant: those that match everything that is given.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Only of this stream, without `.dead`.
    #[arg(long)]
    stream: Option<String>,
    /// Only of this consumer group.
    #[arg(long)]
    group: Option<String>,
    /// Only with this cause.
    #[arg(long, value_parser = PossibleValuesParser::new(Cause::ALL.map(Cause::as_str)))]
    cause: Option<String>,
    /// Only with this text in their reason.
    #[arg(long)]
    reason: Option<String>,
    /// Only with this id, their own or the original entry's; may be given several times.
    #[arg(long)]
    id: Vec<String>,
    /// Only those that died longer ago than this: 90s, 15m, 2h, 7d.
    #[arg(long, value_parser = parse_duration)]
    older_than: Option<u64>,
    /// Only those that died more recently than this.
    #[arg(long, value_parser = parse_duration)]
    newer_than: Option<u64>,
}

/// The fields that a dead letter has before those of the original.
const OWN_FIELDS: usize = 6;

/// A dead letter; what is not text in it is shown as well as it can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) cause: String,
    pub(super) reason: String,
    pub(super) attempts: String,
    pub(super) entry: String,
    pub(super) at: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Letter {
    fn new(stream: &str, id: EntryId, raw: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let mut fields: Vec<(String, String)> = raw.iter().map(|(name, value)| (text(name), text(value))).collect();
        let rest = fields.split_off(fields.len().min(OWN_FIELDS));
        let own: BTreeMap<String, String> = fields.into_iter().collect();
        let own = |name: &str| own.get(name).cloned().unwrap_or_default();
        Self {
            id: id.to_string(),
            stream: stream.to_owned(),
            group: own("dead_group"),
            cause: own("dead_cause"),
            reason: own("dead_reason"),
            attempts: own("dead_attempts"),
            entry: own("dead_entry"),
            at: own("dead_at"),
            fields: rest,
        }
    }
}

impl Selection {
    /// Those with these ids.
    pub(super) fn of_ids(ids: Vec<String>) -> Self {
        Self {
            id: ids,
            ..Self::default()
        }
    }

    /// Whether it means all dead letters there are.
    pub(super) fn is_everything(&self) -> bool {
        let texts = [&self.stream, &self.group, &self.cause, &self.reason];
        texts.iter().all(|text| text.is_none())
            && self.id.is_empty()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }

    fn means(&self, letter: &Letter, age_ms: u64) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        is(&self.group, &letter.group)
            && is(&self.cause, &letter.cause)
            && self
                .reason
                .as_ref()
                .is_none_or(|text| letter.reason.contains(text.as_str()))
            && (self.id.is_empty() || self.id.contains(&letter.id) || self.id.contains(&letter.entry))
            && self.older_than.is_none_or(|ms| age_ms > ms)
            && self.newer_than.is_none_or(|ms| age_ms < ms)
    }

    /// The dead letters that are meant, at most so many, oldest first; `each` has them one by one, so that nobody
    /// needs to keep them all.
    ///
    /// # Errors
    ///
    /// Redis is away, or refused; the stream is in no route.
    pub(super) async fn visit(&self, config: &Config, most: usize, mut each: impl FnMut(Letter)) -> anyhow::Result<()> {
        let streams = streams(config);
        if let Some(stream) = &self.stream
            && !streams.iter().any(|(name, _)| name == stream)
        {
            let known: Vec<&str> = streams.iter().map(|(name, _)| name.as_str()).collect();
            anyhow::bail!("no route has the stream `{stream}`; there are {}", known.join(", "));
        }
        let mut left = most;
        for (stream, service) in streams {
            if self.stream.as_ref().is_none_or(|wanted| *wanted == stream) {
                let link = link_to(config, &service)?;
                left = self.visit_stream(&link, &stream, left, &mut each).await?;
            }
        }
        Ok(())
    }

    async fn visit_stream(
        &self,
        link: &Connection,
        stream: &str,
        mut left: usize,
        each: &mut impl FnMut(Letter),
    ) -> anyhow::Result<usize> {
        /// Dead letters fetched at a time; each may be as large as an entry.
        const PAGE: usize = 32;
        type RawFields = Vec<(Vec<u8>, Vec<u8>)>;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        let mut start = "-".to_owned();
        while left > 0 {
            let mut command = redis::cmd("XRANGE");
            command
                .arg(dead_letters(stream))
                .arg(&start)
                .arg("+")
                .arg("COUNT")
                .arg(PAGE);
            let page: Vec<(EntryId, RawFields)> = link.query(&command).await?;
            let full = page.len() == PAGE;
            for (id, fields) in page {
                start = format!("({id}");
                let letter = Letter::new(stream, id, fields);
                if left > 0 && self.means(&letter, now.saturating_sub(id.ms)) {
                    left -= 1;
                    each(letter);
                }
            }
            if !full {
                break;
            }
        }
        Ok(left)
    }
}

/// Every stream that a route reads, with the service in whose database it is.
fn streams(config: &Config) -> Vec<(String, String)> {
    let routes = config.routes.values();
    let mut streams: Vec<_> = routes.map(|route| (route.stream.clone(), route.from.clone())).collect();
    streams.sort();
    streams.dedup();
    streams
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        let own = [
            ("dead_cause", "rejected"),
            ("dead_reason", "qty: must be at least 1"),
            ("dead_attempts", "1"),
            ("dead_entry", "5-0"),
            ("dead_group", "crew"),
            ("dead_at", "2026-08-01T12:00:00.000Z"),
            ("dead_cause", "a field of the original"),
        ];
        let raw = own.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        Letter::new("work", EntryId { ms: 9, seq: 1 }, raw.to_vec())
    }

    #[test]
    fn the_fields_of_the_original_stay_apart() {
        let letter = letter();
        assert_eq!((letter.cause.as_str(), letter.id.as_str()), ("rejected", "9-1"));
        assert_eq!(
            letter.fields,
            [("dead_cause".to_owned(), "a field of the original".to_owned())]
        );
    }

    #[test]
    fn a_selection_means_what_matches_everything_given() {
        let text = |text: &str| Some(text.to_owned());
        let all = Selection::default();
        let cases = [
            (all.clone(), true),
            (
                Selection {
                    cause: text("rejected"),
                    ..all.clone()
                },
                true,
            ),
            (
                Selection {
                    cause: text("exhausted"),
                    ..all.clone()
                },
                false,
            ),
            (
                Selection {
                    reason: text("at least"),
                    group: text("crew"),
                    ..all.clone()
                },
                true,
            ),
            (
                Selection {
                    reason: text("at least"),
                    group: text("other"),
                    ..all.clone()
                },
                false,
            ),
            (
                Selection {
                    id: vec!["5-0".into()],
                    ..all.clone()
                },
                true,
            ),
            (
                Selection {
                    id: vec!["9-1".into()],
                    ..all.clone()
                },
                true,
            ),
            (
                Selection {
                    id: vec!["1-1".into()],
                    ..all.clone()
                },
                false,
            ),
            (
                Selection {
                    older_than: Some(999),
                    ..all.clone()
                },
                true,
            ),
            (
                Selection {
                    older_than: Some(1_000),
                    ..all.clone()
                },
                false,
            ),
            (
                Selection {
                    newer_than: Some(1_000),
                    ..all.clone()
                },
                false,
            ),
        ];
        for (selection, expected) in cases {
            assert_eq!(selection.means(&letter(), 1_000), expected, "{selection:?}");
        }
    }
}
