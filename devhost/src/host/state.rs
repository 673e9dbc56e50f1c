//! State of one instance of a component.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::outbound_http::NoOutboundHttp;
use super::output::Output;
use crate::app::Component;

pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound_http: NoOutboundHttp,
    /// The open streams, requests and Redis connections.
    pub(crate) table: ResourceTable,
    pub(crate) component: Arc<Component>,
}

impl State {
    /// An instance without files or sockets.
    pub(crate) fn new(component: &Arc<Component>, stdout: Output, stderr: Output) -> Self {
        let environment: Vec<_> = component.environment.iter().collect();
        let wasi = WasiCtx::builder()
            .envs(&environment)
            .stdout(stdout)
            .stderr(stderr)
            .build();
        Self {
            wasi,
            http: WasiHttpCtx::new(),
            outbound_http: NoOutboundHttp::new(&component.id),
            table: ResourceTable::new(),
            component: Arc::clone(component),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outbound_http,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}
