//! `status`: a table with a line for each route.

use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::{connection_to, print, table};
use crate::config::{Config, Route};
use crate::inspect::{RouteState, route_state};
use crate::printable::printable;

#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Again and again, until interrupted.
    #[arg(long)]
    watch: bool,
    /// One JSON object per route and line.
    #[arg(long)]
    json: bool,
}

const WATCH_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct RouteStatus<'a> {
    route: &'a str,
    stream: &'a str,
    /// The service in whose database the stream is.
    from: &'a str,
    group: &'a str,
    to: &'a str,
    /// The number of subscribers to the component's channel of each lane.
    subscribers: Option<Vec<u64>>,
    #[serde(flatten)]
    state: Option<RouteState>,
    error: Option<String>,
}

impl StatusArguments {
    /// # Errors
    ///
    /// A Redis URL is of no use, or a route cannot be looked at, which is shown too.
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        loop {
            let routes = join_all(config.routes.iter().map(|(name, route)| look(config, name, route))).await;
            let routes = routes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
            if self.json {
                for route in &routes {
                    print(serde_json::to_string(route)?)?;
                }
            } else {
                // To the top left, and clear what is below.
                let clear = if self.watch { "\x1b[H\x1b[J" } else { "" };
                print(format_args!("{clear}{}", render(&routes)))?;
            }
            if !self.watch {
                let failed = routes.iter().filter(|route| route.error.is_some()).count();
                anyhow::ensure!(failed == 0, "{failed} routes could not be looked at");
                return Ok(());
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }
}

async fn look<'a>(config: &'a Config, name: &'a str, route: &'a Route) -> anyhow::Result<RouteStatus<'a>> {
    let source = connection_to(config, &route.from)?;
    let target = connection_to(config, &route.to)?;
    let mut count = redis::cmd("PUBSUB");
    count.arg("NUMSUB");
    for lane in config.lanes(&route.to) {
        count.arg(config.channel(&lane));
    }
    let counted = target.query::<Vec<(String, u64)>>(&count).await.ok();
    let (state, error) = match route_state(&source, &route.stream, &route.group).await {
        Ok(state) => (Some(state), None),
        Err(err) => (None, Some(format!("{}: {err}", source.address()))),
    };
    Ok(RouteStatus {
        route: name,
        stream: &route.stream,
        from: &route.from,
        group: &route.group,
        to: &route.to,
        subscribers: counted.map(|channels| channels.into_iter().map(|(_, count)| count).collect()),
        state,
        error,
    })
}

/// One number where all lanes have the same.
fn by_lane(counts: Vec<u64>) -> String {
    match counts.split_first() {
        Some((first, others)) if others.iter().all(|count| count == first) => first.to_string(),
        _ => counts.iter().map(u64::to_string).collect::<Vec<_>>().join("/"),
    }
}

fn age(ms: u64) -> String {
    humantime::format_duration(Duration::from_secs(ms / 1_000)).to_string()
}

fn render(routes: &[RouteStatus<'_>]) -> String {
    let mut rows = Vec::new();
    let unknown = || "?".to_owned();
    let mut errors = String::new();
    for route in routes {
        let subscribers = route.subscribers.clone().map_or_else(unknown, by_lane);
        let mut row = [
            route.route,
            route.stream,
            route.from,
            route.group,
            route.to,
            &subscribers,
        ]
        .map(str::to_owned)
        .to_vec();
        match &route.state {
            Some(state) => row.extend([
                state.length.to_string(),
                match state.group.lag {
                    _ if !state.exists => "no group".to_owned(),
                    lag => lag.map_or_else(unknown, |lag| lag.to_string()),
                },
                state.group.pending.to_string(),
                state.group.waiting.to_string(),
                match state.group.oldest_pending_ms {
                    None if state.group.pending > 0 => unknown(),
                    oldest_ms => oldest_ms.map_or_else(|| "-".to_owned(), age),
                },
                state.group.consumers.to_string(),
                state.dead.to_string(),
            ]),
            None => row.resize_with(13, unknown),
        }
        rows.push(row);
        if let Some(error) = &route.error {
            errors.push_str(&format!("\n{}: {}", printable(route.route), printable(error)));
        }
    }
    let table = table(
        "ROUTE STREAM FROM GROUP TO SUBSCRIBERS LENGTH LAG PENDING WAITING OLDEST CONSUMERS DEAD",
        rows,
    );
    format!("{table}{errors}")
}
