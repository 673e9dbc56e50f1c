//! Requests in, answers out.
//!
//! Spin's listener does not set `TCP_NODELAY`, so an answer whose head and body leave in two segments waits for the
//! client's delayed acknowledgement: 44 ms. Both leave together because an answer with a whole body
//! - has its body ready when its head is sent;
//! - is returned right after a yield. Spin's thread then comes afresh to the instance, and afterwards sends the answer
//!   itself. At the end of a longer chain of wakes, tokio passes the sending on to another thread, which may find the
//!   head before the body is there: seen in one of twenty answers to requests with two Redis commands.
//! - is the only one that its instance is making.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::response::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::future::{Either, select};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use spin_sdk::http::Request;
use spin_sdk::wasip3::http::types;
use spin_sdk::wasip3::{wit_future, wit_stream};
use spin_sdk::wit_bindgen::{FutureReader, StreamReader};
use spin_sdk::{time, wit_bindgen};
use tower_service::Service;

use crate::auth;
use crate::deadline;
use crate::problem::{
    BODY_INCOMPLETE, BODY_TOO_LARGE, BODY_TOO_SLOW, INTERNAL, METHOD_NOT_ALLOWED, Problem, UNKNOWN_ROUTE,
};
use crate::redis;

/// The largest request body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// A larger body is read up to here before it is refused: a client that is still sending when the connection closes
/// does not see the answer.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a client may take to send its body.
const BODY_DEADLINE_MS: u64 = 10_000;

/// Hands a request to the routes, if its sender may make it, and makes the answer one that leaves at once.
///
/// # Errors
/// When the host refuses the answer, as it does for illegal headers.
pub async fn serve(request: Request, routes: Router) -> Result<types::Response, types::ErrorCode> {
    let turn = Turn::begin();
    let allowed = auth::check(request.method(), request.headers()).await;
    serve_if(allowed, request, routes, turn).await
}

/// The same for routes that change nothing: there is no token to ask for.
///
/// # Errors
/// When the host refuses the answer, as it does for illegal headers.
pub async fn serve_open(request: Request, routes: Router) -> Result<types::Response, types::ErrorCode> {
    let turn = Turn::begin();
    serve_if(Ok(()), request, routes, turn).await
}

async fn serve_if(
    allowed: Result<(), Problem>,
    request: Request,
    mut routes: Router,
    turn: Turn,
) -> Result<types::Response, types::ErrorCode> {
    // The body is read in any case: a client that is still sending when the connection closes does not see the answer.
    let response = match (allowed, read(request, BODY_BYTES_MAX).await) {
        (Ok(()), Ok(request)) => match deadline::share(routes.call(request)).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        (Err(problem), _) | (Ok(()), Err(problem)) => problem.into_response(),
    };
    answer(response, turn).await
}

/// The routes with answers for unknown paths and methods that are problems too.
pub fn routes(routes: Router) -> Router {
    routes
        .fallback(async |method: Method, uri: axum::http::Uri| {
            UNKNOWN_ROUTE.with(format!("no route {method} {}", uri.path()))
        })
        .method_not_allowed_fallback(async |method: Method, uri: axum::http::Uri| {
            METHOD_NOT_ALLOWED.with(format!("{} does not take {method}", uri.path()))
        })
}

/// `GET /<service>/healthz`: whether the component and its Redis answer.
///
/// # Errors
/// 503 when Redis does not.
pub async fn health() -> Result<Response, Problem> {
    redis::command("PING", [""; 0]).await?;
    let status = "ok".to_owned();
    Ok(json(StatusCode::OK, &Health { status }))
}

/// What `GET /<service>/healthz` answers when all is well.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: String,
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => json_text(status, text),
        Err(error) => INTERNAL.with(error.to_string()).into_response(),
    }
}

/// An answer with a body that is JSON already.
pub fn json_text(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body).into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &self);
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static(auth::SCHEME);
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// One request at a time per instance, as long as this value lives: others wait, or go to another instance.
pub(crate) struct Turn;

impl Turn {
    pub(crate) fn begin() -> Self {
        wit_bindgen::backpressure_inc();
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        wit_bindgen::backpressure_dec();
    }
}

/// The request with its body read whole, within so many bytes and [`BODY_DEADLINE_MS`].
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<axum::http::Request<Body>, Problem> {
    let (parts, body) = request.into_parts();
    // What a path names is text; the router would answer this in words of its own.
    if percent_decode_str(parts.uri.path()).decode_utf8().is_err() {
        return Err(UNKNOWN_ROUTE.with("the path is not UTF-8 once its percent signs are decoded"));
    }
    if matches!(
        parts.method,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS
    ) {
        return Ok(axum::http::Request::from_parts(parts, Body::empty()));
    }
    let announced = parts
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
            match select(body, pin!(deadline)).await {
                Either::Left((body, _)) => body,
                Either::Right(((), _)) => {
                    Err(BODY_TOO_SLOW.with(format!("the body must arrive within {BODY_DEADLINE_MS} ms")))
                }
            }
        }
    };
    Ok(axum::http::Request::from_parts(parts, Body::from(body?)))
}

async fn collect(
    mut body: impl HttpBody<Data = Bytes> + Unpin,
    announced: Option<usize>,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let mut read = BytesMut::new();
    let mut length = 0;
    // A body that is there whole needs no further look, which would wait for its end.
    while announced != Some(length)
        && let Some(frame) = body.frame().await
    {
        let Ok(frame) = frame else {
            return Err(BODY_INCOMPLETE.with("the connection or the transfer coding broke off within the body"));
        };
        if let Some(data) = frame.data_ref() {
            length += data.len();
            if length <= bytes_max {
                read.extend_from_slice(data);
            } else if length > DISCARDED_BYTES_MAX {
                break;
            }
        }
    }
    if length > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(read.freeze())
}

fn too_large(bytes_max: usize) -> Problem {
    BODY_TOO_LARGE.with(format!("a body may have {bytes_max} bytes"))
}

pub(crate) async fn answer(response: Response, turn: Turn) -> Result<types::Response, types::ErrorCode> {
    let (mut parts, body) = response.into_parts();
    if body.size_hint().exact().is_none() {
        return stream(parts, body, turn);
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(types::ErrorCode::InternalError(Some(error.to_string()))),
    };
    if parts.status != StatusCode::NO_CONTENT {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    wit_bindgen::yield_async().await;
    let (mut writer, reader) = wit_stream::new();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let response = head(&parts, reader, trailers)?;
    let mut write: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        // A client that went away wants no body: what could not be written is of no use.
        let _ = writer.write_all(body.to_vec()).await;
        drop(writer);
        let _ = trailers_writer.write(Ok(None)).await;
        drop(turn);
    });
    // Begun here, before the head is returned, so that the host finds the body beside the head.
    let written = poll_fn(|context| Poll::Ready(write.as_mut().poll(context).is_ready())).await;
    if !written {
        wit_bindgen::spawn(write);
    }
    Ok(response)
}

/// An answer whose body takes its time, so it does not keep its turn.
fn stream(parts: Parts, mut body: Body, turn: Turn) -> Result<types::Response, types::ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let response = head(&parts, reader, trailers)?;
    wit_bindgen::spawn(async move {
        drop(turn);
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            // A client that went away takes nothing more.
            if !writer.write_all(data.to_vec()).await.is_empty() {
                break;
            }
        }
        drop(writer);
        let _ = trailers_writer.write(Ok(None)).await;
    });
    Ok(response)
}

fn head(
    parts: &Parts,
    body: StreamReader<u8>,
    trailers: FutureReader<Result<Option<types::Trailers>, types::ErrorCode>>,
) -> Result<types::Response, types::ErrorCode> {
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let headers =
        types::Fields::from_list(&headers).map_err(|error| types::ErrorCode::InternalError(Some(error.to_string())))?;
    let (response, _sent) = types::Response::new(headers, Some(body), trailers);
    response
        .set_status_code(parts.status.as_u16())
        .map_err(|()| types::ErrorCode::InternalError(Some("the status code is not legal".to_owned())))?;
    Ok(response)
}
