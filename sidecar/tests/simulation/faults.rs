//! What goes wrong in a simulation, drawn from its seed.

use fastrand::Rng;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The sidecar is killed, and started again after so many microseconds.
    CrashNode(usize, i64),
    /// The sidecar is stopped for so long, and goes on.
    PauseNode(usize, i64),
    /// The runtime is killed, and started again after so long.
    CrashRuntime(usize, i64),
    /// The runtime handles nothing for so long.
    Hang(usize, i64),
    /// The component reports itself unavailable for so long.
    Unavailable(usize, i64),
    /// The subscription to receipts is interrupted for so long.
    InterruptReceipts(usize, i64),
    /// Redis is away for so long; runtimes lose their connections and are started again.
    RedisAway(i64),
    /// Each command fails with this probability in percent, executed or not, for so long.
    Flaky(u8, i64),
    /// One entry that may be deleted is.
    Delete,
}

pub(crate) const NODES: usize = 2;
/// Faults begin within this time, in microseconds.
const TROUBLE: i64 = 2_500_000;

/// The faults of a simulation, each with its time.
pub(crate) fn draw(rng: &mut Rng) -> Vec<(i64, Fault)> {
    let mut faults = Vec::new();
    let mut hangs = 0;
    for _ in 0..rng.usize(0..10) {
        let at = rng.i64(10_000..TROUBLE);
        let node = rng.usize(0..NODES);
        let short = rng.i64(0..400_000);
        let long = rng.i64(0..7_000_000);
        let fault = match rng.u8(0..10) {
            0 | 1 => Fault::CrashNode(node, short),
            2 => Fault::PauseNode(node, long),
            3 | 4 => Fault::CrashRuntime(node, short),
            // Twice on the same entry, beside poison, could rightly use up the attempts of a good one.
            5 if hangs == 0 => {
                hangs += 1;
                Fault::Hang(node, long / 3)
            }
            5 | 6 => Fault::Unavailable(node, long / 2),
            7 => Fault::InterruptReceipts(node, short),
            8 => Fault::RedisAway(short * 4),
            _ if rng.bool() => Fault::Flaky(rng.u8(1..40), long / 2),
            _ => Fault::Delete,
        };
        faults.push((at, fault));
    }
    faults
}
