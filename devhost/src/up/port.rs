//! Ports on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};

/// A free port on the loopback interface: the preferred one if possible.
pub(crate) fn free_port(preferred: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Fails if something listens on the address.
pub(crate) fn ensure_free(address: SocketAddr) -> Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| {
        format!("cannot serve HTTP on {address}; stop what listens there, or choose another address with --listen")
    })
}
