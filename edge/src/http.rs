//! From a request to its answer.
//!
//! Spin's listener does not set `TCP_NODELAY`, so an answer whose head and body leave in two segments waits for the
//! client's delayed acknowledgement: 44 ms. Both leave together because an answer with a whole body
//! - has its body ready when its head is sent;
//! - is returned right after a yield. Spin's thread then comes afresh to the instance, and afterwards sends the answer
//!   itself. At the end of a longer chain of wakes, tokio passes the sending on to another thread, which may find the
//!   head before the body is there: seen in one of twenty answers to requests with two Redis commands.
//! - is the only one that its instance is making. With sixteen at a time, one of a hundred answers took 40 ms on two to
//!   eight connections.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::response::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use spin_sdk::wasip3::http::types;
use spin_sdk::wasip3::{wit_future, wit_stream};
use spin_sdk::wit_bindgen::{self, FutureReader, StreamReader};
use tower_service::Service;

use crate::auth;
use crate::deadline::{self, REQUEST_MS};
use crate::problem::{INTERNAL, METHOD_NOT_ALLOWED, Problem, UNKNOWN_ROUTE};
use crate::redis;
use crate::request::{BODY_BYTES_MAX, Request};

/// Hands a request to the routes, if its sender may make it, and makes the answer one that leaves at once.
///
/// # Errors
/// When the host refuses the answer, as it does for illegal headers.
pub async fn serve(request: Request, routes: Router) -> Result<types::Response, types::ErrorCode> {
    let turn = Turn::begin();
    let allowed = auth::check(&request.head.method, &request.head.headers).await;
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
    let response = match (allowed, request.read(BODY_BYTES_MAX).await) {
        (Ok(()), Ok(request)) => match deadline::share(REQUEST_MS, routes.call(request.map(Body::from))).await {
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

pub(crate) async fn answer(response: Response, turn: Turn) -> Result<types::Response, types::ErrorCode> {
    let (mut parts, body) = response.into_parts();
    if body.size_hint().exact().is_none() {
        return stream(parts, body, turn);
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(types::ErrorCode::InternalError(Some(error.to_string()))),
    };
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        parts.headers.remove(CONTENT_LENGTH);
    }
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        // To HEAD, with the length that the body of GET has: no body of another length may come with it.
        return head(&parts, None, trailers);
    }
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    wit_bindgen::yield_async().await;
    let (mut writer, reader) = wit_stream::new();
    let response = head(&parts, Some(reader), trailers)?;
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
    let response = head(&parts, Some(reader), trailers)?;
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
    body: Option<StreamReader<u8>>,
    trailers: FutureReader<Result<Option<types::Trailers>, types::ErrorCode>>,
) -> Result<types::Response, types::ErrorCode> {
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let headers =
        types::Fields::from_list(&headers).map_err(|error| types::ErrorCode::InternalError(Some(error.to_string())))?;
    let (response, _sent) = types::Response::new(headers, body, trailers);
    // What it is anyway need not be said.
    if parts.status != StatusCode::OK {
        response
            .set_status_code(parts.status.as_u16())
            .map_err(|()| types::ErrorCode::InternalError(Some("the status code is not legal".to_owned())))?;
    }
    Ok(response)
}
