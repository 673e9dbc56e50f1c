//! Puts a sidecar together and runs it: locks, lanes, the listener, and the stop.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use futures_util::future::{FutureExt, join_all, select_all};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::admin::{self, LaneHandle, Subjects};
use crate::clerk::{Desk, read_for, serve};
use crate::config::{Config, LaneName, Route, Transport};
use crate::deliver::{Channels, publish_for};
use crate::driver::{Input, Outputs, drive};
use crate::groups::Place;
use crate::lane::{Lane, LaneSetup};
use crate::link::{self, Link};
use crate::lock::Lock;
use crate::maintenance::{MaintainedStream, TrimStatuses, maintain};
use crate::notices::Notices;
use crate::post::{Endpoint, post_for};
use crate::read::block_ms;
use crate::receipts::listen_for;

/// Events that may wait for a lane; those who report wait when there are more.
const INPUTS_MAX: usize = 1_024;

/// Runs a sidecar until `shutdown`, then drains it. `listening` learns the address of the HTTP listener, if there is
/// one. Must be called within a [`tokio::task::LocalSet`]: everything shares one thread.
///
/// # Errors
///
/// The sidecar cannot start: the address is taken, another sidecar has the instance's name, a Redis URL is of no use.
/// Or, later, another sidecar has taken the name.
pub async fn run(
    config: Config,
    listening: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut links = Links::default();
    let mut tasks = JoinSet::new();
    let (stop, stopping) = watch::channel(false);
    let trim_statuses = Arc::new(TrimStatuses::default());

    let mut lanes = Vec::new();
    let mut handles = Vec::new();
    for service in services_with_routes(&config) {
        let mut next = None;
        let first = handles.len();
        // Each lane knows the one behind it.
        for name in config.lanes(&service).rev() {
            let (lane, handle) = start_lane(&config, name, next, &mut links, &mut tasks)?;
            next = Some(handle.lane.clone());
            lanes.push(lane);
            handles.insert(first, handle);
        }
    }
    if !config.admin.listen.is_empty() {
        let listener = TcpListener::bind(&config.admin.listen)
            .await
            .with_context(|| format!("admin.listen: cannot listen on {}", config.admin.listen))?;
        let address = listener.local_addr()?;
        tracing::info!("listening on http://{address}: /healthz, /readyz, /lanes, /lanes/<service>, /metrics");
        listening(address);
        let groups = config.routes.values().map(|route| {
            let link = links.to(&config, &route.from)?;
            anyhow::Ok((link, route.stream.clone(), route.group.clone()))
        });
        let subjects = Subjects {
            lanes: handles,
            groups: groups.collect::<Result<_, _>>()?,
            trim_statuses: trim_statuses.clone(),
        };
        tasks.spawn_local(admin::serve(listener, subjects));
    }

    let mut shutdown = std::pin::pin!(shutdown);
    let locks = locks(&config, &mut links)?;
    let acquired = async {
        for lock in &locks {
            lock.acquire().await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        acquired = acquired => acquired?,
        () = &mut shutdown => return Ok(()),
    }

    if config.limits.trim_ms > 0 {
        let streams = streams_to_maintain(&config, &mut links)?;
        tasks.spawn_local(maintain(streams, config.limits, trim_statuses));
    }
    let grace = Duration::from_millis(config.limits.grace_ms);
    let mut driving = JoinSet::new();
    for (lane, inputs, outputs) in lanes {
        let mut stopping = stopping.clone();
        driving.spawn_local(drive(lane, inputs, outputs, grace, async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stopping.wait_for(|stop| *stop).await;
        }));
    }
    let stolen = select_all(locks.iter().map(|lock| lock.keep().boxed_local()));
    let result = tokio::select! {
        () = &mut shutdown => {
            tracing::info!("stopping: waiting for what is in flight");
            Ok(())
        }
        (err, _, _) = stolen => Err(err),
        // None of them ends by itself: half a sidecar would be silent and look well.
        Some(ended) = tasks.join_next() => Err(ended_early(ended)),
        Some(ended) = driving.join_next() => Err(ended_early(ended)),
    };
    if result.is_ok() {
        let _ = stop.send(true);
        // The name stays ours while entries are in our hands.
        let renewing = join_all(locks.iter().map(Lock::keep));
        tokio::select! {
            () = async { while driving.join_next().await.is_some() {} } => {}
            _ = renewing => {}
        }
        join_all(locks.iter().map(Lock::release)).await;
        tracing::info!("stopped");
    }
    result
}

fn ended_early(ended: Result<(), JoinError>) -> anyhow::Error {
    match ended {
        Ok(()) => anyhow::anyhow!("a part of the sidecar has ended: stopping the rest"),
        Err(err) => anyhow::anyhow!("a part of the sidecar has failed: {err}: stopping the rest"),
    }
}

/// The services that something is delivered to.
fn services_with_routes(config: &Config) -> Vec<String> {
    let mut services: Vec<String> = config.routes.values().map(|route| route.to.clone()).collect();
    services.sort();
    services.dedup();
    services
}

/// One link per database, shared by all but the blocking readers.
#[derive(Default)]
struct Links(BTreeMap<(String, u32), Arc<Link>>);

impl Links {
    fn to(&mut self, config: &Config, service: &str) -> anyhow::Result<Arc<Link>> {
        let settings = &config.services[service];
        let key = (settings.redis_url.clone(), settings.database);
        if let Some(link) = self.0.get(&key) {
            return Ok(link.clone());
        }
        let timeout = Duration::from_millis(config.limits.redis_ms);
        let link = Arc::new(Link::new(settings, timeout).with_context(|| unusable(service))?);
        self.0.insert(key, link.clone());
        Ok(link)
    }
}

fn unusable(service: &str) -> String {
    format!("services.{service}.redis_url cannot be used")
}

type Startable = (Lane, mpsc::Receiver<Input>, Outputs);

/// Starts the tasks that talk to Redis for one lane; the lane itself is driven once the locks are held.
fn start_lane(
    config: &Config,
    name: LaneName,
    next: Option<mpsc::Sender<Input>>,
    links: &mut Links,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<(Startable, LaneHandle)> {
    let service = name.service.as_str();
    let limits = config.limits;
    let settings = &config.services[service];
    let (channel, receipts) = match settings.deliver {
        Transport::Redis => (config.channel(&name), config.receipts(&name)),
        // The response is the receipt.
        Transport::Http => (settings.delivery_url.clone().unwrap_or_default(), String::new()),
    };
    let (lane_inputs, inputs) = mpsc::channel(INPUTS_MAX);
    let routes: Vec<(&String, &Route)> = config.routes.iter().filter(|(_, route)| route.to == service).collect();
    let mut readers = Vec::new();
    let mut clerks = Vec::new();
    for (index, (route_name, route)) in routes.iter().enumerate() {
        let desk = Desk {
            route: index,
            place: Place {
                stream: route.stream.clone(),
                group: route.group.clone(),
                consumer: config.consumer(&name),
            },
            limits,
            lane: lane_inputs.clone(),
        };
        let source = &config.services[&route.from];
        let timeout = Duration::from_millis(limits.redis_ms + block_ms(&limits));
        let own_link = Link::new(source, timeout).with_context(|| unusable(&route.from))?;
        let link = links.to(config, &route.from)?;
        tracing::info!(
            "route {route_name}: {} at {} for {} -> {name} ({})",
            route.stream,
            link.address(),
            route.group,
            match settings.deliver {
                Transport::Redis => format!("{channel} at {}", link::address(settings)),
                Transport::Http => channel.clone(),
            }
        );
        let (reader, wanted) = mpsc::unbounded_channel();
        tasks.spawn_local(read_for(desk.clone(), own_link, wanted));
        readers.push(reader);
        let (clerk, errands) = mpsc::unbounded_channel();
        tasks.spawn_local(serve(desk, link, errands));
        clerks.push(clerk);
    }
    let (publisher, outgoing) = mpsc::unbounded_channel();
    match settings.deliver {
        Transport::Redis => {
            let link = links.to(config, service)?;
            let resubscribe = Arc::new(Notify::new());
            let channels = Channels {
                deliveries: channel.clone(),
                receipts: receipts.clone(),
                resubscribe: resubscribe.clone(),
            };
            let client = link::client(settings).with_context(|| unusable(service))?;
            let address = link.address().to_owned();
            let (events, receipts) = (lane_inputs.clone(), receipts.clone());
            tasks.spawn_local(publish_for(channels, link, outgoing, lane_inputs.clone()));
            tasks.spawn_local(listen_for(receipts, address, client, limits, events, resubscribe));
        }
        Transport::Http => {
            let endpoint = Endpoint::new(settings, limits.answer_ms)
                .with_context(|| format!("services.{service}.delivery_url cannot be used"))?;
            tasks.spawn_local(post_for(endpoint, outgoing, lane_inputs.clone()));
        }
    }

    let places: Vec<(String, String)> = routes
        .iter()
        .map(|(_, route)| (route.stream.clone(), route.group.clone()))
        .collect();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let lane = Lane::new(LaneSetup {
        receipts,
        follows: name.lane > 1,
        routes: places.clone(),
        limits,
        started_unix_ms: since_epoch.as_millis() as u64,
        seed: fastrand::u64(..),
    });
    let outputs = Outputs {
        readers,
        clerks,
        publisher,
        next,
        notices: Notices::new(name.clone(), channel, places),
    };
    let handle = LaneHandle {
        name,
        lane: lane_inputs,
    };
    Ok(((lane, inputs, outputs), handle))
}

/// The streams that the sidecar reads, each once, with the groups that it and the configuration know.
fn streams_to_maintain(config: &Config, links: &mut Links) -> anyhow::Result<Vec<MaintainedStream>> {
    let mut streams: BTreeMap<(&str, u32, &str), MaintainedStream> = BTreeMap::new();
    for route in config.routes.values() {
        let service = &config.services[&route.from];
        let key = (service.redis_url.as_str(), service.database, route.stream.as_str());
        let one = match streams.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let settings = config
                    .streams
                    .get(&route.stream)
                    .filter(|stream| stream.from == route.from);
                entry.insert(MaintainedStream {
                    link: links.to(config, &route.from)?,
                    stream: route.stream.clone(),
                    required_groups: settings
                        .map(|stream| stream.required_groups.clone())
                        .unwrap_or_default(),
                    groups: Vec::new(),
                })
            }
        };
        one.required_groups.push(route.group.clone());
        let own_consumers = config.lanes(&route.to).map(|lane| config.consumer(&lane));
        one.groups.push((route.group.clone(), own_consumers.collect()));
    }
    Ok(streams.into_values().collect())
}

/// The locks on the instance's name, in each database that is consumed from.
fn locks(config: &Config, links: &mut Links) -> anyhow::Result<Vec<Lock>> {
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
            let link = links.to(config, service)?;
            Ok(Lock::new(link, &config.instance, token.clone(), config.limits.lock_ms))
        })
        .collect()
}

/// Tells this process from every other, and people which one it is.
fn token() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown host",
        host => host,
    };
    let random = fastrand::u64(..);
    format!("process {} on {host} ({random:016x})", std::process::id())
}
