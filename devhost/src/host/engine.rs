//! Compiles components.

use std::sync::Arc;

use anyhow::{Context, Result};
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use super::bindings::{redis, variables};
use super::output::Output;
use super::redis::{RedisHost, RedisView};
use super::state::State;
use super::variables::VariablesHost;
use crate::app::Component;
use crate::output::print_error;

/// Instances at once, of all components; Spin's default.
const INSTANCES_MAX: u32 = 1_000;
/// Memory of an ended instance that is cleared and stays mapped; Spin's default.
const MEMORY_KEPT_BYTES: usize = 2 * 1024 * 1024;
/// The same for tables.
const TABLE_KEPT_BYTES: usize = 512 * 1024;

/// The compiler and the interfaces that a component may import.
pub(crate) struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<State>,
}

impl Engine {
    pub(crate) fn new() -> Result<Self> {
        let engine = engine()?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        redis::add_to_linker::<_, RedisHost>(&mut linker, |state: &mut State| RedisView {
            table: &mut state.table,
            component: &state.component,
        })?;
        variables::add_to_linker::<_, VariablesHost>(&mut linker, |state: &mut State| &*state.component)?;
        Ok(Self { engine, linker })
    }

    /// Compiles a component or takes it from the cache, and checks its imports.
    pub(crate) fn load(&self, component: Component, stdout: Output, stderr: Output) -> Result<LoadedComponent> {
        let compiled = wasmtime::component::Component::from_file(&self.engine, &component.wasm)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{} is no WebAssembly component", component.wasm.display()))?;
        let instance_pre = self
            .linker
            .instantiate_pre(&compiled)
            .map_err(anyhow::Error::from)
            .with_context(|| {
                let wasm = component.wasm.display();
                format!("{wasm} imports something that devhost does not offer; run the app with `spin up`")
            })?;
        Ok(LoadedComponent {
            declared: Arc::new(component),
            instance_pre,
            stdout,
            stderr,
        })
    }
}

pub(crate) struct LoadedComponent {
    declared: Arc<Component>,
    pub(crate) instance_pre: InstancePre<State>,
    stdout: Output,
    stderr: Output,
}

impl LoadedComponent {
    pub(crate) fn id(&self) -> &str {
        &self.declared.id
    }

    /// An empty store for one instance.
    pub(crate) fn store(&self) -> Store<State> {
        let state = State::new(&self.declared, self.stdout.clone(), self.stderr.clone());
        Store::new(self.instance_pre.engine(), state)
    }
}

fn engine() -> Result<wasmtime::Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    match Cache::new(CacheConfig::new()) {
        Ok(cache) => {
            config.cache(Some(cache));
        }
        Err(error) => print_error(format_args!(
            "without a cache, every start compiles the components anew: {error:#}"
        )),
    }

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(4 * INSTANCES_MAX)
        .total_memories(INSTANCES_MAX)
        .total_tables(2 * INSTANCES_MAX)
        .total_stacks(INSTANCES_MAX)
        .table_elements(100_000)
        .linear_memory_keep_resident(MEMORY_KEPT_BYTES)
        .table_keep_resident(TABLE_KEPT_BYTES);
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    // The pool reserves terabytes of address space, which some machines do not grant. Without it instances are only
    // slower to make.
    Ok(wasmtime::Engine::new(&pooled).or_else(|_| wasmtime::Engine::new(&config))?)
}
