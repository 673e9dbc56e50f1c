//! Server-sent events: what happens, as it happens.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use spin_sdk::time;

use crate::redis::StorageError;

/// The pause between two looks for something new.
const LOOK_MS: u64 = 100;
/// How long a stream may be silent; a client that went away is noticed by then.
const SILENCE_MS_MAX: u64 = 5_000;
/// How long a stream may last; a client connects again by itself, and says what it has seen.
const STREAM_MS_MAX: u64 = 300_000;

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// Rises with every event.
    pub id: u64,
    /// One line of text.
    pub data: String,
}

/// What a look has found.
#[derive(Debug)]
pub struct Look {
    /// What happened since the last one.
    pub events: Vec<Event>,
    /// Whether nothing will happen any more.
    pub ended: bool,
}

/// An answer that goes on until a look says that it has ended, a look fails, the client goes away, or
/// [`STREAM_MS_MAX`] has passed. `look` gets the id of the last event that the client has seen.
pub fn stream<F>(seen: u64, look: impl FnMut(u64) -> F + Send + 'static) -> Response
where
    F: Future<Output = Result<Look, StorageError>> + Send + 'static,
{
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let watch = Watch {
        look,
        seen,
        ended: false,
        began: Instant::now(),
    };
    let body = stream::unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), watch))
    });
    (StatusCode::OK, headers, Body::from_stream(body)).into_response()
}

struct Watch<L> {
    look: L,
    seen: u64,
    ended: bool,
    began: Instant,
}

impl<F, L> Watch<L>
where
    F: Future<Output = Result<Look, StorageError>>,
    L: FnMut(u64) -> F,
{
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let silent_since = Instant::now();
        loop {
            let Look { events, ended } = (self.look)(self.seen).await.ok()?;
            self.ended = ended;
            if let Some(last) = events.last() {
                self.seen = last.id;
                let pieces = events
                    .iter()
                    .map(|event| format!("id: {}\ndata: {}\n\n", event.id, event.data));
                return Some(pieces.collect());
            }
            if ended || self.began.elapsed() > Duration::from_millis(STREAM_MS_MAX) {
                return None;
            }
            if silent_since.elapsed() > Duration::from_millis(SILENCE_MS_MAX) {
                return Some(":\n\n".to_owned());
            }
            time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
}
