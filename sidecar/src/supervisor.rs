//! Puts a sidecar together and runs it: lanes, listener, locks, maintenance, and the stop.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use futures_util::future::{FutureExt, join_all, select_all};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::admin::{self, LaneHandle, Subjects};
use crate::config::{Config, DatabaseAddress, LaneName, Route, Transport};
use crate::driver::{Input, Performers, drive};
use crate::lane::{Lane, LaneSetup, RouteName};
use crate::logging::LaneLog;
use crate::maintenance::{MaintainedStream, TrimStatuses, maintain};
use crate::redis::{Connection, Consumer, Lock, address, block_ms};
use crate::transport::{Http, PubSub};
use crate::worker::Worker;

/// Events that may wait for a lane; those who report wait when there are more.
const INPUTS_MAX: usize = 1_024;

/// Runs a sidecar until `shutdown`, then drains it. `listening` learns the address of the HTTP listener, if there is
/// one. Must be called within a [`tokio::task::LocalSet`]: everything shares one thread.
///
/// Fails if the sidecar cannot start: the address is taken, another sidecar has the instance's name, a Redis URL is of
/// no use; or later, if another sidecar has taken the name.
pub async fn run(
    config: Config,
    listening: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut connections = Connections::default();
    let mut tasks = JoinSet::new();
    let lanes = start_lanes(&config, &mut connections, &mut tasks)?;
    let trim_statuses = Arc::new(TrimStatuses::default());
    if let Some(listener) = listen(&config, listening).await? {
        let subjects = Subjects {
            lanes: lanes.iter().map(|lane| lane.handle.clone()).collect(),
            groups: groups(&config, &mut connections)?,
            trim_statuses: trim_statuses.clone(),
        };
        tasks.spawn_local(admin::serve(listener, subjects));
    }

    let mut shutdown = std::pin::pin!(shutdown);
    let locks = locks(&config, &mut connections)?;
    tokio::select! {
        acquired = acquire(&locks) => acquired?,
        () = &mut shutdown => return Ok(()),
    }

    if config.limits.trim_ms > 0 {
        let streams = streams_to_maintain(&config, &mut connections)?;
        tasks.spawn_local(maintain(streams, config.limits, trim_statuses));
    }
    let (stop, stopping) = watch::channel(false);
    let grace = Duration::from_millis(config.limits.grace_ms);
    let mut driving = JoinSet::new();
    for StartedLane {
        lane,
        inputs,
        performers,
        ..
    } in lanes
    {
        let mut stopping = stopping.clone();
        driving.spawn_local(drive(lane, inputs, performers, grace, async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stopping.wait_for(|stop| *stop).await;
        }));
    }
    let stolen = select_all(locks.iter().map(|lock| lock.keep().boxed_local()));
    tokio::select! {
        () = &mut shutdown => {}
        (err, _, _) = stolen => return Err(err),
        // None of them ends by itself: half a sidecar would be silent and look well.
        Some(ended) = tasks.join_next() => return Err(ended_early(ended)),
        Some(ended) = driving.join_next() => return Err(ended_early(ended)),
    }

    tracing::info!("stopping: waiting for what is in flight");
    let _ = stop.send(true);
    // The name stays ours while entries are in our hands.
    let renewing = join_all(locks.iter().map(Lock::keep));
    tokio::select! {
        () = async { while driving.join_next().await.is_some() {} } => {}
        _ = renewing => {}
    }
    join_all(locks.iter().map(Lock::release)).await;
    tracing::info!("stopped");
    Ok(())
}

fn ended_early(ended: Result<(), JoinError>) -> anyhow::Error {
    match ended {
        Ok(()) => anyhow::anyhow!("a part of the sidecar has ended: stopping the rest"),
        Err(err) => anyhow::anyhow!("a part of the sidecar has failed: {err}: stopping the rest"),
    }
}

/// One connection per database, shared by all but the blocking readers.
#[derive(Default)]
struct Connections(BTreeMap<(String, u32), Arc<Connection>>);

impl Connections {
    fn to(&mut self, config: &Config, service: &str) -> anyhow::Result<Arc<Connection>> {
        let settings = &config.services[service];
        let key = (settings.redis_url.clone(), settings.database);
        if let Some(connection) = self.0.get(&key) {
            return Ok(connection.clone());
        }
        let connection = connect(config, service, config.limits.redis_ms)?;
        self.0.insert(key, connection.clone());
        Ok(connection)
    }
}

fn connect(config: &Config, service: &str, timeout_ms: u64) -> anyhow::Result<Arc<Connection>> {
    let connection = Connection::new(&config.services[service], Duration::from_millis(timeout_ms));
    Ok(Arc::new(connection.with_context(|| unusable(service))?))
}

fn unusable(service: &str) -> String {
    format!("services.{service}.redis_url cannot be used")
}

async fn listen(config: &Config, listening: impl FnOnce(SocketAddr)) -> anyhow::Result<Option<TcpListener>> {
    if config.admin.listen.is_empty() {
        return Ok(None);
    }
    let listener = TcpListener::bind(&config.admin.listen)
        .await
        .with_context(|| format!("admin.listen: cannot listen on {}", config.admin.listen))?;
    let address = listener.local_addr()?;
    tracing::info!("listening on http://{address}: /healthz, /readyz, /lanes, /lanes/<service>, /metrics");
    listening(address);
    Ok(Some(listener))
}

/// Each route's name, and where its stream is.
fn groups(config: &Config, connections: &mut Connections) -> anyhow::Result<Vec<(Arc<Connection>, RouteName)>> {
    let groups = config.routes.values().map(|route| {
        let connection = connections.to(config, &route.from)?;
        Ok((connection, name_of(route)))
    });
    groups.collect()
}

fn name_of(route: &Route) -> RouteName {
    RouteName {
        from: route.from.clone(),
        stream: route.stream.clone(),
        group: route.group.clone(),
    }
}

/// A lane whose performers run; it is driven once the locks are held.
struct StartedLane {
    lane: Lane,
    inputs: mpsc::Receiver<Input>,
    performers: Performers,
    handle: LaneHandle,
}

fn start_lanes(
    config: &Config,
    connections: &mut Connections,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Vec<StartedLane>> {
    let mut services: Vec<&str> = config.routes.values().map(|route| route.to.as_str()).collect();
    services.sort_unstable();
    services.dedup();
    let mut lanes = Vec::new();
    for service in services {
        let first = lanes.len();
        let mut next = None;
        // Each lane knows the one behind it.
        for name in config.lanes(service).rev() {
            let started = start_lane(config, name, next, connections, tasks)?;
            next = Some(started.handle.lane.clone());
            lanes.insert(first, started);
        }
    }
    Ok(lanes)
}

/// Starts those who perform one lane's actions.
fn start_lane(
    config: &Config,
    name: LaneName,
    next: Option<mpsc::Sender<Input>>,
    connections: &mut Connections,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<StartedLane> {
    let service = name.service.as_str();
    let settings = &config.services[service];
    let limits = config.limits;
    let (inputs_sender, inputs) = mpsc::channel(INPUTS_MAX);

    let (transport, actions) = mpsc::unbounded_channel();
    let (channel, receipts, destination) = match settings.deliver {
        Transport::Redis => {
            let (channel, receipts) = (config.channel(&name), config.receipts(&name));
            let connection = connections.to(config, service)?;
            let destination = format!("{channel} at {}", address(settings));
            let lane = inputs_sender.clone();
            let pubsub = PubSub::new(settings, channel.clone(), receipts.clone(), connection, limits, lane);
            tasks.spawn_local(pubsub.with_context(|| unusable(service))?.run(actions));
            (channel, receipts, destination)
        }
        Transport::Http => {
            let http = Http::new(settings, limits.answer_ms, inputs_sender.clone())
                .with_context(|| format!("services.{service}.delivery_url cannot be used"))?;
            tasks.spawn_local(http.run(actions));
            let url = settings.delivery_url.clone().unwrap_or_default();
            // The response is the receipt.
            (url.clone(), String::new(), url)
        }
    };

    let routes: Vec<(&String, &Route)> = config.routes.iter().filter(|(_, route)| route.to == service).collect();
    let mut readers = Vec::new();
    let mut workers = Vec::new();
    for (index, (route_name, route)) in routes.iter().enumerate() {
        let Route {
            stream, group, from, ..
        } = route;
        let consumer = |connection| Consumer {
            stream: stream.clone(),
            group: group.clone(),
            name: config.consumer(&name),
            connection,
            limits,
        };
        let shared = connections.to(config, from)?;
        let own = connect(config, from, limits.redis_ms + block_ms(&limits))?;
        let at = shared.address();
        tracing::info!("route {route_name}: {stream} at {at} for {group} -> {name} ({destination})");
        let worker = |connection| Worker::new(index, consumer(connection), inputs_sender.clone());
        let (reader, reads) = mpsc::unbounded_channel();
        tasks.spawn_local(worker(own).read(reads));
        readers.push(reader);
        let (sender, actions) = mpsc::unbounded_channel();
        tasks.spawn_local(worker(shared).work(actions));
        workers.push(sender);
    }

    let routes: Vec<RouteName> = routes.iter().map(|(_, route)| name_of(route)).collect();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let lane = Lane::new(LaneSetup {
        receipts,
        follows: name.lane > 1,
        routes: routes.clone(),
        limits,
        started_unix_ms: since_epoch.as_millis() as u64,
        seed: fastrand::u64(..),
    });
    let performers = Performers {
        readers,
        workers,
        transport,
        next,
        log: LaneLog::new(name.clone(), channel, routes),
    };
    let handle = LaneHandle {
        name,
        lane: inputs_sender,
    };
    Ok(StartedLane {
        lane,
        inputs,
        performers,
        handle,
    })
}

/// The streams that the sidecar reads, each once, with the groups that it and the configuration know.
fn streams_to_maintain(config: &Config, connections: &mut Connections) -> anyhow::Result<Vec<MaintainedStream>> {
    let mut streams: BTreeMap<(DatabaseAddress, &str), MaintainedStream> = BTreeMap::new();
    for route in config.routes.values() {
        let key = (config.services[&route.from].address(), route.stream.as_str());
        let one = match streams.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(MaintainedStream {
                connection: connections.to(config, &route.from)?,
                service: route.from.clone(),
                stream: route.stream.clone(),
                required_groups: config.required_groups(route),
                groups: Vec::new(),
            }),
        };
        one.required_groups.push(route.group.clone());
        let own_consumers = config.lanes(&route.to).map(|lane| config.consumer(&lane));
        one.groups.push((route.group.clone(), own_consumers.collect()));
    }
    Ok(streams.into_values().collect())
}

/// The locks on the instance's name, in each database that is consumed from.
fn locks(config: &Config, connections: &mut Connections) -> anyhow::Result<Vec<Lock>> {
    let mut from: Vec<(&str, u32, &str)> = config
        .routes
        .values()
        .map(|route| {
            let service = &config.services[&route.from];
            (service.redis_url.as_str(), service.database, route.from.as_str())
        })
        .collect();
    from.sort_unstable();
    from.dedup_by_key(|(url, database, _)| (*url, *database));
    let token = token();
    from.into_iter()
        .map(|(_, _, service)| {
            let connection = connections.to(config, service)?;
            Ok(Lock::new(
                connection,
                &config.instance,
                token.clone(),
                config.limits.lock_ms,
            ))
        })
        .collect()
}

async fn acquire(locks: &[Lock]) -> anyhow::Result<()> {
    for lock in locks {
        lock.acquire().await?;
    }
    Ok(())
}

/// Identifies this process, for people too.
fn token() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown host",
        host => host,
    };
    let random = fastrand::u64(..);
    format!("process {} on {host} ({random:016x})", std::process::id())
}
