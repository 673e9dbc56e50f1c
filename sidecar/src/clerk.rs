//! A route's clerk: does what its lane wants done to the stream, one thing after the other.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::sync::mpsc;

use crate::claim;
use crate::complaint::Complaint;
use crate::config::Limits;
use crate::dead_letter;
use crate::decide::backoff_ms;
use crate::driver::Input;
use crate::entry::{Arrived, EntryId};
use crate::groups::{self, Place};
use crate::lane::{ClaimFrom, Event, RouteIndex, Settlement};
use crate::link::{Fault, Link, fault};
use crate::read;
use crate::settle;

/// What a clerk can do; see [`crate::lane::Action`].
pub enum Errand {
    /// Create the group.
    Prepare,
    /// Look up what is pending on our own name.
    LookUpOwn {
        /// Only behind this one.
        after: Option<EntryId>,
        /// At most so many.
        count: usize,
    },
    /// Look up what is due.
    LookUpDue {
        /// At most so many.
        count: usize,
    },
    /// Take entries over.
    Claim {
        /// Which.
        ids: Vec<EntryId>,
        /// From whom.
        from: ClaimFrom,
    },
    /// Renew leases.
    Renew {
        /// Which.
        ids: Vec<EntryId>,
    },
    /// Write down what became of entries.
    Settle {
        /// To be repeated in the answer.
        ticket: u64,
        /// What became of them.
        settlement: Settlement,
    },
}

/// One route, as its reader and its clerk see it.
#[derive(Clone)]
pub struct Desk {
    /// The route's index in its lane.
    pub route: RouteIndex,
    /// Its stream, group and consumer.
    pub place: Place,
    /// The limits.
    pub limits: Limits,
    /// Where reports go.
    pub lane: mpsc::Sender<Input>,
}

impl Desk {
    /// The lane is gone only while everything stops.
    async fn report(&self, event: Event) {
        let _ = self.lane.send(Input::Event(event)).await;
    }

    fn complaint(&self, link: &Link) -> Complaint {
        let Place { stream, group, .. } = &self.place;
        Complaint::new(format!("{stream} for {group} at {}", link.address()))
    }
}

/// What a lane wants read.
pub struct Reading {
    /// At most so many entries.
    pub count: usize,
    /// Whether to wait a while for an entry if there is none.
    pub wait: bool,
}

async fn read_entries(desk: &Desk, link: &Link, reading: Reading) -> RedisResult<Vec<Arrived>> {
    let Desk { place, limits, .. } = desk;
    let entries = read::read(link, place, reading.count, limits).await?;
    if entries.is_empty() && reading.wait {
        return read::wait(link, place, limits).await;
    }
    Ok(entries)
}

/// Performs a route's reads on a link of its own, until its lane is gone.
pub async fn read_for(desk: Desk, link: Link, mut wanted: mpsc::UnboundedReceiver<Reading>) {
    let route = desk.route;
    let mut complaint = desk.complaint(&link);
    while let Some(reading) = wanted.recv().await {
        match read_entries(&desk, &link, reading).await {
            Ok(entries) => {
                complaint.works();
                desk.report(Event::Read { route, entries }).await;
            }
            Err(err) => {
                complaint.happened(&err);
                let group_missing = fault(&err) == Fault::GroupMissing;
                desk.report(Event::ReadFailed { route, group_missing }).await;
            }
        }
    }
}

/// Performs a route's errands, until its lane is gone.
pub async fn serve(desk: Desk, link: Arc<Link>, mut errands: mpsc::UnboundedReceiver<Errand>) {
    let mut complaint = desk.complaint(&link);
    while let Some(errand) = errands.recv().await {
        let event = match errand {
            Errand::Settle { ticket, settlement } => {
                let refused = !write_down(&desk, &link, settlement, &mut complaint).await;
                Event::Settled {
                    route: desk.route,
                    ticket,
                    refused,
                }
            }
            Errand::Renew { ids } => match claim::renew(&link, &desk.place, &ids).await {
                Ok(lost) => Event::Renewed {
                    route: desk.route,
                    lost,
                },
                Err(err) => {
                    complaint.happened(&err);
                    Event::RenewFailed { route: desk.route }
                }
            },
            errand => match run(&desk, &link, errand).await {
                Ok(event) => {
                    complaint.works();
                    event
                }
                Err(err) => {
                    complaint.happened(&err);
                    let group_missing = fault(&err) == Fault::GroupMissing;
                    Event::ErrandFailed {
                        route: desk.route,
                        group_missing,
                    }
                }
            },
        };
        desk.report(event).await;
    }
}

async fn run(desk: &Desk, link: &Link, errand: Errand) -> Result<Event, RedisError> {
    let Desk {
        route, place, limits, ..
    } = desk;
    let route = *route;
    Ok(match errand {
        Errand::Prepare => Event::Prepared {
            route,
            created: groups::prepare(link, place).await?,
        },
        Errand::LookUpOwn { after, count } => Event::Own {
            route,
            ids: claim::look_up_own(link, place, after, count).await?,
        },
        Errand::LookUpDue { count } => Event::Due {
            route,
            entries: claim::look_up_due(link, place, limits.lease_ms, count).await?,
        },
        Errand::Claim { ids, from } => Event::Claimed {
            route,
            entries: claim::claim(link, place, &ids, from, limits).await?,
        },
        Errand::Renew { .. } | Errand::Settle { .. } => Event::Tick,
    })
}

/// Writes a settlement down, however long Redis is away: all of it may be repeated. What Redis refuses is left; its
/// lease ends, and it is delivered again. Says whether Redis took it, or has lost what it is about.
async fn write_down(desk: &Desk, link: &Link, settlement: Settlement, complaint: &mut Complaint) -> bool {
    let mut failures = 0;
    loop {
        let result = async {
            settle::acknowledge(link, &desk.place, &settlement.done).await?;
            settle::park(link, &desk.place, &settlement.parked, desk.limits.lease_ms).await?;
            dead_letter::bury(link, &desk.place, &settlement.dead).await
        };
        match result.await {
            Ok(()) => {
                complaint.works();
                return true;
            }
            Err(err) => {
                complaint.happened(&err);
                match fault(&err) {
                    Fault::Away => {}
                    Fault::GroupMissing => return true,
                    Fault::Refused => return false,
                }
            }
        }
        failures += 1;
        let wait = backoff_ms(failures, 50, desk.limits.reconnect_ms_max, fastrand::f64());
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}
