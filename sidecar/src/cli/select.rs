//! Finding dead letters, and choosing among them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::PossibleValuesParser;
use protocol::{DeadLetter, DeadLetterHeader, EntryId, dead_stream};
use serde::Serialize;

use super::connection_to;
use crate::config::{Config, Route};
use crate::lane::Cause;

/// Dead letters that match everything that is given.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Only of this stream, without `.dead`.
    #[arg(long)]
    stream: Option<String>,
    /// Only in the database of this service.
    #[arg(long)]
    from: Option<String>,
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
    #[arg(long, value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only those that died more recently than this.
    #[arg(long, value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

/// A dead letter, as `dead list --json` shows it. Bytes that are not text are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) stream: String,
    /// The service in whose database the stream is.
    pub(super) from: String,
    /// Empty if no sidecar wrote the letter.
    #[serde(flatten)]
    pub(super) header: DeadLetterHeader,
    pub(super) fields: Vec<(String, String)>,
}

/// An entry as XRANGE answers it. redis-rs's own type has a map, which keeps neither order nor repeated names.
type RawEntry = (String, Vec<(Vec<u8>, Vec<u8>)>);

impl Letter {
    fn new((stream, service): (&str, &str), (id, fields): RawEntry) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let fields = fields.into_iter().map(|(name, value)| (text(name), text(value)));
        let DeadLetter { header, fields } = DeadLetter::from(fields.collect::<Vec<_>>());
        Self {
            id,
            stream: stream.to_owned(),
            from: service.to_owned(),
            header: header.unwrap_or_default(),
            fields,
        }
    }
}

impl Selection {
    pub(super) fn of_ids(ids: Vec<String>) -> Self {
        Self {
            id: ids,
            ..Self::default()
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        let texts = [&self.stream, &self.from, &self.group, &self.cause, &self.reason];
        texts.iter().all(|text| text.is_none())
            && self.id.is_empty()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }

    fn includes(&self, Letter { id, header, .. }: &Letter, age: Duration) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        is(&self.group, &header.group)
            && is(&self.cause, &header.cause)
            && self.reason.as_ref().is_none_or(|text| header.reason.contains(text))
            && (self.id.is_empty() || self.id.contains(id) || self.id.contains(&header.entry))
            && self.older_than.is_none_or(|limit| age > limit)
            && self.newer_than.is_none_or(|limit| age < limit)
    }

    /// Calls `each` with the dead letters of the selection, oldest first and `letters_max` at most, one by one, so that
    /// they are never all in memory.
    ///
    /// # Errors
    ///
    /// Redis is away, or refused; the stream is in no route; or `each` failed.
    pub(super) async fn visit(
        &self,
        config: &Config,
        letters_max: usize,
        mut each: impl FnMut(Letter) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        /// Dead letters fetched at a time; each may be as large as an entry.
        const PAGE: usize = 32;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut left = letters_max;
        for (stream, service) in self.streams(config)? {
            let connection = connection_to(config, service)?;
            let mut start = "-".to_owned();
            while left > 0 {
                let mut command = redis::cmd("XRANGE");
                command
                    .arg(dead_stream(stream))
                    .arg(&start)
                    .arg("+")
                    .arg("COUNT")
                    .arg(PAGE);
                let page: Vec<RawEntry> = connection.query(&command).await?;
                let is_last = page.len() < PAGE;
                for letter in page.into_iter().map(|entry| Letter::new((stream, service), entry)) {
                    start = format!("({}", letter.id);
                    let died_ms = letter.id.parse().map_or(0, |id: EntryId| id.ms);
                    if left > 0 && self.includes(&letter, now.saturating_sub(Duration::from_millis(died_ms))) {
                        left -= 1;
                        each(letter)?;
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The streams of the selection, each once, with the service in whose database it is.
    fn streams<'a>(&self, config: &'a Config) -> anyhow::Result<Vec<(&'a str, &'a str)>> {
        // Services may share a database; the first one stands for it.
        let mut streams = BTreeMap::new();
        for Route { stream, from, .. } in config.routes.values() {
            let database = config.services[from].address();
            let first = streams.entry((stream.as_str(), database)).or_insert(from.as_str());
            *first = from.as_str().min(first);
        }
        if let Some(from) = &self.from {
            let Some(service) = config.services.get(from) else {
                let known: Vec<&str> = config.services.keys().map(String::as_str).collect();
                anyhow::bail!("there is no service `{from}`; there are {}", known.join(", "));
            };
            streams.retain(|(_, database), _| *database == service.address());
        }
        let streams = streams.into_iter().map(|((stream, _), from)| (stream, from));
        let Some(wanted) = &self.stream else {
            return Ok(streams.collect());
        };
        let (found, others): (Vec<_>, Vec<_>) = streams.partition(|(name, _)| name == wanted);
        let other_names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        anyhow::ensure!(
            !found.is_empty(),
            "no route has the stream `{wanted}`; there are {}",
            other_names.join(", ")
        );
        let databases: Vec<&str> = found.iter().map(|(_, from)| *from).collect();
        anyhow::ensure!(
            found.len() == 1,
            "there is a stream `{wanted}` in the databases of {}: say which is meant with --from",
            databases.join(" and ")
        );
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use protocol::DEAD_FIELDS;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        selection: Selection,
    }

    #[test]
    fn a_selection_includes_what_matches_everything_given() {
        let values = [
            "rejected",
            "qty: must be at least 1",
            "1",
            "5-0",
            "crew",
            "2026-08-01T12:00:00.000Z",
        ];
        let bytes = |text: &str| text.as_bytes().to_vec();
        let fields = DEAD_FIELDS
            .iter()
            .zip(values)
            .map(|(name, value)| (bytes(name), bytes(value)));
        let letter = Letter::new(("work", "app"), ("9-1".to_owned(), fields.collect()));
        for (arguments, expected) in [
            ("", true),
            ("--cause rejected", true),
            ("--cause exhausted", false),
            ("--reason least --group crew", true),
            ("--reason least --group other", false),
            ("--id 5-0", true),
            ("--id 7-7 --id 9-1", true),
            ("--id 1-1", false),
            ("--older-than 59s", true),
            ("--older-than 1m", false),
            ("--newer-than 1m", false),
            ("--newer-than 2h", true),
        ] {
            let words = ["dead"].into_iter().chain(arguments.split_whitespace());
            let selection = Arguments::try_parse_from(words).ok().unwrap().selection;
            assert_eq!(
                selection.includes(&letter, Duration::from_secs(60)),
                expected,
                "{arguments}"
            );
            assert_eq!(selection.is_everything(), arguments.is_empty());
        }
    }
}
