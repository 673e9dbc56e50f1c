//! A proxy before Redis, to cut connections or to leave them half open.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All connections are closed; new ones are taken.
    Cut(u32),
    /// Nothing passes any more on the connections that there are, and they stay open.
    Silent(u32),
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<watch::Sender<State>>,
}

impl Proxy {
    pub(crate) async fn start(redis: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::channel(State::Open).0);
        let changes = state.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut changed = changes.subscribe();
                changed.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", redis)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = changed.changed() => {
                            if matches!(*changed.borrow(), State::Silent(_)) {
                                std::future::pending::<()>().await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, state }
    }

    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| *state = State::Cut(next(*state)));
    }

    pub(crate) fn silence(&self) {
        self.state.send_modify(|state| *state = State::Silent(next(*state)));
    }
}

fn next(state: State) -> u32 {
    match state {
        State::Open => 1,
        State::Cut(count) | State::Silent(count) => count + 1,
    }
}
