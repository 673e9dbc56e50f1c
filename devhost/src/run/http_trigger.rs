//! The HTTP trigger.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use wasmtime_wasi_http::WasiBody;

use super::Components;
use super::instances::{InstanceSource, Instances};
use crate::app::{Route, Router};
use crate::output::{print, print_error};

/// Connections at the same time; more wait until one of them ends.
const CONNECTIONS_MAX: usize = 4_096;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Answered by the host before any route.
const WELL_KNOWN_PREFIX: &str = "/.well-known/spin/";

pub(crate) struct Server {
    routes: Router<String>,
    instances: BTreeMap<String, Instances>,
}

impl Server {
    pub(crate) fn new(routes: Router<String>, components: &Components) -> Result<Self> {
        let mut instances = BTreeMap::new();
        for (_, id) in routes.iter() {
            let source = InstanceSource::new(&components[id])
                .map_err(anyhow::Error::from)
                .with_context(|| format!("component {id} has an HTTP trigger and no HTTP handler"))?;
            instances.insert(id.clone(), Instances::new(source));
        }
        Ok(Self { routes, instances })
    }

    /// Serves as long as it is polled. Spin ends when a connection cannot be accepted, where this waits and goes on.
    pub(crate) async fn serve(self, listener: TcpListener) -> Result<()> {
        let address = listener.local_addr()?;
        print(format_args!("\nServing http://{address}"));
        print("Available Routes:");
        for (route, id) in self.routes.iter() {
            print(format_args!("  {id}: http://{address}{route}"));
        }
        let server = Arc::new(self);
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut has_failed = false;
        loop {
            let place = Arc::clone(&free).acquire_owned().await?;
            let (connection, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly no file descriptor is left, and some client's end gives one back.
                    if !std::mem::replace(&mut has_failed, true) {
                        print_error(format_args!(
                            "cannot accept an HTTP connection, and goes on trying: {error}"
                        ));
                    }
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    continue;
                }
            };
            has_failed = false;
            // TCP_NODELAY stays off, as in Spin: a component that sends its body late after its head has to show the
            // same 40 ms here.
            tokio::spawn(Arc::clone(&server).serve_connection(connection, client, place));
        }
    }

    async fn serve_connection(
        self: Arc<Self>,
        connection: TcpStream,
        client: SocketAddr,
        _place: OwnedSemaphorePermit,
    ) {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(server.answer(request, client).await) }
        });
        // No timer for a request's head: with one, hyper sends one of twenty answers in two parts, 40 ms apart.
        // An error means that the client went away or does not speak HTTP.
        let _ = Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(connection), service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Response<WasiBody> {
        if let Some(name) = request.uri().path().strip_prefix(WELL_KNOWN_PREFIX) {
            return match name {
                "health" => respond(StatusCode::OK, "OK"),
                _ => respond(StatusCode::NOT_FOUND, ""),
            };
        }
        let Some((route, id)) = self.routes.find(request.uri().path()) else {
            return respond(StatusCode::NOT_FOUND, "");
        };
        let request = match prepare(request, route, client) {
            Ok(request) => request,
            Err(reason) => return respond(StatusCode::BAD_REQUEST, reason),
        };
        match self.instances[id].handle((), request).await {
            Ok(response) => response,
            Err(error) => {
                print_error(format_args!("component {id}: no answer to a request: {error:#}"));
                respond(StatusCode::INTERNAL_SERVER_ERROR, "")
            }
        }
    }
}

/// The request for a component: with a whole URI, and with Spin's headers about the route.
fn prepare(request: Request<Incoming>, route: &Route, client: SocketAddr) -> Result<Request<WasiBody>, &'static str> {
    let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let target = request.uri();
    let host = match request.headers().get(HOST) {
        Some(value) => Authority::try_from(value.as_bytes()).map_err(|_| "the Host header is no host")?,
        None => match target.authority() {
            Some(authority) => authority.clone(),
            // HTTP/1.0 has no Host header.
            None if request.version() <= Version::HTTP_10 => Authority::from_static("localhost"),
            None => return Err("the request has no Host header"),
        },
    };
    let path_and_query = target
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(host)
        .path_and_query(path_and_query)
        .build()
        .map_err(|_| "the request's target is no path")?;

    let path = uri.path().to_owned();
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    for (name, value) in [
        ("spin-path-info", route.path_info(&path)),
        ("spin-full-url", &uri.to_string()),
        ("spin-matched-route", route.written()),
        ("spin-base-path", "/"),
        ("spin-raw-component-route", route.written()),
        ("spin-component-route", route.prefix()),
        ("spin-client-addr", &client.to_string()),
    ] {
        // Spin too leaves out a value that no header can hold.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(name, value);
        }
    }
    *request.uri_mut() = uri;
    Ok(request)
}

fn respond(status: StatusCode, text: &'static str) -> Response<WasiBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    *response.status_mut() = status;
    response
}
