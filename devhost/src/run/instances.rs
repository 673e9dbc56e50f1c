//! Instances that HTTP requests share, as with Spin.
//!
//! An instance takes another request only while it waits for I/O and its guest exerts no backpressure. wasmtime's
//! [`ProxyHandler`] decides when, and makes a new instance when none is free.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ProxyHandler, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::host::{LoadedComponent, State};
use crate::output::print_error;

/// Requests that one instance serves in its life. Spin's default is 128, but each new instance opens a new connection
/// to Redis: with 128 the p99 is half as high again.
pub(crate) const REQUESTS_MAX: usize = 1_024;
/// Requests of one instance at once.
const CONCURRENT_REQUESTS_MAX: usize = 16;
/// Time that an idle instance waits for its next request.
const IDLE_MS: u64 = 1_000;

/// The instances of one component.
pub(crate) type Instances = ProxyHandler<InstanceSource>;

pub(crate) struct InstanceSource {
    component: Arc<LoadedComponent>,
    service: ServicePre<State>,
}

impl InstanceSource {
    /// Fails if the component has no HTTP handler.
    pub(crate) fn new(component: &Arc<LoadedComponent>) -> wasmtime::Result<Self> {
        Ok(Self {
            component: Arc::clone(component),
            service: ServicePre::new(component.instance_pre.clone())?,
        })
    }
}

impl HandlerState for InstanceSource {
    type StoreData = State;
    type WorkerExpiration = IdleLimit;
    type WorkerState = ReuseLimits;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, IdleLimit, ReuseLimits>> {
        let mut store = self.component.store();
        let service = self.service.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: |state| state.http(),
            expiration: IdleLimit::new(),
            state: ReuseLimits {
                component: self.component.id().to_owned(),
            },
        })
    }
}

/// Ends an instance that was idle for too long. While requests run there is no limit, as with Spin.
pub(crate) struct IdleLimit {
    timer: Pin<Box<Sleep>>,
}

impl IdleLimit {
    fn new() -> Self {
        Self {
            timer: Box::pin(sleep(Duration::from_millis(IDLE_MS))),
        }
    }
}

impl WorkerExpiration for IdleLimit {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, since: Instant) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let deadline = (since + Duration::from_millis(IDLE_MS)).into();
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(context)
    }
}

/// Decides if an instance may take another request.
pub(crate) struct ReuseLimits {
    component: String,
}

impl WorkerState for ReuseLimits {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_MAX {
            ShouldAccept::Never
        } else if concurrent >= CONCURRENT_REQUESTS_MAX {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        // A request has no deadline: the end of this future would end it.
        Box::pin(pending())
    }

    fn drop(&self, _: Store<State>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            print_error(format_args!(
                "component {}: an instance failed: {error:#}",
                self.component
            ));
        }
    }
}
