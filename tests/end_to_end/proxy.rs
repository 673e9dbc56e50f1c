//! A proxy that can cut connections, leave them half open, or lead new ones elsewhere.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens for as long as the tests run.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    target: Arc<AtomicU16>,
    connections: Arc<Mutex<Vec<Passage>>>,
}

/// One connection: its two ends, and whether its data is lost.
struct Passage {
    ends: [TcpStream; 2],
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy before the server on this port of this machine.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(target));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (leads_to, open) = (target.clone(), connections.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                // Where nobody listens, the client finds its connection closed.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", leads_to.load(Ordering::Relaxed)))
                    && let Some(passage) = Passage::open(client, server)
                {
                    open.lock().unwrap().push(passage);
                }
            }
        });
        Self {
            port,
            target,
            connections,
        }
    }

    /// Closes all connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        for passage in self.connections.lock().unwrap().drain(..) {
            passage.close();
        }
    }

    /// Stops all data on the present connections, which stay open.
    pub(crate) fn silence(&self) {
        for passage in self.connections.lock().unwrap().iter() {
            passage.silent.store(true, Ordering::Relaxed);
        }
    }

    /// Leads new connections to the server on another port; present ones stay.
    #[allow(dead_code, reason = "not all who include this file need it")]
    pub(crate) fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Passage {
    fn open(client: TcpStream, server: TcpStream) -> Option<Self> {
        let silent = Arc::new(AtomicBool::new(false));
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.set_nodelay(true).ok()?;
            let (from, to, silent) = (from.try_clone().ok()?, to.try_clone().ok()?, silent.clone());
            thread::spawn(move || pass_on(from, to, &silent));
        }
        Some(Self {
            ends: [client, server],
            silent,
        })
    }

    fn close(&self) {
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, silent: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !silent.load(Ordering::Relaxed) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other end of a silent connection hears nothing of this either.
    if !silent.load(Ordering::Relaxed) {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
