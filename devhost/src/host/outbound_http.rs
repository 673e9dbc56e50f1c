//! Outbound HTTP, which devhost does not offer. Since no manifest can allow it here, every request is denied, as by Spin.

use hyper::Request;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Denies every outgoing request, with a line on standard error.
pub(crate) struct NoOutboundHttp {
    component: String,
}

impl NoOutboundHttp {
    pub(crate) fn new(component: &str) -> Self {
        Self {
            component: component.to_owned(),
        }
    }
}

/// Resolves when a request or response is fully processed.
type Processed = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for NoOutboundHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Processed,
    ) -> Box<dyn Future<Output = Result<(hyper::Response<WasiBody>, Processed), Error>> + Send> {
        crate::output::print_error(format_args!(
            "component {}: an HTTP request to {} was denied: devhost makes none; run the app with `spin up`",
            self.component,
            request.uri()
        ));
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
