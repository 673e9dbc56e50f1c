//! `dead list`, `show`, `replay` and `drop`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::Subcommand;
use redis::Script;

use super::link_to;
use super::select::{Letter, Selection};
use super::table::Table;
use crate::config::Config;
use crate::redis::dead_letters;

static REPLAY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/replay.lua")));

/// Looking at dead letters, and doing something about them.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List dead letters, oldest first.
    List {
        /// Which ones.
        #[command(flatten)]
        selection: Selection,
        /// So many at most.
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
    /// is harmless.
    Replay(Change),
    /// Remove dead letters for good.
    Drop(Change),
}

/// Which dead letters to change, and whether to.
#[derive(Debug, clap::Args)]
pub struct Change {
    /// Which ones.
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
    /// Does it.
    ///
    /// # Errors
    ///
    /// Redis is away, or refused; or nothing says which dead letters are meant.
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
    let mut table = Table::new(&["ID", "STREAM", "GROUP", "CAUSE", "ATTEMPTS", "AT", "REASON"]);
    let mut count = 0;
    let each = |letter: Letter| {
        count += 1;
        if json {
            print_json(&letter);
        } else {
            let Letter {
                id,
                stream,
                group,
                cause,
                attempts,
                at,
                reason,
                ..
            } = letter;
            table.row(vec![id, stream, group, cause, attempts, at, reason.replace('\n', " ")]);
        }
    };
    selection.visit(config, limit, each).await?;
    if !json {
        match count {
            0 => println!("no dead letters"),
            _ => print!("{}", table.render()),
        }
        if count == limit {
            println!("({limit} shown; --limit shows more)");
        }
    }
    Ok(())
}

async fn show(config: &Config, ids: Vec<String>, json: bool) -> anyhow::Result<()> {
    let selection = Selection::of_ids(ids);
    let mut found = false;
    let each = |letter: Letter| {
        found = true;
        if json {
            print_json(&letter);
            return;
        }
        println!("{} in {}", letter.id, dead_letters(&letter.stream));
        let own = [
            ("cause", &letter.cause),
            ("reason", &letter.reason),
            ("attempts", &letter.attempts),
            ("entry", &letter.entry),
            ("group", &letter.group),
            ("at", &letter.at),
        ];
        for (name, value) in own {
            println!("  {name:<10}{value}");
        }
        for (name, value) in &letter.fields {
            println!("    {name} = {value}");
        }
    };
    selection.visit(config, usize::MAX, each).await?;
    anyhow::ensure!(found, "no such dead letter");
    Ok(())
}

/// The ids of dead letters by stream, and how many there are of each cause.
#[derive(Default)]
struct Gathered {
    by_stream: BTreeMap<String, Vec<String>>,
    by_cause: BTreeMap<String, usize>,
    count: usize,
}

impl Gathered {
    fn describe(&self) -> String {
        let causes: Vec<String> = self
            .by_cause
            .iter()
            .map(|(cause, count)| format!("{count} {cause}"))
            .collect();
        let streams: Vec<&str> = self.by_stream.keys().map(String::as_str).collect();
        match self.count {
            0 => "no dead letters".to_owned(),
            1 => format!("1 dead letter ({}) of {}", causes.join(", "), streams.join(", ")),
            count => format!("{count} dead letters ({}) of {}", causes.join(", "), streams.join(", ")),
        }
    }
}

async fn gather(config: &Config, change: &Change) -> anyhow::Result<Gathered> {
    anyhow::ensure!(
        change.all || !change.selection.is_everything(),
        "say which dead letters are meant, or --all"
    );
    let mut gathered = Gathered::default();
    let each = |letter: Letter| {
        gathered.count += 1;
        *gathered.by_cause.entry(letter.cause).or_default() += 1;
        gathered.by_stream.entry(letter.stream).or_default().push(letter.id);
    };
    change.selection.visit(config, usize::MAX, each).await?;
    Ok(gathered)
}

async fn replay(config: &Config, change: Change) -> anyhow::Result<()> {
    let gathered = gather(config, &change).await?;
    announce(&change, "to replay", &gathered);
    let (mut replayed, mut gone, mut lost) = (0, 0, 0);
    if !change.dry_run {
        for (stream, ids) in &gathered.by_stream {
            let link = link_to(config, service_of(config, stream)?)?;
            for page in ids.chunks(PAGE) {
                let mut script = REPLAY.key(stream);
                script.key(dead_letters(stream)).arg(page);
                for result in link.run::<Vec<String>>(&script).await? {
                    match result.as_str() {
                        "" => gone += 1,
                        "lost" => lost += 1,
                        _ => replayed += 1,
                    }
                }
            }
        }
    }
    if change.json {
        let counts = serde_json::json!({
            "selected": gathered.count, "replayed": replayed, "gone": gone, "lost": lost, "dry_run": change.dry_run,
        });
        println!("{counts}");
    } else if !change.dry_run {
        println!("replayed {replayed}");
        if gone > 0 {
            println!("{gone} had been replayed or dropped meanwhile");
        }
        if lost > 0 {
            println!("{lost} cannot be replayed: nothing of the original is left, or no sidecar wrote it; they stay");
        }
    }
    Ok(())
}

async fn drop_letters(config: &Config, change: Change) -> anyhow::Result<()> {
    let gathered = gather(config, &change).await?;
    announce(&change, "to drop", &gathered);
    let mut dropped = 0;
    if !change.dry_run {
        for (stream, ids) in &gathered.by_stream {
            let link = link_to(config, service_of(config, stream)?)?;
            for page in ids.chunks(PAGE) {
                let command = redis::cmd("XDEL").arg(dead_letters(stream)).arg(page).take();
                dropped += link.query::<usize>(&command).await?;
            }
        }
    }
    if change.json {
        let counts = serde_json::json!({
            "selected": gathered.count, "dropped": dropped, "dry_run": change.dry_run,
        });
        println!("{counts}");
    } else if !change.dry_run {
        println!("dropped {dropped}");
    }
    Ok(())
}

fn announce(change: &Change, to_do: &str, gathered: &Gathered) {
    if !change.json {
        let prefix = if change.dry_run { "would be " } else { "" };
        println!("{prefix}{to_do}: {}", gathered.describe());
    }
}

fn service_of<'a>(config: &'a Config, stream: &str) -> anyhow::Result<&'a str> {
    let route = config.routes.values().find(|route| route.stream == stream);
    let route = route.ok_or_else(|| anyhow::anyhow!("no route has the stream `{stream}`"))?;
    Ok(&route.from)
}

fn print_json(letter: &Letter) {
    match serde_json::to_string(letter) {
        Ok(json) => println!("{json}"),
        Err(err) => eprintln!("{}: {err}", letter.id),
    }
}
