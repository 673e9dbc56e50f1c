//! Responses, sent so that head and body leave together.
//!
//! Spin's listener does not set `TCP_NODELAY`, so a response whose head and body leave in two segments waits for the
//! client's delayed acknowledgement: 44 ms. Both leave together because a response with a whole body
//! - has its body ready when its head is sent;
//! - is returned right after a yield. Spin's thread then comes afresh to the instance, and afterwards sends the response
//!   itself. At the end of a longer chain of wakes, tokio passes the sending on to another thread, which may find the
//!   head before the body is there: seen in one of twenty responses to requests with two Redis commands.
//! - is the only one that its instance is making. With sixteen at a time, one of a hundred responses took 40 ms on two to
//!   eight connections.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use axum::body::{Body, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::response::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::envelope::to_json;
use http_body_util::BodyExt;
use serde::Serialize;
use spin_sdk::wasip3::http::types;
use spin_sdk::wasip3::{wit_future, wit_stream};
use spin_sdk::wit_bindgen::{self, FutureReader, StreamReader};

use crate::web::auth;
use crate::web::problem::Problem;

/// A response with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    json_text(status, to_json(body))
}

/// A response with a body that is JSON already.
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

/// Keeps an instance to one request as long as this value lives: others wait, or go to another instance.
pub(crate) struct Turn {
    is_held: bool,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        wit_bindgen::backpressure_inc();
        Self { is_held: true }
    }

    /// Lets others in while the request waits for its client.
    pub(crate) async fn lend<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.end();
        let outcome = wait.await;
        wit_bindgen::backpressure_inc();
        self.is_held = true;
        outcome
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_held) {
            wit_bindgen::backpressure_dec();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a response to the client.
pub(crate) async fn send(response: Response, turn: Turn) -> Result<types::Response, types::ErrorCode> {
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
        // The response to HEAD has the length of GET's body, and no body of another length may come with it.
        return head(&parts, None, trailers);
    }
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    wit_bindgen::yield_async().await;
    let (mut writer, reader) = wit_stream::new();
    let response = head(&parts, Some(reader), trailers)?;
    let mut write: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        // A client that went away takes no body.
        let _ = writer.write_all(body.to_vec()).await;
        drop(writer);
        let _ = trailers_writer.write(Ok(None)).await;
        drop(turn);
    });
    // Begun before the head is returned, so that the host finds the body beside the head.
    let written = poll_fn(|context| Poll::Ready(write.as_mut().poll(context).is_ready())).await;
    if !written {
        wit_bindgen::spawn(write);
    }
    Ok(response)
}

/// A response whose body takes its time, so others may be served meanwhile.
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
    // 200 is the host's default.
    if parts.status != StatusCode::OK {
        response
            .set_status_code(parts.status.as_u16())
            .map_err(|()| types::ErrorCode::InternalError(Some("the status code is not legal".to_owned())))?;
    }
    Ok(response)
}
