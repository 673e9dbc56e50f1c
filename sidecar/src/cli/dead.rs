//! `dead list`, `show`, `replay` and `drop`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::Subcommand;
use protocol::{REPLAY_DEAD_LETTERS, Replay, dead_stream, parse_answer};
use redis::Script;
use serde_json::json;

use super::output::say;
use super::select::{Letter, Selection};
use super::{connection_to, print, table};
use crate::config::Config;
use crate::printable::printable;
use crate::redis::Connection;

static REPLAY: LazyLock<Script> = LazyLock::new(|| Script::new(REPLAY_DEAD_LETTERS));

/// Looking at dead letters, and doing something about them.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List dead letters, oldest first.
    List {
        #[command(flatten)]
        selection: Selection,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show dead letters with all their fields.
    Show {
        /// Their ids, their own or the original entries'.
        #[arg(required = true)]
        ids: Vec<String>,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Append dead letters to their streams again, for the group that they died in, and remove them. Doing it twice
    /// is harmless. Exits with 1 if none was replayed.
    Replay(Change),
    /// Remove dead letters for good. Exits with 1 if there was none.
    Drop(Change),
}

/// The dead letters to change, and the ways to say so.
#[derive(Debug, clap::Args)]
pub struct Change {
    #[command(flatten)]
    selection: Selection,
    /// All there are; needed if nothing else says which.
    #[arg(long)]
    all: bool,
    /// Only say how many it would be.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object with the counts.
    #[arg(long)]
    json: bool,
}

/// Dead letters changed by one script call.
const PAGE: usize = 64;

impl DeadCommand {
    /// # Errors
    ///
    /// Redis is away, or refused; nothing says which dead letters are meant; or nothing was done.
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            DeadCommand::List { selection, limit, json } => list(config, &selection, limit, json).await,
            DeadCommand::Show { ids, json } => show(config, ids, json).await,
            DeadCommand::Replay(change) => replay(config, change).await,
            DeadCommand::Drop(change) => drop_letters(config, change).await,
        }
    }
}

async fn list(config: &Config, selection: &Selection, limit: usize, json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut count = 0;
    let each = |letter: Letter| {
        count += 1;
        if json {
            print_json(&letter)?;
        } else {
            let Letter {
                id,
                stream,
                from,
                header,
                ..
            } = letter;
            let [group, cause, attempts] = [header.group, header.cause, header.attempts];
            rows.push(vec![id, stream, from, group, cause, attempts, header.at, header.reason]);
        }
        Ok(())
    };
    selection.visit(config, limit, each).await?;
    if !json {
        match count {
            0 => print("no dead letters")?,
            _ => print(table("ID STREAM FROM GROUP CAUSE ATTEMPTS AT REASON", rows))?,
        }
        if count == limit {
            print(format_args!("({limit} shown; --limit shows more)"))?;
        }
    }
    Ok(())
}

async fn show(config: &Config, ids: Vec<String>, json: bool) -> anyhow::Result<()> {
    let mut found = false;
    let each = |letter: Letter| {
        found = true;
        if json {
            return print_json(&letter);
        }
        let stream = dead_stream(&letter.stream);
        print(format_args!(
            "{} in {} of {}",
            letter.id,
            printable(&stream),
            letter.from
        ))?;
        let header = &letter.header;
        for (name, value) in [
            ("cause", &header.cause),
            ("reason", &header.reason),
            ("attempts", &header.attempts),
            ("entry", &header.entry),
            ("group", &header.group),
            ("at", &header.at),
        ] {
            print(format_args!("  {name:<10}{}", printable(value)))?;
        }
        for (name, value) in &letter.fields {
            print(format_args!("    {} = {}", printable(name), printable(value)))?;
        }
        Ok(())
    };
    Selection::of_ids(ids).visit(config, usize::MAX, each).await?;
    anyhow::ensure!(found, "no such dead letter");
    Ok(())
}

fn print_json(letter: &Letter) -> anyhow::Result<()> {
    print(serde_json::to_string(letter)?)
}

/// The dead letters to change.
#[derive(Default)]
struct Chosen {
    /// Ids by stream, and by the service in whose database it is.
    by_stream: BTreeMap<(String, String), Vec<String>>,
    by_cause: BTreeMap<String, usize>,
    count: usize,
}

impl Chosen {
    /// Finds the dead letters, and says what is going to happen to them.
    async fn new(config: &Config, change: &Change, to_do: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            change.all || !change.selection.is_everything(),
            "say which dead letters are meant, or --all"
        );
        let mut chosen = Self::default();
        let each = |letter: Letter| {
            chosen.count += 1;
            *chosen.by_cause.entry(letter.header.cause).or_default() += 1;
            let stream = (letter.stream, letter.from);
            chosen.by_stream.entry(stream).or_default().push(letter.id);
            Ok(())
        };
        change.selection.visit(config, usize::MAX, each).await?;
        if !change.json {
            let prefix = if change.dry_run { "would be " } else { "" };
            say(format_args!("{prefix}{to_do}: {}", printable(&chosen.describe())));
        }
        Ok(chosen)
    }

    fn describe(&self) -> String {
        let letters = match self.count {
            0 => return "no dead letters".to_owned(),
            1 => "1 dead letter".to_owned(),
            count => format!("{count} dead letters"),
        };
        let causes: Vec<String> = self
            .by_cause
            .iter()
            .map(|(cause, count)| format!("{count} {cause}"))
            .collect();
        let streams = self.by_stream.keys();
        let streams: Vec<String> = streams.map(|(stream, from)| format!("{stream} of {from}")).collect();
        format!("{letters} ({}) in {}", causes.join(", "), streams.join(", "))
    }

    /// Calls `change` with a connection, the stream and a page of ids at a time.
    async fn for_each_page(
        &self,
        config: &Config,
        mut change: impl AsyncFnMut(&Connection, &str, &[String]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for ((stream, service), ids) in &self.by_stream {
            let connection = connection_to(config, service)?;
            for page in ids.chunks(PAGE) {
                change(&connection, stream, page).await?;
            }
        }
        Ok(())
    }
}

async fn replay(config: &Config, change: Change) -> anyhow::Result<()> {
    let chosen = Chosen::new(config, &change, "to replay").await?;
    let (mut replayed, mut gone, mut lost) = (0, 0, 0);
    let replay_page = async |connection: &Connection, stream: &str, ids: &[String]| {
        let mut script = REPLAY.key(stream);
        script.key(dead_stream(stream)).arg(ids);
        let answer: Vec<u8> = connection.run(&script).await?;
        for replay in parse_answer::<Vec<Replay>>(&answer)? {
            match replay {
                Replay::Replayed { .. } => replayed += 1,
                Replay::Unknown => gone += 1,
                Replay::Lost => lost += 1,
            }
        }
        Ok(())
    };
    if !change.dry_run {
        chosen.for_each_page(config, replay_page).await?;
    }
    if change.json {
        let (selected, dry_run) = (chosen.count, change.dry_run);
        let counts = json!({
            "selected": selected, "replayed": replayed, "gone": gone, "lost": lost, "dry_run": dry_run,
        });
        say(counts);
    } else if !change.dry_run {
        say(format_args!("replayed {replayed}"));
        if gone > 0 {
            say(format_args!("{gone} had been replayed or dropped meanwhile"));
        }
        if lost > 0 {
            let why = "nothing of the original is left, or no sidecar wrote it; they stay";
            say(format_args!("{lost} cannot be replayed: {why}"));
        }
    }
    anyhow::ensure!(change.dry_run || replayed > 0, "nothing was replayed");
    Ok(())
}

async fn drop_letters(config: &Config, change: Change) -> anyhow::Result<()> {
    let chosen = Chosen::new(config, &change, "to drop").await?;
    let mut dropped = 0;
    let drop_page = async |connection: &Connection, stream: &str, ids: &[String]| {
        let command = redis::cmd("XDEL").arg(dead_stream(stream)).arg(ids).take();
        dropped += connection.query::<usize>(&command).await?;
        Ok(())
    };
    if !change.dry_run {
        chosen.for_each_page(config, drop_page).await?;
    }
    if change.json {
        say(json!({ "selected": chosen.count, "dropped": dropped, "dry_run": change.dry_run }));
    } else if !change.dry_run {
        say(format_args!("dropped {dropped}"));
    }
    anyhow::ensure!(change.dry_run || dropped > 0, "nothing was dropped");
    Ok(())
}
