//! Server-sent events: what happens, as it happens.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use spin_sdk::time;

use crate::redis::StorageError;
use crate::web::watchers::Place;

const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The pause between two looks for something new, first and right after something happened: mostly more follows soon.
const LOOK_MS_MIN: u64 = 100;
/// The pause between two looks, once nothing has happened for some seconds.
const LOOK_MS_MAX: u64 = 1_000;
/// How long a stream may be silent; a client that went away is noticed by then. Below the minute after which nginx ends a
/// stream.
const SILENCE_MS_MAX: u64 = 5_000;
/// The pause that clients are asked to make before they connect again.
const RECONNECT_MS: u64 = 1_000;
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

/// An answer that goes on until a look says that it has ended, the data are damaged, the client goes away, or
/// [`STREAM_MS_MAX`] has passed. `look` gets the id of the last event that the client has seen.
///
/// While Redis is away the stream stays, since a browser's `EventSource` gives up for ever where it is answered with an
/// error as it comes back.
pub fn stream<F>(place: Place, seen: u64, look: impl FnMut(u64) -> F + Send + 'static) -> Response
where
    F: Future<Output = Result<Look, StorageError>> + Send + 'static,
{
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx collects an answer otherwise, until it is some kilobytes or ends.
        (BUFFERING, HeaderValue::from_static("no")),
    ];
    let watch = Watch {
        look,
        place,
        seen,
        ended: false,
        began: Instant::now(),
        pause_ms: None,
    };
    let body = stream::unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), watch))
    });
    (StatusCode::OK, headers, Body::from_stream(body)).into_response()
}

struct Watch<L> {
    look: L,
    place: Place,
    seen: u64,
    ended: bool,
    began: Instant,
    /// Before the next look; `None` before the first piece.
    pause_ms: Option<u64>,
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
        let Some(mut pause_ms) = self.pause_ms else {
            self.pause_ms = Some(LOOK_MS_MIN);
            return Some(format!("retry: {RECONNECT_MS}\n\n"));
        };
        let silent_since = Instant::now();
        loop {
            match (self.look)(self.seen).await {
                Ok(Look { events, ended }) => {
                    self.ended = ended;
                    if let Some(last) = events.last() {
                        if ended {
                            self.place.leave().await;
                        }
                        self.seen = last.id;
                        self.pause_ms = Some(LOOK_MS_MIN);
                        let pieces = events
                            .iter()
                            .map(|event| format!("id: {}\ndata: {}\n\n", event.id, event.data));
                        return Some(pieces.collect());
                    }
                }
                Err(StorageError::Unavailable(_) | StorageError::Full(_)) => pause_ms = LOOK_MS_MAX,
                Err(_) => return None,
            }
            if self.ended {
                self.place.leave().await;
                return None;
            }
            self.place.extend().await;
            if self.began.elapsed() > Duration::from_millis(STREAM_MS_MAX) {
                return None;
            }
            if silent_since.elapsed() > Duration::from_millis(SILENCE_MS_MAX) {
                self.pause_ms = Some(pause_ms);
                return Some(":\n\n".to_owned());
            }
            time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms + pause_ms / 4).min(LOOK_MS_MAX);
        }
    }
}
