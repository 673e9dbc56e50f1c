//! Ports for the processes of a test. The sidecar's tests include this file too.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the system takes ports for outgoing connections: between here and the start of a server,
/// one of those could take a port of theirs.
const FIRST: u16 = 12_000;
const LAST: u16 = 32_000;

/// A port that is free, and that no other test of this process is given.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes of tests that run at the same time begin at different places.
    let _ = NEXT.compare_exchange(0, fastrand::u16(FIRST..LAST), Ordering::Relaxed, Ordering::Relaxed);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port >= LAST {
            let _ = NEXT.compare_exchange(port + 1, FIRST, Ordering::Relaxed, Ordering::Relaxed);
        } else if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
