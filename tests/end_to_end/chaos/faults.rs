//! Faults and their times, drawn from a seed.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::fleet::{Durability, Fleet, NODES};

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillRuntime(usize),
    KillSidecar(usize),
    /// The sidecar is asked to stop, and started again.
    RestartSidecar(usize),
    /// SIGKILL where Redis writes everything to disk before it answers, else an orderly stop; started again later.
    StopRedis,
    /// SIGSTOP and later SIGCONT.
    FreezeRuntime(usize),
    FreezeSidecar(usize),
    FreezeRedis,
    /// Redis answers nobody for a while.
    PauseRedis,
    /// Redis refuses writes for lack of memory.
    FillRedis,
    /// Redis forgets the scripts.
    ForgetScripts,
    /// All connections are closed.
    CutRuntime(usize),
    CutSidecar(usize),
    /// Data sent on the existing connections is lost.
    SilenceRuntime(usize),
    SilenceSidecar(usize),
    /// The end of a lasting fault.
    ThawRuntime(usize),
    ThawSidecar(usize),
    ThawRedis,
    StartRedis,
    EmptyRedis,
}

/// The faults of a round, each with its time.
pub(super) struct Agenda {
    pub(super) durability: Durability,
    faults: Vec<(Duration, Fault)>,
}

impl Agenda {
    pub(super) fn draw(seed: u64, duration: Duration) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let durability = if rng.bool() {
            Durability::Always
        } else {
            Durability::EverySecond
        };
        let mut faults = Vec::new();
        let mut at = 500;
        while at < duration.as_millis() as u64 {
            let node = rng.usize(..NODES.len());
            // Mostly short, now and then longer than leases and deadlines.
            let lasts = match rng.u8(..6) {
                0 => rng.u64(3_000..8_000),
                _ => rng.u64(50..2_500),
            };
            let (fault, end) = match rng.u8(..20) {
                0 | 1 => (Fault::KillRuntime(node), None),
                2 | 3 => (Fault::KillSidecar(node), None),
                4 => (Fault::RestartSidecar(node), None),
                5 | 6 => {
                    let away_ms = rng.u64(0..1_500);
                    (Fault::StopRedis, Some((away_ms, Fault::StartRedis)))
                }
                7 | 8 => (Fault::FreezeRuntime(node), Some((lasts, Fault::ThawRuntime(node)))),
                9..12 => (Fault::FreezeSidecar(node), Some((lasts, Fault::ThawSidecar(node)))),
                12 => (Fault::FreezeRedis, Some((lasts / 2, Fault::ThawRedis))),
                13 => (Fault::PauseRedis, None),
                14 => (Fault::FillRedis, Some((lasts, Fault::EmptyRedis))),
                15 => (Fault::ForgetScripts, None),
                16 => (Fault::CutRuntime(node), None),
                17 => (Fault::CutSidecar(node), None),
                18 => (Fault::SilenceRuntime(node), None),
                _ => (Fault::SilenceSidecar(node), None),
            };
            faults.push((Duration::from_millis(at), fault));
            faults.extend(end.map(|(after, end)| (Duration::from_millis(at + after), end)));
            at += rng.u64(100..2_200);
        }
        faults.sort_by_key(|(at, _)| *at);
        Self { durability, faults }
    }

    /// Performs the faults that are due at this time since the beginning of the round.
    pub(super) fn act(&mut self, fleet: &mut Fleet, now: Duration) {
        while let Some((at, fault)) = self.faults.first().copied()
            && at <= now
        {
            self.faults.remove(0);
            fleet.note(&format!("{fault:?}"));
            apply(fleet, fault);
        }
    }

    /// Ends all lasting faults.
    pub(super) fn heal(&mut self, fleet: &mut Fleet) {
        fleet.note("the end of the faults");
        self.faults.clear();
        for end in [Fault::StartRedis, Fault::ThawRedis, Fault::EmptyRedis] {
            apply(fleet, end);
        }
        for node in 0..NODES.len() {
            apply(fleet, Fault::ThawRuntime(node));
            apply(fleet, Fault::ThawSidecar(node));
        }
    }
}

fn apply(fleet: &mut Fleet, fault: Fault) {
    match fault {
        Fault::KillRuntime(node) => fleet.nodes[node].signal_runtime(Signal::SIGKILL),
        Fault::KillSidecar(node) => fleet.nodes[node].signal_sidecar(Signal::SIGKILL),
        Fault::RestartSidecar(node) => fleet.nodes[node].signal_sidecar(Signal::SIGTERM),
        Fault::StopRedis => fleet.stop_redis(),
        Fault::StartRedis => fleet.start_redis(),
        Fault::FreezeRuntime(node) => fleet.nodes[node].signal_runtime(Signal::SIGSTOP),
        Fault::ThawRuntime(node) => fleet.nodes[node].signal_runtime(Signal::SIGCONT),
        Fault::FreezeSidecar(node) => fleet.nodes[node].signal_sidecar(Signal::SIGSTOP),
        Fault::ThawSidecar(node) => fleet.nodes[node].signal_sidecar(Signal::SIGCONT),
        Fault::FreezeRedis => fleet.signal_redis(Signal::SIGSTOP),
        Fault::ThawRedis => fleet.signal_redis(Signal::SIGCONT),
        Fault::PauseRedis => fleet.tell_redis(&["CLIENT", "PAUSE", "1500", "ALL"]),
        // Less memory than Redis needs for itself.
        Fault::FillRedis => fleet.tell_redis(&["CONFIG", "SET", "maxmemory", "1"]),
        Fault::EmptyRedis => fleet.tell_redis(&["CONFIG", "SET", "maxmemory", "0"]),
        Fault::ForgetScripts => fleet.tell_redis(&["SCRIPT", "FLUSH"]),
        Fault::CutRuntime(node) => fleet.nodes[node].runtime_proxy.cut(),
        Fault::CutSidecar(node) => {
            fleet.nodes[node].sidecar_proxy.cut();
            fleet.nodes[node].delivery_proxy.cut();
        }
        Fault::SilenceRuntime(node) => fleet.nodes[node].runtime_proxy.silence(),
        Fault::SilenceSidecar(node) => {
            fleet.nodes[node].sidecar_proxy.silence();
            fleet.nodes[node].delivery_proxy.silence();
        }
    }
}
