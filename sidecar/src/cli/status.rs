//! `status`: a table with a line per route.

use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::link_to;
use super::table::{Table, duration};
use crate::config::{Config, Route};
use crate::inspect::{GroupState, group_state};

/// How to show the routes.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Again and again, until interrupted.
    #[arg(long)]
    watch: bool,
    /// One JSON object per route and line.
    #[arg(long)]
    json: bool,
}

/// How often a watched table is drawn anew.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// One route, as it is shown.
#[derive(Serialize)]
struct Line<'a> {
    route: &'a str,
    stream: &'a str,
    group: &'a str,
    to: &'a str,
    /// How many subscribe to the component's channels, by lane.
    subscribers: Option<Vec<u64>>,
    #[serde(flatten)]
    state: Option<GroupState>,
    error: Option<String>,
}

impl StatusArguments {
    /// Shows them.
    ///
    /// # Errors
    ///
    /// A Redis URL is of no use. What cannot be asked for at present is shown as such.
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        loop {
            let lines = join_all(config.routes.iter().map(|(name, route)| look(config, name, route))).await;
            let lines = lines.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
            if self.json {
                for line in &lines {
                    println!("{}", serde_json::to_string(line)?);
                }
            } else {
                if self.watch {
                    // To the top left, and clear what is below.
                    print!("\x1b[H\x1b[J");
                }
                print!("{}", render(&lines));
            }
            if !self.watch {
                let failed = lines.iter().filter(|line| line.error.is_some()).count();
                anyhow::ensure!(failed == 0, "{failed} routes could not be looked at");
                return Ok(());
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }
}

async fn look<'a>(config: &'a Config, name: &'a str, route: &'a Route) -> anyhow::Result<Line<'a>> {
    let source = link_to(config, &route.from)?;
    let target = link_to(config, &route.to)?;
    let mut count = redis::cmd("PUBSUB");
    count.arg("NUMSUB");
    for lane in config.lanes(&route.to) {
        count.arg(config.channel(&lane));
    }
    let counted = target.query::<Vec<(String, u64)>>(&count).await.ok();
    let subscribers = counted.map(|channels| channels.into_iter().map(|(_, count)| count).collect());
    let (state, error) = match group_state(&source, &route.stream, &route.group).await {
        Ok(state) => (Some(state), None),
        Err(err) => (None, Some(format!("{}: {err}", source.address()))),
    };
    Ok(Line {
        route: name,
        stream: &route.stream,
        group: &route.group,
        to: &route.to,
        subscribers,
        state,
        error,
    })
}

/// One number where all lanes have the same.
fn by_lane(counts: &[u64]) -> String {
    match counts.split_first() {
        Some((first, others)) if others.iter().all(|count| count == first) => first.to_string(),
        _ => counts.iter().map(u64::to_string).collect::<Vec<_>>().join("/"),
    }
}

fn render(lines: &[Line<'_>]) -> String {
    let mut table = Table::new(&[
        "ROUTE",
        "STREAM",
        "GROUP",
        "TO",
        "SUBSCRIBERS",
        "LENGTH",
        "LAG",
        "PENDING",
        "WAITING",
        "OLDEST",
        "CONSUMERS",
        "DEAD",
    ]);
    let unknown = || "?".to_owned();
    let mut errors = String::new();
    for line in lines {
        let mut row: Vec<String> = [line.route, line.stream, line.group, line.to]
            .map(str::to_owned)
            .to_vec();
        row.push(line.subscribers.as_deref().map_or_else(unknown, by_lane));
        match &line.state {
            Some(state) => row.extend([
                state.length.to_string(),
                if state.exists {
                    state.lag.map_or_else(unknown, |lag| lag.to_string())
                } else {
                    "no group".into()
                },
                state.pending.to_string(),
                state.waiting.to_string(),
                state.oldest_pending_ms.map_or("-".to_owned(), duration),
                state.consumers.to_string(),
                state.dead.to_string(),
            ]),
            None => row.resize_with(12, unknown),
        }
        table.row(row);
        if let Some(error) = &line.error {
            errors.push_str(&format!("{}: {error}\n", line.route));
        }
    }
    format!("{}{errors}", table.render())
}
