//! Requests as they come from the host.
//!
//! A call of the host costs microseconds, since Spin traces each. So a request is asked for its method, its path and its
//! headers, and for nothing else: the SDK's own conversion makes a dozen calls, which took a seventh of a cheap request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use bytes::Bytes;
use futures::future::{Either, select};
use percent_encoding::percent_decode_str;
use spin_sdk::time;
use spin_sdk::wasip3::http::types::{self, ErrorCode};
use spin_sdk::wasip3::wit_future;
use spin_sdk::wit_bindgen::StreamResult;

use crate::web::problem::{BODY_INCOMPLETE, BODY_TOO_LARGE, BODY_TOO_SLOW, Problem, UNKNOWN_ROUTE};
use crate::web::response::Turn;

/// The largest request body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// A larger body is read up to here before it is refused: a client that is still sending when the connection closes
/// does not see the answer.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Room for what is read of a body at a time: who announces more than that has not sent it yet.
const READ_BYTES: usize = 64 * 1024;

/// The time that a client has to send its body.
const BODY_DEADLINE_MS: u64 = 10_000;

/// A request whose body is not read yet.
pub struct Request {
    pub(crate) head: Parts,
    body: types::Request,
}

impl Request {
    /// The request that the host hands over.
    ///
    /// # Errors
    /// When its method, its path or a header is none that HTTP knows.
    pub fn new(request: types::Request) -> Result<Self, ErrorCode> {
        let method = Method::try_from(request.get_method()).map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
        let mut uri = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
        // A target like http://host?query has no path of its own.
        if uri.starts_with('?') {
            uri.insert(0, '/');
        }
        let uri = Uri::try_from(uri).map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
        let (mut head, ()) = axum::http::Request::new(()).into_parts();
        head.method = method;
        head.uri = uri;
        for (name, value) in request.get_headers().copy_all() {
            let illegal = || ErrorCode::HttpProtocolError;
            let value = HeaderValue::try_from(value).map_err(|_| illegal())?;
            let name = HeaderName::try_from(name).map_err(|_| illegal())?;
            head.headers.append(name, value);
        }
        Ok(Self { head, body: request })
    }

    /// Its path, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The host that was asked, with its port: `Host`, which the host of the component keeps for itself.
    pub(crate) fn host(&self) -> Option<String> {
        self.body.get_authority()
    }

    /// The request with its body read whole, within so many bytes and [`BODY_DEADLINE_MS`]. While its client keeps it
    /// waiting, its instance serves others.
    pub(crate) async fn read(self, bytes_max: usize, turn: &mut Turn) -> Result<axum::http::Request<Bytes>, Problem> {
        let Self { head, body } = self;
        // The router would answer this in words of its own.
        if percent_decode_str(head.uri.path()).decode_utf8().is_err() {
            return Err(UNKNOWN_ROUTE.with("the path is not UTF-8 once its percent signs are decoded"));
        }
        if matches!(
            head.method,
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS
        ) {
            return Ok(axum::http::Request::from_parts(head, Bytes::new()));
        }
        let announced = head
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > DISCARDED_BYTES_MAX) {
            return Err(too_large(bytes_max));
        }
        let mut body = pin!(collect(body, announced, bytes_max));
        // Most bodies have come with their heads: the timer is begun only for one that has not.
        let body = match poll_fn(|context| Poll::Ready(body.as_mut().poll(context))).await {
            Poll::Ready(body) => body,
            Poll::Pending => {
                let deadline = time::sleep(Duration::from_millis(BODY_DEADLINE_MS));
                match turn.lend(select(body, pin!(deadline))).await {
                    Either::Left((body, _)) => body,
                    Either::Right(((), _)) => {
                        Err(BODY_TOO_SLOW.with(format!("the body must arrive within {BODY_DEADLINE_MS} ms")))
                    }
                }
            }
        };
        Ok(axum::http::Request::from_parts(head, body?.into()))
    }
}

async fn collect(request: types::Request, announced: Option<usize>, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let (_done, done) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = types::Request::consume_body(request, done);
    let mut body = Vec::with_capacity(announced.unwrap_or(READ_BYTES).min(READ_BYTES));
    let mut length = 0;
    // A body that is there whole needs no further look, which would wait for its end.
    while announced != Some(length) && length <= DISCARDED_BYTES_MAX {
        if body.len() == body.capacity() {
            body.reserve(READ_BYTES);
        }
        let before = body.len();
        let (result, read) = stream.read(body).await;
        body = read;
        length += body.len() - before;
        if length > bytes_max {
            body.clear();
        }
        if !matches!(result, StreamResult::Complete(_)) {
            // The trailers say whether that was all of the body.
            if trailers.await.is_err() {
                return Err(BODY_INCOMPLETE.with("the connection or the transfer coding broke off within the body"));
            }
            break;
        }
    }
    if length > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(body)
}

fn too_large(bytes_max: usize) -> Problem {
    BODY_TOO_LARGE.with(format!("a body may have {bytes_max} bytes"))
}
